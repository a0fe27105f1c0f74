"""Thresholds: which readings cross which rules, each once, in order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain import thresholds, watching
from shared.domain.resources import Measure, MeasureEvaluation, MeasureOutput, Segment, SegmentEvaluation
from shared.domain.rules import Rule
from shared.domain.thresholds import Crossing, event, history_days, moved
from shared.domain.watching import Seen, ValuesState, Watched, seen_measure, seen_segment

T0 = datetime(2026, 11, 20, 4, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def segment(*counts: int | None, status: str = "completedSuccess", name: str = "Big", first: int = 0) -> Segment:
    """A segment evaluated once a minute; the last is its latest evaluation."""
    evaluations = [SegmentEvaluation(status, at(first + n), count) for n, count in enumerate(counts)]
    return Segment(name, None, evaluations[-1] if evaluations else None, evaluations[:-1])


def seen_of(resource: Segment | Measure) -> Seen:
    return seen_segment(resource) if isinstance(resource, Segment) else seen_measure(resource)


def looked(resource: Segment | Measure) -> Watched:
    return Watched(resource.name, seen_of(resource), resource)


def watched(*values: str | int, name: str = "Big", first: int = 0) -> Watched:
    if not values:
        return looked(Measure(name, scalar=True))
    ends = [MeasureEvaluation("completed", at(first + n)) for n in range(len(values))]
    outputs = [MeasureOutput(at(first + n), Decimal(value)) for n, value in enumerate(values)]
    return looked(Measure(name, None, True, ends[-1], outputs[-1], ends[:-1], outputs[:-1]))  # noqa: FBT003


def compare(
    state: ValuesState | None, seen: list[Watched], rules: list[Rule], now: datetime = T0 + timedelta(days=9_999)
) -> tuple[ValuesState, list[Crossing]]:
    listed = [w.resource for w in seen]
    changed = [w for one in listed for w in watching.changed(state, [one], seen_of)]
    return thresholds.compare(state, changed, listed, rules, now)


def rule(
    threshold: str | int, direction: str = "above", margin: str | int = 0, id_: str = "r", name: str = "Big"
) -> Rule:
    return Rule(id_, name, Decimal(threshold), direction, Decimal(margin))  # type: ignore[arg-type]


def run(rules: list[Rule], *polls: Watched) -> list[Crossing]:
    state: ValuesState | None = None
    found: list[Crossing] = []
    for poll in polls:
        state, crossings = compare(state, [poll], rules)
        found += crossings
    return found


def told(crossings: list[Crossing]) -> list[tuple[str, Decimal]]:
    return [(c.direction, c.reading.value) for c in crossings]


@pytest.mark.parametrize(
    ("direction", "values", "expected"),
    [
        ("above", (9, 11), ["above"]),
        ("above", (10, 11), ["above"]),
        ("above", (9, 10), []),
        ("above", (11, 12), []),
        ("above", (11, 9), []),
        ("below", (11, 9), ["below"]),
        ("below", (10, 9), ["below"]),
        ("below", (11, 10), []),
        ("below", (9, 8), []),
        ("below", (9, 11), []),
        ("either", (9, 11), ["above"]),
        ("either", (11, 9), ["below"]),
        ("either", (9, 10), []),
        ("either", (11, 10), []),
        ("either", (9, 10, 11), ["above"]),
        ("either", (11, 10, 9), ["below"]),
        ("either", (9, 11, 9, 11), ["above", "below", "above"]),
        ("above", (9, 11, 9, 11), ["above", "above"]),
        ("above", (-1, 0), []),
    ],
)
def test_a_threshold_is_crossed(direction: str, values: tuple[int, ...], expected: list[str]) -> None:
    crossings = run([rule(10, direction)], watched(values[0]), watched(*values))
    assert [c.direction for c in crossings] == expected


@pytest.mark.parametrize(
    ("direction", "margin", "values", "expected"),
    [
        ("above", 3, (9, 11, 9, 11), ["above"]),
        ("above", 3, (9, 11, 8, 11), ["above"]),
        ("above", 3, (9, 11, 7, 11), ["above", "above"]),
        ("above", 3, (9, 11, 7, 9, 11), ["above", "above"]),
        ("above", 3, (9, 11, 6, 12, 8, 13), ["above", "above"]),
        ("below", 3, (11, 9, 11, 9), ["below"]),
        ("below", 3, (11, 9, 12, 9), ["below"]),
        ("below", 3, (11, 9, 13, 9), ["below", "below"]),
        ("either", 3, (9, 11, 9, 11, 9), ["above", "below"]),
        ("either", 3, (9, 14, 6, 14), ["above", "below", "above"]),
        ("either", 3, (9, 11, 7, 11, 9), ["above", "below", "above"]),
    ],
)
def test_a_fired_rule_is_armed_again_beyond_its_margin(
    direction: str, margin: int, values: tuple[int, ...], expected: list[str]
) -> None:
    rules = [rule(10, direction, margin)]
    at_once = run(rules, watched(values[0]), watched(*values))
    one_by_one = run(rules, *(watched(*values[: n + 1]) for n in range(len(values))))
    assert [c.direction for c in at_once] == expected
    assert one_by_one == at_once


def test_a_value_that_rose_and_fell_between_two_polls_is_seen() -> None:
    seen = run([rule(10, "either")], looked(segment(5)), looked(segment(5, 20, 5)))
    assert told(seen) == [("above", Decimal(20)), ("below", Decimal(5))]
    assert [c.previous for c in seen] == [Decimal(5), Decimal(20)]
    assert [c.reading.at for c in seen] == [at(1), at(2)]


def test_history_in_any_order_is_read_oldest_first() -> None:
    evaluations = [SegmentEvaluation("completedSuccess", at(n), count) for n, count in enumerate((5, 20, 7, 30))]
    shuffled = Segment("Big", None, evaluations[3], [evaluations[2], evaluations[0], evaluations[1], evaluations[3]])
    seen = run([rule(10)], looked(segment(5)), looked(shuffled))
    assert told(seen) == [("above", Decimal(20)), ("above", Decimal(30))]


@pytest.mark.parametrize("status", ["failed", "running", "brandNew", None])
def test_an_evaluation_that_did_not_succeed_has_no_value(status: str | None) -> None:
    bad = Segment("Big", None, SegmentEvaluation(status, at(1), 99), [SegmentEvaluation("completedSuccess", at(0), 5)])
    good = segment(5, 6, first=2)
    assert run([rule(10)], looked(segment(5)), looked(bad), looked(good)) == []


def test_incomplete_evaluations_have_no_value() -> None:
    incomplete = Segment(
        "Big",
        None,
        None,
        [SegmentEvaluation("completedSuccess", None, 5), SegmentEvaluation("completedSuccess", at(1), None)],
    )
    assert looked(incomplete).readings == []
    assert looked(Segment("Big")).readings == []


def test_what_is_first_seen_is_only_remembered() -> None:
    state, crossings = compare(None, [watched(5, 20)], [rule(10)])
    assert crossings == []
    state, crossings = compare(
        state, [watched(5, 20), watched(1, 30, name="New")], [rule(10), rule(10, name="New", id_="n")]
    )
    assert crossings == []
    _, crossings = compare(state, [watched(5, 20), watched(1, 30, 4, 31, name="New")], [rule(10, name="New", id_="n")])
    assert told(crossings) == [("above", Decimal(31))]


def test_a_first_value_has_no_previous_one_to_cross_from() -> None:
    never = looked(Measure("Big", scalar=True))
    assert run([rule(10)], never, watched(20)) == []
    assert told(run([rule(10)], never, watched(20), watched(20, 5, 30))) == [("above", Decimal(30))]


def test_a_new_rule_starts_from_the_last_known_value() -> None:
    state, _ = compare(None, [watched(20)], [])
    state, crossings = compare(state, [watched(20)], [rule(10)])
    assert crossings == []
    _, crossings = compare(state, [watched(20, 30)], [rule(10)])
    assert crossings == []


def test_an_evaluation_counts_once() -> None:
    state, _ = compare(None, [watched(5)], [rule(10)])
    state, first = compare(state, [watched(5, 20)], [rule(10)])
    again, second = compare(state, [watched(5, 20)], [rule(10)])
    assert len(first) == 1
    assert second == []
    assert again is state


def test_a_resource_that_was_not_seen_is_remembered() -> None:
    state, _ = compare(None, [watched(5)], [rule(10)])
    gone, crossings = compare(state, [], [rule(10)])
    assert crossings == []
    assert gone is state
    _, crossings = compare(gone, [watched(5, 20)], [rule(10)])
    assert told(crossings) == [("above", Decimal(20))]


def test_fired_rules_are_forgotten_with_their_subscription() -> None:
    state, _ = compare(None, [watched(5)], [rule(10, margin=5)])
    state, _ = compare(state, [watched(5, 20)], [rule(10, margin=5)])
    assert state.fired == {"r": ("above",)}
    state, _ = compare(state, [watched(5, 20)], [])
    assert state.fired == {}


@pytest.mark.parametrize(
    ("threshold", "before", "after", "crossed"),
    [
        ("0.3", "0.2", "0.3", False),
        ("0.3", "0.3", "0.30000000000000004", True),
        ("0.30000000000000004", "0.3", "0.30000000000000004", False),
        (
            "12345678901234567890123456789012345.1",
            "12345678901234567890123456789012345.1",
            "12345678901234567890123456789012345.2",
            True,
        ),
        ("12345678901234567890123456789012345.2", "1", "12345678901234567890123456789012345.2", False),
        ("9007199254740993", "9007199254740992", "9007199254740993", False),
        ("9007199254740992", "9007199254740992", "9007199254740993", True),
    ],
)
def test_values_are_compared_as_decimals(threshold: str, before: str, after: str, *, crossed: bool) -> None:
    assert bool(run([rule(threshold)], watched(before), watched(before, after))) is crossed


def test_a_margin_is_exact_for_thresholds_of_many_digits() -> None:
    limit = "10000000000000000000000000000000000.5"  # its margin's edge, …000.25, takes more than 28 digits
    back, not_quite = "10000000000000000000000000000000000.25", "10000000000000000000000000000000000.3"
    over = "10000000000000000000000000000000001"
    assert len(run([rule(limit, margin="0.25")], watched("1"), watched("1", over, back, over))) == 2
    assert len(run([rule(limit, margin="0.25")], watched("1"), watched("1", over, not_quite, over))) == 1


@pytest.mark.parametrize(("threshold", "margin"), [("1E+24", "1E+24"), ("-1E+24", "0"), ("1E-2000000", "1E-2000000")])
def test_an_extreme_rule_does_not_stop_the_others(threshold: str, margin: str) -> None:
    rules = [rule(threshold, "either", margin, id_="extreme"), rule(10)]
    crossings = run(rules, watched(5), watched(5, 20))
    assert [c.rule.id for c in crossings if c.rule.id == "r"] == ["r"]


def test_crossings_of_several_resources_come_in_time_order() -> None:
    rules = [rule(10, id_="a"), rule(10, name="B", id_="b"), rule(10, name="C", id_="c")]
    first = [watched(5), watched(5, name="B"), watched(5, name="C")]
    then = [watched(5, 6, 7, 20), watched(5, 20, name="B"), watched(5, 8, 20, name="C")]
    state, _ = compare(None, first, rules)
    forwards = compare(state, then, rules)
    backwards = compare(state, then[::-1], rules[::-1])
    assert [c.rule.id for c in forwards[1]] == ["b", "c", "a"]
    assert backwards[1] == forwards[1]
    assert backwards[0] == forwards[0]


def measure(*pairs: tuple[float, float, str | None], scalar: bool = True, latest: str = "completed") -> Measure:
    """A measure evaluated from a minute to a minute with a value."""
    evaluations = [MeasureEvaluation("completed", at(end)) for _, end, _ in pairs]
    outputs = [MeasureOutput(at(start), None if value is None else Decimal(value)) for start, _, value in pairs]
    last = MeasureEvaluation(latest, evaluations[-1].ended_at)
    return Measure("Revenue", None, scalar, last, outputs[-1], evaluations[-2::-1], outputs[-2::-1])


def test_an_output_belongs_to_the_evaluation_that_it_started() -> None:
    seen = looked(measure((0, 2, "1.5"), (10, 13, "2.5"), (20, 24, "0.1")))
    assert [(r.at, r.value) for r in seen.readings] == [
        (at(2), Decimal("1.5")),
        (at(13), Decimal("2.5")),
        (at(24), Decimal("0.1")),
    ]


def test_an_output_whose_evaluation_has_not_completed_has_no_reading() -> None:
    running = Measure(
        "Revenue", scalar=True, latest=MeasureEvaluation("running", None), output=MeasureOutput(at(20), Decimal(9))
    )
    assert looked(running).readings == []
    failed = measure((0, 2, "1"), (10, 13, "2"), latest="failed")
    assert [r.value for r in looked(failed).readings] == [Decimal(1)]


def test_an_evaluation_that_ends_as_it_starts_is_its_own() -> None:
    assert [r.at for r in looked(measure((5, 5, "1"))).readings] == [at(5)]


def test_measures_that_are_no_single_number_have_no_readings() -> None:
    assert looked(measure((0, 2, "1"), scalar=False)).readings == []
    assert looked(measure((0, 2, None))).readings == []


def test_only_what_a_rule_watches_and_has_moved_needs_its_history() -> None:
    state, _ = compare(None, [watched(5), watched(5, name="Other"), watched(5, name="Still")], [])
    now = [watched(5, 6), watched(5, 6, name="Other"), watched(5, name="Still"), watched(5, name="New")]
    rules = [rule(10), rule(10, name="Still", id_="s"), rule(10, name="New", id_="n")]
    changed = watching.changed(state, [w.resource for w in now if isinstance(w.resource, Measure)], seen_measure)
    assert [w.name for w in changed] == ["Big", "Other", "New"]
    assert [w.name for w in moved(state, changed, rules)] == ["Big"]


def test_history_reaches_back_to_the_last_known_value() -> None:
    state, _ = compare(None, [watched(5), watched(5, name="Old", first=-60 * 24 * 40)], [])
    assert history_days(state, ["Big"], at(1)) <= 2
    assert history_days(state, ["Big", "Old"], at(1)) >= 41
    assert history_days(state, ["Unknown"], at(1)) == 1
    assert history_days(state, ["Big"], at(60 * 24 * 5000)) == 365


def test_the_event_tells_the_crossing() -> None:
    (crossing,) = run([rule(10)], watched(5), watched(5, 20))
    told_segment = event("i1", crossing, Segment("Big", "Big ones"))
    assert told_segment.type == "CustomerInsights.Segment.ThresholdCrossed"
    assert told_segment.time == at(1)
    assert told_segment.raw["subject"] == "segments/Big"
    assert told_segment.data == {
        "instanceId": "i1",
        "segmentName": "Big",
        "friendlyName": "Big ones",
        "direction": "above",
        "threshold": 10,
        "previousValue": 5,
        "value": 20,
        "evaluatedAt": "2026-11-20T04:01:00Z",
        "ruleId": "r",
        "summary": "Big ones rose above 10: from 5 to 20.",
    }
    told_measure = event("i1", crossing, Measure("Big", "Shown"))
    assert told_measure.data["measureName"] == "Big"
    assert told_measure.data["displayName"] == "Shown"
    assert told_measure.id != told_segment.id
    assert event("i1", crossing, Segment("Big", "Renamed")).id == told_segment.id
    assert event("i2", crossing, Segment("Big")).id != told_segment.id


def test_an_evaluation_in_the_future_makes_nothing_old() -> None:
    odd = looked(Segment("Big", None, SegmentEvaluation("completedSuccess", at(60 * 24 * 900), 20)))
    state, _ = compare(None, [looked(segment(5))], [rule(10)], at(1))
    state, crossings = compare(state, [odd], [rule(10)], at(2))
    assert crossings == []
    later = looked(Segment("Big", None, SegmentEvaluation("completedSuccess", at(5), 30)))
    _, crossings = compare(state, [later], [rule(10)], at(6))
    assert told(crossings) == [("above", Decimal(30))]
