"""An instance that leaves: what was found there goes out, somebody is told, and the others are polled."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.domain.checkpoints import Family
from shared.domain.subscriptions import Subscription
from shared.errors import TransientError
from shared.usecases.leave import TOLD
from shared.usecases.poll import REFRESHES
from shared.usecases.poll_many import PollFailedError
from tests.fakes import ClockFake, Death, Fate, InsightsFake
from tests.usecases.crowd import Crowd, CrowdInsights
from tests.usecases.test_poll import RULES, World
from tests.usecases.world import subscription
from tests.virtual_time import run

LEFT = "Customer Insights lists this environment no longer"


async def found_and_not_published() -> World:
    world = World()
    await world.poll(REFRESHES)
    world.show("i1", 2, (5,), (5,))
    world.publisher.failures = [TransientError("the topic is down")] * 2
    with pytest.raises(PollFailedError):
        await world.poll(REFRESHES)
    assert world.publisher.events == []
    return world


def leave(insights: InsightsFake) -> None:
    insights.tenant.pop("i1")
    insights.show("other", jobs=[], data_sources=[], nodes=[])


NEWS = ["DataSource.RefreshSucceeded", "System.RefreshCompleted"]


async def test_what_was_found_in_an_instance_that_leaves_is_published() -> None:
    world = await found_and_not_published()
    leave(world.insights)
    for _ in range(3):
        await world.poll(REFRESHES)
    assert world.told() == NEWS
    assert {row.pending_events for row in world.polls.rows.values()} == {0}


async def test_so_it_is_by_a_worker_that_has_just_begun_and_while_the_topic_is_still_down() -> None:
    world = await found_and_not_published()
    leave(world.insights)
    world.poll = world.worker()
    world.publisher.failures = [TransientError("the topic is down")] * 2
    with pytest.raises(PollFailedError):
        await world.poll(REFRESHES)
    await world.poll(REFRESHES)
    assert world.told() == NEWS


async def test_while_the_list_is_down_the_instances_that_are_known_are_polled() -> None:
    world = await found_and_not_published()
    world.show("i1", 3, (5,), (5,))
    world.insights.failures["instances"] = [TransientError("503")]
    with pytest.raises(PollFailedError, match="1 failure"):
        await world.poll(REFRESHES)
    assert world.told() == sorted(NEWS * 2)


async def test_while_the_list_is_down_nobody_has_left() -> None:
    world = World()
    await world.poll(REFRESHES)
    leave(world.insights)
    await world.poll(REFRESHES)
    world.insights.failures["instances"] = [TransientError("503")]
    world.insights.calls.clear()
    with pytest.raises(PollFailedError, match="1 failure"):
        await world.poll(REFRESHES)
    assert {call[1] for call in world.insights.calls if len(call) > 1} == {"other"}


async def test_that_an_instance_has_left_is_told_once_and_stands_in_the_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    await world.poll(REFRESHES)
    polled_at = world.clock()
    leave(world.insights)
    for _ in range(3):
        world.clock.advance(timedelta(minutes=1))
        await world.poll(REFRESHES)
    rows = [row for (instance_id, _), row in world.polls.rows.items() if instance_id == "i1"]
    assert len(rows) == len(REFRESHES)
    for row in rows:
        assert row.error is not None
        assert row.error.startswith(LEFT)
        assert (row.last_poll_at, row.left_at) == (polled_at, polled_at + timedelta(minutes=1))
    told = [message for message in caplog.messages if message.startswith("instance.left instance=i1 subscribed=true")]
    assert len(told) == 1


async def test_one_that_comes_back_goes_on_from_where_it_was() -> None:
    world = World()
    await world.poll(REFRESHES)
    shown = world.insights.tenant["i1"]
    leave(world.insights)
    await world.poll(REFRESHES)
    world.insights.tenant["i1"] = shown
    world.show("i1", 2, (5,), (5,))
    world.clock.advance(timedelta(minutes=1))
    await world.poll(REFRESHES)
    assert world.told() == NEWS
    assert {(row.left_at, row.error) for row in world.polls.rows.values()} == {(None, None)}


ANYWHERE = subscription(id_="f", slug="polling-failed", instance_id="*")


@pytest.mark.parametrize(
    ("watching", "after_a_moment", "after_a_week"),
    [(RULES, True, True), ((ANYWHERE,), True, False), ((), False, False)],
)
async def test_one_that_no_flow_wants_is_forgotten_at_once_where_nobody_watches_else_after_a_week(
    *, watching: Sequence[Subscription], after_a_moment: bool, after_a_week: bool
) -> None:
    world = World(rules=watching)
    await world.poll(REFRESHES)
    leave(world.insights)
    for at, is_told in ((timedelta(), after_a_moment), (TOLD, after_a_week)):
        world.clock.advance(at)
        await world.poll(REFRESHES)
        assert (("i1", Family.JOBS) in world.polls.rows) == is_told
    assert ("i1", Family.JOBS) in world.checkpoints.stored


async def test_ids_that_differ_in_spelling_are_of_one_instance() -> None:
    world = World("{I1}")
    await world.poll(REFRESHES)
    world.instances = ()
    world.poll = world.worker()
    world.insights.tenant = {"i1": world.insights.tenant["{I1}"]}
    await world.poll(REFRESHES)
    assert {row.left_at for row in world.polls.rows.values()} == {None}
    assert len(world.polls.rows) == len(REFRESHES)
    assert isinstance(world.clock, ClockFake)


async def test_what_a_worker_found_that_died_is_published_though_its_instance_has_left() -> None:
    fate = Fate()
    world = World(fate=fate)
    await world.poll(REFRESHES)
    world.show("i1", 2, (5,), (5,))
    fate.deadly, fate.after = fate.steps, True
    with pytest.raises(Death):
        await world.poll(REFRESHES)
    leave(world.insights)
    world.poll = world.worker()
    await world.poll(REFRESHES)
    assert world.told() == ["DataSource.RefreshSucceeded"]


def test_however_long_those_that_left_take_the_others_are_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> tuple[list[float], int]:
        ids = [f"i{number}" for number in range(20)]
        crowd = Crowd(CrowdInsights(ids))
        await crowd.tick()

        async def hangs(events: object) -> None:
            await asyncio.sleep(30)
            raise TransientError(f"the topic does not take {events}")

        monkeypatch.setattr(crowd.publisher, "publish", hangs)
        for instance_id in ids[:19]:
            crowd.insights.finish_job(instance_id, crowd.clock())
        await crowd.until_minute(1)
        await crowd.tick()
        crowd.insights.ids, crowd.runs[:] = ids[19:], []
        await crowd.run(10)
        crowd.queue.stop()
        return crowd.runs, len(crowd.insights.polled[ids[19]])

    runs, polls = run(scenario())
    assert max(runs) <= 60
    assert polls >= 11
