"""Gaps: what a poll can no longer see of the time since the checkpoint. It is told once, and what comes after is seen.

That something was missed shows only where something that was known is shown no longer, though newer things are: a list
of jobs that ends before all that it held the last time, or a history that begins after the last known value.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from shared.domain import jobs as listing
from shared.domain.checkpoints import Family
from shared.domain.events.envelope import Event
from shared.domain.events.polling import EventsMissed
from shared.domain.jobs import JobsState
from shared.domain.resources import Job, Segment
from shared.domain.watching import ValuesState, Watched

NOT_LISTED = "Customer Insights lists no job from before the gap any more."
NOT_IN_TIME = "Customer Insights did not list all jobs since then in time."
TOO_SHORT = "The history that Customer Insights keeps is shorter than the gap: "


def missed(instance_id: str, family: Family, since: datetime | None, until: datetime, reason: str) -> Event:
    """The event that says so: all was seen up to `since`, and is seen again from `until` on."""
    since = min(since or until, until)
    data = EventsMissed.model_validate(
        {"instance_id": instance_id, "family": family.on_wire, "from": since, "to": until, "reason": reason}
    )
    return Event.of(data, time=until, occurrence=[family.on_wire, since.isoformat(), until.isoformat()])


def is_cut_off(state: JobsState | None, jobs: Sequence[Job]) -> bool:
    """Whether a list of the latest jobs holds newer ones, and none of those that it held the last time."""
    if state is None or not jobs or listing.enough(state, jobs):
        return False
    return any(mark.unlisted_at is None for mark in state.known.values())


def known_until(state: JobsState | None) -> datetime | None:
    """The latest end of a job that is known."""
    if state is None:
        return None
    return max((at for at in (state.floor, *(mark.at for mark in state.known.values())) if at), default=None)


def oldest(jobs: Iterable[Job], now: datetime) -> datetime:
    """When the oldest of these jobs began; now, where none says so."""
    return min((at for job in jobs if (at := job.submitted_at or job.ended_at)), default=now)


def unseen(state: ValuesState | None, read_again: Iterable[Watched]) -> dict[str, tuple[datetime, datetime]]:
    """Those whose history begins after their last known value, though it has changed: from when to when, by name."""
    found: dict[str, tuple[datetime, datetime]] = {}
    for watched in read_again:
        mark = state.marks.get(watched.name) if state is not None else None
        times = _evaluated(watched)
        if mark is None or mark.at is None or not times or min(times) <= mark.at:
            continue
        readings = watched.readings
        if readings and readings[-1].value != mark.value:
            found[watched.name] = mark.at, min(times)
    return found


def _evaluated(watched: Watched) -> list[datetime]:
    """When it was evaluated, as far as its history tells."""
    resource = watched.resource
    if isinstance(resource, Segment):
        return [one.at for one in resource.history if one.at is not None]
    return [one.ended_at for one in resource.evaluations if one.ended_at is not None]
