"""Shrink: the shortest schedule that still fails in the same way."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.survive.schedule import Schedule
from tests.survive.worker import Settings

# So many schedules are tried.
MOST = 600


def shrunk(failing: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """Leave out of a schedule that fails whatever it fails without."""
    left = MOST

    def still_fails(schedule: Schedule) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and fails(schedule)

    shortest, was = failing, None
    while shortest != was:
        was = shortest
        shortest = _fewer_steps(shortest, still_fails)
        for simplify in _SIMPLER:
            if (simpler := simplify(shortest)) != shortest and still_fails(simpler):
                shortest = simpler
    return shortest


def _fewer_steps(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """Leave out ever smaller parts of its steps."""
    size = max(len(schedule.steps) // 2, 1)
    while True:
        start = 0
        while start < len(schedule.steps):
            fewer = schedule.with_steps([*schedule.steps[:start], *schedule.steps[start + size :]])
            if fails(fewer):
                schedule = fewer
            else:
                start += size
        if size == 1:
            return schedule
        size //= 2


def _as_usual(name: str) -> Callable[[Schedule], Schedule]:
    """Have one of the settings say what it usually does."""

    def simplify(schedule: Schedule) -> Schedule:
        return replace(schedule, settings=replace(schedule.settings, **{name: getattr(Settings(), name)}))

    return simplify


# What makes less of the same bridge, one thing at a time.
_SIMPLER: Sequence[Callable[[Schedule], Schedule]] = (
    lambda it: replace(it, workers=max(1, it.workers - 1)),
    lambda it: replace(it, flows=it.flows[: max(1, len(it.flows) - 1)]),
    *map(_as_usual, ("rate", "retry_seconds", "max_age", "keep", "inline_max")),
)
