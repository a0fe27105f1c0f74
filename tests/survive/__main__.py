"""Runs schedules, or finds out which of them catch the loss of each guard, and writes that into docs/reliability.md."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.survive.guards import GUARDS
from tests.survive.page import CAUGHT_WITHIN, Caught, write_guards, write_schedules
from tests.survive.report import explained, some, without

AT_ONCE = 50
COUNTED = (
    *("schedules", "steps", "crashes", "faults", "calls of ports", "events"),
    *("deliveries owed", "delivered", "held", "dead", "notices", "repeats by hand"),
)


def summary(counts: Counter[str], seconds: float) -> Iterator[str]:
    """What was counted, a line each."""
    for name in (*COUNTED, *sorted(name for name in counts if name.startswith("repeats excused"))):
        yield f"{counts[name]:>12,} {name}"
    yield f"{seconds:>12,.0f} seconds"


def run_schedules(first: int, count: int) -> int:
    """Run schedules on all processors, and explain the first that fail."""
    began, counts, failed = time.monotonic(), Counter[str](), list[int]()
    starts = range(first, first + count, AT_ONCE)
    sizes = [min(AT_ONCE, first + count - start) for start in starts]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for more, seeds in pool.map(some, starts, sizes):
            counts += more
            failed += seeds
    lines = list(summary(counts, time.monotonic() - began))
    sys.stdout.write("\n".join(lines) + "\n")
    for seed in failed[:3]:
        sys.stdout.write(f"\n{explained(seed)}\n")
    if failed:
        sys.stdout.write(f"\n{len(failed)} schedules fail, with the seeds {', '.join(map(str, failed[:50]))}\n")
        return 1
    if not first:
        write_schedules(lines)
    return 0


def take_out_guards(only: str | None) -> int:
    """Take out each guard, in a process of its own, and see after how many schedules that shows."""
    names = [guard.name for guard in GUARDS if only is None or only in guard.name]
    found: list[Caught] = []
    with ProcessPoolExecutor(os.cpu_count(), max_tasks_per_child=1) as pool:
        for name, caught in zip(names, pool.map(partial(without, most=CAUGHT_WITHIN), names), strict=True):
            found.append(caught)
            sys.stdout.write(f"{name}: {f'after {caught.after}: {caught.by}' if caught.after else 'NOT CAUGHT'}\n")
            sys.stdout.flush()
    if only is None:
        write_guards(found)
    return int(any(caught.after is None for caught in found))


def main() -> int:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.survive", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--seed", type=int, help="explain what fails with this seed")
    parser.add_argument("--guards", action="store_true", help="take out the guards, one after the other")
    parser.add_argument("--guard", help="take out only those whose names have this in them")
    options = parser.parse_args()
    if options.seed is not None:
        sys.stdout.write(f"{explained(options.seed)}\n")
        return 0
    if options.guards or options.guard:
        return take_out_guards(options.guard)
    return run_schedules(options.first, options.schedules)


if __name__ == "__main__":
    sys.exit(main())
