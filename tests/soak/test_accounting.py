"""The account of a soak: right when all is as it should be, wrong for each thing that is not."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.demo.flows import SUSPENDED, DemoFlow
from local.flows import Call
from local.tenant.life.occurrences import REFRESH_FAILED, REFRESH_SUCCEEDED, refreshed
from tests.soak.accounting import Found, Tally, account, tallies
from tests.soak.play import stands

START = datetime(2026, 5, 4, 6, tzinfo=UTC)
OCCURRENCES = (refreshed("s1", ok=True), refreshed("s1", ok=True), refreshed("s2", ok=False))
FLOWS = (DemoFlow("log", REFRESH_SUCCEEDED), DemoFlow("ticket", REFRESH_FAILED))


def event(event_id: str, event_type: str, subject: str, **data: object) -> Mapping[str, Any]:
    return {"id": event_id, "type": event_type, "subject": subject, "data": data}


ONE, TWO = (event(id_, REFRESH_SUCCEEDED, "data-sources/s1") for id_ in ("e1", "e2"))
THREE = event("e3", REFRESH_FAILED, "data-sources/s2")
NOTICE = event("n1", SUSPENDED, "subscriptions/x", label="ticket")


def call(flow: str, posted: Mapping[str, Any], second: int, status: int = 202, delay: float = 0) -> Call:
    return Call(flow, status, START + timedelta(seconds=second), {}, json.dumps(posted).encode(), delay)


RIGHT = Found(
    published=(ONE, TWO, THREE, NOTICE),
    calls=(call("log", ONE, 1), call("log", TWO, 2), call("ticket", THREE, 3, 422)),
    stages={"log": {"e1": "delivered", "e2": "delivered"}, "ticket": {"e3": "dead"}},
    suspended=frozenset({"ticket"}),
    active=frozenset({"log", "ticket"}),
)


PLACED = "held, and with a place in a backlog"
HELD = ["held, as the subscriptions count it", PLACED, "held, though the flow takes events"]


def wrong(found: Found) -> list[str]:
    return [row.name for row in account(OCCURRENCES, FLOWS, found) if not row.is_right]


def staged(flow: str, **stages: str) -> Found:
    return replace(RIGHT, stages={**RIGHT.stages, flow: stages})


def test_an_account_as_it_should_be_is_right_and_counted_by_flow() -> None:
    assert wrong(RIGHT) == []
    assert tallies(OCCURRENCES, FLOWS, RIGHT) == [Tally("log", 2, 2, 0, 0, 2), Tally("ticket", 1, 0, 0, 1, 1)]


@pytest.mark.parametrize(
    ("found", "rows"),
    [
        (replace(RIGHT, published=(ONE, TWO, NOTICE)), ["events that were not published", "lost", "for nobody"]),
        (
            replace(RIGHT, published=(*RIGHT.published, event("e4", REFRESH_FAILED, "data-sources/s2"))),
            ["events that nothing had made"],
        ),
        (replace(RIGHT, published=(*RIGHT.published, {**ONE, "data": {"a": 1}})), ["published again with other data"]),
        (staged("log", e1="delivered"), ["delivered, held or dead", "lost", "taken by the flow, and not delivered"]),
        (
            staged("ticket", e3="dead", e1="held"),
            ["delivered, held or dead", "for nobody", *HELD],
        ),
        (staged("ticket", e3="waiting"), ["not come to an end"]),
        (replace(RIGHT, held={"log": 1}), ["held, as the subscriptions count it"]),
        (replace(RIGHT, places=1), [PLACED]),
        (staged("ticket", e3="held"), HELD),
        (staged("ticket", e3="delivered"), ["delivered, and the flow has not taken it"]),
        (staged("log", e1="delivered", e2="dead"), None),
        (replace(RIGHT, calls=(*RIGHT.calls, call("log", ONE, 20))), ["taken again for no reason"]),
        (
            replace(RIGHT, calls=(*RIGHT.calls, call("ticket", {**THREE, "data": {"a": 1}}, 20, 422))),
            ["taken again with other bytes"],
        ),
        (replace(RIGHT, published=RIGHT.published[:-1]), ["suspended, and nobody was told"]),
        (replace(RIGHT, told=frozenset({"AccountKey"})), ["secrets in logs, storage or events"]),
    ],
)
def test_each_thing_that_is_not_as_it_should_be_is_wrong(found: Found, rows: list[str] | None) -> None:
    both = ["taken by the flow, and not delivered", "dead, and the flow has not rejected it"]
    assert wrong(found) == (rows or both)


def test_a_death_before_the_record_or_a_request_explains_a_repeat_and_nothing_else_does() -> None:
    again = replace(RIGHT, calls=(*RIGHT.calls, call("log", ONE, 40)))
    before, soon, between, after = (START + timedelta(seconds=second) for second in (0, 6, 7, 41))
    assert wrong(replace(again, killed=[soon])) == []
    assert wrong(replace(again, asked={"log": {"e1": [between]}})) == []
    for found in (
        replace(again, killed=[before, between, after]),
        replace(again, asked={"log": {"e2": [between]}}),
        replace(again, asked={"ticket": {"e1": [between]}}),
    ):
        assert wrong(found) == ["taken again for no reason"]
    slow = replace(again, calls=(*RIGHT.calls[1:], call("log", ONE, 1, delay=4), call("log", ONE, 40)))
    assert wrong(replace(slow, killed=[between])) == []


def test_what_comes_too_late_for_the_bridge_to_hear_is_not_taken() -> None:
    late = replace(RIGHT, calls=(*RIGHT.calls[1:], call("log", ONE, 1, delay=60), call("log", ONE, 20)))
    assert wrong(late) == []


def test_only_a_death_right_after_it_explains_that_a_flow_s_answer_was_not_recorded() -> None:
    found = replace(staged("log", e1="delivered", e2="held"), active=frozenset(), held={"log": 1}, places=1)
    name = ["taken by the flow, and not delivered"]
    assert wrong(found) == name
    assert wrong(replace(found, killed=[START + timedelta(seconds=3)])) == []
    assert wrong(replace(found, killed=[START + timedelta(seconds=60)])) == name


def test_what_a_dead_host_had_let_out_of_a_paused_backlog_still_stands_there() -> None:
    old, new = (f"{datetime.now(UTC) - timedelta(minutes=minutes):%FT%T%z}" for minutes in (5, 0))
    assert stands({"stage": "attempting", "updatedAt": old}, is_active=False) == "held"
    assert stands({"stage": "attempting", "updatedAt": old}, is_active=True) == "attempting"
    assert stands({"stage": "attempting", "updatedAt": new}, is_active=False) == "attempting"
    assert stands({"stage": "waiting", "updatedAt": old}, is_active=False) == "waiting"
