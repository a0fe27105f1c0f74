"""What the alerts and the workbook's tiles say of flows that fail or are paused, and of what is held for them."""

from datetime import timedelta

import pytest

from shared.domain.callbacks import Answer
from shared.usecases.edit import Edits
from tests.telemetry.test_portal import alerts, started, tile, values

FAILING, BACKLOG = "subscription-failing", "backlog-grows"


async def test_what_is_held_for_a_paused_flow_is_not_being_tried_too() -> None:
    operation = await started(50)
    operation.answer(Answer(500, retry_after=60))
    await operation.run(1)
    await operation.pause()
    await operation.run(9)
    assert values(tile(operation, "undelivered"), "State", "Reason", "Deliveries") == [
        ("held", "the subscription is paused", 1)
    ]
    assert values(tile(operation, "flows"), "Subscription", "State") == [("*", "paused"), ("s1", "paused")]
    assert alerts(operation) == {}


async def test_a_flow_that_fails_fires_its_alert_and_no_other_and_is_in_its_tile() -> None:
    operation = await started(30)
    operation.answer(Answer(500))
    await operation.run(30, refreshing=True)
    rows = alerts(operation)
    assert values(rows[FAILING], "Subscription") == [("s1",)]
    assert set(rows) == {FAILING}
    assert values(tile(operation, "flows"), "Subscription", "State") == [("*", "failing"), ("s1", "failing")]
    shown = {row["State"]: row for row in tile(operation, "undelivered")}
    assert shown["being tried"]["Reason"] == "HTTP 500"
    assert shown["held"]["Reason"] == "the subscription is failing"
    [held] = tile(operation, "held")
    assert (held["Status"], held["HeldNow"]) == ("failing", held["AtMost"])
    assert 20 < held["HeldNow"] < 30
    # A name that somebody gives it is no recovery.
    with operation.recorder.listening():
        await operation.world.edit("s1", Edits(label="Tells sales"))
    await operation.run(1)
    assert set(alerts(operation)) == {FAILING}


async def test_a_flow_that_failed_and_takes_events_again_fires_nothing_and_is_told_to_be_let_out() -> None:
    operation = await started(30)
    operation.answer(Answer(500))
    await operation.run(15, refreshing=True)
    operation.answer(Answer(202))
    await operation.run(15, refreshing=True)
    assert alerts(operation) == {}
    assert tile(operation, "flows") == []
    assert tile(operation, "undelivered") == []
    assert values(tile(operation, "releases"), "What", "Subscription") == [("subscription.resumed", "s1")]


async def test_a_flow_that_fails_for_longer_than_the_log_is_looked_at_still_fires_its_alert() -> None:
    operation = await started(10)
    operation.answer(Answer(500))
    await operation.run(15, refreshing=True)
    assert values(alerts(operation)[FAILING], "Subscription") == [("s1",)]
    operation.clock.advance(timedelta(days=3))
    operation.is_polling = False
    await operation.run(20)
    rows = alerts(operation)
    assert values(rows[FAILING], "Subscription") == [("*",)]


async def test_a_backlog_that_grows_fires_its_alert_until_it_is_let_out() -> None:
    operation = await started(5)
    await operation.pause()
    await operation.run(99, refreshing=True)
    assert alerts(operation) == {}  # fewer than a hundred
    await operation.run(41, refreshing=True)
    rows = alerts(operation)
    assert set(rows) == {BACKLOG}
    assert rows[BACKLOG][0]["Least"] >= 100
    [held] = tile(operation, "held")
    assert held["HeldNow"] == pytest.approx(140, abs=5)
    assert held["HeldAnHourBefore"] == pytest.approx(80, abs=5)
    await operation.resume()
    await operation.run(6)
    assert alerts(operation) == {}
    assert tile(operation, "held")[0]["HeldNow"] == 0
    assert ("subscription.edited", "status=active") in values(tile(operation, "releases"), "What", "Detail")


async def test_a_backlog_that_only_waits_fires_nothing() -> None:
    operation = await started(5)
    await operation.pause()
    await operation.run(120, refreshing=True)
    await operation.run(60)
    assert alerts(operation) == {}
