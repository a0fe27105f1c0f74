"""Poll: how far back the jobs are read, whatever stays open, and however slow the API is."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.domain.resources import Job
from shared.errors import PermanentError, TimedOutError, TransientError
from shared.usecases.poll import REFRESHES
from shared.usecases.poll_many import PollFailedError
from tests.usecases.test_poll import World, at, job, jobs


@pytest.mark.parametrize("status", ["completedWithWarnings", "needsUpdate", "running"])
@pytest.mark.parametrize("newer", [5, 25, 150, 600])
async def test_a_job_without_a_known_end_costs_an_idle_poll_one_call(status: str, newer: int) -> None:
    world = World()
    stuck = Job("stuck", status, "all", "scheduled", "full", at(-5), None, [])
    world.insights.show("i1", jobs=[stuck])
    await world.poll(REFRESHES)
    world.clock.now = at(newer * 10 + 6)
    world.insights.show("i1", jobs=[*jobs(newer), stuck])
    for _ in range(3):
        await world.poll(REFRESHES)
    writes, world.insights.calls[:] = world.checkpoints.writes, []
    await world.poll(REFRESHES)
    assert len(world.insights.calls) <= 5
    assert [call[2] for call in world.insights.calls if call[0] == "jobs" and isinstance(call[2], int)] == [20]
    assert world.checkpoints.writes == writes
    ended = Job("stuck", "successful", "all", "scheduled", "full", at(-5), world.clock(), [])
    world.insights.show("i1", jobs=[*jobs(newer), ended])
    await world.poll(REFRESHES)
    assert "jobs/stuck" in {event["subject"] for event in world.publisher.events}


async def test_more_jobs_than_the_api_shows_in_time_stop_no_family_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    await world.poll(REFRESHES)
    read = world.insights.jobs

    async def slow(instance_id: str, top: int) -> Sequence[Job]:
        if top > 100:
            raise TimedOutError("they do not arrive")
        return await read(instance_id, top)

    monkeypatch.setattr(world.insights, "jobs", slow)
    failed = 0
    for last in range(150, 170):
        world.show("i1", last, (5,), (5,))
        try:
            await world.poll(REFRESHES)
        except PollFailedError:
            failed += 1
    assert failed == 11
    ended = [
        event["subject"] for event in world.publisher.events if event["type"].startswith("CustomerInsights.System")
    ]
    assert ended[-100:] == [f"jobs/j{number}" for number in range(70, 170)]


async def test_a_time_out_that_passes_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    await world.poll(REFRESHES)
    read, failures = world.insights.jobs, [TimedOutError("they do not arrive")]

    async def slow(instance_id: str, top: int) -> Sequence[Job]:
        if top > 20 and failures:
            raise failures.pop()
        return await read(instance_id, top)

    monkeypatch.setattr(world.insights, "jobs", slow)
    world.show("i1", 50, (5,), (5,))
    with pytest.raises(PollFailedError):
        await world.poll(REFRESHES)
    await world.poll(REFRESHES)
    assert world.told() == ["DataSource.RefreshSucceeded"] * 49 + ["System.RefreshCompleted"] * 49


async def test_more_jobs_than_are_read_at_first_may_have_begun_before_a_poll_and_end_after_it() -> None:
    world, begun = World(), range(30, 0, -1)
    world.show("i1", 0, (5,), (5,))
    world.clock.now = at(6)
    await world.poll(REFRESHES)
    world.insights.show("i1", jobs=[*(replace(job(n, running=True), submitted_at=at(5.5)) for n in begun), job(0)])
    await world.poll(REFRESHES)
    world.insights.show("i1", jobs=[*(replace(job(n), submitted_at=at(5.5)) for n in begun), job(0)])
    world.clock.now = at(400)
    await world.poll(REFRESHES)
    assert world.told().count("DataSource.RefreshSucceeded") == len(begun)


async def test_an_open_job_that_cannot_be_read_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    stuck = Job("stuck", "running", "all", "scheduled", "full", at(-5), None, [])
    world.insights.show("i1", jobs=[stuck])
    await world.poll(REFRESHES)
    world.insights.show("i1", jobs=[*jobs(30), stuck])
    await world.poll(REFRESHES)
    world.publisher.events.clear()

    async def unreadable(instance_id: str, job_id: str) -> Job:
        raise PermanentError(f"{job_id} of {instance_id} is unreadable")

    monkeypatch.setattr(world.insights, "job", unreadable)
    world.insights.show("i1", jobs=[*jobs(31), stuck])
    with pytest.raises(PollFailedError):
        await world.poll(REFRESHES)
    assert "jobs/j31" in {event["subject"] for event in world.publisher.events}


async def test_a_family_waits_for_no_jobs_that_only_another_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    await world.poll(REFRESHES)
    world.insights.failures["data_sources"] = [TransientError("they do not come")] * 3
    for last in (10, 20, 30):
        world.show("i1", last, (5,), (5,))
        with pytest.raises(PollFailedError):
            await world.poll(REFRESHES)
    read = world.insights.jobs

    async def slow(instance_id: str, top: int) -> Sequence[Job]:
        if top > 20:
            raise TimedOutError("they do not arrive")
        return await read(instance_id, top)

    monkeypatch.setattr(world.insights, "jobs", slow)
    world.show("i1", 31, (5,), (5,))
    with pytest.raises(PollFailedError):
        await world.poll(REFRESHES)
    assert "jobs/j31" in {event["subject"] for event in world.publisher.events}
