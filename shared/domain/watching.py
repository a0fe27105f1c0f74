"""Watching: a segment or measure as comparing sees it, and what is remembered of it between two polls.

What is remembered is one mark per resource: its last value, and what its latest evaluation looked like.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

from shared.domain.events.wire import in_utc
from shared.domain.jobs import SKEW
from shared.domain.resources import (
    ACTIVE,
    COMPLETED,
    COMPLETED_FAILURE,
    COMPLETED_SUCCESS,
    FAILED,
    INTERRUPTED,
    VALIDATED,
    VALIDATING,
    Fault,
    Measure,
    Segment,
)

type Direction = Literal["above", "below"]
# Times are compared in a twentieth of the time where their zones are the same object.
type _Time = Annotated[datetime, AfterValidator(in_utc)]
# What a resource looks like: the status of its latest evaluation, when that ended, when it began, where that is told,
# and the state of a segment.
type Seen = tuple[str | None, _Time | None, _Time | None, str | None]

NEVER: Final[Seen] = (None, None, None, None)
# What is no end of an evaluation.
OPEN: Final = frozenset({None, "none", "queued", "running"})
# What a segment is in while somebody changes it: whether it is active shows after that.
IN_BETWEEN: Final = frozenset({None, VALIDATING, VALIDATED})


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of one successful evaluation."""

    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class Failure:
    """One evaluation that failed; `at` is None where the API gives no time."""

    at: datetime | None
    fault: Fault | None


class ValueMark(BaseModel):
    """What is remembered of one resource: its last value, and what it looked like when last looked at.

    `failed_at` is the latest of its evaluations that failed, told or old, and `ended_at` the latest that ended, where
    nothing else here says so. `was_active` says of a segment that somebody changes that it was active before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Decimal | None = None
    at: datetime | None = None
    seen: Seen = NEVER
    failed_at: datetime | None = None
    ended_at: datetime | None = None
    was_active: bool = False

    @field_validator("seen", mode="before")
    @classmethod
    def _read(cls, stored: Any) -> Any:  # noqa: ANN401 - whatever stands there
        if isinstance(stored, tuple):
            return stored
        if isinstance(stored, str):
            # As version 1 wrote it: a status and one time, or two, with blanks between them.
            status, *times = stored.split(" ")
            stored = [status or None, *([time or None for time in times] + [None, None])[:2]]
        # Version 2 knew no state.
        return [*stored, None] if isinstance(stored, list) and len(stored) == len(NEVER) - 1 else stored

    @property
    def is_active(self) -> bool:
        """Whether it is of a segment that is active, as far as is known."""
        return self.was_active or self.seen[3] == ACTIVE

    def last_end(self, now: datetime) -> datetime | None:
        """The latest of its evaluations that ended; a time in the future tells nothing."""
        seen_at = None if self.seen[0] in OPEN else self.seen[1]
        return latest([self.at, self.failed_at, self.ended_at, seen_at], now)


class SliceMark(BaseModel):
    """What is remembered of one combination of a measure's dimensions: its value at an evaluation, if it has one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    value: Decimal | None = None


class ValuesState(BaseModel):
    """What is remembered of all segments, or all measures, of an instance.

    `fired` are, for each rule with a margin, the directions in which it has fired and not been armed again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    marks: dict[str, ValueMark] = {}
    fired: dict[str, tuple[Direction, ...]] = {}
    slices: dict[str, SliceMark] = {}


_FAILED_SEGMENT: Final = frozenset({COMPLETED_FAILURE, INTERRUPTED})
_FAILED_MEASURE: Final = frozenset({FAILED})


class Watched(NamedTuple):
    """A segment or measure as comparing sees it: what its latest evaluation looks like, and its readings on demand.

    Most have not changed, and nobody asks for their readings.
    """

    name: str
    seen: Seen
    resource: Segment | Measure

    @property
    def readings(self) -> list[Reading]:
        """The values of its successful evaluations, oldest first, those of its history included."""
        if isinstance(self.resource, Segment):
            return counts_of(self.resource)
        return readings_of(self.resource)

    @property
    def ends(self) -> list[tuple[str | None, Failure]]:
        """The status of each evaluation, those of its history included, and what would be told of it as a failure."""
        one = self.resource
        if isinstance(one, Segment):
            counted = (*one.history, *((one.latest,) if one.latest else ()))
            return [(each.status, Failure(each.at, each.error)) for each in counted]
        evaluations = (*one.evaluations, *((one.latest,) if one.latest else ()))
        return [(each.state, Failure(each.ended_at, each.error)) for each in evaluations]

    @property
    def may_have_failed(self) -> bool:
        """Whether an evaluation of it may have failed: without a history, the latest alone tells."""
        one = self.resource
        if isinstance(one, Segment):
            return self.seen[0] in _FAILED_SEGMENT or bool(one.history)
        return self.seen[0] in _FAILED_MEASURE or bool(one.evaluations)

    @property
    def failed(self) -> frozenset[str]:
        """The statuses of an evaluation that failed."""
        return _FAILED_SEGMENT if isinstance(self.resource, Segment) else _FAILED_MEASURE


def seen_segment(segment: Segment) -> Seen:
    """What a segment and its latest evaluation look like."""
    latest = segment.latest
    return (latest.status, latest.at, None, segment.state) if latest else (None, None, None, segment.state)


def seen_measure(measure: Measure) -> Seen:
    """What a measure's latest evaluation looks like."""
    latest, output = measure.latest, measure.output
    started_at = output.started_at if output else None
    return (latest.state, latest.ended_at, started_at, None) if latest else (None, None, started_at, None)


def counts_of(segment: Segment) -> list[Reading]:
    """The counts of a segment's successful evaluations."""
    found = {
        evaluation.at: Reading(evaluation.at, Decimal(evaluation.count))
        for evaluation in (*segment.history, *((segment.latest,) if segment.latest else ()))
        if evaluation.status == COMPLETED_SUCCESS and evaluation.at is not None and evaluation.count is not None
    }
    return [found[at] for at in sorted(found)]


def readings_of(measure: Measure) -> list[Reading]:
    """The outputs of a measure without dimensions, each at the end of the evaluation that it belongs to.

    An output belongs to the first completed evaluation that did not end before the output's start.
    """
    if not measure.scalar:
        return []
    evaluations = (*measure.evaluations, *((measure.latest,) if measure.latest else ()))
    ends = sorted({e.ended_at for e in evaluations if e.state == COMPLETED and e.ended_at is not None})
    outputs = (*measure.outputs, *((measure.output,) if measure.output else ()))
    started = sorted((o.started_at, o.value) for o in outputs if o.started_at is not None and o.value is not None)
    found: dict[datetime, Reading] = {}
    for started_at, value in started:
        position = bisect_left(ends, started_at)
        if position < len(ends):
            found[ends[position]] = Reading(ends[position], value)
    current, ended_at = measure.output, measure.latest.ended_at if measure.latest else None
    if (
        current
        and current.started_at is None
        and current.value is not None
        and ended_at is not None
        and ended_at in ends
    ):
        # An output without a start is taken for that of the latest evaluation.
        found.setdefault(ended_at, Reading(ended_at, current.value))
    return [found[at] for at in sorted(found)]


def latest(times: Iterable[datetime | None], now: datetime) -> datetime | None:
    """The latest of these times that has come."""
    return max((at for at in times if at is not None and at <= now + SKEW), default=None)


def changed[R: (Segment, Measure)](
    state: ValuesState | None, listed: Iterable[R], seen_of: Callable[[R], Seen]
) -> list[Watched]:
    """Those that do not look as they are remembered, or of which nothing is remembered."""
    marks = state.marks if state is not None else {}
    found = []
    for resource in listed:
        mark, seen = marks.get(resource.name), seen_of(resource)
        if mark is None or mark.seen != seen:
            found.append(Watched(resource.name, seen, resource))
    return found


def next_mark(mark: ValueMark | None, watched: Watched, readings: Sequence[Reading], now: datetime) -> ValueMark:
    """What to remember of a resource that looks otherwise than before; `readings` are its values so far."""
    last = readings[-1] if readings else None
    old = mark or ValueMark()
    value, at = old.value, old.at
    if last is not None and (at is None or last.at > at):
        value, at = last.value, last.at
    if not watched.may_have_failed and _goes_on(old, watched.seen):
        return ValueMark(value=value, at=at, seen=watched.seen)  # of most there is nothing else to remember
    ends = watched.ends
    after = ValueMark(
        value=value,
        at=at,
        seen=watched.seen,
        failed_at=latest([old.failed_at, *(one.at for status, one in ends if status in watched.failed)], now),
        was_active=old.is_active and watched.seen[3] in IN_BETWEEN,
    )
    ended_at = latest([old.last_end(now), *(one.at for status, one in ends if status not in OPEN)], now)
    return after if ended_at == after.last_end(now) else after.model_copy(update={"ended_at": ended_at})


def _goes_on(mark: ValueMark, seen: Seen) -> bool:
    """Whether the latest evaluation has ended, later than those before, and says all of them together."""
    status, ended_at, _, state = seen
    return (
        mark.failed_at is None
        and mark.ended_at is None
        and ended_at is not None
        and status not in OPEN
        and (mark.seen[1] is None or mark.seen[1] <= ended_at)
        and (state not in IN_BETWEEN or not mark.is_active)
    )
