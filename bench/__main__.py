"""`python -m bench [B1 B2 ...]`: run the benchmarks, each in a process of its own, and print and keep the results."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

from bench.pages import write
from bench.results import Part, Results
from bench.runner import benchmarks
from bench.table import machines, sides, table

_WITHIN: Final = 400.0  # seconds, installing included


def main(named: Sequence[str]) -> int:
    """Run all, or those that are named; 1 where one failed, or there is none of that name."""
    known = benchmarks()
    if unknown := [number for number in named if number not in known]:
        sys.stderr.write(f"There is no {', '.join(unknown)}: {', '.join(known)}.\n")
        return 1
    failed = []
    for number in named or known:
        begun = perf_counter()
        part = _run(number)
        took = f"{perf_counter() - begun:.0f} s"
        if part is None:
            failed.append(number)
            sys.stdout.write(f"{number} failed after {took}.\n")
            continue
        sys.stdout.write(f"{number} {part.title}: {took}\n")
        Results.load().with_part(part).save()
    results = Results.load()
    write(results)
    sys.stdout.write(f"\n{table(results)}\n{sides(results)}\n{machines(results)}")
    return 1 if failed else 0


def _run(number: str) -> Part | None:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, "-m", "bench.runner", number, file.name]
        try:
            done = subprocess.run(command, timeout=_WITHIN, check=False)  # noqa: S603 - our own code
        except subprocess.TimeoutExpired:
            return None
        return None if done.returncode else Part.model_validate_json(Path(file.name).read_bytes())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
