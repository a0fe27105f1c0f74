"""Slots: nobody starves, whoever hangs delays nobody, and no message is worth more than its slot."""

import asyncio
import statistics
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from shared.domain.cadence import EVERY
from shared.domain.checkpoints import Family
from shared.domain.messages import Beat, encode_shard
from shared.domain.resources import Instance, Job
from shared.domain.slots import SHARD, Shard, Slot
from shared.errors import TransientError
from shared.usecases.poll import REFRESHES, THRESHOLDS
from shared.usecases.poll_many import AT_ONCE, DEADLINE, PollFailedError
from tests.usecases.crowd import Crowd, CrowdInsights
from tests.virtual_time import NOON, run


def ids(count: int) -> list[str]:
    return [f"i{number:04}" for number in range(count)]


def gaps(crowd: Crowd, since: float, until: float) -> dict[str, list[float]]:
    """For how long each instance was not polled, each time."""
    return {
        instance_id: [
            later - earlier
            for earlier, later in pairwise(
                [since, *(at for at in crowd.insights.polled[instance_id] if since <= at < until), until]
            )
        ]
        for instance_id in crowd.insights.ids
    }


async def seconds_until_published(crowd: Crowd, instance_ids: list[str]) -> float:
    """How long after its beginning a slot has published a change in each of these instances."""
    at = crowd.clock()
    for instance_id in instance_ids:
        crowd.insights.finish_job(instance_id, at)
    before, began = len(crowd.publisher.events), crowd.clock.monotonic()
    slot = asyncio.create_task(crowd.tick())
    while {str(e["source"]).rpartition("/")[2] for e in crowd.publisher.events[before:]} != set(instance_ids):
        await asyncio.sleep(0.1)
        assert crowd.clock.monotonic() < began + 1_000
    seconds = crowd.clock.monotonic() - began
    await slot
    crowd.queue.stop()
    return seconds


def test_twelve_instances_of_twenty_that_hang_delay_no_other() -> None:
    async def scenario() -> float:
        crowd = Crowd(CrowdInsights(ids(20)))
        await crowd.tick()
        # All hang that the list names first.
        crowd.insights.hanging = set(ids(12))
        await crowd.until_minute(1)
        return await seconds_until_published(crowd, ids(20)[12:])

    assert run(scenario()) < 5


@pytest.mark.parametrize(("hanging", "healthy"), [(8, 1), (8, 92), (60, 40), (200, 100)])
def test_however_many_hang_the_others_are_polled_in_time_from_the_next_slot_on(hanging: int, healthy: int) -> None:
    async def scenario() -> float:
        crowd = Crowd(CrowdInsights(ids(hanging + healthy)), inline_max=1_000)
        await crowd.tick()
        crowd.insights.hanging = set(ids(hanging))
        for minute in range(1, 15):
            await crowd.until_minute(minute)
            await crowd.tick()
        await crowd.until_minute(20)
        return await seconds_until_published(crowd, ids(hanging + healthy)[hanging:])

    assert run(scenario()) < 5


def test_a_run_ends_in_time_however_much_hangs() -> None:
    async def scenario() -> list[float]:
        crowd = Crowd(CrowdInsights(ids(100)), inline_max=1_000)
        crowd.insights.hanging = set(ids(100))
        await crowd.run(10)
        crowd.queue.stop()
        return crowd.runs

    assert max(run(scenario())) <= 60 + DEADLINE.total_seconds()


def test_a_timer_misses_no_tick_for_instances_that_are_known_to_hang() -> None:
    async def scenario() -> list[float]:
        crowd = Crowd(CrowdInsights(ids(20)))
        await crowd.tick()
        crowd.insights.hanging = set(ids(8))
        await crowd.run(60)
        crowd.queue.stop()
        return crowd.insights.polled[ids(20)[-1]]

    assert len(run(scenario())) >= 59


@pytest.mark.parametrize("inline_max", [1_000, 20])
@pytest.mark.parametrize("count", [30, 100, 300])
def test_with_too_few_calls_for_all_everybody_gets_a_turn(count: int, inline_max: int) -> None:
    async def scenario() -> tuple[Crowd, float]:
        crowd = Crowd(CrowdInsights(ids(count), seconds=0.3, per_minute=100), inline_max=inline_max)
        await crowd.run(120)
        crowd.queue.stop()
        return crowd, crowd.clock.monotonic()

    crowd, end = run(scenario())
    fair = max(1.0, count * 3 / 100)  # minutes a turn takes where all calls are used
    worst = max(max(waits) for waits in gaps(crowd, 30 * 60, end).values())
    assert worst <= 60 * max(2 * fair, EVERY) + 2
    assert crowd.insights.refused <= 0.05 * crowd.insights.calls
    if fair > EVERY or (fair > 1 and inline_max >= count):
        assert crowd.insights.calls > 0.75 * 100 * 120


@pytest.mark.parametrize("inline_max", [2_000, 20])
def test_a_thousand_busy_instances_on_one_worker_are_polled_in_every_other_slot_at_least(inline_max: int) -> None:
    async def scenario() -> tuple[Crowd, float]:
        crowd = Crowd(CrowdInsights(ids(1_000)), inline_max=inline_max)
        for instance_id in crowd.insights.ids:
            crowd.insights.jobs_of[instance_id].append(Job("j", "running", submitted_at=NOON))
        await crowd.run(12)
        crowd.queue.stop()
        return crowd, crowd.clock.monotonic()

    crowd, end = run(scenario())
    waits = [wait for some in gaps(crowd, 0, end).values() for wait in some]
    assert max(waits) <= 120
    assert statistics.quantiles(waits, n=100)[98] < 120
    assert max(crowd.runs) < 60
    assert crowd.insights.most_at_once <= 3 * AT_ONCE


def test_idle_instances_that_are_many_are_polled_in_every_fifth_slot() -> None:
    async def scenario() -> tuple[Crowd, float]:
        crowd = Crowd(CrowdInsights(ids(100)))
        await crowd.run(60)
        crowd.queue.stop()
        return crowd, crowd.clock.monotonic()

    crowd, end = run(scenario())
    assert max(max(waits) for waits in gaps(crowd, 0, end).values()) <= EVERY * 60 + 2
    assert crowd.insights.calls < 100 * 3 * (10 + 50 / EVERY) * 1.1
    writes = crowd.checkpoints.writes
    assert writes == 100 * len(REFRESHES), "only the first poll of each has anything to remember"


def test_a_change_makes_an_instance_busy_for_a_while() -> None:
    async def scenario() -> list[float]:
        crowd = Crowd(CrowdInsights(ids(100)))
        await crowd.run(30)
        crowd.insights.finish_job("i0007", crowd.clock())
        await crowd.run(12)
        crowd.queue.stop()
        return [at // 60 for at in crowd.insights.polled["i0007"] if at >= 30 * 60]

    polled = run(scenario())
    assert len(polled) >= 8
    assert polled == sorted(set(polled))


def shard_of(crowd: Crowd, *instance_ids: str) -> str:
    now = crowd.clock()
    slot = Slot(REFRESHES, now, now + timedelta(minutes=1))
    return encode_shard(Shard(slot, tuple(map(Instance, instance_ids))))


def test_a_shard_whose_slot_is_over_is_worth_nothing() -> None:
    async def scenario() -> int:
        crowd = Crowd(CrowdInsights(ids(100)))
        crowd.queue.is_up.clear()
        await crowd.run(60)
        assert len(crowd.queue.sent) >= 60 * 100 / SHARD
        asked = crowd.insights.calls
        crowd.queue.is_up.set()
        await asyncio.sleep(5)
        crowd.queue.stop()
        return crowd.insights.calls - asked

    assert run(scenario()) <= 100 * 3


def test_a_shard_that_comes_again_polls_what_it_has_not_polled() -> None:
    async def scenario() -> None:
        crowd = Crowd(CrowdInsights(ids(3)))
        text = shard_of(crowd, *ids(3))
        crowd.insights.hanging = {"i0001"}
        await asyncio.sleep(1)
        with pytest.raises(PollFailedError):
            await crowd.worker.message(text)
        polled = {instance_id: len(times) for instance_id, times in crowd.insights.polled.items()}
        assert polled == {"i0000": 1, "i0002": 1}
        calls = crowd.insights.calls
        await asyncio.sleep(10)
        await crowd.worker.message(text)
        assert crowd.insights.calls == calls

    run(scenario())


def test_an_instance_that_ends_too_late_is_told_of() -> None:
    async def scenario() -> None:
        crowd = Crowd(CrowdInsights(ids(2)))
        crowd.insights.hanging, crowd.insights.patience = set(ids(2)), 1_000
        await crowd.tick()
        crowd.queue.stop()
        assert crowd.runs[0] <= DEADLINE.total_seconds() + 1
        told = {row.error for row in crowd.polls.rows.values()}
        assert told == {f"instance {one} was not polled within 90 seconds" for one in ids(2)}

    run(scenario())


def test_all_families_of_a_shard_are_polled_and_no_other() -> None:
    async def scenario() -> None:
        crowd = Crowd(CrowdInsights(ids(30)))
        await crowd.tick(THRESHOLDS)
        await asyncio.sleep(10)
        assert {family for _, family in crowd.checkpoints.stored} == {Family.SEGMENTS, Family.MEASURES}
        assert len(crowd.checkpoints.stored) == 60
        crowd.queue.stop()

    run(scenario())


def test_one_instance_for_which_the_api_takes_no_calls_starves_no_other() -> None:
    async def scenario() -> list[int]:
        crowd = Crowd(CrowdInsights(ids(20)))
        crowd.insights.refusing = {"i0000"}
        await crowd.run(120)
        crowd.queue.stop()
        return [len(crowd.insights.polled[instance_id]) for instance_id in ids(20)[1:]]

    assert min(run(scenario())) >= 8


def test_a_list_that_hangs_leaves_time_for_those_that_are_known() -> None:
    async def scenario() -> float:
        crowd = Crowd(CrowdInsights(ids(20)))
        await crowd.tick()
        crowd.insights.hanging = {None}
        await crowd.until_minute(1)
        await crowd.tick()
        crowd.queue.stop()
        return crowd.insights.polled["i0000"][-1]

    assert run(scenario()) < 60 + 20


def test_a_shard_that_cannot_be_sent_keeps_none_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> int:
        crowd = Crowd(CrowdInsights(ids(500)), inline_max=0)
        send, failures = crowd.queue.send, [TransientError("the queue is down")]

        async def fails_once(message: Shard | Beat, delay: timedelta = timedelta(0)) -> None:
            if isinstance(message, Shard) and failures:
                raise failures.pop()
            await send(message, delay)

        monkeypatch.setattr(crowd.queue, "send", fails_once)
        with pytest.raises(PollFailedError):
            await crowd.worker.poll(REFRESHES)
        crowd.queue.stop()
        return len(crowd.queue.sent)

    assert run(scenario()) == 500 // SHARD - 1


def test_a_poll_that_was_written_down_by_a_clock_ahead_is_not_of_this_slot() -> None:
    async def scenario() -> int:
        crowd = Crowd(CrowdInsights(ids(1)))
        await crowd.tick()
        ahead = {
            key: replace(row, last_poll_at=row.last_poll_at + timedelta(hours=1))
            for key, row in crowd.polls.rows.items()
        }
        crowd.polls.rows |= ahead
        await crowd.until_minute(1)
        await crowd.worker.message(shard_of(crowd, *ids(1)))
        crowd.queue.stop()
        return len(crowd.insights.polled["i0000"])

    assert run(scenario()) == 2
