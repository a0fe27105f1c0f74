"""B10: how much memory do polls take, and does it grow?"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bench.answers import answers, tenant
from bench.benchmark import OURS, Bar, Benchmark, Sides, Took
from bench.served import served

_ANSWER: Final = "the largest answer"
_POLLS: Final = 30
_FIRST: Final = 10


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    made, instance = tenant(20 if short else 10_000)
    bodies = answers(instance).by_path(made)
    async with served(bodies) as address:

        async def ours() -> Took:
            command = (sys.executable, "-m", "bench.polling", address, str(_POLLS))
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            told, _ = await process.communicate()
            above: list[int] = json.loads(told)
            return Took({"": above[-1], "after 10 polls": above[_FIRST - 1]})

        async def answer() -> float:
            return max(map(len, bodies.values()))

        yield {OURS: ours, _ANSWER: answer}


BENCHMARK = Benchmark(
    number="B10",
    title="Hold",
    work="30 polls of 10,000 segments and 10,000 measures: memory above that at the start",
    unit="bytes",
    bars=(
        Bar("under twice the largest answer", OURS, _ANSWER, most=2),
        Bar("level: no more than a tenth after the first ten polls", OURS, f"{OURS} after 10 polls", most=1.1),
    ),
    sides=_sides,
    rounds=1,
)
