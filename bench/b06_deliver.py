"""B6: how fast are deliveries made, from the queue to the recorded outcome?

The code alone, with storage in memory, beside bare aiohttp that posts the same bytes. Then the whole on Azurite beside
job queues of others, and beside the storage calls alone that its guarantees need, made with the same SDK.

Azurite's garbage collector stands still after some thousand messages, so a turn has an Azurite of its own and no more
than a few hundred deliveries. No side makes all 20,000 in a turn: its figures are scaled to them.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import aiohttp

from bench.benchmark import Bar, Benchmark, Count, MissingError, Sides, Took, Turn
from bench.delivering import AT_ONCE, FLOWS, InMemory, each, events, flow_url, logged_to_nobody, messages, subscriptions
from bench.on_azurite import Storage, delivered, on_azurite, stored
from bench.peers import HERE, node_peer, python_peer
from bench.receiver import Receiver, receiving
from bench.servers import postgresql, redis
from local.node import find_node
from shared.domain.events.envelope import Event

_EVENTS: Final = 1_000
_SHORT: Final = 5
# How many of them a turn delivers.
_MANY: Final = 300
_ON_AZURITE: Final = 15
_OF_DJANGO: Final = 5
_RELAYS: Final = AT_ONCE
_PACKAGES: Final = ("django-outbound-webhooks==0.4.0", "psycopg[binary]==3.3.9")

ON_AZURITE: Final = "ours on Azurite"
STORAGE_ALONE: Final = "storage calls alone"
BULLMQ: Final = "BullMQ"
OUTBOUND_WEBHOOKS: Final = "django-outbound-webhooks"


@dataclass(frozen=True, slots=True)
class Work:
    """So many events for each of the flows, and where these are."""

    receiver: Receiver
    events: Sequence[Event]

    @property
    def deliveries(self) -> int:
        """How many POSTs they come to."""
        return len(self.events) * FLOWS

    async def took(self, turn: Callable[[], Awaitable[Took]], *, posts: bool = True) -> Took:
        """What a turn took, scaled to the whole, with how many POSTs have come of it: all, or none."""
        before = await self.receiver.count()
        took = await turn()
        count = Count(await self.receiver.count() - before, self.deliveries if posts else 0)
        scale = _EVENTS / len(self.events)
        return Took({what: scale * figure for what, figure in took.figures.items()}, {**took.counts, "POSTs": count})

    def requests(self) -> list[tuple[str, bytes, dict[str, str]]]:
        """Its POSTs, for whoever makes them without us."""
        headers = {"Content-Type": "application/json", "User-Agent": "customer-insights-event-bridge/0"}
        return [
            (flow_url(self.receiver.url, flow), event.encode().encode(), {**headers, "webhook-id": event.id})
            for event in self.events
            for flow in range(FLOWS)
        ]


async def _in_memory(work: Work) -> Took:
    """Ours, with storage in memory."""
    subscribed = subscriptions(work.receiver.url)
    waiting, bridge = messages(work.events, subscribed), InMemory.over(subscribed)
    async with logged_to_nobody():
        begun, cpu = perf_counter(), process_time()
        await each(bridge.deliver, waiting)
        took = {"": perf_counter() - begun, "CPU": process_time() - cpu}
    await bridge.callbacks.close()
    store, count = bridge.deliveries, work.deliveries
    counts = {
        "delivered": Count(store.ended, count),
        "record writes": Count(store.writes, 2 * count),
        "record reads": Count(store.reads, 0),
        "messages": Count(bridge.queue.sent, 0),
    }
    return Took(took, counts)


async def _bare(work: Work) -> Took:
    """Nothing but the POSTs."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def post(request: tuple[str, bytes, dict[str, str]]) -> None:
            url, body, headers = request
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()

        requests = work.requests()
        begun, cpu = perf_counter(), process_time()
        await each(post, requests)
        return Took({"": perf_counter() - begun, "CPU": process_time() - cpu})


async def _on_azurite(work: Work, drain: Callable[[Storage], Awaitable[object]], *, delivers: bool) -> Took:
    subscribed = subscriptions(work.receiver.url)
    async with on_azurite(subscribed, messages(work.events, subscribed)) as storage, logged_to_nobody():
        begun, cpu = perf_counter(), process_time()
        await drain(storage)
        took = {"": perf_counter() - begun, "CPU": process_time() - cpu}
        ended = await storage.delivered()
    return Took(took, {"delivered": Count(ended, work.deliveries)} if delivers else {})


async def _spoken(command: Sequence[str], given: object, folder: Path | None = None) -> Took:
    """Run a peer's script with its work as JSON, and take the time that it prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate(json.dumps(given).encode())
    word, _, seconds = out.decode().strip().rpartition("\n")[2].partition(" ")
    if word != "took":
        raise RuntimeError(f"{command[0]}: {errors.decode()[-2_000:]}")
    return Took({"": float(seconds)})


async def _bullmq(opened: AsyncExitStack, work: Work) -> Turn:
    folder, port = node_peer("bullmq"), await opened.enter_async_context(redis())
    command = [find_node().program, "deliver.mjs", str(port)]
    given = [{"url": url, "body": body.decode(), "headers": headers} for url, body, headers in work.requests()]
    return lambda: work.took(lambda: _spoken(command, given, folder))


async def _outbound_webhooks(opened: AsyncExitStack, work: Work) -> Turn:
    python, url = python_peer("outbound_webhooks", *_PACKAGES), await opened.enter_async_context(postgresql())
    command = [python, str(HERE / "outbound_webhooks" / "deliver.py"), url, str(_RELAYS)]
    urls = [flow_url(work.receiver.url, flow) for flow in range(FLOWS)]
    given = {"urls": urls, "events": [dict(event.data) for event in work.events]}
    return lambda: work.took(lambda: _spoken(command, given))


async def _or_missing(peer: Awaitable[Turn]) -> Turn | MissingError:
    try:
        return await peer
    except MissingError as error:
        return error


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    async with receiving() as receiver, AsyncExitStack() as opened:
        whole = Work(receiver, events(_SHORT if short else _MANY))
        some = Work(receiver, whole.events[:_ON_AZURITE])
        few = Work(receiver, whole.events[:_OF_DJANGO])
        alone: dict[str, Turn | MissingError] = {
            "ours": lambda: whole.took(lambda: _in_memory(whole)),
            "limit": lambda: whole.took(lambda: _bare(whole)),
        }
        if short:
            left_out = MissingError("is left out of the short form")
            yield {**alone, **dict.fromkeys((ON_AZURITE, STORAGE_ALONE, BULLMQ, OUTBOUND_WEBHOOKS), left_out)}
            return
        yield {
            **alone,
            ON_AZURITE: lambda: some.took(lambda: _on_azurite(some, delivered, delivers=True)),
            STORAGE_ALONE: lambda: some.took(lambda: _on_azurite(some, stored, delivers=False), posts=False),
            BULLMQ: await _or_missing(_bullmq(opened, whole)),
            OUTBOUND_WEBHOOKS: await _or_missing(_outbound_webhooks(opened, few)),
        }


BENCHMARK = Benchmark(
    number="B6",
    title="Deliver",
    work="1,000 events for 20 flows: 20,000 POSTs, 64 at a time, from the queue to the recorded outcome",
    unit="s",
    bars=(
        Bar("storage in memory: at least half the rate of bare aiohttp", "ours", "limit", most=2),
        Bar("on Azurite: ahead of django-outbound-webhooks", OUTBOUND_WEBHOOKS, ON_AZURITE, least=1),
        Bar("on Azurite: ahead of BullMQ, whose Redis is in memory", BULLMQ, ON_AZURITE, least=1),
        Bar("or at most twice the CPU of its storage calls", f"{ON_AZURITE} CPU", f"{STORAGE_ALONE} CPU", most=2),
    ),
    sides=_sides,
)
