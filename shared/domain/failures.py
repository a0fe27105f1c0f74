"""Failures: which evaluations of segments and measures have failed since the checkpoint, and which segments are off?

Both are looked for among what does not look as before only. A resource that is seen for the first time is no news.
"""

from collections.abc import Sequence
from datetime import datetime

from shared.domain.events.envelope import Event
from shared.domain.events.measures import MeasureRefreshFailed
from shared.domain.events.segments import SegmentDeactivated, SegmentRefreshFailed
from shared.domain.faults import error_of
from shared.domain.jobs import SKEW
from shared.domain.resources import ACTIVE, Measure, Segment
from shared.domain.watching import IN_BETWEEN, Failure, ValueMark, ValuesState, Watched

# What a segment is in that nobody has deactivated.
STEADY = IN_BETWEEN | {ACTIVE}


def compare(state: ValuesState | None, changed: Sequence[Watched], instance_id: str, now: datetime) -> list[Event]:
    """The events of what does not look as before, in time order."""
    if state is None:
        return []
    events: list[Event] = []
    for watched in (w for w in changed if w.seen[3] not in STEADY or w.may_have_failed):
        mark = state.marks.get(watched.name)
        if mark is None:
            continue
        if watched.may_have_failed:
            events += [_failed(instance_id, watched.resource, failure, now) for failure in failures(mark, watched, now)]
        if isinstance(watched.resource, Segment) and is_deactivated(mark, watched):
            events.append(_deactivated(instance_id, watched.resource, now))
    return sorted(events, key=lambda event: event.time)


def failures(mark: ValueMark, watched: Watched, now: datetime) -> list[Failure]:
    """The failed evaluations that are news, oldest first; none before the last evaluation that was seen to end."""
    last = mark.last_end(now)
    failed = [failure for status, failure in watched.ends if status in watched.failed]
    news = {
        one.at: one
        for one in failed
        if one.at is not None and one.at <= now + SKEW and (last is None or one.at >= last) and one.at != mark.failed_at
    }
    # Where the API gives no time, the turn tells.
    turned = watched.seen[0] in watched.failed and watched.seen[:2] == (watched.seen[0], None)
    timeless = failed[-1:] if turned and watched.seen[0] != mark.seen[0] else []
    return [*(news[at] for at in sorted(news)), *timeless]


def is_deactivated(mark: ValueMark, watched: Watched) -> bool:
    """Whether a segment that was active is no more; while somebody changes it, it is taken for what it was."""
    state = watched.seen[3]
    return mark.is_active and state != ACTIVE and state not in IN_BETWEEN


def _failed(instance_id: str, resource: Segment | Measure, failure: Failure, now: datetime) -> Event:
    error, at = error_of(failure.fault), failure.at or now
    data: SegmentRefreshFailed | MeasureRefreshFailed
    if isinstance(resource, Segment):
        data = SegmentRefreshFailed(
            instance_id=instance_id,
            segment_name=resource.name,
            friendly_name=resource.friendly_name,
            completed_at=failure.at,
            error=error,
        )
    else:
        is_latest = resource.latest is not None and resource.latest.ended_at == failure.at
        data = MeasureRefreshFailed(
            instance_id=instance_id,
            measure_name=resource.name,
            display_name=resource.display_name,
            completed_at=failure.at,
            consecutive_failures=resource.failures if is_latest else None,
            error=error,
        )
    return Event.of(data, time=at, occurrence=[resource.name, at.isoformat()])


def _deactivated(instance_id: str, segment: Segment, now: datetime) -> Event:
    data = SegmentDeactivated(
        instance_id=instance_id,
        segment_name=segment.name,
        friendly_name=segment.friendly_name,
        state=segment.state or "",
        previous_state=ACTIVE,
    )
    return Event.of(data, time=now, occurrence=[segment.name, now.isoformat()])
