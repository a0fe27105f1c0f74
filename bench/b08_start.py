"""B8: how soon is a new process of the app there, and how large is it? Beside a bare app that loads the same SDKs."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bench.benchmark import OURS, Bar, Benchmark, Sides, Took, Turn
from tests.infra.test_names import EmptyStorage, serving
from tests.test_settings import REQUIRED

_PEER: Final = "a bare app"
_PROJECT: Final = Path(__file__).parent.parent


def _started(app: str, environment: Mapping[str, str]) -> Turn:
    async def turn() -> Took:
        command = (sys.executable, "-m", "bench.starting", app)
        process = await asyncio.create_subprocess_exec(
            *command, cwd=_PROJECT, env=environment, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await process.communicate()
        found: dict[str, float] = json.loads(told)
        return Took({"": found.pop("import"), **found})

    return turn


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    async with serving(EmptyStorage()) as account:
        # Compiled modules are kept, as they are where the app is deployed.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {**kept, **REQUIRED, "EVENT_GRID_TOPIC_KEY": "key", "AzureWebJobsStorage": account}
        sides = {OURS: _started("ours", environment), _PEER: _started("bare", environment)}
        if not short:
            for compile_all in sides.values():
                await compile_all()
        yield sides


BENCHMARK = Benchmark(
    number="B8",
    title="Start",
    work="a new process until the app is imported: the processor's time, and memory",
    unit="s",
    bars=(
        Bar("at most 1.3 times a bare app with the same SDKs", OURS, _PEER, most=1.3),
        Bar("memory at most 1.3 times", f"{OURS} memory", f"{_PEER} memory", most=1.3),
        Bar(
            "memory after the first answer at most 1.3 times",
            f"{OURS} memory of answer",
            f"{_PEER} memory of answer",
            most=1.3,
        ),
    ),
    sides=_sides,
    rounds=7,
)
