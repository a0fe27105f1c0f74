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
from tests.faults.world import STRUCK, WELL, World
from tests.integration.many import failures

LASTS = 6.0  # seconds, in which a poll begins and has made all its attempts; and until it has struck
STRIKES_WITHIN = 15.0
WELL_WITHIN = 120.0
EVENTS = 3
BY_NAME = {fault.name: fault for fault in FAULTS}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell. `well_after` is in seconds from the fault's end, `beside` from an
    event of somebody else during it.

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
        return well.id in request.target

    return is_spared


async def run(world: World, edge: str, fault: Fault, lasts: float = LASTS) -> Outcome:
    """Let a fault befall an edge, and see."""
    proxy, names, line = world.edges.proxies[edge], world.edges.names, len(world.lines)
    misses = names.misses(proxy)

    def strikes() -> int:
        return proxy.strikes + names.misses(proxy) - misses

    times = [await world.fail(STRUCK)]
    await world.settled(STRUCK, times, within=WELL_WITHIN)
    await proxy.begin(fault, sparing=sparing(edge, world.instances[WELL]))
    began = time.monotonic()
    times.append(await world.fail(STRUCK))
    beside = asyncio.create_task(_beside(world, edge, fault))
    await asyncio.sleep(lasts)
    while fault.listens and not strikes() and time.monotonic() < began + STRIKES_WITHIN:  # noqa: ASYNC110 - a file tells it
        await asyncio.sleep(0.05)
    during, struck = await world.heard(STRUCK, times, within=0), strikes()
    await proxy.end()
    ended = time.monotonic()
    times.append(await world.fail(STRUCK))
    is_well = await world.heard(STRUCK, times, within=WELL_WITHIN)
    well_after = round(time.monotonic() - ended, 1) if is_well else None
    if is_well:  # what comes twice has come by then
        await world.settled(STRUCK, times, within=WELL_WITHIN)
    taken = world.taken(STRUCK, times)
    ids = [call.event["id"] for call in taken]
    bodies = {(call.event["id"], call.body) for call in taken}
    return Outcome(
        edge=edge,
        fault=fault.name,
        strikes=struck,
        lost=len(times) - len(set(ids)),
        twice=len(ids) - len(set(ids)),
        changed=len(bodies) - len(set(ids)),
        during=during,
        well_after=well_after,
        beside=await beside,
        failed=dict(world.failures(line)),
        attempts=max((each["attempts"] for each in await world.deliveries(STRUCK, times)), default=0),
        secrets=len(world.told()),
    )


async def _beside(world: World, edge: str, fault: Fault) -> float | None:
    """How long what is beside the fault takes for an event of its own; 0 where nothing is beside it."""
    if edge in {QUEUE, TABLE}:
        return 0.0
    start = time.monotonic()
    if edge == CALLBACK or (edge == API and fault.spares_connections):
        at = await world.fail(WELL)
    else:
        event = failures(world.instances[WELL], 1, name=f"{edge} {fault.name}")[0]
        await world.enqueue(event)
        at = event.time
    is_heard = await world.heard(WELL, [at], within=WELL_WITHIN)
    return round(time.monotonic() - start, 1) if is_heard else None


async def ended_well(world: World, outcomes: Sequence[Outcome]) -> Sequence[str]:
    """What is wrong at the end of all: repeats that came late, dead letters, secrets that were stored."""
    await asyncio.sleep(world.visibility)
    ids = [call.event["id"] for call in world.stack.flows.of(STRUCK) if call.accepted]
    repeats = len(ids) - len(set(ids))
    letters = (await world.stack.call("GET", "/dead-letters")).json()["value"]
    troubles = [f"a dead letter: {letter['reason']}" for letter in letters]
    troubles += [f"stored or published: {secret}" for secret in await world.stored()]
    if repeats != (told := sum(each.twice for each in outcomes)):
        troubles.append(f"{repeats} repeats, of which {told} came in time")
    return troubles
