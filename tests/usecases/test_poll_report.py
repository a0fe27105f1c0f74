"""The report of polls: true within a minute, at once when they turn, and hardly ever written."""

from datetime import timedelta

import pytest

from shared.domain.checkpoints import Family
from shared.domain.ids import EVERY_INSTANCE
from shared.domain.polls import Polled
from shared.domain.resources import Instance
from shared.errors import AccessError, TransientError
from shared.usecases.bury import Bury
from shared.usecases.poll_many import PollFailedError
from shared.usecases.poll_report import MAX_ERROR, PollReport
from shared.usecases.publish import Publish
from tests.fakes import NOON, ClockFake, DeadLetterLogFake, PollStoreFake, PublisherFake
from tests.usecases.polling import FAILED_AFTER
from tests.usecases.test_poll import ALL, World

JOBS, CONTOSO = Family.JOBS, Instance("i1", "Contoso")
DOWN = TransientError("the API answers 503")


class Reporting:
    def __init__(self) -> None:
        self.polls = PollStoreFake()
        self.publisher = PublisherFake()
        self.clock = ClockFake()
        self.report = self.worker()

    def worker(self) -> PollReport:
        bury = Bury(letters=DeadLetterLogFake(), clock=self.clock)
        publish = Publish(publisher=self.publisher, bury=bury, clock=self.clock)
        return PollReport(polls=self.polls, publish=publish, clock=self.clock, failed_after=FAILED_AFTER)

    async def poll(self, *failures: Exception, after: float = 0, instance: Instance = CONTOSO) -> Polled:
        self.clock.advance(timedelta(seconds=after))
        await self.report(instance, JOBS, failures)
        return self.polls.rows[instance.id, JOBS]


async def test_a_poll_that_went_well_says_when() -> None:
    assert await Reporting().poll() == Polled("i1", JOBS, NOON, "Contoso", NOON)


async def test_however_often_it_is_polled_a_row_is_written_once_a_minute() -> None:
    world = Reporting()
    for _ in range(60):
        await world.poll(after=5)
    assert (world.polls.writes, world.polls.reads) == (6, 1)
    world.report = world.worker()
    await world.poll()
    assert (world.polls.writes, world.polls.reads) == (6, 2)


async def test_a_timer_that_wavers_is_seen_each_minute() -> None:
    world = Reporting()
    for seconds in (0, 60.4, 59.7, 60.2):
        assert (await world.poll(after=seconds)).last_poll_at == world.clock()


async def test_that_polls_fail_and_recover_is_told_at_once() -> None:
    world = Reporting()
    well = await world.poll()
    failed = await world.poll(DOWN, after=1)
    assert (failed.failing_since, failed.error, failed.last_success_at) == (world.clock(), str(DOWN), well.last_poll_at)
    recovered = await world.poll(after=1)
    assert (recovered.failing_since, recovered.error, recovered.last_success_at) == (None, None, world.clock())


async def test_they_fail_since_the_first_of_many_failures_whoever_saw_it() -> None:
    world = Reporting()
    await world.poll()
    for _ in range(5):
        row = await world.poll(DOWN, after=60)
        world.report = world.worker()
    assert row.failing_since == NOON + timedelta(minutes=1)


async def test_a_failure_is_a_new_one_when_another_worker_saw_the_recovery() -> None:
    world = Reporting()
    mine, others = world.worker(), world.worker()
    for worker, failures in ((mine, [DOWN]), (others, []), (mine, [DOWN])):
        world.report = worker
        row = await world.poll(*failures, after=60)
    assert row.failing_since == world.clock()


async def test_what_is_not_published_yet_is_counted() -> None:
    world = Reporting()
    world.report.pending("i1", JOBS, 3)
    assert (await world.poll(DOWN)).pending_events == 3
    world.report = world.worker()
    assert (await world.poll(DOWN, after=60)).pending_events == 3, "the checkpoint could not be read"
    world.report.pending("i1", JOBS, 0)
    assert (await world.poll()).pending_events == 0


async def test_an_error_is_told_without_what_nobody_foresaw() -> None:
    row = await Reporting().poll(AccessError("no access"), KeyError("s3cret"), KeyError("s3cret"))
    assert row.error == "no access; unexpected KeyError"
    row = await Reporting().poll(TransientError("x" * 9_999))
    assert row.error == "x" * MAX_ERROR


async def test_a_name_that_was_known_is_kept() -> None:
    world = Reporting()
    await world.poll()
    assert (await world.poll(after=60, instance=Instance("i1"))).name == "Contoso"


async def test_that_all_could_be_listed_is_no_row() -> None:
    world = Reporting()
    for _ in range(3):
        await world.report(Instance(EVERY_INSTANCE), JOBS, [])
    assert (world.polls.rows, world.polls.reads) == ({}, 1)
    assert (await world.poll(DOWN, instance=Instance(EVERY_INSTANCE))).is_failing
    assert not (await world.poll(after=1, instance=Instance(EVERY_INSTANCE))).is_failing
    writes = world.polls.writes
    await world.poll(after=3_600, instance=Instance(EVERY_INSTANCE))
    assert world.polls.writes == writes


# --- as the poll has it


async def test_each_family_of_each_instance_is_reported() -> None:
    world = World("i1", "i2")
    await world.poll(ALL)
    assert set(world.polls.rows) == {(instance, family) for instance in ("i1", "i2") for family in Family}
    assert all(row.last_success_at == world.clock() and not row.pending_events for row in world.polls.rows.values())


async def test_an_idle_poll_writes_no_checkpoint_and_one_row_for_each_family() -> None:
    world = World()
    await world.poll(ALL)
    checkpoints, rows = world.checkpoints.writes, world.polls.writes
    await world.poll(ALL)
    world.clock.advance(timedelta(minutes=1))
    await world.poll(ALL)
    assert world.checkpoints.writes == checkpoints
    assert world.polls.writes == rows + len(ALL)


async def test_events_that_the_topic_does_not_take_are_pending() -> None:
    world = World()
    await world.poll(ALL)
    world.show("i1", 2, (5, 20), (5, 20))
    world.publisher.failures = [TransientError("the topic is down")] * 4
    with pytest.raises(PollFailedError):
        await world.poll(ALL)
    assert {family: row.pending_events for (_, family), row in world.polls.rows.items()} == {
        Family.DATA_SOURCES: 1,
        Family.JOBS: 2,
        Family.SEGMENTS: 1,
        Family.MEASURES: 1,
    }
    assert {row.error for row in world.polls.rows.values()} == {"the topic is down"}
    world.clock.advance(timedelta(minutes=1))
    await world.poll(ALL)
    assert [row.pending_events for row in world.polls.rows.values()] == [0] * 4


async def test_that_instances_cannot_be_listed_is_reported_for_all() -> None:
    world = World()
    world.insights.failures["instances"] = [AccessError("no access")]
    with pytest.raises(PollFailedError, match="1 failure") as failed:
        await world.poll(ALL)
    assert [type(error) for error in failed.value.exceptions] == [AccessError]
    assert {(instance, row.error) for (instance, _), row in world.polls.rows.items()} == {("*", "no access")}


async def test_what_cannot_be_reported_is_polled_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.poll(ALL)
    world.poll = world.worker()
    world.show("i1", 2, (5, 20), (5, 20))
    world.polls.failures = [TransientError("storage is down")] * 9
    await world.poll(ALL)
    assert len(world.publisher.events) == 5
    assert "poll.unreported instance=i1 family=jobs" in caplog.messages
