"""B9: what is stored of an instance, and how often is it written?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bench.benchmark import OURS, Bar, Benchmark, Count, Sides, Took
from bench.polled import polled
from shared.domain.checkpoints import Family

_MOST: Final = 200  # bytes
# Sources, jobs and segments bring events: state and outbox are written, and then the outbox is cleared. Measures, of
# which none crosses a threshold, are written once.
_WRITES: Final = 2 + 2 + 2 + 1


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    async def ours() -> Took:
        async with polled(50) as few, polled(100 if short else 1_000) as many:
            for world in (few, many):
                await world.poll()
            first = many.checkpoints.writes
            await many.poll()
            idle = many.checkpoints.writes - first
            for world in (few, many):
                await world.pass_a_night()
                await world.poll()
            written = many.checkpoints.writes - first - idle
            segments = few.instance.segments, many.instance.segments
            more = len(segments[1]) - len(segments[0])
            # What each one adds; what they share is no matter of how many they are.
            sizes = {
                "": (many.stored(Family.SEGMENTS) - few.stored(Family.SEGMENTS)) / more,
                "a measure": (many.stored(Family.MEASURES) - few.stored(Family.MEASURES)) / more,
                "a data source": many.stored(Family.DATA_SOURCES) / len(many.instance.data_sources),
            }
        return Took(sizes, {"writes of an idle poll": Count(idle, 0), "writes after a night": Count(written, _WRITES)})

    yield {OURS: ours}


BENCHMARK = Benchmark(
    number="B9",
    title="Remember",
    work="the checkpoints of 1,000 segments, 1,000 measures and 50 data sources: bytes for each",
    unit="bytes",
    bars=(
        Bar("under 200 bytes a segment", OURS, most=_MOST),
        Bar("under 200 bytes a measure", f"{OURS} a measure", most=_MOST),
        Bar("under 200 bytes a data source", f"{OURS} a data source", most=_MOST),
    ),
    sides=_sides,
    rounds=1,
)
