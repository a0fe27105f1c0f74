"""Notices about polling: failures that last, their end, and what was missed; whatever dies on the way."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.checkpoints import Family
from shared.domain.subscriptions import Subscription
from shared.errors import AccessError, ThrottledError, TimedOutError, TransientError
from shared.usecases.families.catching_up import PATIENCE
from shared.usecases.poll import REFRESHES, THRESHOLDS
from shared.usecases.poll_many import PollFailedError
from tests.fakes import Death, Fate
from tests.usecases.test_leave import leave
from tests.usecases.test_poll import ALL, RULES, World, segment
from tests.usecases.world import subscription

DOWN = TransientError("Customer Insights answers 503")
MINUTE = timedelta(minutes=1)


def told(world: World) -> list[tuple[str, Any]]:
    """What was told of the bridge itself: the last word of the type, and its data."""
    found = [event for event in world.publisher.events if ".Bridge." in event["type"]]
    return [(event["type"].rpartition(".Bridge.")[2], event["data"]) for event in found]


def names(world: World) -> list[str]:
    return [name for name, _ in told(world)]


async def fail(world: World, times: int, error: Exception = DOWN, *, each: timedelta = MINUTE) -> None:
    """So many polls in which the segments cannot be read."""
    for _ in range(times):
        world.clock.advance(each)
        world.insights.failures["segments"] = [error]
        with pytest.raises(PollFailedError):
            await world.poll(THRESHOLDS)


async def recover(world: World) -> None:
    world.clock.advance(MINUTE)
    await world.poll(THRESHOLDS)


async def test_a_family_that_fails_for_ten_minutes_is_told_once_and_so_is_its_recovery() -> None:
    world = World()
    await world.poll(ALL)
    since = world.clock() + MINUTE
    await fail(world, 10)
    assert told(world) == []
    await fail(world, 5)
    ((name, data),) = told(world)
    assert name == "PollingFailed"
    assert (data["family"], data["failingSince"]) == ("segments", f"{since:%Y-%m-%dT%H:%M:%SZ}")
    assert data["error"] == {"kind": "transient", "message": str(DOWN)}
    world.show("i1", 1, (5, 20), (5,))
    await recover(world)
    await recover(world)
    _, (name, data) = told(world)
    assert (name, data["family"], data["gapSeconds"], data["events"]) == ("PollingRecovered", "segments", 900, 1)
    assert {row.owed for row in world.polls.rows.values()} == {()}


async def test_what_somebody_must_mend_is_told_as_that() -> None:
    world = World()
    await world.poll(ALL)
    await fail(world, 11, AccessError("Customer Insights refuses the key"))
    assert told(world)[0][1]["error"]["kind"] == "configuration"


async def test_an_instance_that_has_no_turn_fails_since_then_and_not_since_its_last_poll() -> None:
    world = World()
    await world.poll(ALL)
    world.clock.advance(timedelta(minutes=30))
    since = world.clock() + MINUTE
    await fail(world, 11, ThrottledError("Customer Insights takes no more calls"))
    assert told(world)[0][1]["failingSince"] == f"{since:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(("times", "each"), [(2, timedelta(hours=1)), (10, MINUTE)])
async def test_two_failures_or_ten_minutes_are_not_enough(times: int, each: timedelta) -> None:
    world = World()
    await world.poll(ALL)
    await fail(world, times, each=each)
    await recover(world)
    assert told(world) == []


async def test_failures_within_one_minute_are_counted() -> None:
    world = World()
    await world.poll(ALL)
    await fail(world, 3, each=timedelta(seconds=1))
    assert world.polls.rows["i1", Family.SEGMENTS].failures == 3


async def test_a_worker_that_knows_nothing_of_the_failure_tells_of_the_recovery() -> None:
    world = World()
    await world.poll(ALL)
    mine = world.poll
    world.poll = world.worker()
    await fail(world, 11)
    world.poll = mine
    await recover(world)
    assert names(world) == ["PollingFailed", "PollingRecovered"]


async def test_what_the_topic_does_not_take_is_told_when_it_takes_it_again() -> None:
    world = World()
    await world.poll(ALL)
    await fail(world, 10)
    world.publisher.failures = [DOWN]
    await fail(world, 1)
    assert told(world) == []
    world.poll = world.worker()
    await recover(world)
    assert names(world) == ["PollingFailed", "PollingRecovered"]


async def test_an_idle_poll_reads_and_writes_no_more_than_before() -> None:
    world = World()
    await world.poll(ALL)
    reads, writes, checkpoints = world.polls.reads, world.polls.writes, world.checkpoints.writes
    world.clock.advance(MINUTE)
    await world.poll(ALL)
    assert (world.polls.reads, world.polls.writes, world.checkpoints.writes) == (reads, writes + len(ALL), checkpoints)


# --- an instance that leaves

ANYWHERE = subscription(id_="f", slug="polling-failed", instance_id="*")


@pytest.mark.parametrize("watching", [RULES, (ANYWHERE,), ()])
async def test_an_instance_that_leaves_is_told_like_a_failure_where_anybody_watches(
    watching: Sequence[Subscription], caplog: pytest.LogCaptureFixture
) -> None:
    world = World(rules=watching)
    await world.poll(ALL)
    shown = world.insights.tenant["i1"]
    leave(world.insights)
    for _ in range(13):
        await world.poll(REFRESHES)
        await world.poll(THRESHOLDS)
        world.clock.advance(MINUTE)
    assert names(world) == ["PollingFailed"] * (len(ALL) if watching else 0)
    assert {data["error"]["kind"] for _, data in told(world)} <= {"configuration"}
    assert ("instance.left" in caplog.text) == bool(watching)
    world.insights.tenant["i1"] = shown
    await world.poll(REFRESHES)
    await world.poll(THRESHOLDS)
    assert names(world).count("PollingRecovered") == (len(ALL) if watching else 0)


async def test_one_that_is_back_before_ten_minutes_is_no_news() -> None:
    world = World()
    await world.poll(REFRESHES)
    shown = world.insights.tenant["i1"]
    leave(world.insights)
    for _ in range(9):
        await world.poll(REFRESHES)
        world.clock.advance(MINUTE)
    world.insights.tenant["i1"] = shown
    await world.poll(REFRESHES)
    assert told(world) == []


# --- what was missed


async def test_a_list_of_jobs_that_ends_before_a_known_one_is_told_once() -> None:
    world = World()
    await world.poll(ALL)
    world.show("i1", 9, (5,), (5,))
    world.insights.tenant["i1"]["jobs"] = world.insights.tenant["i1"]["jobs"][:3]
    for _ in range(3):
        await world.poll(REFRESHES)
    ((name, data),) = told(world)
    assert (name, data["family"]) == ("EventsMissed", "jobs")
    assert (data["from"], data["to"]) == ("2026-11-20T12:15:00Z", "2026-11-20T13:10:00Z")


async def test_jobs_that_the_api_forgets_in_quiet_times_are_not_missed() -> None:
    world = World()
    await world.poll(ALL)
    for shown in ([], world.insights.tenant["i1"]["jobs"][:0]):
        world.insights.tenant["i1"]["jobs"] = shown
        await world.poll(REFRESHES)
    world.show("i1", 9, (5,), (5,))
    world.insights.tenant["i1"]["jobs"] = world.insights.tenant["i1"]["jobs"][:1]
    await world.poll(REFRESHES)
    assert told(world) == []


async def test_jobs_that_do_not_come_in_time_are_told_once_for_each_family_that_needs_them() -> None:
    world = World()
    await world.poll(ALL)
    world.show("i1", 200, (5,), (5,))
    for _ in range(PATIENCE + 3):
        # The first page comes, and no more of them; each of the two families asks for itself.
        world.insights.failures["jobs i1"] = []
        world.clock.advance(timedelta(days=1))
        await first_page_only(world)
    for name in ("PollingFailed", "EventsMissed", "PollingRecovered"):
        assert sorted(data["family"] for one, data in told(world) if one == name) == ["dataSources", "jobs"]


async def first_page_only(world: World) -> None:
    jobs = world.insights.jobs

    async def limited(instance_id: str, top: int) -> Sequence[Any]:
        if top > 20:
            raise TimedOutError("jobs")
        return await jobs(instance_id, top)

    world.insights.jobs = limited  # type: ignore[method-assign]  # a part of what the API does
    try:
        await world.poll(REFRESHES)
    except PollFailedError:
        pass
    finally:
        world.insights.jobs = jobs  # type: ignore[method-assign]


@pytest.mark.parametrize(("kept", "is_missed"), [(2, True), (9, False)])
async def test_a_history_that_begins_after_the_last_known_value_is_told(*, kept: int, is_missed: bool) -> None:
    world = World()
    await world.poll(ALL)
    whole = segment("Big", *range(5, 12))
    world.insights.show("i1", jobs=[], segments=[type(whole)("Big", None, whole.latest, whole.history[-kept:])])
    for _ in range(2):
        await world.poll(THRESHOLDS)
    assert names(world) == ["EventsMissed"] * is_missed
    if is_missed:
        assert told(world)[0][1]["reason"].endswith(": Big")


# --- whatever dies


@pytest.mark.parametrize("after", [False, True])
async def test_a_kill_anywhere_loses_no_notice(*, after: bool) -> None:
    for deadly in range(1_000):
        fate = Fate()
        world = World(fate=fate)
        await world.poll(ALL)
        await fail(world, 9)
        fate.deadly, fate.after, fate.steps = deadly, after, 0
        world.show("i1", 1, (5, 20), (5,))
        for is_well in (False, False, False, True, True, True):
            world.clock.advance(MINUTE)
            world.insights.failures["segments"] = [] if is_well else [DOWN]
            try:
                await world.poll(THRESHOLDS)
            except Death:
                world.poll = world.worker()
            except PollFailedError:
                assert not is_well
        assert set(names(world)) == {"PollingFailed", "PollingRecovered"}, deadly
        by_id = {event["id"]: event for event in world.publisher.events}
        assert all(event == by_id[event["id"]] for event in world.publisher.events), "a repeat has the same bytes"
        assert len(by_id) == 3, deadly
        if fate.steps <= deadly:
            return
    raise AssertionError("it never ends")


async def test_two_workers_at_once_tell_the_same() -> None:
    world = World()
    await world.poll(ALL)
    other = world.worker()
    for number in range(14):
        world.clock.advance(MINUTE)
        world.insights.failures["segments"] = [DOWN] * 2 if number < 12 else []
        await asyncio.gather(world.poll(THRESHOLDS), other(THRESHOLDS), return_exceptions=True)
    by_id = {event["id"]: event for event in world.publisher.events}
    assert all(event == by_id[event["id"]] for event in world.publisher.events)
    assert [event["type"].rpartition(".")[2] for event in by_id.values()] == ["PollingFailed", "PollingRecovered"]
