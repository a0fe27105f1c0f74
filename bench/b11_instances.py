"""B11: many instances, each call of which takes a while, beside the same calls made by bare aiohttp."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from time import perf_counter
from typing import Final, override

import aiohttp

from bench.benchmark import LIMIT, OURS, Bar, Benchmark, Count, Sides, Took
from bench.polled import calls_to
from local.child import Child
from shared.domain.rules import AnyRule
from shared.domain.triggers import Trigger
from shared.insights.client import InsightsClient
from shared.usecases.poll import REFRESHES, THRESHOLDS
from shared.usecases.poll_many import AT_ONCE
from tests.fakes import CheckpointStoreFake, ClockFake, PollStoreFake, PublisherFake, SubscriptionStoreFake
from tests.usecases.polling import worker_of

_FEW: Final = 200
_MANY: Final = 1_000
_SECONDS: Final = 0.05
_CALLS: Final = 5
_WITHIN: Final = 60.0  # seconds, for a server to start


class _Nobody(SubscriptionStoreFake):
    """No subscriptions, which is known without a look into any table."""

    @override
    async def rules(self, trigger: Trigger, instance_id: str) -> Sequence[AnyRule]:
        return ()


class _Tenant:
    """So many instances, which somebody serves at an address."""

    def __init__(self, address: str, count: int) -> None:
        self._address, self._count = address, count
        self._calls = calls_to(address)
        self._polls = PollStoreFake()
        self._worker = worker_of(
            insights=InsightsClient(self._calls),
            checkpoints=CheckpointStoreFake(),
            subscriptions=_Nobody(),
            publisher=PublisherFake(),
            polls=self._polls,
            clock=ClockFake(),
            inline_max=count,
        )

    async def ours(self) -> float:
        """Poll all families of all instances."""
        begun = perf_counter()
        await self._worker.poll(REFRESHES)
        await self._worker.poll(THRESHOLDS)
        return perf_counter() - begun

    async def limit(self) -> tuple[float, Count]:
        """Make the same calls in the same order, for as many instances at once."""
        lanes, made = asyncio.Semaphore(AT_ONCE), 0
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def call(path: str) -> None:
                nonlocal made
                async with session.get(f"{self._address}/{path}") as answer:
                    await answer.read()
                made += path != "instances"

            async def refreshes(instance: int) -> None:
                async with lanes:
                    await call(f"instances/{instance}/manage/datasources")
                    workflow = f"instances/{instance}/workflows/main"
                    await asyncio.gather(call(f"{workflow}/status"), call(f"{workflow}/jobs"))

            async def thresholds(instance: int) -> None:
                async with lanes:
                    await call(f"instances/{instance}/manage/segments")
                    await call(f"instances/{instance}/manage/measures")

            begun = perf_counter()
            for part in (refreshes, thresholds):
                await call("instances")
                await asyncio.gather(*(part(instance) for instance in range(self._count)))
            return perf_counter() - begun, Count(made, _CALLS * self._count)

    @property
    def polled(self) -> Count:
        """How many families of instances have been polled."""
        rows = [key for key in self._polls.rows if key[0] != "*"]
        return Count(len(rows), len(REFRESHES + THRESHOLDS) * self._count)

    def close(self) -> None:
        """Close its connections."""
        self._calls.close()


@asynccontextmanager
async def _serving(count: int) -> AsyncIterator[_Tenant]:
    server = await Child.start(sys.executable, "-m", "bench.serving", str(count), str(_SECONDS))
    try:
        address = await server.wait_for_line(r"serving at (\S+)", within=_WITHIN)
        tenant = _Tenant(address[1], count)
        await tenant.ours()  # from now on all is as it was
        yield tenant
        tenant.close()
    finally:
        await server.stop()


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    async with AsyncExitStack() as stack:
        few = await stack.enter_async_context(_serving(10 if short else _FEW))
        many = few if short else await stack.enter_async_context(_serving(_MANY))
        # So many take a quarter of a minute: each side has one turn at them.
        first = {OURS, LIMIT}

        async def ours() -> Took:
            figures, counts = {"": await few.ours()}, {"polls": few.polled}
            if OURS in first:
                first.remove(OURS)
                figures["of 1,000"], counts["polls of 1,000"] = await many.ours(), many.polled
            return Took(figures, counts)

        async def limit() -> Took:
            seconds, calls = await few.limit()
            figures, counts = {"": seconds}, {"calls": calls}
            if LIMIT in first:
                first.remove(LIMIT)
                figures["of 1,000"], counts["calls of 1,000"] = await many.limit()
            return Took(figures, counts)

        yield {OURS: ours, LIMIT: limit}


BENCHMARK = Benchmark(
    number="B11",
    title="Many environments",
    work="a poll of 200 environments, 5 calls each that take 50 ms",
    unit="s",
    bars=(
        Bar("at least 0.9 of what bare aiohttp does", LIMIT, OURS, least=0.9),
        Bar("the same for 1,000 environments", f"{LIMIT} of 1,000", f"{OURS} of 1,000", least=0.9),
    ),
    sides=_sides,
)
