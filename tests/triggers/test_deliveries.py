"""The routes of deliveries, of one subscription, and of events, over the real use cases."""

import itertools
import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Stage
from tests.fakes import NOON
from tests.triggers.api import Api
from tests.usecases.world import EVENT, URL, World, event_of, subscription
from triggers.views import StageName

EVENTS = [event_of(number) for number in range(5)]
ONE = "/subscriptions/s1"


def api_of(*answers: Answer, **choices: Any) -> Api:  # noqa: ANN401 - the world's
    return Api(World(*answers, **choices))


def at(minutes: int) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


async def test_deliveries_are_listed_the_newest_event_first_and_page_by_page() -> None:
    api = api_of(events=EVENTS)
    await api.world.run()
    found = await api.all_of(f"{ONE}/deliveries?limit=2")
    assert [one["eventTime"] for one in found] == [at(minute) for minute in (4, 3, 2, 1, 0)]
    assert found[0] == {
        "eventId": EVENTS[4].id,
        "eventType": EVENT.type,
        "eventTime": at(4),
        "subject": "data-sources/d1",
        "stage": "delivered",
        "attempts": 1,
        "status": 202,
        "dispatchedAt": at(0),
        "updatedAt": at(0),
        "replayed": False,
    }
    page = await api.get(f"{ONE}/deliveries?limit=2")
    assert len(page.body["value"]) == 2
    assert "secret" not in str(page.body)


async def test_deliveries_are_picked_by_stage_and_time() -> None:
    api = api_of(of=subscription(status="paused"), events=EVENTS)
    await api.world.run()
    await api.post(f"{ONE}/deliveries/{EVENTS[0].id}/redeliver")
    await api.world.run()
    assert len(await api.all_of(f"{ONE}/deliveries?stage=held&limit=1")) == 4
    (delivered,) = await api.all_of(f"{ONE}/deliveries?stage=delivered")
    assert delivered["eventId"] == EVENTS[0].id
    found = await api.all_of(f"{ONE}/deliveries?limit=1&since={at(1)}&until={at(3)}")
    assert [one["eventTime"] for one in found] == [at(2), at(1)]


def test_every_stage_can_be_asked_for() -> None:
    assert set(get_args(StageName)) == {stage.value for stage in Stage}


async def test_a_delivery_that_waits_says_for_what() -> None:
    api = api_of(Answer(503, retry_after=3600))
    await api.world.run(until=timedelta(seconds=1))
    one = (await api.get(f"{ONE}/deliveries/{EVENT.id}")).body
    assert (one["stage"], one["status"], one["reason"]) == ("waiting", 503, "HTTP 503")
    assert one["nextAttemptAt"] == at(60)
    assert one["event"] == EVENT.raw


async def test_a_delivery_shows_each_of_its_attempts() -> None:
    api = api_of(Answer(503), Answer(failure="timeout"), Answer(202))
    api.world.callbacks.on_call = lambda: api.world.clock.advance(timedelta(seconds=1.5))
    await api.world.run()
    one = (await api.get(f"{ONE}/deliveries/{EVENT.id}")).body
    assert (one["stage"], one["attempts"]) == ("delivered", 3)
    shown = [(it["durationMs"], it.get("status"), it.get("reason")) for it in one["history"]]
    assert shown == [(1_500, 503, "HTTP 503"), (1_500, None, "timeout"), (1_500, 202, "HTTP 202")]
    began = [datetime.fromisoformat(it["at"]) for it in one["history"]]
    assert began[0] == NOON
    assert [later - sooner > timedelta(seconds=10) for sooner, later in itertools.pairwise(began)] == [True, True]


@pytest.mark.parametrize("query", ["cursor=x", "limit=0", "limit=501", "stage=gone", "since=2026-11-20", "until=now"])
async def test_each_wrong_parameter_is_named(query: str) -> None:
    api = api_of()
    assert (await api.get(f"{ONE}/deliveries?{query}")).wrong == {query.partition("=")[0]}


async def test_a_flow_takes_again_what_is_sent_again() -> None:
    api = api_of(Answer(400), Answer(202))
    await api.world.run()
    assert (await api.get(f"{ONE}/deliveries/{EVENT.id}")).body["stage"] == "dead"
    answer = await api.post(f"{ONE}/deliveries/{EVENT.id}/redeliver")
    assert (answer.status, answer.body) == (202, {"eventId": EVENT.id})
    await api.world.run()
    assert (await api.get(f"{ONE}/deliveries/{EVENT.id}")).body["stage"] == "delivered"
    assert (await api.get("/dead-letters")).body == {"value": []}


@pytest.mark.parametrize("status", ["active", "paused", "suspended"])
async def test_a_test_event_goes_to_one_flow(status: str) -> None:
    api = api_of(of=subscription(status=status), events=[])
    answer = await api.post(f"{ONE}/test")
    assert answer.status == 202
    await api.world.run()
    (one,) = await api.all_of(f"{ONE}/deliveries")
    assert (one["eventId"], one["stage"]) == (answer.body["eventId"], "delivered")
    assert (await api.get(f"{ONE}/deliveries/{one['eventId']}")).body["event"]["data"]["test"] is True


async def test_a_replay_counts_before_it_begins() -> None:
    api = api_of(events=[])
    for event in EVENTS:
        await api.world.events.record(event, [])
    dry = await api.post(f"{ONE}/replay", {"since": at(1), "until": at(4), "dryRun": True})
    assert (dry.status, dry.body) == (200, {"count": 3})
    assert await api.all_of(f"{ONE}/deliveries") == []
    done = await api.post(f"{ONE}/replay", {"since": at(1), "until": at(4)})
    assert (done.status, done.body) == (202, {"count": 3})
    await api.world.run()
    found = await api.all_of(f"{ONE}/deliveries")
    assert [(one["stage"], one["replayed"]) for one in found] == [("delivered", True)] * 3
    again = {"since": at(0)}
    assert (await api.post(f"{ONE}/replay", {**again, "dryRun": True})).body == {"count": 2}
    assert (await api.post(f"{ONE}/replay", {**again, "which": "all", "dryRun": True})).body == {"count": 5}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "since"),
        ({}, "since"),
        ({"since": "2026-11-20T00:00:00"}, "since"),
        ({"since": 5}, "since"),
        ({"since": at(1), "until": at(0)}, "until"),
        ({"since": at(1), "which": "some"}, "which"),
        ({"since": at(1), "dryRun": "yes"}, "dryRun"),
        ({"since": at(1), "to": at(2)}, "to"),
    ],
)
async def test_a_replay_of_no_time_is_refused(body: object, field: str) -> None:
    wrong = (await api_of().post(f"{ONE}/replay", body)).wrong
    assert wrong == ({"body"} if body is None else {field})


# --- one subscription


async def test_a_paused_flow_gets_what_was_held_when_it_is_resumed() -> None:
    api = api_of(events=[])
    paused = await api("PATCH", ONE, {"status": "paused"})
    assert (paused.status, paused.body["status"]) == (200, "paused")
    assert (await api.get(ONE)).body == paused.body
    for event in EVENTS:
        api.world.dispatch(event)
    await api.world.run()
    assert len(await api.all_of(f"{ONE}/deliveries?stage=held")) == 5
    assert (await api.get(ONE)).body["held"] == 5
    assert (await api("PATCH", ONE, {"status": "active"})).body["status"] == "active"
    await api.world.run()
    assert len(await api.all_of(f"{ONE}/deliveries?stage=delivered")) == 5


async def test_a_backlog_that_nobody_wants_is_dead_letters() -> None:
    api = api_of(of=subscription(status="paused"), events=EVENTS)
    await api.world.run()
    assert (await api("PATCH", ONE, {"status": "active", "backlog": "discard"})).status == 200
    await api.world.run()
    assert len(await api.all_of("/dead-letters?limit=2")) == 5
    assert api.world.calls() == 0


async def test_what_a_threshold_is_and_how_it_is_called_can_be_changed() -> None:
    of = subscription(slug="segment-threshold-crossed", segmentName="Gold", threshold=Decimal(10))
    api = api_of(of=of, events=[])
    changed = await api("PATCH", ONE, {"threshold": 0.1, "direction": "either", "rearmMargin": 2, "label": "gold"})
    assert changed.status == 200
    kept = {name: changed.body[name] for name in ("threshold", "direction", "rearmMargin", "label", "segmentName")}
    assert kept == {"threshold": 0.1, "direction": "either", "rearmMargin": 2, "label": "gold", "segmentName": "Gold"}
    rule = api.world.subscriptions.rows["s1"][0].rule
    assert rule is not None
    assert rule.threshold == Decimal("0.1")
    assert "label" not in (await api("PATCH", ONE, {"label": ""})).body


@pytest.mark.parametrize("body", [None, {}, {"label": None}, {"threshold": None}])
async def test_nothing_to_change_changes_nothing(body: object) -> None:
    api = api_of()
    assert (await api("PATCH", ONE, body)).status == 200
    assert api.world.subscriptions.writes == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "suspended"}, "status"),
        ({"status": "failing"}, "status"),
        ({"backlog": "deliver"}, "backlog"),
        ({"status": "paused", "backlog": "discard"}, "backlog"),
        ({"status": "active", "backlog": "keep"}, "backlog"),
        ({"threshold": 5}, "threshold"),
        ({"threshold": "5"}, "threshold"),
        ({"maxAgeHours": 5}, "maxAgeHours"),
        ({"maxAgeHours": 0}, "maxAgeHours"),
        ({"maxAgeHours": 721}, "maxAgeHours"),
        ({"rearmMargin": -1}, "rearmMargin"),
        ({"direction": "up"}, "direction"),
        ({"label": "x" * 201}, "label"),
        ({"callbackUrl": URL}, "callbackUrl"),
        ({"id": "s2"}, "id"),
    ],
)
async def test_what_cannot_be_changed_is_refused_by_its_name(body: object, field: str) -> None:
    api = api_of()
    assert (await api("PATCH", ONE, body)).wrong == {field}
    assert api.world.subscriptions.writes == 0


async def test_a_subscription_is_ended_once_and_that_it_is_gone_is_no_error() -> None:
    api = api_of(events=[])
    assert (await api("DELETE", ONE)).status == 204
    assert (await api("DELETE", ONE)).status == 204
    assert (await api.get(ONE)).status == 404


async def test_a_signed_subscription_gets_another_secret_and_no_other_does() -> None:
    api = api_of(of=replace(subscription(), secret=b"s1|x"), events=[])
    answer = await api.post(f"{ONE}/secret/rotate")
    assert answer.status == 200
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", answer.body["secret"])
    assert (await api.post(f"{ONE}/secret/rotate")).body["secret"] != answer.body["secret"]
    assert "secret" not in (await api.get(ONE)).body
    unsigned = await api_of(events=[]).post(f"{ONE}/secret/rotate")
    assert (unsigned.status, "not signed" in unsigned.body["detail"]) == (409, True)


async def test_a_run_is_shown_where_the_flow_is_known() -> None:
    api = api_of(
        Answer(202, run_id="run/1"), of=replace(subscription(), environment_hint="Default-1", flow_hint="flow-1")
    )
    await api.world.run()
    (one,) = await api.all_of(f"{ONE}/deliveries")
    assert one["runId"] == "run/1"
    assert one["runUrl"] == "https://make.powerautomate.com/environments/Default-1/flows/flow-1/runs/run%2F1"


UNKNOWN: list[tuple[str, str, object]] = [
    ("GET", "/subscriptions/s2", None),
    ("PATCH", "/subscriptions/s2", {"status": "paused"}),
    ("POST", "/subscriptions/s2/test", None),
    ("POST", "/subscriptions/s2/secret/rotate", None),
    ("GET", "/subscriptions/s2/deliveries", None),
    ("GET", f"/subscriptions/s2/deliveries/{EVENT.id}", None),
    ("GET", "/subscriptions/s1/deliveries/x", None),
    ("POST", f"/subscriptions/s2/deliveries/{EVENT.id}/redeliver", None),
    ("POST", "/subscriptions/s1/deliveries/x/redeliver", None),
    ("POST", "/subscriptions/s2/replay", {"since": at(0)}),
    ("GET", "/events/x", None),
    ("GET", "/dead-letters/x", None),
    ("POST", "/dead-letters/x/redeliver", None),
    ("DELETE", "/dead-letters/x", None),
]


@pytest.mark.parametrize(("method", "address", "body"), UNKNOWN, ids=[f"{m} {a}" for m, a, _ in UNKNOWN])
async def test_what_is_not_there_is_not_found(method: str, address: str, body: object) -> None:
    answer = await api_of(events=[])(method, address, body)
    assert answer.status == 404
    assert answer.body["detail"].startswith("There is no such")
