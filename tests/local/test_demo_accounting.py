"""The demo's account: right when all is as it should be, wrong for each thing that is not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from local.demo.accounting import Expected, Row, Seen, account, expect, is_settled
from local.demo.flows import CALLBACK_TIMEOUT, DemoFlow, Direction, Rule, demo_flows
from local.flows import Call, Disabled, Throttled
from local.tenant.life import Occurrence, a_day, contoso
from local.tenant.life.occurrences import (
    REFRESH_FAILED,
    SEGMENT_CROSSED,
    SYSTEM_REFRESHED,
    refreshed,
    segment_evaluated,
    system_refreshed,
)

NOW = datetime(2026, 5, 4, 6, tzinfo=UTC)
OCCURRENCES: Sequence[Occurrence] = (
    refreshed("s1", ok=False),
    refreshed("s1", ok=True),
    segment_evaluated("gold", 90, 110),
    segment_evaluated("gold", 110, 120),
    system_refreshed("j1", "failed", "onDemand"),
)
TICKET = DemoFlow("ticket", REFRESH_FAILED, behaviour=Throttled(times=1))
PARTY = DemoFlow("party", SEGMENT_CROSSED, "segments/gold", Rule(Decimal(100), "above"))
FORGOTTEN = DemoFlow("forgotten", SYSTEM_REFRESHED, outcome="failed", behaviour=Disabled())
FAILED = {"id": "e1", "type": REFRESH_FAILED, "subject": "data-sources/s1", "data": {}}
SUCCEEDED = {**FAILED, "id": "e2", "type": "CustomerInsights.DataSource.RefreshSucceeded"}
CROSSED = {
    "id": "e3",
    "type": SEGMENT_CROSSED,
    "subject": "segments/gold",
    "data": {"direction": "above", "threshold": 100.0, "previousValue": 90, "value": 110},
}
REFRESHED = {
    "id": "e4",
    "type": SYSTEM_REFRESHED,
    "subject": "jobs/j1",
    "data": {"outcome": "failed", "submissionKind": "onDemand"},
}


def call(flow: str, event: Mapping[str, Any], status: int = 202, delay: float = 0) -> Call:
    return Call(flow, status, NOW, {}, json.dumps(event).encode(), delay)


RIGHT = Seen(
    published=(FAILED, SUCCEEDED, CROSSED, REFRESHED),
    calls=(
        call("ticket", FAILED, 429),
        call("ticket", FAILED),
        call("party", CROSSED),
        call("forgotten", REFRESHED, 400),
    ),
    suspended=frozenset({"forgotten"}),
    dead_letters=(("forgotten", "e4"),),
)


@pytest.fixture
def expected() -> Expected:
    return expect(OCCURRENCES, (TICKET, PARTY, FORGOTTEN))


def wrong(rows: Sequence[Row]) -> list[str]:
    return [row.name for row in rows if not row.is_right]


def test_a_day_as_it_should_be_is_right(expected: Expected) -> None:
    rows = {row.name: row for row in account(expected, RIGHT)}
    assert not wrong(list(rows.values()))
    assert rows["occurrences"].seen == 5
    assert (rows["events published"].expected, rows["events published"].seen) == (4, 4)
    assert (rows["deliveries made"].expected, rows["deliveries made"].seen) == (2, 2)
    assert (rows["retries (at least)"].expected, rows["retries (at least)"].seen) == (1, 1)
    assert is_settled(expected, RIGHT)


def test_a_lost_delivery_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, calls=[each for each in RIGHT.calls if each.flow != "party"])
    assert wrong(account(expected, seen)) == ["deliveries made", "lost"]
    assert not is_settled(expected, seen)


def test_a_duplicate_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, calls=(*RIGHT.calls, call("party", CROSSED)))
    assert wrong(account(expected, seen)) == ["delivered more than once"]


def test_a_duplicate_does_not_make_up_for_a_lost_one(expected: Expected) -> None:
    calls = [*(each for each in RIGHT.calls if each.flow != "party"), call("ticket", FAILED)]
    assert {"delivered more than once", "lost"} <= set(wrong(account(expected, replace(RIGHT, calls=calls))))


def test_a_missing_dead_letter_is_wrong(expected: Expected) -> None:
    assert wrong(account(expected, replace(RIGHT, dead_letters=()))) == ["dead letters"]


def test_another_dead_letter_than_the_expected_one_is_wrong(expected: Expected) -> None:
    letters = (("forgotten", "e1"),)
    assert wrong(account(expected, replace(RIGHT, dead_letters=letters))) == ["dead letters"]


def test_a_delivery_to_another_flow_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, calls=(*RIGHT.calls, call("party", FAILED)))
    assert "delivered in vain" in wrong(account(expected, seen))


def test_an_event_that_is_not_published_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, published=RIGHT.published[1:])
    (row,) = [row for row in account(expected, seen) if not row.is_right]
    assert row.name == "events published"
    assert list(row.remarks) == [f"not published: {REFRESH_FAILED} data-sources/s1"]


def test_an_event_that_nothing_made_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, published=(*RIGHT.published, {**SUCCEEDED, "id": "e5"}))
    assert wrong(account(expected, seen)) == ["events published"]


def test_two_events_under_one_id_are_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, published=(*RIGHT.published[:-1], {**REFRESHED, "id": "e1"}))
    assert "events published" in wrong(account(expected, seen))


def test_an_event_published_again_under_its_id_is_one_event(expected: Expected) -> None:
    assert not wrong(account(expected, replace(RIGHT, published=(*RIGHT.published, FAILED))))


def test_another_value_is_another_event(expected: Expected) -> None:
    other = {**CROSSED, "data": {**CROSSED["data"], "value": 111}}
    seen = replace(RIGHT, published=[other if each is CROSSED else each for each in RIGHT.published])
    assert wrong(account(expected, seen)) == ["events published"]


def test_an_answer_after_the_timeout_is_none(expected: Expected) -> None:
    late = replace(RIGHT, calls=[replace(each, delay=CALLBACK_TIMEOUT) for each in RIGHT.calls])
    assert "lost" in wrong(account(expected, late))
    again = replace(RIGHT, calls=(*RIGHT.calls, call("party", CROSSED, delay=CALLBACK_TIMEOUT)))
    assert not wrong(account(expected, again))


def test_a_missing_retry_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, calls=RIGHT.calls[1:])
    assert wrong(account(expected, seen)) == ["retries (at least)"]


@pytest.mark.parametrize("suspended", [frozenset(), frozenset({"forgotten", "party"}), frozenset({"party"})])
def test_the_wrong_subscriptions_suspended_are_wrong(expected: Expected, suspended: frozenset[str]) -> None:
    assert wrong(account(expected, replace(RIGHT, suspended=suspended))) == ["subscriptions suspended"]


@pytest.mark.parametrize(
    ("direction", "previous", "value", "crossed"),
    [
        ("above", 99, 101, "above"),
        ("above", 100, 101, "above"),
        ("above", 99, 100, None),
        ("above", 101, 99, None),
        ("below", 101, 99, "below"),
        ("below", 100, 99, "below"),
        ("below", 101, 100, None),
        ("either", 99, 101, "above"),
        ("either", 101, 99, "below"),
        ("either", 101, 102, None),
    ],
)
def test_a_rule_is_crossed_its_way_only(direction: Direction, previous: int, value: int, crossed: str | None) -> None:
    assert Rule(Decimal(100), direction).crossed(Decimal(previous), Decimal(value)) == crossed


def test_the_day_concerns_every_flow_and_the_disabled_one_just_once() -> None:
    tenant = contoso(NOW)
    flows = demo_flows(tenant)
    made = [each for step in a_day(tenant) for each in step.makes]
    assert {flow.event_type for flow in flows} == {each.event_type for each in made}
    for flow in flows:
        concerned = sum(flow.wants(each) for each in made)
        assert concerned == 1 if flow.is_disabled else concerned >= 1, flow.name
