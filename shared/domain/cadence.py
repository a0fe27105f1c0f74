"""Cadence: which instances are polled in a slot, and in which order, where they are too many to poll all every time.

An instance is busy while a job runs, for a while after a change, and around the time at which a scheduled job is due:
it is polled in every slot. Any other is polled in every fifth. So a change is seen within one interval of the schedule
while something runs, and within five otherwise.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from shared.domain import ids
from shared.domain.jobs import has_ended
from shared.domain.polls import Polled
from shared.domain.resources import SCHEDULED, Instance, Job
from shared.domain.slots import Slot

# An idle instance is polled in one slot of so many.
EVERY = 5
# How long something stays busy after a change, and after a scheduled job was due.
QUIET = timedelta(minutes=10)
# A job without an end for so long tells nothing of what runs.
LONGEST_JOB = timedelta(days=1)
# A timer may come so much too early.
LEEWAY = timedelta(seconds=1)
_DAY = timedelta(days=1)

# The next tick of a schedule after a time.
type Ticks = Callable[[datetime], datetime]


def is_running(jobs: Iterable[Job], now: datetime) -> bool:
    """Whether one of the jobs runs."""
    return any(
        not has_ended(job) and job.ended_at is None and (job.submitted_at or now) > now - LONGEST_JOB for job in jobs
    )


def due_at(jobs: Iterable[Job], now: datetime) -> datetime | None:
    """When a scheduled job is due next, or was a moment ago: at the time of day of an earlier one."""
    since = now - QUIET
    times = [job.submitted_at for job in jobs if job.submission_kind == SCHEDULED and job.submitted_at is not None]
    return min((at - (at - since) // _DAY * _DAY for at in times), default=None)


def is_busy(polled: Polled, until: datetime) -> bool:
    """Whether anything goes on, or is due before a time, as the latest poll has it."""
    return (
        polled.is_running
        or (polled.changed_at is not None and polled.last_poll_at < polled.changed_at + QUIET)
        or (polled.due_at is not None and polled.due_at < until)
    )


def due(slot: Slot, instances: Sequence[Instance], polls: Iterable[Polled], ticks: Ticks) -> list[Instance]:
    """The instances to be polled in a slot, those first that were not polled for longest; `polls` is how polls went."""
    rows: defaultdict[str, dict[str, Polled]] = defaultdict(dict)
    for polled in polls:
        rows[ids.key(polled.instance_id)][polled.family] = polled
    gap = ticks(slot.opened_at + LEEWAY) - slot.opened_at
    turn = round(slot.opened_at.timestamp() / gap.total_seconds()) % EVERY
    long_ago = _tick_before(slot.opened_at + LEEWAY, gap, ticks)

    def last_polled(instance: Instance) -> datetime | None:
        """When the family that waits longest was polled; None: never."""
        times = [rows[ids.key(instance.id)].get(family) for family in slot.round.families]
        return min((one.last_poll_at for one in times if one is not None), default=None) if all(times) else None

    def is_due(instance: Instance) -> bool:
        key, at = ids.key(instance.id), last_polled(instance)
        return (
            at is None
            or at < long_ago
            # Idle instances take turns, each in slots of its own.
            or zlib.crc32(key.encode()) % EVERY == turn
            or any(is_busy(polled, slot.opened_at + EVERY * gap) for polled in rows[key].values())
        )

    never = datetime.min.replace(tzinfo=slot.opened_at.tzinfo)
    return sorted(filter(is_due, instances), key=lambda one: last_polled(one) or never)


def _tick_before(at: datetime, gap: timedelta, ticks: Ticks) -> datetime:
    """The earliest of the last so many ticks up to a time: whoever was polled before it waits for the fifth slot."""
    span = EVERY * gap
    while True:
        found, tick = [], ticks(at - span)
        while tick <= at:
            found.append(tick)
            tick = ticks(tick)
        if len(found) >= EVERY:
            return found[-EVERY]
        span *= 2
