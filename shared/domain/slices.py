"""Slices: the values of measures with dimensions, for the combinations that rules watch.

A measure with dimensions shows no value in its list. Its rows stand in a table of its own, which is read once for each
evaluation, for all combinations that are watched. What is remembered of a combination is its value at an evaluation.
How the table and its columns are called, `shared.insights.slices` takes for given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain import exact_json
from shared.domain.jobs import SKEW
from shared.domain.numbers import number_of
from shared.domain.refresh_marks import short
from shared.domain.resources import COMPLETED, Measure
from shared.domain.rows import Row
from shared.domain.rules import Combination, Rule
from shared.domain.thresholds import Crossing, walk
from shared.domain.watching import Direction, Reading, SliceMark, ValuesState


@dataclass(frozen=True, slots=True)
class Due:
    """A measure whose table is to be read for rules on it, at the end of its latest evaluation."""

    measure: Measure
    at: datetime
    rules: Sequence[Rule]

    @property
    def combinations(self) -> Sequence[Combination]:
        """What is watched, each once."""
        return list({_key(rule): rule.dimensions for rule in self.rules if rule.dimensions}.values())


def due(state: ValuesState | None, measures: Mapping[str, Measure], rules: Sequence[Rule], now: datetime) -> list[Due]:
    """The measures whose tables are to be read, the one longest unread first: those with a new evaluation or rule."""
    known = state.slices if state is not None else {}
    by_name: dict[str, list[Rule]] = {}
    for rule in rules:
        measure = measures.get(rule.name)
        if measure is not None and rule.dimensions and column_of(measure, rule) is not None:
            by_name.setdefault(rule.name, []).append(rule)
    found: list[tuple[datetime | None, Due]] = []
    for name, watching in by_name.items():
        latest = measures[name].latest
        if latest is None or latest.state != COMPLETED or latest.ended_at is None or latest.ended_at > now + SKEW:
            continue
        marks = [known.get(_key(rule)) for rule in watching]
        if any(mark is None or mark.at < latest.ended_at for mark in marks):
            read_at = min((mark.at for mark in marks if mark is not None), default=None)
            found.append((read_at, Due(measures[name], latest.ended_at, watching)))
    return [one for _, one in sorted(found, key=lambda it: (it[0] or it[1].at, it[1].measure.name))]


def column_of(measure: Measure, rule: Rule) -> str | None:
    """The column that holds a rule's value; None where the rule does not fit the measure."""
    if measure.scalar or set(rule.dimensions or ()) != set(measure.dimensions):
        return None
    if rule.aggregate is not None:
        return rule.aggregate if rule.aggregate in measure.aggregates else None
    return measure.aggregates[0] if len(measure.aggregates) == 1 else None


def compare(
    state: ValuesState, read: Sequence[tuple[Due, Sequence[Row]]], rules: Sequence[Rule]
) -> tuple[ValuesState, list[Crossing]]:
    """Compare the rows that were read; gives what to remember, and the crossings in time order.

    A combination that no rule watches any more is forgotten. The very state comes back where nothing changed.
    """
    wanted = {_key(rule) for rule in rules if rule.dimensions}
    slices = {key: mark for key, mark in state.slices.items() if key in wanted}
    fired: dict[str, tuple[Direction, ...]] = dict(state.fired)
    crossings: list[Crossing] = []
    for one, rows in read:
        for rule in one.rules:
            key, value = _key(rule), value_of(rows, one.measure, rule)
            before = state.slices.get(key)
            if before is not None and before.at >= one.at:
                continue  # the table may be ahead of the evaluation that shows: its next value is that one's to tell
            slices[key] = SliceMark(at=one.at, value=value)
            if before is None or value is None:
                continue
            found, disarmed = walk(rule, before.value, [Reading(one.at, value)], fired.pop(rule.id, ()))
            crossings += found
            if disarmed:
                fired[rule.id] = disarmed
    if slices == state.slices and fired == state.fired:
        return state, []
    crossings.sort(key=lambda c: (c.reading.at, c.rule.id))
    return state.model_copy(update={"slices": slices, "fired": fired}), crossings


def value_of(rows: Sequence[Row], measure: Measure, rule: Rule) -> Decimal | None:
    """The value of a rule's combination; None where no row has it, or it is no number."""
    column = column_of(measure, rule)
    for row in rows:
        if all(_is_same(row.get(name), value) for name, value in (rule.dimensions or {}).items()):
            return number_of(row.get(column)) if column is not None else None
    return None


def _is_same(found: object, wanted: str | Decimal) -> bool:
    if isinstance(wanted, Decimal):
        return number_of(found) == wanted
    return str(found) == wanted if isinstance(found, str | Decimal) else False


def _key(rule: Rule) -> str:
    dimensions = {
        name: value.normalize() if isinstance(value, Decimal) else value
        for name, value in sorted((rule.dimensions or {}).items())
    }
    return short(exact_json.write([rule.name, dimensions, rule.aggregate]))
