"""The timers and the heartbeat: polling goes on whichever of them stops, and only one of them polls."""

import asyncio
from datetime import timedelta

import pytest

from shared.domain.checkpoints import Family
from shared.domain.messages import Beat
from shared.domain.slots import Shard
from shared.domain.timers import HEARTBEAT, standing_in
from shared.errors import TransientError
from shared.usecases.poll import THRESHOLDS
from tests.usecases.crowd import Crowd, CrowdInsights
from tests.virtual_time import NOON, run


def polls(crowd: Crowd, since: float = 0) -> list[float]:
    return [at for at in crowd.insights.polled["i1"] if at >= since]


def test_while_the_timers_run_the_heartbeat_opens_no_slot() -> None:
    async def scenario() -> None:
        crowd = Crowd(CrowdInsights(["i1"]))
        await crowd.run(60)
        crowd.queue.stop()
        assert len(polls(crowd)) == 60
        assert len([one for one in crowd.queue.sent if isinstance(one, Beat)]) <= 31
        assert crowd.clock.monotonic() - crowd.seconds_of(crowd.timers.rows[HEARTBEAT].at) <= 120

    run(scenario())


def test_when_the_timers_stop_the_heartbeat_polls_until_they_run_again() -> None:
    async def scenario() -> None:
        crowd = Crowd(CrowdInsights(["i1"]))
        await crowd.run(5)
        stopped = crowd.clock.monotonic()
        await asyncio.sleep(30 * 60)
        alone = polls(crowd, stopped)
        assert alone[0] - stopped <= 4 * 60
        assert len(alone) >= 26
        again = crowd.clock.monotonic()
        await crowd.run(30)
        crowd.queue.stop()
        assert 30 <= len(polls(crowd, again)) <= 31

    run(scenario())


def test_each_timer_is_stood_in_for_at_its_own_pace() -> None:
    async def scenario() -> None:
        crowd = Crowd(CrowdInsights(["i1"]))
        await crowd.tick()
        await crowd.tick(THRESHOLDS)
        for _ in range(60):
            await crowd.until_minute(1 + crowd.clock.monotonic() // 60)
            await crowd.tick()
        crowd.queue.stop()
        assert crowd.seconds_of(crowd.timers.rows[Family.SEGMENTS].at) < 60
        last = crowd.seconds_of(crowd.timers.rows[standing_in(Family.SEGMENTS)].at)
        assert crowd.clock.monotonic() - last <= 6 * 60
        assert standing_in(Family.DATA_SOURCES) not in crowd.timers.rows

    run(scenario())


def test_of_many_heartbeats_one_goes_on() -> None:
    async def scenario() -> None:
        crowd = Crowd(CrowdInsights(["i1"]))
        await crowd.tick()
        for number in range(20):
            await crowd.queue.send(Beat(f"another {number}"))
        await crowd.run(10)
        sent = len(crowd.queue.sent)
        await crowd.run(10)
        crowd.queue.stop()
        assert len(crowd.queue.sent) - sent <= 6

    run(scenario())


def test_a_heartbeat_that_was_lost_is_started_anew() -> None:
    async def scenario() -> None:
        crowd = Crowd(CrowdInsights(["i1"]))
        await crowd.tick()
        crowd.queue.stop()
        await asyncio.sleep(1)
        await crowd.run(10)
        stopped = crowd.clock.monotonic()
        await asyncio.sleep(600)
        crowd.queue.stop()
        assert len(polls(crowd, stopped)) >= 6

    run(scenario())


def test_what_cannot_be_noted_is_polled_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        crowd = Crowd(CrowdInsights(["i1"]))
        crowd.timers.failures = [TransientError("storage is down")]
        await crowd.tick()
        crowd.queue.stop()
        assert len(polls(crowd)) == 1

    run(scenario())
    assert "heartbeat.failed" in caplog.messages


def test_a_slot_of_the_heartbeat_is_as_long_as_a_timers() -> None:
    async def scenario() -> list[float]:
        crowd = Crowd(CrowdInsights([f"i{number}" for number in range(30)]))
        await asyncio.sleep(52)
        await crowd.tick()
        await asyncio.sleep(30 * 60)
        crowd.queue.stop()
        since = NOON + timedelta(minutes=5)
        slots = [one.slot for one in crowd.queue.sent if isinstance(one, Shard)]
        return [(slot.ends_at - slot.opened_at).total_seconds() for slot in slots if slot.opened_at > since]

    lengths = run(scenario())
    assert lengths
    assert min(lengths) >= 50
