"""Values against rules: which thresholds did the evaluations between two polls cross?

Decimals are compared as decimals. What is remembered between two polls is one mark per resource, and for each rule
with a rearm margin the directions in which it has fired and not yet been armed again.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, field_validator

from shared.domain.events.envelope import Event
from shared.domain.events.measures import MeasureThresholdCrossed
from shared.domain.events.segments import SegmentThresholdCrossed
from shared.domain.events.wire import in_utc
from shared.domain.jobs import SKEW
from shared.domain.resources import COMPLETED, COMPLETED_SUCCESS, Measure, Segment
from shared.domain.rules import EXACT, Rule

type Direction = Literal["above", "below"]
# Times are compared in a twentieth of the time where their zones are the same object.
type _Time = Annotated[datetime, AfterValidator(in_utc)]
# What an evaluation looks like: its status, when it ended, and when it began, where that is told.
type Seen = tuple[str | None, _Time | None, _Time | None]

NEVER: Final[Seen] = (None, None, None)

# Unused segments and measures are deleted after 45 days; what was not evaluated for so long before the latest
# evaluation and is listed no more, is forgotten.
FORGET_AFTER = timedelta(days=45)
# A bound on the history that is asked for.
MAX_HISTORY_DAYS = 365


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of one successful evaluation."""

    at: datetime
    value: Decimal


@dataclass(frozen=True, slots=True)
class Crossing:
    """A rule's threshold was crossed by a reading."""

    rule: Rule
    direction: Direction
    previous: Decimal
    reading: Reading


class ValueMark(BaseModel):
    """What is remembered of one resource: its last value, and what its evaluation looked like when last looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Decimal | None = None
    at: datetime | None = None
    seen: Seen = NEVER

    @field_validator("seen", mode="before")
    @classmethod
    def _read(cls, stored: Any) -> Any:  # noqa: ANN401 - whatever stands there
        if not isinstance(stored, str):
            return stored
        # As version 1 wrote it: a status and one time, or two, with blanks between them.
        status, *times = stored.split(" ")
        return (status or None, *([time or None for time in times] + [None, None])[:2])


class ValuesState(BaseModel):
    """What is remembered of all segments, or all measures, of an instance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    marks: dict[str, ValueMark] = {}
    fired: dict[str, tuple[Direction, ...]] = {}


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
            return _counts(self.resource)
        return _readings(self.resource) if self.resource.scalar else []


def seen_segment(segment: Segment) -> Seen:
    """What a segment's latest evaluation looks like."""
    latest = segment.latest
    return (latest.status, latest.at, None) if latest else NEVER


def seen_measure(measure: Measure) -> Seen:
    """What a measure's latest evaluation looks like."""
    latest, output = measure.latest, measure.output
    started_at = output.started_at if output else None
    return (latest.state, latest.ended_at, started_at) if latest else (None, None, started_at)


def changed[R: (Segment, Measure)](
    state: ValuesState | None, listed: Iterable[R], seen_of: Callable[[R], Seen]
) -> list[Watched]:
    """Those whose latest evaluation does not look as it is remembered, or of which nothing is remembered."""
    marks = state.marks if state is not None else {}
    found = []
    for resource in listed:
        mark, seen = marks.get(resource.name), seen_of(resource)
        if mark is None or mark.seen != seen:
            found.append(Watched(resource.name, seen, resource))
    return found


def _counts(segment: Segment) -> list[Reading]:
    found = {
        evaluation.at: Reading(evaluation.at, Decimal(evaluation.count))
        for evaluation in (*segment.history, *((segment.latest,) if segment.latest else ()))
        if evaluation.status == COMPLETED_SUCCESS and evaluation.at is not None and evaluation.count is not None
    }
    return [found[at] for at in sorted(found)]


def _readings(measure: Measure) -> list[Reading]:
    """The outputs of a measure, each at the end of the evaluation that it belongs to.

    An output belongs to the first completed evaluation that did not end before the output's start.
    """
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


def moved(state: ValuesState, changed: Iterable[Watched], rules: Iterable[Rule]) -> list[Watched]:
    """Of what has changed, what a rule watches and something is remembered of: it has been evaluated again."""
    again = {w.name: w for w in changed if w.name in state.marks}
    ruled = {rule.name for rule in rules if rule.name in again} if again else set[str]()
    return [w for w in again.values() if w.name in ruled]


def history_days(state: ValuesState, names: Iterable[str], now: datetime) -> int:
    """How many days of history reach back to the oldest of the last values of these resources."""
    last = [mark.at for name in names if (mark := state.marks.get(name)) is not None and mark.at is not None]
    if not last:
        return 1
    return min(max(math.ceil((now - min(last)) / timedelta(days=1)) + 1, 1), MAX_HISTORY_DAYS)


def compare(
    state: ValuesState | None,
    changed: Sequence[Watched],
    listed: Iterable[Segment | Measure],
    rules: Sequence[Rule],
    now: datetime,
) -> tuple[ValuesState, list[Crossing]]:
    """Compare what has changed with what is remembered; gives what to remember, and the crossings in time order.

    `listed` is all that the poll saw. The very state comes back where nothing changed. A resource that was not seen is
    remembered as it was. A reading that lies in the future is none before it has come.
    """
    old = state or ValuesState()
    fired = _known_only(old.fired, rules)
    if state is not None and not changed and fired == old.fired:
        return state, []
    names = {w.name for w in changed}
    by_name: dict[str, list[Rule]] = {}
    for rule in [rule for rule in rules if rule.name in names]:
        by_name.setdefault(rule.name, []).append(rule)
    marks: dict[str, ValueMark] = {}
    crossings: list[Crossing] = []
    for w in changed:
        mark, told = old.marks.get(w.name), w.readings
        readings = [r for r in told if r.at <= now + SKEW]
        # What lies in the future may be right, and a clock wrong: it is looked at again until it has come.
        seen = w.seen if len(readings) == len(told) else mark.seen if mark is not None else NEVER
        marks[w.name] = _next_mark(mark, seen, readings)
        news = [r for r in readings if mark is not None and (mark.at is None or r.at > mark.at)]
        for rule in by_name.get(w.name, ()):
            found, disarmed = _walk(rule, mark.value if mark else None, news, fired.pop(rule.id, ()))
            crossings += found
            if disarmed:
                fired[rule.id] = disarmed
    crossings.sort(key=lambda c: (c.reading.at, c.rule.id))
    after = ValuesState(marks=_kept(old.marks | marks, {one.name for one in listed}), fired=fired)
    return state if state is not None and after == state else after, crossings


def _known_only(fired: Mapping[str, tuple[Direction, ...]], rules: Sequence[Rule]) -> dict[str, tuple[Direction, ...]]:
    if not fired:
        return {}
    ids = {rule.id for rule in rules}
    return {rule_id: directions for rule_id, directions in fired.items() if rule_id in ids}


def _next_mark(mark: ValueMark | None, seen: Seen, readings: Sequence[Reading]) -> ValueMark:
    last = readings[-1] if readings else None
    if last is None or (mark is not None and mark.at is not None and last.at <= mark.at):
        return ValueMark(value=mark.value, at=mark.at, seen=seen) if mark else ValueMark(seen=seen)
    return ValueMark(value=last.value, at=last.at, seen=seen)


def _kept(marks: dict[str, ValueMark], listed: set[str]) -> dict[str, ValueMark]:
    if marks.keys() <= listed:
        return marks
    newest = max((mark.at for mark in marks.values() if mark.at is not None), default=None)
    if newest is None:
        return marks
    return {
        name: mark
        for name, mark in marks.items()
        if name in listed or (mark.at is not None and newest - mark.at < FORGET_AFTER)
    }


def _walk(
    rule: Rule, previous: Decimal | None, readings: Iterable[Reading], fired: Sequence[Direction]
) -> tuple[list[Crossing], tuple[Direction, ...]]:
    """Take a rule through readings, oldest first; gives its crossings and the directions not armed at the end."""
    disarmed = set(fired)
    crossings: list[Crossing] = []
    for reading in readings:
        value = reading.value
        if previous is not None and (direction := _crossed(rule, previous, value)) and direction not in disarmed:
            crossings.append(Crossing(rule, direction, previous, reading))
            if rule.rearm_margin:
                disarmed.add(direction)
        if value <= EXACT.subtract(rule.threshold, rule.rearm_margin):
            disarmed.discard("above")
        if value >= EXACT.add(rule.threshold, rule.rearm_margin):
            disarmed.discard("below")
        previous = value
    return crossings, tuple(sorted(disarmed))


def _crossed(rule: Rule, previous: Decimal, value: Decimal) -> Direction | None:
    if rule.direction != "below" and previous <= rule.threshold < value:
        return "above"
    if rule.direction != "above" and previous >= rule.threshold > value:
        return "below"
    return None


def event(instance_id: str, crossing: Crossing, resource: Segment | Measure) -> Event:
    """The event of a crossing."""
    rule, reading = crossing.rule, crossing.reading
    told: dict[str, Any] = {
        "instance_id": instance_id,
        "direction": crossing.direction,
        "threshold": rule.threshold,
        "previous_value": crossing.previous,
        "value": reading.value,
        "evaluated_at": reading.at,
        "rule_id": rule.id,
    }
    data: SegmentThresholdCrossed | MeasureThresholdCrossed
    if isinstance(resource, Segment):
        data = SegmentThresholdCrossed(segment_name=resource.name, friendly_name=resource.friendly_name, **told)
    else:
        data = MeasureThresholdCrossed(measure_name=resource.name, display_name=resource.display_name, **told)
    return Event.of(
        data, time=reading.at, occurrence=[resource.name, rule.id, crossing.direction, reading.at.isoformat()]
    )
