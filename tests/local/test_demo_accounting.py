"""The demo's account: right when all is as it should be, wrong for each thing that is not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from local.demo.accounting import Expected, Row, Seen, account, expect, is_settled
from local.demo.flows import CALLBACK_TIMEOUT, RESUMED, SUSPENDED, DemoFlow, Direction, Rule, demo_flows
from local.flows import Call, Disabled, Picky, Throttled
from local.tenant.life import Occurrence, Step, a_day, contoso
from local.tenant.life.occurrences import (
    REFRESH_FAILED,
    REFRESH_SUCCEEDED,
    SEGMENT_CROSSED,
    SYSTEM_REFRESHED,
    refreshed,
    segment_evaluated,
    system_refreshed,
)

NOW = datetime(2026, 5, 4, 6, tzinfo=UTC)


def step(part: str, *makes: Occurrence) -> Step:
    return Step(0, "", lambda _: None, makes, part)


STEPS = (
    step("night", refreshed("s1", ok=False), refreshed("s1", ok=True)),
    step("night", segment_evaluated("gold", 90, 110), segment_evaluated("gold", 110, 120)),
    step("night", refreshed("s2", ok=True), system_refreshed("j1", "failed", "onDemand")),
    step("evening", refreshed("s2", ok=False), refreshed("s1", ok=True)),
)
TICKET = DemoFlow("ticket", REFRESH_FAILED, behaviour=Throttled(times=1))
PARTY = DemoFlow("party", SEGMENT_CROSSED, "segments/gold", Rule(Decimal(100), "above"))
FORGOTTEN = DemoFlow("forgotten", SYSTEM_REFRESHED, outcome="failed", behaviour=Disabled())
PICKY = DemoFlow("picky", REFRESH_FAILED, behaviour=Picky(times=1))
LOG = DemoFlow("log", REFRESH_SUCCEEDED, behaviour=Disabled(), on_in="evening")


def of_source(event_id: str, name: str, event_type: str, minute: int) -> Mapping[str, Any]:
    time = f"2026-05-04T06:{minute:02}:00Z"
    return {"id": event_id, "type": event_type, "subject": f"data-sources/{name}", "time": time, "data": {}}


FAILED = of_source("e1", "s1", REFRESH_FAILED, 1)
SUCCEEDED = of_source("e2", "s1", REFRESH_SUCCEEDED, 2)
CROSSED = {
    "id": "e3",
    "type": SEGMENT_CROSSED,
    "subject": "segments/gold",
    "data": {"direction": "above", "threshold": 100.0, "previousValue": 90, "value": 110},
}
ALSO_SUCCEEDED = of_source("e4", "s2", REFRESH_SUCCEEDED, 3)
REFRESHED = {
    "id": "e5",
    "type": SYSTEM_REFRESHED,
    "subject": "jobs/j1",
    "data": {"outcome": "failed", "submissionKind": "onDemand"},
}
ALSO_FAILED = of_source("e6", "s2", REFRESH_FAILED, 4)
SUCCEEDED_LATE = of_source("e7", "s1", REFRESH_SUCCEEDED, 5)


def notice(event_id: str, event_type: str, flow: str) -> Mapping[str, Any]:
    return {"id": event_id, "type": event_type, "subject": "subscriptions/s1", "data": {"label": flow}}


NOTICES = (notice("n1", SUSPENDED, "forgotten"), notice("n2", SUSPENDED, "log"), notice("n3", RESUMED, "log"))


def call(flow: str, event: Mapping[str, Any], status: int = 202, delay: float = 0) -> Call:
    return Call(flow, status, NOW, {}, json.dumps(event).encode(), delay)


OF_TICKET = (call("ticket", FAILED, 429), call("ticket", FAILED), call("ticket", ALSO_FAILED))
OF_PICKY = (call("picky", FAILED, 400), call("picky", ALSO_FAILED))
WHILE_OFF = (call("forgotten", REFRESHED, 400), call("log", SUCCEEDED, 400))
RELEASED = (call("log", SUCCEEDED), call("log", ALSO_SUCCEEDED))
LIVE = call("log", SUCCEEDED_LATE)
RIGHT = Seen(
    published=(FAILED, SUCCEEDED, CROSSED, ALSO_SUCCEEDED, REFRESHED, ALSO_FAILED, SUCCEEDED_LATE, *NOTICES),
    calls=(*OF_TICKET, *OF_PICKY, call("party", CROSSED), *WHILE_OFF, *RELEASED, LIVE),
    suspended=frozenset({"forgotten"}),
    held=frozenset({("forgotten", "e5"), ("log", "e2"), ("log", "e4")}),
    dead_letters=(("picky", "e1"),),
)


def without(*gone: Call) -> list[Call]:
    return [each for each in RIGHT.calls if each not in gone]


@pytest.fixture
def expected() -> Expected:
    return expect(STEPS, (TICKET, PARTY, FORGOTTEN, PICKY, LOG))


def wrong(rows: Sequence[Row]) -> list[str]:
    return [row.name for row in rows if not row.is_right]


def test_a_day_as_it_should_be_is_right(expected: Expected) -> None:
    rows = {row.name: row for row in account(expected, RIGHT)}
    assert not wrong(list(rows.values()))
    assert rows["occurrences"].seen == 8
    figures = {name: (row.expected, row.seen) for name, row in rows.items()}
    assert figures["events published"] == (10, 10)
    assert figures["deliveries made"] == (7, 7)
    assert figures["retries (at least)"] == (2, 2)
    assert figures["held"] == (3, 3)
    assert figures["released"] == (2, 2)
    assert figures["dead letters"] == (1, 1)
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
    letters = (("picky", "e6"),)
    assert wrong(account(expected, replace(RIGHT, dead_letters=letters))) == ["dead letters"]


def test_what_was_lost_while_a_flow_was_off_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, held=RIGHT.held - {("log", "e4")}, calls=without(RELEASED[1]))
    assert wrong(account(expected, seen)) == ["deliveries made", "held", "released", "lost"]


def test_what_is_delivered_to_a_flow_that_is_off_is_not_held(expected: Expected) -> None:
    assert wrong(account(expected, replace(RIGHT, held=RIGHT.held - {("log", "e4")}))) == ["held", "released"]


def test_another_event_held_than_the_expected_one_is_wrong(expected: Expected) -> None:
    held = RIGHT.held - {("forgotten", "e5")} | {("forgotten", "e1")}
    assert wrong(account(expected, replace(RIGHT, held=held))) == ["held"]


def test_what_stays_held_for_a_flow_that_is_on_again_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, calls=without(*RELEASED))
    assert wrong(account(expected, seen)) == ["deliveries made", "retries (at least)", "released", "lost"]


def test_a_backlog_that_comes_in_another_order_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, calls=[*without(*RELEASED), *RELEASED[::-1]])
    assert wrong(account(expected, seen)) == ["released out of order"]


def test_a_delivery_to_another_flow_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, calls=(*RIGHT.calls, call("party", FAILED)))
    assert "delivered in vain" in wrong(account(expected, seen))


def test_an_event_that_is_not_published_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, published=RIGHT.published[1:])
    rows = {row.name: row for row in account(expected, seen) if not row.is_right}
    assert list(rows["events published"].remarks) == [f"not published: {REFRESH_FAILED} data-sources/s1"]


def test_an_event_that_nothing_made_is_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, published=(*RIGHT.published, {**SUCCEEDED, "id": "e8"}))
    assert wrong(account(expected, seen)) == ["events published"]


def test_two_events_under_one_id_are_wrong(expected: Expected) -> None:
    seen = replace(RIGHT, published=(*RIGHT.published[:-1], {**SUCCEEDED_LATE, "id": "e1"}))
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
    seen = replace(RIGHT, calls=without(OF_TICKET[0]))
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


def test_the_day_concerns_every_flow_and_what_is_turned_on_before_and_after() -> None:
    tenant = contoso(NOW)
    flows = demo_flows(tenant)
    steps = a_day(tenant)
    made = [each for step in steps for each in step.makes]
    assert {flow.event_type for flow in flows} == {each.event_type for each in made}
    for flow in flows:
        assert any(flow.wants(each) for each in made), flow.name
        if flow.on_in:
            late = [each for step in steps if step.part == flow.on_in for each in step.makes]
            assert 0 < sum(flow.wants(each) for each in late) < sum(flow.wants(each) for each in made)
