"""Shrink: the shortest schedule that still fails in the same way."""

from collections.abc import Callable, Iterator
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
        while (simpler := _that_fails(shortest, still_fails)) is not None:
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


def _that_fails(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule | None:
    """The first that is simpler by one thing and still fails."""
    return next((simpler for simpler in _simpler(schedule) if simpler != schedule and fails(simpler)), None)


def _simpler(schedule: Schedule) -> Iterator[Schedule]:
    """The same bridge with one thing less to it."""
    usual = Settings()
    if schedule.workers > 1:
        yield replace(schedule, workers=schedule.workers - 1)
    for name in ("rate", "retry_seconds", "max_age", "keep", "inline_max"):
        yield replace(schedule, settings=replace(schedule.settings, **{name: getattr(usual, name)}))
    if len(schedule.flows) > 1:
        yield replace(schedule, flows=schedule.flows[:-1])
