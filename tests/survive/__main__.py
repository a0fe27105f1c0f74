"""Runs schedules: `make survive`, and for one seed `python -m tests.survive --seed 7`."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.survive.run import Outcome, survive
from tests.survive.schedule import Schedule, schedule_of
from tests.survive.shrink import shrunk

AT_ONCE = 50
COUNTED = (
    ("schedules", "steps", "crashes", "faults", "calls of ports")
    + ("events", "deliveries owed", "delivered", "held", "dead", "notices", "repeats by hand")
)


def some(first: int, count: int) -> tuple[Counter[str], list[int]]:
    """Run some schedules; gives what was counted, and the seeds of those that fail."""
    counts, failed = Counter[str](), list[int]()
    for seed in range(first, first + count):
        outcome = survive(schedule_of(seed))
        counts += outcome.counts
        if outcome.problems:
            failed.append(seed)
    return counts, failed


def explained(seed: int) -> str:
    """The shortest schedule that fails as that of a seed does, and what is wrong in it."""
    failing = schedule_of(seed)
    kinds = {_kind(problem) for problem in survive(failing).problems}
    found = shrunk(failing, lambda one: bool(kinds & {_kind(problem) for problem in survive(one).problems}))
    return "\n".join([str(found), *(f"  -> {problem}" for problem in survive(found).problems)])


def _kind(problem: str) -> str:
    """What is wrong, without when, to whom and with which event."""
    words = problem.partition(" s: ")[2] or problem
    return " ".join(word for word in words.split() if word.isalpha())[:30]


def summary(counts: Counter[str], seconds: float) -> Iterator[str]:
    """What was counted, a line each."""
    for name in (*COUNTED, *sorted(name for name in counts if name.startswith("repeats excused"))):
        yield f"{counts[name]:>12,} {name}"
    yield f"{seconds:>12,.0f} seconds"


def main() -> int:
    """Run them, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.survive", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--seed", type=int, help="explain what fails with this seed")
    parser.add_argument("--trace", action="store_true", help="and show every call of a port")
    options = parser.parse_args()
    if options.seed is not None:
        return show(options.seed, traced=options.trace)
    began, counts, failed = time.monotonic(), Counter[str](), list[int]()
    end = options.first + options.schedules
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        starts = range(options.first, end, AT_ONCE)
        sizes = [min(AT_ONCE, end - start) for start in starts]
        for more, seeds in pool.map(some, starts, sizes):
            counts += more
            failed += seeds
    sys.stdout.write("\n".join(summary(counts, time.monotonic() - began)) + "\n")
    for seed in failed[:3]:
        sys.stdout.write(f"\n{explained(seed)}\n")
    if failed:
        sys.stdout.write(f"\n{len(failed)} schedules fail, with the seeds {', '.join(map(str, failed[:50]))}\n")
    return bool(failed)


def show(seed: int, *, traced: bool) -> int:
    """Explain one seed."""
    schedule: Schedule = schedule_of(seed)
    outcome: Outcome = survive(schedule, traced=traced)
    sys.stdout.write("".join(f"{line}\n" for line in outcome.trace))
    sys.stdout.write(f"{explained(seed) if outcome.problems else schedule}\n")
    return bool(outcome.problems)


if __name__ == "__main__":
    sys.exit(main())
