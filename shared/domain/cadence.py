"""Cadence: which instances are polled in a slot, and in which order, where they are too many to poll all every time.

An instance is busy while a job runs, for a while after a change, and around the time at which a scheduled job is due:
it is polled in every slot. Any other is polled in every fifth. So a change is seen within one interval of the schedule
while something runs, and within five otherwise.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from shared.domain import ids
from shared.domain.checkpoints import Family
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

NEVER = datetime.min.replace(tzinfo=UTC)

# The next tick of a schedule after a time.
type Ticks = Callable[[datetime], datetime]
# How polls go, by the instance's key and the family.
type Rows = Mapping[str, Mapping[Family, Polled]]


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


def by_instance(polls: Iterable[Polled]) -> Rows:
    """How polls go, by the instance's key and the family."""
    rows: defaultdict[str, dict[Family, Polled]] = defaultdict(dict)
    for polled in polls:
        rows[ids.key(polled.instance_id)][polled.family] = polled
    return rows


def last_polled(rows: Mapping[Family, Polled], families: Iterable[Family]) -> datetime:
    """When that of an instance's families was polled that waits longest."""
    return min(rows[family].last_poll_at if family in rows else NEVER for family in families)


def in_turn(slot: Slot, instances: Iterable[Instance], rows: Rows) -> list[Instance]:
    """The instances, those first that were not polled for longest."""
    return sorted(instances, key=lambda one: last_polled(rows.get(ids.key(one.id), {}), slot.families))


def due(slot: Slot, instances: Iterable[Instance], rows: Rows, ticks: Ticks) -> list[Instance]:
    """Those of the instances, in their order, that are to be polled in a slot."""
    # A turn is counted from tick to tick: a timer comes a moment early or late.
    tick = ticks(slot.opened_at + LEEWAY)
    gap = ticks(tick) - tick
    turn = round(tick.timestamp() / gap.total_seconds()) % EVERY
    long_ago = _tick_before(slot.opened_at + LEEWAY, gap, ticks)

    def is_due(instance: Instance) -> bool:
        key = ids.key(instance.id)
        return (
            last_polled(rows.get(key, {}), slot.families) < long_ago
            # Idle instances take turns, each in slots of its own.
            or zlib.crc32(key.encode()) % EVERY == turn
            or any(is_busy(polled, slot.opened_at + EVERY * gap) for polled in rows.get(key, {}).values())
        )

    return list(filter(is_due, instances))


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
