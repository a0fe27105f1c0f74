"""The workbook's tiles for whoever follows one event, one flow, one environment or one alert."""

from datetime import timedelta
from typing import Any

import pytest

from shared.domain.callbacks import Answer
from tests.telemetry.operation import Operation
from tests.telemetry.portal import PARAMETERS, TILES
from tests.telemetry.test_portal import SUCCEEDED, started, tile, values

REFRESHES, THRESHOLDS = "data-sources,jobs", "segments,measures"
REFUSED = "outcome=Refused, httpStatusCode=Forbidden"


async def test_each_environment_has_the_time_of_its_last_good_poll() -> None:
    operation = await started(30)
    await operation.run(20, failing=["segments i2", "jobs i1"])
    rows = {(row["Instance"], row["Families"]): row["MinutesAgo"] for row in tile(operation, "polls")}
    # Refreshes are polled every minute, thresholds every five.
    assert rows == {
        ("i1", REFRESHES): pytest.approx(20, abs=0.1),
        ("i1", THRESHOLDS): pytest.approx(4, abs=1),
        ("i2", REFRESHES): pytest.approx(0, abs=0.1),
        ("i2", THRESHOLDS): pytest.approx(24, abs=1),
    }
    assert tile(operation, "polls")[0]["Instance"] == "i2"  # the oldest first


async def test_an_environment_that_leaves_the_list_is_seen_to_be_polled_no_more() -> None:
    operation = await started(10)
    await operation.run(1)
    del operation.insights.tenant["i2"]
    await operation.run(20)
    rows = {(row["Instance"], row["Families"]): row["MinutesAgo"] for row in tile(operation, "polls")}
    assert rows["i2", REFRESHES] == pytest.approx(20, abs=0.1)
    assert rows["i1", REFRESHES] == pytest.approx(0, abs=0.1)


async def test_what_begins_to_poll_is_shown_with_its_last_time() -> None:
    operation = await started(30)
    rows = {(row["Families"], row["Opener"]): row for row in tile(operation, "slots")}
    assert {key: row["Slots"] for key, row in rows.items()} == {(REFRESHES, "timer"): 30, (THRESHOLDS, "timer"): 6}
    assert rows[REFRESHES, "timer"]["MinutesAgo"] == pytest.approx(0, abs=0.1)


async def test_the_age_of_each_queue_is_shown_now_and_at_most() -> None:
    operation = await started(20)
    operation.is_delivering = False
    await operation.run(20)
    operation.is_delivering = True
    await operation.run(10)
    rows = {row["Queue"]: row for row in tile(operation, "queues")}
    assert set(rows) == {"events", "deliveries", "releases", "deliveries-poison"}
    assert (rows["events"]["SecondsNow"], rows["events"]["SecondsAtMost"]) == (0, 0)
    assert rows["deliveries"]["SecondsNow"] == 0
    assert 15 * 60 <= rows["deliveries"]["SecondsAtMost"] <= 20 * 60


async def test_what_became_of_one_event_is_told_from_its_publication_to_its_end() -> None:
    operation = await started(20)
    operation.answer(Answer(503), Answer(202))
    await operation.run(10)
    [event] = {row["Event"] for row in _published(operation) if row["Type"] == SUCCEEDED}
    operation.refresh("i1")
    await operation.run(10)
    rows = tile(operation, "event", EventId=f" {event}")
    assert [row["What"] for row in rows] == [
        "event.published",
        "event.dispatched",
        "attempt 1",
        "attempt 2",
        "delivery.delivered",
    ] or sorted(row["What"] for row in rows[3:]) == ["attempt 2", "delivery.delivered"]
    assert {row["Subscription"] for row in rows if row["What"].startswith(("attempt", "delivery"))} == {"s1"}
    [first] = [row["Detail"] for row in rows if row["What"] == "attempt 1"]
    assert first == "waiting HTTP 503"


async def test_one_event_that_was_given_up_says_why() -> None:
    operation = await started(20)
    operation.answer(Answer(400))
    await operation.run(10)
    [letter] = tile(operation, "letters")
    assert (letter["Kind"], letter["Subscription"], letter["Reason"]) == ("delivery", "s1", "HTTP 400")
    rows = tile(operation, "event", EventId=letter["Event"])
    assert "attempt 1" in {row["What"] for row in rows}
    assert any(letter["Letter"] in row["Detail"] for row in rows if row["What"] == "deadletter.recorded")


async def test_an_event_that_nobody_has_seen_shows_nothing() -> None:
    operation = await started(20)
    await operation.run(10)
    assert tile(operation, "event", EventId="another") == []


@pytest.mark.parametrize("given", [{"SubscriptionId": "s1"}, {}], ids=["asked for", "all"])
async def test_whose_flow_a_subscription_is_stands_with_its_last_attempt(given: dict[str, str]) -> None:
    operation = await started(20)
    operation.label("Tells sales")
    operation.answer(Answer(404, body="WorkflowNotFound"))
    await operation.run(10)
    rows = tile(operation, "flow", **given)
    attempt = next(row for row in rows if row["What"].startswith("last attempt"))
    assert attempt["What"] == "last attempt: held HTTP 404 WorkflowNotFound"
    assert (attempt["Label"], attempt["Instance"]) == ("Tells sales", "i1")
    [suspended] = [row["What"] for row in rows if row["What"].startswith("suspended")]
    assert suspended == "suspended: data-source-refresh-succeeded: HTTP 404 WorkflowNotFound"
    assert tile(operation, "flow", SubscriptionId="s2") == []


async def test_messages_that_a_queue_function_gave_up_are_counted_by_queue() -> None:
    operation = await started(50)
    with operation.recorder.listening():
        await operation.patience.poisoned("events", "cannot be worked on")
        await operation.patience.poisoned("events", "cannot be worked on either")
    await operation.run(5)
    assert values(tile(operation, "poison"), "Queue", "Messages") == [("events", 2)]


async def test_what_event_grid_could_not_hand_over_is_told_with_what_came_of_it() -> None:
    operation = await started(10)
    await operation.run(5)
    assert tile(operation, "event-grid") == []
    for _ in range(3):
        operation.azure_tells("AegDeliveryFailureLogs", Message=REFUSED)
    operation.azure_tells("AegPublishFailureLogs", Message="httpStatusCode=Unauthorized")
    counted = {"ResourceProvider": "MICROSOFT.EVENTGRID", "Total": 2}
    operation.azure_tells("AzureMetrics", MetricName="DroppedEventCount", **counted)
    operation.azure_tells("AzureMetrics", MetricName="DeadLetteredCount", **{**counted, "Total": 0})
    operation.azure_tells("AzureMetrics", MetricName="PublishSuccessCount", **counted)
    operation.clock.advance(timedelta(minutes=1))
    operation.keep()
    assert values(tile(operation, "event-grid"), "What", "Times", "Detail") == [
        ("dropped: lost", 2, ""),
        ("not delivered", 3, REFUSED),
        ("not taken from the bridge", 1, "httpStatusCode=Unauthorized"),
    ]


async def test_health_is_counted_by_where_it_was_asked_from() -> None:
    operation = await started(30)
    operation.health_status = 503
    await operation.run(10)
    assert values(tile(operation, "health"), "Source", "Asked", "Failures") == [
        ("GET /api/health", 8, 2),
        ("availability test from West Europe", 8, 2),
    ]


async def test_errors_and_exceptions_of_the_host_and_of_the_bridge_stand_together() -> None:
    operation = await started(30)
    operation.azure_tells("FunctionAppLogs", FunctionName="deliver", Level="Error", Message="No.", ExceptionDetails="E")
    operation.azure_tells("FunctionAppLogs", FunctionName="deliver", Level="Information", Message="Yes.")
    await operation.run(30, failing=["segments i2"])
    operation.azure_tells("AppExceptions", OuterType="SettingsError", OuterMessage="A.", InnermostMessage="B.")
    operation.keep()
    assert values(tile(operation, "errors"), "Where", "Text") == [
        ("SettingsError", "A. B."),
        ("deliver", "No. E"),
        ("the bridge", "poll.failed instance=i2 family=segments: the API is down"),
    ]


def _published(operation: Operation) -> list[dict[str, Any]]:
    query = (
        'AppTraces | where Message startswith "event.published " '
        '| parse Message with "event.published type=" Type " id=" Event " subject=" Subject'
    )
    return operation.ask(query)


def test_each_question_has_one_tile_and_those_about_now_have_a_time_range_of_their_own() -> None:
    assert list(TILES) == [
        "undelivered",
        "letters",
        "event",
        "flow",
        "flows",
        "held",
        "releases",
        "polls",
        "slots",
        "failing",
        "queues",
        "poison",
        "event-grid",
        "health",
        "errors",
        "late",
        "fired",
        "limits",
    ]
    day = 24 * 60 * 60 * 1000
    own = {"fired": {"durationMs": day}, "flow": {"durationMs": 30 * day}, "flows": {"durationMs": 30 * day}}
    for name, content in TILES.items():
        assert content.get("timeContext") == own.get(name)
        assert (content.get("timeContextFromParameter") == "TimeRange") is (name not in own)
        assert content["resourceType"] == "microsoft.operationalinsights/workspaces"
        assert content["queryType"] == 0
    assert len({content["title"] for content in TILES.values()}) == len(TILES)


def test_each_parameter_is_used_and_holds_up_only_the_tile_that_is_about_it() -> None:
    users = {
        name: {tile for tile, content in TILES.items() if f"{{{name}}}" in content["query"]} for name in PARAMETERS
    }
    assert users == {"TimeRange": set(), "EventId": {"event"}, "SubscriptionId": {"flow"}}
    assert (PARAMETERS["EventId"]["value"], PARAMETERS["SubscriptionId"]["value"]) == ("", "*")
