"""B3: how often is Customer Insights asked, when nothing has happened, and after a night in which everything has?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bench.benchmark import OURS, Bar, Benchmark, Count, Sides, Took
from bench.polled import polled

# Microsoft documents it for its connector: 100 calls a minute for each connection.
_BUDGET: Final = 100
_CONNECTOR: Final = "what the connector may in a minute"
_IDLE: Final = 5
_AFTER_NIGHT: Final = 7


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    async def ours() -> Took:
        async with polled(10) as few, polled(100 if short else 1_000) as many:
            await few.poll()
            await many.poll()
            idle_of_few, idle = await few.calls(), await many.calls()
            await many.pass_a_night()
            after = await many.calls()
        counts = {
            "calls of an idle poll of 10": Count(idle_of_few, _IDLE),
            "calls of an idle poll of 1,000": Count(idle, _IDLE),
            "calls after a night": Count(after, _AFTER_NIGHT),
        }
        return Took({"": idle, "after a night": after}, counts)

    async def connector() -> float:
        return _BUDGET

    yield {OURS: ours, _CONNECTOR: connector}


BENCHMARK = Benchmark(
    number="B3",
    title="Ask",
    work="a poll of 1,000 segments and 1,000 measures, all of them watched",
    unit="calls",
    bars=(
        Bar("at most 5 calls when nothing has happened", OURS, most=5),
        Bar("at most 10 after a nightly refresh of everything", f"{OURS} after a night", most=10),
    ),
    sides=_sides,
    rounds=1,
)
