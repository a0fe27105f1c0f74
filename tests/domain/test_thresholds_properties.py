"""Thresholds, whatever the readings and however polls fall between them: an independent model says what is told."""

import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.resources import Segment, SegmentEvaluation
from shared.domain.rules import Rule
from shared.domain.thresholds import Crossing, compare
from shared.domain.watching import ValuesState, changed, seen_segment

T0 = datetime(2026, 11, 20, 4, tzinfo=UTC)
LATER = T0 + timedelta(days=9_999)
small = st.integers(0, 12)
rules_of_big = st.builds(
    Rule,
    id=st.just("r"),
    name=st.just("Big"),
    threshold=st.integers(-1, 13).map(Decimal),
    direction=st.sampled_from(["above", "below", "either"]),
    rearm_margin=st.sampled_from([Decimal(0), Decimal(1), Decimal("2.5"), Decimal(6)]),
)
evaluations = st.lists(
    st.tuples(st.sampled_from(["completedSuccess"] * 4 + ["failed", "odd"]), small), min_size=1, max_size=14
)


def shown(history: Sequence[tuple[str, int]], upto: int, shuffle: random.Random) -> Segment:
    """The segment after its first evaluations, history and all."""
    found = [
        SegmentEvaluation(status, T0 + timedelta(hours=n), count) for n, (status, count) in enumerate(history[:upto])
    ]
    earlier = found[:-1]
    shuffle.shuffle(earlier)
    return Segment("Big", None, found[-1], earlier)


def polled(
    state: ValuesState | None, segments: Sequence[Segment], rules: Sequence[Rule]
) -> tuple[ValuesState, list[Crossing]]:
    return compare(state, changed(state, segments, seen_segment), segments, rules, LATER)


def naive(history: Sequence[tuple[str, int]], first: int, rule: Rule) -> list[tuple[str, int]]:
    """The model: up and down are two separate switches, each of which a crossing opens and going back closes."""
    values = [(n, count) for n, (status, count) in enumerate(history) if status == "completedSuccess"]
    told: list[tuple[str, int]] = []
    open_up = open_down = False
    previous: int | None = None
    for n, value in values:
        if previous is not None and n >= first:
            if rule.direction in ("above", "either") and previous <= rule.threshold < value and not open_up:
                told.append(("above", n))
                open_up = rule.rearm_margin > 0
            if rule.direction in ("below", "either") and previous >= rule.threshold > value and not open_down:
                told.append(("below", n))
                open_down = rule.rearm_margin > 0
        if value <= rule.threshold - rule.rearm_margin:
            open_up = False
        if value >= rule.threshold + rule.rearm_margin:
            open_down = False
        previous = value
    return told


@settings(max_examples=300, deadline=None)
@given(history=evaluations, rule=rules_of_big, data=st.data())
def test_what_is_told_does_not_depend_on_when_polls_fall(
    history: list[tuple[str, int]], rule: Rule, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, len(history)))
    cuts = sorted({first, len(history), *data.draw(st.lists(st.integers(first, len(history)), max_size=6))})
    shuffle = data.draw(st.randoms(use_true_random=False))
    state: ValuesState | None = None
    told: list[tuple[str, int]] = []
    for cut in cuts:
        seen = shown(history, cut, shuffle)
        state, crossings = polled(state, [seen], [rule])
        told += [(c.direction, int((c.reading.at - T0) / timedelta(hours=1))) for c in crossings]
        again, more = polled(state, [seen], [rule])
        assert again is state
        assert more == []
        assert ValuesState.model_validate_json(state.model_dump_json(exclude_defaults=True)) == state
    assert told == naive(history, first, rule)


def test_ten_thousand_resources_and_rules_take_no_time() -> None:
    names = [f"S{n}" for n in range(10_000)]
    rules = [Rule(f"r{n}", name, Decimal(10), rearm_margin=Decimal(1)) for n, name in enumerate(names)]

    def poll(count: int, hour: int) -> list[Segment]:
        at = T0 + timedelta(hours=hour)
        return [Segment(name, None, SegmentEvaluation("completedSuccess", at, count)) for name in names]

    started = time.process_time()  # what others take from the machine does not count
    state, _ = polled(None, poll(5, 0), rules)
    state, crossings = polled(state, poll(20, 1), rules)
    assert len(crossings) == 10_000
    _, crossings = polled(state, poll(20, 2), rules)
    assert crossings == []
    assert time.process_time() - started < 4
