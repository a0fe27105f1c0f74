"""The workbook's tiles and the alerts answer what they are asked: run on telemetry of an hour of operation."""

import re
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.callbacks import Answer
from tests.telemetry.operation import Operation
from tests.telemetry.portal import ALERTS, TILES, filled

SUCCEEDED = "CustomerInsights.DataSource.RefreshSucceeded"
STAGE = "CustomerInsights.Stage.RefreshCompleted"
DOWN = ("instances",)
DEAD_LETTERS, HEALTH = "dead-letters", "failing-health"
PENDING, POISON = "oldest-pending-delivery", "poison-messages"
POLLS, NO_POLL, SUSPENDED = "no-successful-poll", "no-poll", "subscription-suspended"


def alerts(operation: Operation) -> dict[str, list[dict[str, Any]]]:
    """The alerts that fire now, each with the rows of its answer."""
    found = {}
    for alert in ALERTS:
        assert (alert["operator"], alert["threshold"]) == ("GreaterThan", 0)
        if rows := operation.ask(alert["query"], timedelta(minutes=alert["windowMinutes"])):
            found[str(alert["name"])] = rows
    return found


def tile(operation: Operation, name: str, **given: str) -> list[dict[str, Any]]:
    """What a tile shows, with the default time range and these parameters."""
    milliseconds = TILES[name].get("timeContext", {"durationMs": 86_400_000})["durationMs"]
    return operation.ask(filled(TILES[name]["query"], **given), timedelta(milliseconds=milliseconds))


def values(rows: list[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[column] for column in columns) for row in rows)


async def started(minutes: int) -> Operation:
    """A bridge that has worked well for so many minutes of the hour, and then has something to tell."""
    operation = Operation()
    await operation.run(minutes)
    operation.refresh("i1")
    return operation


async def test_a_healthy_hour_fires_no_alert_and_fills_only_the_tiles_of_what_happened() -> None:
    operation = await started(20)
    operation.answer(Answer(503), Answer(202))  # an attempt that fails once is healthy
    await operation.run(40)
    assert alerts(operation) == {}
    assert [tile(operation, name) for name in ("undelivered", "failing", "flows")] == [[], [], []]
    [late] = tile(operation, "late")
    assert (late["EventType"], late["Deliveries"]) == (SUCCEEDED, 1)
    # It happened 20 seconds before the poll that saw it, and the second attempt came 10 seconds later.
    assert late["P50"] == late["P95"] == late["P99"] == pytest.approx(30)
    requests = tile(operation, "limits")
    assert {(row["Requests"], row["Throttled"], row["Failed"]) for row in requests} == {(3, 0, 0)}
    assert len(requests) == 60


async def test_an_hour_in_which_nothing_runs_fires_the_alerts_on_polls() -> None:
    operation = await started(30)
    operation.is_polling = False
    await operation.run(30)
    rows = alerts(operation)
    assert set(rows) == {POLLS, NO_POLL}
    assert values(rows[POLLS], "Instance", "Family") == [("*", "*")]
    assert values(rows[NO_POLL], "Families") == [("data-sources,jobs",), ("segments,measures",)]


@pytest.mark.parametrize(("minutes", "late"), [(7, []), (9, ["data-sources,jobs"])])
async def test_three_intervals_and_five_minutes_without_a_slot_fire_the_alert_on_absence(
    minutes: int, late: list[str]
) -> None:
    operation = await started(30)
    operation.is_polling = False
    await operation.run(minutes)
    assert [families for (families,) in values(alerts(operation).get(NO_POLL, []), "Families")] == late


async def test_a_bridge_that_has_not_polled_for_two_days_or_never_fires_the_alert_on_absence() -> None:
    operation = Operation()
    operation.is_polling = False
    await operation.run(1)
    assert values(alerts(operation)[NO_POLL], "Families") == [("*",)]


async def test_a_tenant_that_cannot_be_asked_fires_the_alert_on_polls_and_is_in_its_tile() -> None:
    operation = await started(30)
    await operation.run(30, failing=DOWN)
    assert NO_POLL not in alerts(operation)  # it looks at absence, not at failures
    # The instances that are known are polled all the same.
    assert {instance for (instance,) in values(alerts(operation)[POLLS], "Instance")} == {"*"}
    assert values(alerts(operation)[POLLS], "Family") == [("data-sources",), ("jobs",), ("measures",), ("segments",)]
    failing = tile(operation, "failing")
    assert {row["Instance"] for row in failing} == {"*"}
    assert {row["Family"]: row["Failures"] for row in failing}["jobs"] == 30


async def test_one_family_of_one_instance_that_keeps_failing_fires_it_and_is_named() -> None:
    operation = await started(30)
    await operation.run(30, failing=["segments i2"])
    rows = alerts(operation)
    assert values(rows[POLLS], "Instance", "Family") == [("i2", "segments")]
    assert set(rows) == {POLLS}
    [row] = tile(operation, "failing")
    assert (row["Instance"], row["Family"], row["Reason"]) == ("i2", "segments", "the API is down")
    assert 5 <= row["Failures"] <= 7


async def test_an_instance_that_recovered_fires_nothing_and_stays_in_the_tile() -> None:
    operation = await started(45)
    await operation.run(12, failing=["jobs i1"])
    await operation.run(3)
    assert alerts(operation) == {}
    assert values(tile(operation, "failing"), "Instance", "Family", "Reason") == [
        ("i1", "data-sources", "the API is down"),
        ("i1", "jobs", "the API is down"),
    ]


async def test_an_instance_that_fails_again_after_it_recovered_has_not_failed_all_the_time() -> None:
    operation = await started(41)
    await operation.run(8, failing=["jobs i1"])
    await operation.run(3)
    await operation.run(8, failing=["jobs i1"])
    assert alerts(operation) == {}


async def test_a_refused_delivery_is_a_dead_letter_in_its_tile_and_fires_its_alert() -> None:
    operation = await started(50)
    operation.answer(Answer(400))
    await operation.run(10)
    fired_ = alerts(operation)
    assert {name: values(rows, "Kind", "Letters") for name, rows in fired_.items()} == {DEAD_LETTERS: [("delivery", 1)]}
    assert values(tile(operation, "undelivered"), "State", "Reason", "Deliveries", "Flows") == [
        ("given up", "HTTP 400", 1, 1)
    ]


async def test_an_unreadable_message_is_a_dead_letter_of_its_kind() -> None:
    operation = await started(55)
    with operation.recorder.listening():
        await operation.dispatch("{}")
    await operation.run(5)
    assert values(alerts(operation)[DEAD_LETTERS], "Kind") == [("message",)]
    [row] = tile(operation, "undelivered")
    assert row["Reason"].startswith("queue events: unreadable: ")


async def test_a_flow_that_is_gone_is_suspended_in_its_tile_and_fires_its_alert() -> None:
    operation = await started(50)
    operation.answer(Answer(404, body="WorkflowNotFound"))
    await operation.run(10)
    rows = alerts(operation)
    assert set(rows) == {SUSPENDED}
    why = "data-source-refresh-succeeded: HTTP 404 WorkflowNotFound"
    assert values(rows[SUSPENDED], "Subscription", "Why") == [("s1", why)]
    assert values(tile(operation, "undelivered"), "State", "Reason", "Deliveries") == [
        ("held", "the subscription is suspended", 1)
    ]
    assert values(tile(operation, "flows"), "Subscription", "State", "Why") == [
        ("*", "suspended", "in all, by the last count: 1"),
        ("s1", "suspended", f"trigger={why}"),
    ]


async def test_a_flow_that_came_back_is_suspended_no_more() -> None:
    operation = await started(10)
    operation.answer(Answer(410))
    await operation.run(20)
    with operation.recorder.listening():
        await operation.unsubscribe.by_id(operation.store.rows["s1"][0].trigger, "s1")
    await operation.run(30)
    assert alerts(operation) == {}
    assert tile(operation, "flows") == []


@pytest.mark.parametrize("is_seen_late", [False, True])
async def test_a_flow_that_refuses_the_bridge_to_the_end_is_suspended_and_fires_its_alert(
    *, is_seen_late: bool
) -> None:
    operation = Operation(max_age=timedelta(minutes=12))
    await operation.run(40)
    operation.refresh("i1")
    operation.answer(Answer(401))
    await operation.run(5)
    operation.is_delivering = not is_seen_late
    await operation.run(10)
    operation.is_delivering = True
    await operation.run(5)
    rows = alerts(operation)
    assert values(rows[SUSPENDED], "Subscription") == [("s1",)]
    assert set(rows) == {SUSPENDED}


async def test_a_flow_that_answers_429_is_throttled_in_its_tile() -> None:
    operation = await started(55)
    operation.answer(Answer(429, retry_after=30), Answer(429, retry_after=30), Answer(202))
    await operation.run(5)
    assert values(tile(operation, "flows"), "Subscription", "State", "Why") == [
        ("s1", "throttled", "answered 429 2 times")
    ]
    assert alerts(operation) == {}


async def test_one_delivery_of_a_flow_that_takes_others_is_pending_and_no_failing_flow() -> None:
    operation = await started(30)
    operation.answer(Answer(429, retry_after=3600), Answer(202))
    await operation.run(1)
    await operation.run(29, refreshing=True)
    rows = alerts(operation)
    assert values(rows[PENDING], "What") == [("subscription s1",)]
    assert rows[PENDING][0]["Minutes"] == pytest.approx(30, abs=1)
    assert set(rows) == {PENDING}
    assert values(tile(operation, "undelivered"), "State", "Reason") == [("being tried", "HTTP 429")]


async def test_a_queue_that_nobody_works_on_fires_the_alert_on_pending_ones() -> None:
    operation = await started(30)
    operation.is_delivering = False
    await operation.run(30)
    rows = alerts(operation)
    assert values(rows[PENDING], "What") == [("queue deliveries",)]
    assert 15 < rows[PENDING][0]["Minutes"] <= 30
    assert set(rows) == {PENDING}


@pytest.mark.parametrize("end", ["delivered", "unsubscribed", "given up"])
async def test_a_delivery_that_ended_is_pending_no_more(end: str) -> None:
    operation = await started(20)
    operation.answer(Answer(500))
    await operation.run(10)
    if end == "delivered":
        operation.answer(Answer(202))
    elif end == "unsubscribed":
        with operation.recorder.listening():
            await operation.unsubscribe.by_id(operation.store.rows["s1"][0].trigger, "s1")
    else:
        operation.answer(Answer(400))
    await operation.run(30)
    assert PENDING not in alerts(operation)
    assert all(row["State"] == "given up" for row in tile(operation, "undelivered")) or end == "unsubscribed"


async def test_a_poison_message_fires_its_alert() -> None:
    operation = await started(55)
    with operation.recorder.listening():
        await operation.patience.poisoned("events", "cannot be worked on")
    await operation.run(5)
    rows = alerts(operation)
    assert values(rows[POISON], "Queue", "What", "Figure") == [("events", "messages that the host gave up", 1)]
    assert set(rows) == {POISON, DEAD_LETTERS}


async def test_a_function_that_keeps_failing_fires_the_alert_long_before_its_messages_are_given_up() -> None:
    operation = await started(40)
    for _ in range(15):
        for _ in range(4):
            failed(operation, "deliver", "Executed 'Functions.deliver' (Failed, Id=1, Duration=5ms)")
            failed(operation, "dispatch", "deadletter.recorded id=1")
        await operation.run(1)
    [row] = alerts(operation)[POISON]
    assert (row["Queue"], row["What"]) == ("deliver", "failures of this function")
    assert row["Figure"] > 50


async def test_a_function_that_failed_for_a_moment_fires_nothing() -> None:
    operation = await started(58)
    for _ in range(100):
        failed(operation, "deliver", "Executed 'Functions.deliver' (Failed, Id=1, Duration=5ms)")
    await operation.run(2)
    assert alerts(operation) == {}


def failed(operation: Operation, function: str, message: str) -> None:
    operation.azure_tells("FunctionAppLogs", FunctionName=function, Level="Error", Message=message)


async def test_a_poison_queue_that_nobody_empties_fires_its_alert() -> None:
    operation = await started(30)
    operation.poison["deliveries-poison"] = operation.clock()
    await operation.run(30)
    assert {name: values(rows, "Queue") for name, rows in alerts(operation).items()} == {
        POISON: [("deliveries-poison",)]
    }


async def test_a_health_check_that_fails_fires_its_alert() -> None:
    operation = await started(45)
    operation.health_status = 503
    await operation.run(15)
    assert {name: values(rows, "Source") for name, rows in alerts(operation).items()} == {
        HEALTH: [("GET /api/health",), ("availability test",)]
    }


async def test_requests_that_the_api_throttles_are_in_the_tile_of_its_limits() -> None:
    operation = await started(58)
    operation.api_status = 429
    await operation.run(2)
    latest, *_ = tile(operation, "limits")
    assert (latest["Requests"], latest["Throttled"], latest["Failed"]) == (3, 3, 0)


async def test_what_fired_today_is_counted_by_type() -> None:
    operation = await started(20)
    await operation.run(20)
    operation.clock.advance(timedelta(hours=13))  # to the next day
    for instance in ("i1", "i2"):
        operation.refresh(instance)
        await operation.run(20)
    assert values(tile(operation, "fired"), "EventType", "Events") == [(SUCCEEDED, 2), (STAGE, 2)]


def test_each_alert_can_be_made_into_a_rule() -> None:
    windows = {1, 5, 10, 15, 30, 45, 60, 120, 180, 240, 300, 360, 1440, 2880}  # minutes that Azure Monitor allows
    keys = {
        "name",
        "title",
        "description",
        "severity",
        "query",
        "windowMinutes",
        "frequencyMinutes",
        "threshold",
        "operator",
        "dimensions",
    }
    for alert in ALERTS:
        assert set(alert) == keys
        columns = set(re.split(r"[\s,=]+", alert["query"].rpartition("project ")[2]))
        assert set(alert["dimensions"]) <= columns
        assert alert["windowMinutes"] in windows
        assert alert["frequencyMinutes"] in windows
        assert alert["frequencyMinutes"] <= alert["windowMinutes"]
        assert alert["severity"] in range(5)
    assert len({alert["name"] for alert in ALERTS}) == len(ALERTS)
