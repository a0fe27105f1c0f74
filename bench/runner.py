"""Runs one benchmark: the sides take turns, each round in another order, and the bars are held to the median round.

`python -m bench.runner B2 FILE` runs it in a process of its own and writes its part of the results.
"""

import asyncio
import gc
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Final

from bench.benchmark import Bar, Benchmark, CountError, MissingError, Took, Turn
from bench.results import Judged, Machine, Part

_FOLDER: Final = Path(__file__).parent


def benchmarks() -> Mapping[str, str]:
    """The modules of all benchmarks by their numbers: B2 is in `bench/b02_....py`."""
    return {f"B{int(file.stem[1:3])}": f"bench.{file.stem}" for file in sorted(_FOLDER.glob("b[0-9][0-9]_*.py"))}


def load(number: str) -> Benchmark:
    """A benchmark."""
    benchmark = import_module(benchmarks()[number]).BENCHMARK
    if not isinstance(benchmark, Benchmark) or benchmark.number != number:
        raise TypeError(f"{benchmarks()[number]} holds no benchmark {number}")
    return benchmark


async def measure(benchmark: Benchmark, *, short: bool = False) -> Part:
    """Run it; in the short form once and with small work. Raises `CountError`."""
    machine, now = Machine.this(), datetime.now(UTC)
    figures: defaultdict[str, list[float]] = defaultdict(list)
    counts: dict[str, int] = {}
    async with benchmark.sides(short) as sides:
        turns = [(name, side) for name, side in sides.items() if not isinstance(side, MissingError)]
        gc.collect()
        gc.freeze()  # what the benchmark itself holds is nothing that a turn should be held up by
        for number in range(1 if short else benchmark.rounds):
            for name, turn in _rotated(turns, number):
                gc.collect()
                given = await turn()
                took = given if isinstance(given, Took) else Took({"": given})
                for what, figure in took.figures.items():
                    figures[f"{name} {what}".strip()].append(figure)
                for what, (counted, exact) in took.counts.items():
                    if counted != exact:
                        raise CountError(f"{benchmark.number}, {name}: {counted} {what}, and not {exact}")
                    counts[f"{name} {what}"] = counted
    gc.unfreeze()
    return Part(
        number=benchmark.number,
        title=benchmark.title,
        work=benchmark.work,
        unit=benchmark.unit,
        sides=list(sides),
        figures=figures,
        counts=counts,
        missing={name: str(side) for name, side in sides.items() if isinstance(side, MissingError)},
        bars=[_judged(bar, figures) for bar in benchmark.bars],
        measured_at=now.replace(microsecond=0),
        machine=machine,
    )


def _rotated(turns: Sequence[tuple[str, Turn]], number: int) -> Sequence[tuple[str, Turn]]:
    """Nobody always follows the same one."""
    first = number % len(turns)
    return [*turns[first:], *turns[:first]]


def _judged(bar: Bar, figures: Mapping[str, list[float]]) -> Judged:
    of, to = figures.get(bar.of, []), figures.get(bar.to, []) if bar.to else None
    values = of if to is None else [one / other for one, other in zip(of, to, strict=False)]
    value = median(values) if values else None
    return Judged(
        says=bar.says,
        of=bar.of,
        to=bar.to,
        most=bar.most,
        least=bar.least,
        value=value,
        met=value is not None and bar.is_met(value),
    )


def main(number: str, file: str) -> None:
    """Run one, and write its part."""
    Path(file).write_text(asyncio.run(measure(load(number))).model_dump_json(), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
