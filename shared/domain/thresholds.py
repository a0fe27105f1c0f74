"""Values against rules: which thresholds did the evaluations between two polls cross?

Decimals are compared as decimals. What is remembered between two polls is one mark per resource, and for each rule
with a rearm margin the directions in which it has fired and not yet been armed again.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.domain.events.envelope import Event
from shared.domain.events.measures import MeasureThresholdCrossed
from shared.domain.events.segments import SegmentThresholdCrossed
from shared.domain.jobs import SKEW
from shared.domain.resources import Measure, Segment
from shared.domain.rules import EXACT, Rule
from shared.domain.watching import Direction, Reading, ValueMark, ValuesState, Watched, next_mark

# Unused segments and measures are deleted after 45 days; what was not evaluated for so long before the latest
# evaluation and is listed no more, is forgotten.
FORGET_AFTER = timedelta(days=45)
# A bound on the history that is asked for.
MAX_HISTORY_DAYS = 365


@dataclass(frozen=True, slots=True)
class Crossing:
    """A rule's threshold was crossed by a reading."""

    rule: Rule
    direction: Direction
    previous: Decimal
    reading: Reading


def moved(state: ValuesState, changed: Iterable[Watched], rules: Iterable[Rule]) -> list[Watched]:
    """Of what has changed, what a rule watches and has been evaluated since something is remembered of it."""
    marks = state.marks
    again = {w.name: w for w in changed if w.name in marks and marks[w.name].seen[:3] != w.seen[:3]}
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
    for rule in [rule for rule in rules if rule.name in names and rule.dimensions is None]:
        by_name.setdefault(rule.name, []).append(rule)
    marks: dict[str, ValueMark] = {}
    crossings: list[Crossing] = []
    for w in changed:
        mark, told = old.marks.get(w.name), w.readings
        readings = [r for r in told if r.at <= now + SKEW]
        if len(readings) < len(told):
            # What lies in the future may be right, and a clock wrong: it is looked at again until it has come.
            w = w._replace(seen=(mark or ValueMark()).seen)  # noqa: PLW2901 - from here on it looks as before
        marks[w.name] = next_mark(mark, w, readings, now)
        news = [r for r in readings if mark is not None and (mark.at is None or r.at > mark.at)]
        for rule in by_name.get(w.name, ()):
            found, disarmed = walk(rule, mark.value if mark else None, news, fired.pop(rule.id, ()))
            crossings += found
            if disarmed:
                fired[rule.id] = disarmed
    crossings.sort(key=lambda c: (c.reading.at, c.rule.id))
    kept = _kept(old.marks | marks, {one.name for one in listed})
    after = ValuesState(marks=kept, fired=fired, slices=old.slices)
    return state if state is not None and after == state else after, crossings


def _known_only(fired: Mapping[str, tuple[Direction, ...]], rules: Sequence[Rule]) -> dict[str, tuple[Direction, ...]]:
    if not fired:
        return {}
    ids = {rule.id for rule in rules}
    return {rule_id: directions for rule_id, directions in fired.items() if rule_id in ids}


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


def walk(
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
        data = MeasureThresholdCrossed(
            measure_name=resource.name,
            display_name=resource.display_name,
            dimensions=dict(rule.dimensions) if rule.dimensions else None,
            **told,
        )
    return Event.of(
        data, time=reading.at, occurrence=[resource.name, rule.id, crossing.direction, reading.at.isoformat()]
    )
