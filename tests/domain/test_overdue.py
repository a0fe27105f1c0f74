"""Overdue: one event for each lapse, by the tenant's own clock alone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.domain import lapses
from shared.domain.lapses import Lapse
from shared.domain.rules import AgeRule

T0 = datetime(2026, 11, 20, tzinfo=UTC)
moves = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=25)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


@given(moves, st.sampled_from([Decimal(1), Decimal(3), Decimal("0.5")]), st.none() | st.integers(-9, 0))
def test_each_lapse_is_told_once(steps: list[tuple[int, bool]], age: Decimal, first: int | None) -> None:
    rule, known, now = AgeRule("r", age), dict[str, Lapse](), 0
    last = None if first is None else at(first)
    began, told, expected = None, list[datetime](), list[datetime]()
    for hours, succeeds in steps:
        now += hours
        if succeeds:
            last = at(now)
        began = began if began is not None else at(now)
        start = last or began
        if at(now) - start > rule.max_age and start + rule.max_age not in expected:
            expected.append(start + rule.max_age)
        for _ in range(2):  # a poll, and another at the same time
            known, found = lapses.compare(known, [rule], lambda _, last=last: last, at(now))  # type: ignore[misc]
            told += [one.at for one in found]
        known = {key: Lapse.model_validate_json(one.model_dump_json()) for key, one in known.items()}
    assert told == expected


def test_without_the_tenant_s_time_nothing_is_judged() -> None:
    assert lapses.compare({}, [AgeRule("r", Decimal(1))], lambda _: T0, None) == ({}, [])


def test_a_success_that_shows_late_and_is_older_than_the_subscription_arms_nothing() -> None:
    rule = AgeRule("r", Decimal(1))
    known, _ = lapses.compare({}, [rule], lambda _: None, at(0))
    known, found = lapses.compare(known, [rule], lambda _: None, at(2))
    assert [one.at for one in found] == [at(1)]
    assert lapses.compare(known, [rule], lambda _: at(-5), at(3))[1] == []


def test_what_is_no_rule_any_more_is_forgotten() -> None:
    known, _ = lapses.compare({}, [AgeRule("r", Decimal(1))], lambda _: T0, at(0))
    assert lapses.compare(known, [], lambda _: T0, at(9)) == ({}, [])
