"""Metrics: what each use case measures, and that it measures the same whatever the load."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import requests
import responses

from shared.domain.callbacks import Answer
from shared.domain.checkpoints import Family
from shared.domain.deliveries import Delivery, New
from shared.domain.ids import EVERY_INSTANCE
from shared.domain.subscriptions import Standing
from shared.errors import TransientError
from shared.insights.metering import meter
from shared.insights.sessions import new_session
from shared.telemetry import (
    API_DURATION,
    ATTEMPT_DURATION,
    DEAD_LETTERS,
    DELIVERIES,
    DELIVERY_LATENCY,
    EVENTS_PUBLISHED,
    HELD,
    INSTANCES_LEFT,
    OLDEST_PENDING,
    POISON_MESSAGES,
    POLL_DURATION,
    POLL_FAILURES,
    POLL_LAG,
    POLL_WAIT,
    SILENCE,
    SUBSCRIPTIONS,
)
from shared.usecases.observe import Observe
from shared.usecases.patience import Patience
from shared.usecases.poll import REFRESHES, Poll
from shared.usecases.poll_many import PollFailedError
from tests.fakes import NOON, ClockFake, DeliveryStoreFake, SubscriptionStoreFake
from tests.telemetry.recorder import Recorder
from tests.usecases import test_poll
from tests.usecases.polling import worker_of
from tests.usecases.world import EVENT, World, event_of, subscription

SUCCEEDED = "CustomerInsights.DataSource.RefreshSucceeded"
REFRESHED = "CustomerInsights.System.RefreshCompleted"
STAGE = "CustomerInsights.Stage.RefreshCompleted"


class Polls(test_poll.World):
    """The poll's world, with telemetry."""

    def __init__(self, *instances: str) -> None:
        self.recorder = Recorder()
        super().__init__(*instances)

    def worker(self) -> Poll:
        return worker_of(
            insights=self.insights,
            checkpoints=self.checkpoints,
            subscriptions=SubscriptionStoreFake(),
            publisher=self.publisher,
            polls=self.polls,
            clock=self.clock,
            instances=self.instances,
            inline_max=2_000,
            telemetry=self.recorder.telemetry,
        ).poll


def delivering(*answers: Answer, **choices: object) -> tuple[World, Recorder]:
    recorder = Recorder()
    return World(*answers, telemetry=recorder.telemetry, **choices), recorder  # type: ignore[arg-type]


async def test_polls_are_counted_by_family_and_outcome_and_failures_by_instance() -> None:
    world = Polls("i1", "i2")
    world.insights.failures["jobs i2"] = [TransientError("down")] * 9
    with pytest.raises(PollFailedError):
        await world.poll(REFRESHES)
    assert world.recorder.counted(POLL_DURATION) == {
        ("data-sources", "succeeded"): 1,
        ("data-sources", "failed"): 1,
        ("jobs", "succeeded"): 1,
        ("jobs", "failed"): 1,
    }
    assert world.recorder.counted(POLL_FAILURES) == {("i2", "data-sources"): 1, ("i2", "jobs"): 1}


async def test_a_poll_that_cannot_even_list_the_instances_counts_as_failed_for_all() -> None:
    world = Polls()
    world.insights.failures["instances"] = [TransientError("down")] * 2
    with world.recorder.listening():
        for _ in range(2):
            with pytest.raises(PollFailedError):
                await world.poll(REFRESHES)
        await world.poll(REFRESHES)
    assert world.recorder.counted(POLL_FAILURES) == {(EVERY_INSTANCE, family.value): 2 for family in REFRESHES}
    lines = [record.getMessage().split(":")[0] for record in world.recorder.records]
    assert lines == [
        *(f"poll.{what} instance=* family={one.value}" for what in ("failed", "recovered") for one in REFRESHES),
        "poll.succeeded families=data-sources,jobs instances=i1",
    ]


async def test_a_poll_names_the_instances_that_succeeded_in_lines_that_azure_monitor_keeps_whole() -> None:
    ids = [f"{number:036}" for number in range(1_001)]
    world = Polls(*ids)
    world.insights.failures[f"jobs {ids[7]}"] = [TransientError("down")]
    with world.recorder.listening(), pytest.raises(PollFailedError):
        await world.poll(REFRESHES)
    lines = [record.getMessage() for record in world.recorder.records if record.levelname == "INFO"]
    begin = "poll.succeeded families=data-sources,jobs instances="
    assert all(line.startswith(begin) and len(line) < 32_768 for line in lines)
    assert sorted(one for line in lines for one in line.removeprefix(begin).split(",")) == ids[:7] + ids[8:]


async def test_a_poll_names_no_instances_where_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world = Polls("i1")
    silent = test_poll.World("i1")
    for poll in (world.worker(), silent.worker()):
        await poll(REFRESHES)
    assert [record.getMessage().split()[0] for record in caplog.records] == ["poll.succeeded"]


async def test_a_poll_s_duration_is_told_in_seconds() -> None:
    world = Polls("i1")
    world.checkpoints.before_save = _passes(world.clock, 3)
    await world.poll([Family.JOBS])
    [point] = world.recorder.of(POLL_DURATION)
    assert (point.count, point.sum, point.max) == (1, 3, 3)


async def test_published_events_are_counted_by_type_with_their_lag() -> None:
    world = Polls("i1")
    await world.poll([Family.JOBS])
    assert world.recorder.counted(EVENTS_PUBLISHED) == {}
    world.show("i1", 2, (5,), (5,))
    await world.poll([Family.JOBS])
    assert world.recorder.counted(EVENTS_PUBLISHED) == {(REFRESHED,): 1, (STAGE,): 1}
    lags = {lag.dimensions["type"]: lag.sum for lag in world.recorder.of(POLL_LAG)}
    times = {event["type"]: datetime.fromisoformat(event["time"]) for event in world.publisher.events}
    assert lags == {type_: (world.clock() - time).total_seconds() for type_, time in times.items()}
    assert min(lags.values()) > 0


@pytest.mark.parametrize("count", [1, 20])
async def test_an_idle_poll_tells_as_much_whatever_the_number_of_instances(count: int) -> None:
    world = Polls(*(f"i{number}" for number in range(count)))
    await world.poll(REFRESHES)
    world.recorder.export()
    await world.poll(REFRESHES)
    told = Counter(point.name for point in world.recorder.export())
    assert told == {POLL_DURATION.name: len(REFRESHES), POLL_WAIT.name: len(REFRESHES), INSTANCES_LEFT.name: 1}


async def test_a_delivery_tells_its_attempts_its_end_and_how_long_the_occurrence_took() -> None:
    world, recorder = delivering(Answer(500), Answer(429), Answer(202))
    world.callbacks.during = _passes(world.clock, 2)
    await world.run()
    assert recorder.counted(ATTEMPT_DURATION) == {("retry",): 2, ("delivered",): 1}
    assert recorder.counted(DELIVERIES) == {("delivered", SUCCEEDED): 1}
    [latency] = recorder.of(DELIVERY_LATENCY)
    assert latency.sum == (world.clock() - EVENT.time).total_seconds() == 42
    assert max(point.max or 0 for point in recorder.of(ATTEMPT_DURATION)) == 2


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [([Answer(400)], "rejected"), ([Answer(500)], "retry")],
)
async def test_what_is_given_up_is_a_dead_delivery_and_a_dead_letter(answers: list[Answer], outcome: str) -> None:
    world, recorder = delivering(*answers, max_age=timedelta(seconds=50))
    await world.run()
    assert recorder.counted(DELIVERIES) == {("dead", SUCCEEDED): 1}
    assert recorder.counted(DEAD_LETTERS) == {("delivery",): 1}
    assert set(recorder.counted(ATTEMPT_DURATION)) == {(outcome,)}
    assert recorder.counted(DELIVERY_LATENCY) == {}


@pytest.mark.parametrize(("answer", "outcome"), [(Answer(404), "gone"), (Answer(401), "denied")])
async def test_what_is_held_has_not_ended(answer: Answer, outcome: str) -> None:
    world, recorder = delivering(answer, max_age=timedelta(seconds=50))
    await world.run()
    assert world.status() == "suspended"
    assert set(recorder.counted(ATTEMPT_DURATION)) == {(outcome,)}
    assert recorder.counted(DELIVERIES) == recorder.counted(DEAD_LETTERS) == {}


async def test_a_repeated_message_is_measured_once() -> None:
    world, recorder = delivering()
    [message] = world.queue.due()
    await world.deliver(message)
    await world.deliver(message)
    assert recorder.counted(DELIVERIES) == {("delivered", SUCCEEDED): 1}


async def test_poison_messages_are_counted_by_queue() -> None:
    world, recorder = delivering()
    patience = Patience(
        events=world.queue,
        queue=world.queue,
        deliveries=world.deliveries,
        attempt=world.attempt,
        bury=world.bury,
        clock=world.clock,
        max_age=timedelta(seconds=50),
        telemetry=recorder.telemetry,
    )
    await patience.poisoned("events", "???")
    await patience.poisoned("deliveries", world.take())
    assert recorder.counted(POISON_MESSAGES) == {("events",): 1, ("deliveries",): 1}
    assert recorder.counted(DEAD_LETTERS) == {("message",): 1}
    world.clock.advance(timedelta(minutes=2))
    await patience.poisoned("deliveries", world.take())
    assert recorder.counted(DEAD_LETTERS) == {("message",): 1, ("delivery",): 1}


class Waiting:
    """A queue whose oldest message is from `since`."""

    def __init__(self, since: datetime | None) -> None:
        self.since = since
        self.looks = 0

    async def oldest(self) -> datetime | None:
        self.looks += 1
        return self.since


async def test_what_stands_still_is_measured() -> None:
    recorder, clock = Recorder(), ClockFake()
    stored = [subscription(id_="a"), subscription(id_="b"), subscription(id_="c", status="suspended")]
    queues = {"events": Waiting(None), "deliveries": Waiting(NOON - timedelta(minutes=20))}
    deliveries, now = DeliveryStoreFake(), clock()
    for number in range(3):
        await deliveries.put(Delivery.held(New("c", event_of(number), now), now))
    await Observe(
        queues=queues,
        subscriptions=SubscriptionStoreFake(*stored),
        deliveries=deliveries,
        clock=clock,
        telemetry=recorder.telemetry,
    )()
    assert {p.dimensions["queue"]: p.sum for p in recorder.of(OLDEST_PENDING)} == {"events": 0, "deliveries": 1200}
    counts = {point.dimensions["status"]: point.sum for point in recorder.of(SUBSCRIPTIONS)}
    assert counts == {"active": 2, "failing": 0, "paused": 0, "suspended": 1}
    held = {point.dimensions["status"]: point.sum for point in recorder.of(HELD)}
    assert held == {"active": 0, "failing": 0, "paused": 0, "suspended": 3}


async def test_nothing_is_looked_at_when_nobody_listens() -> None:
    class Unread(SubscriptionStoreFake):
        def standings(self) -> AsyncIterator[Standing]:
            raise AssertionError("looked at")

    queue = Waiting(NOON)
    await Observe(
        queues={"events": queue},
        subscriptions=Unread(),
        deliveries=DeliveryStoreFake(),
        clock=ClockFake(),
        telemetry=SILENCE,
    )()
    assert queue.looks == 0


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"status": 200}, "succeeded"),
        ({"status": 304}, "succeeded"),
        ({"status": 401}, "refused"),
        ({"status": 403}, "refused"),
        ({"status": 404}, "notFound"),
        ({"status": 408}, "timeout"),
        ({"status": 429}, "throttled"),
        ({"status": 400}, "failed"),
        ({"status": 503}, "failed"),
        ({"status": 599}, "failed"),
        ({"body": requests.ConnectionError("gone")}, "unreachable"),
        ({"body": requests.ReadTimeout("slow")}, "timeout"),
    ],
)
def test_requests_to_the_api_are_counted_by_outcome(answer: dict[str, object], outcome: str) -> None:
    recorder = Recorder()
    session = meter(new_session(), recorder.telemetry)
    with responses.RequestsMock() as api:
        api.add(responses.GET, "https://api.example/v1/instances", **answer)  # type: ignore[arg-type]
        with contextlib.suppress(requests.RequestException):
            session.get("https://api.example/v1/instances", timeout=1)
    assert recorder.counted(API_DURATION) == {(outcome,): 1}


def _passes(clock: ClockFake, seconds: float) -> object:
    async def pass_() -> None:
        clock.advance(timedelta(seconds=seconds))

    return pass_
