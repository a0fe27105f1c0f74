"""A cell of the table: one edge, one fault; events before, during and after it, and what became of them."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from local.tenant.model import Instance
from tests.faults.edges import API, CALLBACK, QUEUE, TABLE
from tests.faults.faults import FAULTS
from tests.faults.proxy import Fault, Message
from tests.faults.world import STRUCK, VISIBILITY, WELL, World
from tests.integration.many import failures

LASTS = 5.0  # seconds, in which a poll begins and has made all its attempts; and until it has struck
STRIKES_WITHIN = 15.0
WELL_WITHIN = 120.0
EVENTS = 3
BY_NAME = {fault.name: fault for fault in FAULTS}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell. `well_after` is in seconds from the fault's end, `beside` from an event during it.

    `failed` are the functions whose invocations failed, and how often; `attempts` the most that one delivery took.
    """

    edge: str
    fault: str
    strikes: int
    lost: int
    twice: int
    changed: int
    during: bool
    well_after: float | None
    beside: float | None
    failed: dict[str, int]
    said: dict[str, str]
    attempts: int
    secrets: int

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        return cls(**stored)

    @property
    def told(self) -> str:
        """What the bridge did, and how soon it was well again."""
        if self.failed:
            names = sorted({name.removesuffix("_refreshes") for name in self.failed})
            does = f"{', '.join(names)} fail{'s' if len(names) == 1 else ''}"
        elif self.attempts > 1:
            does = "calls again"
        else:
            does = "goes on" if self.during else "waits"
        after = "never" if self.well_after is None else f"{self.well_after:.1f} s"
        return f"{does}{', comes twice' if self.twice else ''}; {after}"

    def stored(self) -> dict[str, Any]:
        return asdict(self)


def sparing(edge: str, well: Instance) -> Callable[[Message], bool]:
    """Of the API, what the other instance is asked for is spared."""
    if edge != API:
        return lambda _: False

    def is_spared(request: Message) -> bool:
        return well.id in request.target or request.target.endswith("/instances")

    return is_spared


async def run(world: World, edge: str, fault: Fault) -> Outcome:
    """Let a fault befall an edge, and see."""
    proxy, lines, since = world.edges.proxies[edge], len(world.lines), len(world.taken(STRUCK))
    misses = world.edges.names.misses(proxy)
    await world.fail(STRUCK)
    lost_before = not await world.heard(STRUCK, 1, since=since, within=WELL_WITHIN)
    await proxy.begin(fault, sparing=sparing(edge, world.instances[WELL]))
    began = time.monotonic()
    await world.fail(STRUCK)
    beside = asyncio.create_task(_beside(world, edge, fault))

    def strikes() -> int:
        return proxy.strikes + world.edges.names.misses(proxy) - misses

    await asyncio.sleep(LASTS)
    while fault.listens and not strikes() and time.monotonic() < began + STRIKES_WITHIN:  # noqa: ASYNC110 - a file tells it
        await asyncio.sleep(0.05)
    during = await world.heard(STRUCK, 2, since=since, within=0)
    struck = strikes()
    await proxy.end()
    ended = time.monotonic()
    await world.fail(STRUCK)
    is_well = not lost_before and await world.heard(STRUCK, EVENTS, since=since, within=WELL_WITHIN)
    well_after = round(time.monotonic() - ended, 1) if is_well else None
    taken = world.taken(STRUCK, since)
    ids = [call.event["id"] for call in taken]
    bodies = {(call.event["id"], call.body) for call in taken}
    failed = world.failures(lines)
    return Outcome(
        edge=edge,
        fault=fault.name,
        strikes=struck,
        lost=EVENTS - len(set(ids)),
        twice=len(ids) - len(set(ids)),
        changed=len(bodies) - len(set(ids)),
        during=during,
        well_after=well_after,
        beside=await beside,
        failed={name: count for name, (count, _) in failed.items()},
        said={name: words[:200] for name, (_, words) in failed.items()},
        attempts=await world.attempts(STRUCK, ids),
        secrets=len(world.told()),
    )


async def _beside(world: World, edge: str, fault: Fault) -> float | None:
    """How long what is beside the fault takes for an event of its own; None where nothing can be beside it."""
    if edge in {QUEUE, TABLE}:
        return None
    since, start = len(world.taken(WELL)), time.monotonic()
    if edge == CALLBACK or (edge == API and fault.spares_connections):
        await world.fail(WELL)
    else:
        await world.enqueue(failures(world.instances[WELL], 1, name=f"{edge} {fault.name} {start}")[0])
    heard = await world.heard(WELL, 1, since=since, within=WELL_WITHIN)
    return round(time.monotonic() - start, 1) if heard else -1.0


async def ended_well(world: World, outcomes: Sequence[Outcome]) -> Sequence[str]:
    """What is wrong at the end of all: repeats that came late, dead letters, messages that nobody takes."""
    await asyncio.sleep(VISIBILITY)
    ids = [call.event["id"] for call in world.taken(STRUCK)]
    repeats = len(ids) - len(set(ids))
    letters = (await world.stack.call("GET", "/dead-letters")).json()["value"]
    troubles = [f"a dead letter: {letter['reason']}" for letter in letters]
    if repeats != (told := sum(each.twice for each in outcomes)):
        troubles.append(f"{repeats} repeats, of which {told} came in time")
    return troubles
