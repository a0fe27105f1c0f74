"""Poll: nothing is published at first, nothing lost and nothing twice afterwards, whatever fails on the way."""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.checkpoints import Family
from shared.domain.resources import (
    DataSource,
    Job,
    Measure,
    MeasureEvaluation,
    MeasureOutput,
    Node,
    Segment,
    SegmentEvaluation,
    Task,
)
from shared.domain.subscriptions import Subscription
from shared.errors import AccessError, CheckpointError, TransientError
from shared.usecases.poll import REFRESHES, THRESHOLDS, Poll
from shared.usecases.poll_many import PollFailedError
from tests.fakes import (
    NOON,
    CheckpointStoreFake,
    ClockFake,
    DeadLetterLogFake,
    Death,
    Fate,
    InsightsFake,
    PollStoreFake,
    PublisherFake,
    SubscriptionStoreFake,
)
from tests.usecases.polling import poll_of
from tests.usecases.world import subscription

ALL = (*REFRESHES, *THRESHOLDS)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def job(number: int, *, running: bool = False) -> Job:
    start, end = at(number * 10), None if running else at(number * 10 + 5)
    task = Task("ingestion", "running" if running else "successful", f"t{number}", "Sales", (f"j{number}",), end)
    return Job(f"j{number}", "running" if running else "successful", "all", "scheduled", "full", start, end, [task])


def jobs(last: int) -> list[Job]:
    return [job(number) for number in range(last, -1, -1)]


def segment(name: str, *counts: int) -> Segment:
    found = [SegmentEvaluation("completedSuccess", at(n), count) for n, count in enumerate(counts)]
    return Segment(name, None, found[-1], found[:-1])


def measure(name: str, *values: int) -> Measure:
    ends = [MeasureEvaluation("completed", at(n + 0.5)) for n in range(len(values))]
    outputs = [MeasureOutput(at(n), Decimal(value)) for n, value in enumerate(values)]
    return Measure(name, scalar=True, latest=ends[-1], output=outputs[-1], evaluations=ends[:-1], outputs=outputs[:-1])


RULES = (
    subscription(id_="s", slug="segment-threshold-crossed", rule_id="rs", segmentName="Big", threshold=Decimal(10)),
    subscription(id_="m", slug="measure-threshold-crossed", rule_id="rm", measureName="Sum", threshold=Decimal(10)),
)


class World:
    def __init__(self, *instances: str, fate: Fate | None = None, rules: Sequence[Subscription] = RULES) -> None:
        self.insights = InsightsFake()
        self.checkpoints = CheckpointStoreFake(fate)
        self.publisher = PublisherFake(fate)
        self.polls = PollStoreFake(fate)
        self.letters = DeadLetterLogFake()
        self.subscriptions = SubscriptionStoreFake(*rules)
        self.clock = ClockFake(at(60 * 48))
        self.instances = instances
        for instance_id in instances or ("i1",):
            self.show(instance_id, 1, (5,), (5,))
        self.poll = self.worker()

    def worker(self) -> Poll:
        return poll_of(
            insights=self.insights,
            checkpoints=self.checkpoints,
            subscriptions=self.subscriptions,
            publisher=self.publisher,
            polls=self.polls,
            letters=self.letters,
            clock=self.clock,
            instances=self.instances,
        )

    def show(self, instance_id: str, last_job: int, counts: Sequence[int], values: Sequence[int]) -> None:
        self.insights.show(
            instance_id,
            jobs=jobs(last_job),
            data_sources=[DataSource("d1", "sales", "Sales", None, "updated", at(last_job * 10 + 5))],
            nodes=[Node("ingestion", "d1", "successful", None, (f"j{last_job}",), at(last_job * 10 + 5))],
            segments=[segment("Big", *counts), segment("Other", *counts)],
            measures=[measure("Sum", *values), measure("Else", *values)],
        )

    def told(self, *, stages: bool = False) -> list[str]:
        """What was published; each job also ends a stage, which is told only where that is asked for."""
        found = (event["type"].removeprefix("CustomerInsights.") for event in self.publisher.events)
        return sorted(name for name in found if stages or not name.startswith("Stage."))

    def outbox(self, family: Family, instance_id: str = "i1") -> bytes:
        return self.checkpoints.stored[(instance_id, family)][0].partition(b'"outbox":')[2]


NEWS = [
    "DataSource.RefreshSucceeded",
    "Measure.ThresholdCrossed",
    "Segment.ThresholdCrossed",
    "System.RefreshCompleted",
]


async def test_the_first_poll_is_silent() -> None:
    world = World()
    await world.poll(ALL)
    assert world.publisher.events == []
    assert {family for _, family in world.checkpoints.stored} == set(Family)


async def test_what_happens_after_the_first_poll_is_published_once() -> None:
    world = World()
    await world.poll(ALL)
    world.show("i1", 2, (5, 20), (5, 20))
    await world.poll(ALL)
    await world.poll(ALL)
    world.poll = world.worker()
    await world.poll(ALL)
    assert world.told() == NEWS
    assert {world.outbox(family) for family in Family} == {b"[]}"}


async def test_an_idle_poll_writes_nothing_and_asks_little() -> None:
    world = World()
    await world.poll(ALL)
    writes, world.insights.calls[:] = world.checkpoints.writes, []
    await world.poll(REFRESHES)
    assert len(world.insights.calls) <= 5
    world.insights.calls.clear()
    await world.poll(THRESHOLDS)
    assert len(world.insights.calls) <= 5
    assert world.checkpoints.writes == writes


async def test_news_is_kept_while_the_topic_is_down_and_published_once_it_is_up() -> None:
    world = World()
    await world.poll(ALL)
    world.show("i1", 2, (5, 20), (5, 20))
    world.publisher.failures = [TransientError("the topic is down")] * 4
    with pytest.raises(PollFailedError):
        await world.poll(ALL)
    world.show("i1", 3, (5, 20), (5, 20))
    world.publisher.failures = [TransientError("the topic is down")] * 4
    with pytest.raises(PollFailedError):
        await world.poll(ALL)
    assert world.publisher.events == []
    await world.poll(ALL)
    assert world.told() == sorted([*NEWS, "DataSource.RefreshSucceeded", "System.RefreshCompleted"])
    assert len({event["id"] for event in world.publisher.events}) == 8
    assert {world.outbox(family) for family in Family} == {b"[]}"}


async def with_news_to_publish() -> World:
    """A world whose topic was down when a system refresh was seen."""
    world = World()
    await world.poll([Family.JOBS])
    world.show("i1", 2, (5,), (5,))
    world.publisher.failures = [TransientError("the topic is down")]
    with pytest.raises(PollFailedError):
        await world.poll([Family.JOBS])
    return world


async def test_an_event_says_when_it_was_seen_whenever_and_however_often_it_is_published() -> None:
    world = await with_news_to_publish()
    seen_at, key = world.clock(), ("i1", Family.JOBS)
    stored, _ = world.checkpoints.stored[key]
    world.clock.advance(timedelta(minutes=5))
    await world.poll([Family.JOBS])
    world.checkpoints.stored[key] = (stored, world.checkpoints.stored[key][1])  # died before it was cleared
    await world.poll([Family.JOBS])
    first, second = world.publisher.events[:2], world.publisher.events[2:]
    assert first == second
    assert {datetime.fromisoformat(event["recordedtime"]) for event in first} == {seen_at}
    assert {event["recordedtime"][-1] for event in first} == {"Z"}


async def test_what_an_earlier_release_has_left_to_publish_goes_out_as_it_is() -> None:
    world = await with_news_to_publish()
    key = ("i1", Family.JOBS)
    stored, version = world.checkpoints.stored[key]
    earlier = re.sub(rb',"recordedtime":"[^"]+"', b"", stored)
    assert earlier != stored
    world.checkpoints.stored[key] = (earlier, version)
    await world.poll([Family.JOBS])
    assert world.told() == ["System.RefreshCompleted"]
    assert [event for event in world.publisher.events if "recordedtime" in event] == []


async def test_news_of_an_earlier_poll_is_published_even_when_the_api_is_down() -> None:
    world = World()
    await world.poll([Family.JOBS])
    world.show("i1", 2, (5,), (5,))
    world.publisher.failures = [TransientError("the topic is down")]
    with pytest.raises(PollFailedError):
        await world.poll([Family.JOBS])
    world.insights.failures["jobs"] = [TransientError("the API is down")]
    with pytest.raises(PollFailedError):
        await world.poll([Family.JOBS])
    assert world.told() == ["System.RefreshCompleted"]


async def test_an_event_that_is_refused_for_good_is_put_aside_and_the_others_go_on() -> None:
    world = World()
    await world.poll([Family.JOBS])
    world.show("i1", 9, (5,), (5,))
    world.publisher.refused = {"jobs/j3", "jobs/j8/dataSources"}
    await world.poll([Family.JOBS])
    subjects = {f"jobs/j{n}{stage}" for n in range(2, 10) for stage in ("", "/dataSources")}
    assert {event["subject"] for event in world.publisher.events} == subjects - world.publisher.refused
    assert world.outbox(Family.JOBS) == b"[]}"
    letters = list(world.letters.letters.values())
    assert {json.loads(letter.body)["subject"] for letter in letters} == world.publisher.refused
    assert {(letter.kind, letter.event_type) for letter in letters} == {
        ("message", "CustomerInsights.System.RefreshCompleted"),
        ("message", "CustomerInsights.Stage.RefreshCompleted"),
    }
    await world.poll([Family.JOBS])
    assert len(world.letters.letters) == 2


async def test_no_name_makes_an_event_that_no_queue_message_holds() -> None:
    world = World()
    await world.poll(REFRESHES)
    world.show("i1", 2, (5,), (5,))
    name = "Größe " * 20_000
    world.insights.show("i1", data_sources=[DataSource("d1", name, name, name, "updated", at(25))])
    await world.poll(REFRESHES)
    assert world.told() == ["DataSource.RefreshSucceeded", "System.RefreshCompleted"]
    assert max(len(json.dumps(event)) for event in world.publisher.events) < 49_152


async def test_the_loser_of_a_race_publishes_nothing() -> None:
    world = World()
    await world.poll([Family.JOBS])
    world.show("i1", 2, (5,), (5,))
    winner = world.worker()

    async def win() -> None:
        await winner([Family.JOBS])

    world.checkpoints.before_save = win
    await world.poll([Family.JOBS])
    assert world.told() == ["System.RefreshCompleted"]


async def test_a_first_poll_that_another_overtakes_is_silent() -> None:
    world = World()
    other = world.worker()

    async def overtake() -> None:
        await other([Family.JOBS])

    world.checkpoints.before_save = overtake
    await world.poll([Family.JOBS])
    assert world.publisher.events == []


async def test_an_unreadable_checkpoint_fails_loudly_and_the_others_go_on() -> None:
    world = World()
    await world.poll(ALL)
    world.show("i1", 2, (5, 20), (5, 20))
    broken = b"garbage", "v1"
    world.checkpoints.stored[("i1", Family.JOBS)] = broken
    with pytest.raises(PollFailedError) as failed:
        await world.poll(ALL)
    assert [type(error) for error in failed.value.exceptions] == [CheckpointError]
    assert world.told() == [name for name in NEWS if not name.startswith("System")]
    assert world.checkpoints.stored[("i1", Family.JOBS)] == broken


@pytest.mark.parametrize("what", ["jobs", "data_sources", "nodes", "segments", "measures"])
@pytest.mark.parametrize("error", [TransientError("busy"), AccessError("refused")])
async def test_a_failure_of_the_api_changes_nothing(what: str, error: Exception) -> None:
    world = World()
    await world.poll(ALL)
    world.show("i1", 2, (5, 20), (5, 20))
    before = dict(world.checkpoints.stored)
    world.insights.failures[what] = [error] * 9
    with pytest.raises(PollFailedError) as failed:
        await world.poll(ALL)
    assert set(failed.value.exceptions) == {error}
    after = world.checkpoints.stored
    changed = {family for _, family in after if after[("i1", family)] != before[("i1", family)]}
    hit = {"jobs": set(REFRESHES), "segments": {Family.SEGMENTS}, "measures": {Family.MEASURES}}
    assert changed == set(Family) - hit.get(what, {Family.DATA_SOURCES})
    world.insights.failures.clear()
    await world.poll(ALL)
    assert world.told() == NEWS


async def test_one_instance_that_fails_holds_up_no_other() -> None:
    world = World("bad", "good")
    await world.poll(ALL)
    world.show("good", 2, (5,), (5,))
    world.insights.failures = {f"{what} bad": [TransientError("busy")] * 9 for what in ("jobs", "nodes", "segments")}
    with pytest.raises(PollFailedError):
        await world.poll(ALL)
    assert {event["source"].rpartition("/")[2] for event in world.publisher.events} == {"good"}
    assert len(world.publisher.events) == 3


async def test_jobs_that_fail_to_be_read_at_first_make_no_phantoms() -> None:
    world = World()
    failed = Task("ingestion", "failed", "t9", "Sales", ("j9",), at(95))
    ended = Job("j9", "failed", "ingestion", "scheduled", "full", at(90), at(96), [failed])
    world.insights.show(
        "i1",
        jobs=[ended, job(0)],
        data_sources=[DataSource("d1", "sales", "Sales", None, "updateFailed", at(5))],
        nodes=None,
    )
    world.insights.failures["jobs"] = [TransientError("busy")]
    with pytest.raises(PollFailedError):
        await world.poll(REFRESHES)
    await world.poll(REFRESHES)
    await world.poll(REFRESHES)
    assert world.publisher.events == []


async def test_jobs_are_read_until_they_reach_a_known_one() -> None:
    world = World()
    await world.poll(REFRESHES)
    world.show("i1", 150, (5,), (5,))
    world.insights.calls.clear()
    await world.poll(REFRESHES)
    assert world.told() == ["DataSource.RefreshSucceeded"] * 149 + ["System.RefreshCompleted"] * 149
    tops = [call[2] for call in world.insights.calls if call[0] == "jobs"]
    assert tops == sorted(set(tops))


async def test_a_feed_that_the_api_does_not_offer_is_missing() -> None:
    for missing in ("nodes", "jobs", "data_sources"):
        world = World()
        world.insights.show("i1", **{missing: None})
        await world.poll([Family.DATA_SOURCES])
        world.show("i1", 2, (5,), (5,))
        world.insights.show("i1", **{missing: None})
        await world.poll([Family.DATA_SOURCES])
        assert world.told() == ["DataSource.RefreshSucceeded"], missing


async def test_an_instance_that_shows_no_data_sources_at_all_is_a_failure() -> None:
    world = World()
    world.insights.show("i1", nodes=None, data_sources=None)
    with pytest.raises(PollFailedError):
        await world.poll([Family.DATA_SOURCES])
    assert world.checkpoints.stored == {}


@pytest.mark.parametrize("after", [False, True])
async def test_death_between_any_two_steps_loses_nothing(*, after: bool) -> None:
    for deadly in range(20):
        fate = Fate()
        world = World(fate=fate)
        await world.poll(ALL)
        world.show("i1", 2, (5, 20), (5, 20))
        fate.deadly, fate.after = fate.steps + deadly, after
        try:
            await world.poll(ALL)
        except Death:
            world.poll = world.worker()
            await world.poll(ALL)
        else:
            assert deadly == 12  # save, publish, clear, for four families
            assert world.told() == NEWS
            return
        kept = {str(event["id"]): event["data"] for event in world.publisher.events}
        assert len(kept) == 5
        assert all(event["data"] == kept[event["id"]] for event in world.publisher.events)
        assert len(world.publisher.events) <= 7
        assert {world.outbox(family) for family in Family} == {b"[]}"}


async def test_a_reading_in_the_future_is_news_when_it_has_come() -> None:
    world = World()
    await world.poll(THRESHOLDS)
    right, reading = world.clock.now, SegmentEvaluation("completedSuccess", world.clock.now, 20)
    world.insights.show("i1", segments=[Segment("Big", None, reading)])
    world.clock.now = right - timedelta(hours=1)
    await world.poll(THRESHOLDS)
    writes = world.checkpoints.writes
    await world.poll(THRESHOLDS)
    assert (world.told(), world.checkpoints.writes) == ([], writes)
    world.clock.now = right
    await world.poll(THRESHOLDS)
    assert world.told() == ["Segment.ThresholdCrossed"]
