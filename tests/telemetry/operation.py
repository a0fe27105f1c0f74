"""Operation on a simulated clock: the use cases composed on fakes, minute by minute, with all that they tell."""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests
import responses
from shared.usecases.pace import Pace

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Delivery
from shared.domain.resources import DataSource, Job, Node, Task
from shared.errors import TransientError
from shared.insights.metering import meter
from shared.insights.transport import new_session
from shared.usecases.bury import Bury
from shared.usecases.deliver import Deliver, RetryPolicy
from shared.usecases.dispatch import Dispatch
from shared.usecases.observe import Observe
from shared.usecases.poll import REFRESHES, THRESHOLDS
from shared.usecases.poll_many import PollFailedError
from shared.usecases.subscribe import Unsubscribe
from tests.fakes import (
    NOON,
    CallbacksFake,
    CheckpointStoreFake,
    CipherFake,
    ClockFake,
    DeadLetterLogFake,
    DeliveryLogFake,
    DeliveryQueueFake,
    EventLogFake,
    InsightsFake,
    PollStoreFake,
    PublisherFake,
    SubscriptionStoreFake,
)
from tests.telemetry import tables
from tests.telemetry.recorder import Recorder
from tests.usecases.polling import poll_of
from tests.usecases.world import URL, subscription

MINUTE = timedelta(minutes=1)
CALLS_PER_POLL = 3


@dataclass
class Head:
    """A queue, as `observe` sees it."""

    since: Callable[[], datetime | None]

    async def oldest(self) -> datetime | None:
        return self.since()


class Operation:
    """The bridge at work; what goes wrong is set between `run`s."""

    def __init__(self) -> None:
        self.clock = ClockFake(NOON - timedelta(hours=1))
        self.rows: dict[str, list[tables.Row]] = {table: [] for table in tables.COLUMNS}
        self._workspace: tables.Workspace | None = None
        self.recorder = Recorder()
        told = self.recorder.telemetry
        self.insights = InsightsFake()
        for instance in ("i1", "i2"):
            self.refresh(instance)
        self.publisher, self.queue = PublisherFake(), DeliveryQueueFake(self.clock)
        self.store = SubscriptionStoreFake(subscription(id_="s1", slug="data-source-refresh-succeeded"))
        self.callbacks, letters = CallbacksFake(), DeadLetterLogFake()
        self.bury = Bury(letters=letters, clock=self.clock, telemetry=told)
        self.poll = poll_of(
            insights=self.insights,
            checkpoints=CheckpointStoreFake(),
            subscriptions=self.store,
            publisher=self.publisher,
            polls=PollStoreFake(),
            clock=self.clock,
            telemetry=told,
        )
        self.dispatch = Dispatch(
            subscriptions=self.store,
            events=EventLogFake(),
            queue=self.queue,
            bury=self.bury,
            clock=self.clock,
            telemetry=told,
        )
        self.deliver = Deliver(
            subscriptions=self.store,
            records=DeliveryLogFake(),
            queue=self.queue,
            callbacks=self.callbacks,
            cipher=CipherFake(),
            bury=self.bury,
            pace=Pace(1_000),
            clock=self.clock,
            policy=RetryPolicy((10, 30, 60, 300), timedelta(hours=76), timedelta(seconds=30)),
            user_agent="bridge/1",
            jitter=lambda: 0,
            telemetry=told,
        )
        self.unsubscribe = Unsubscribe(subscriptions=self.store)
        self.poison: dict[str, datetime] = {}
        self.observe = Observe(
            queues={
                "events": Head(lambda: None),
                "deliveries": Head(self._oldest_delivery),
                "deliveries-poison": Head(lambda: self.poison.get("deliveries-poison")),
            },
            subscriptions=self.store,
            clock=self.clock,
            telemetry=told,
        )
        self.session = meter(new_session(), told)
        self.api_status, self.health_status = 200, 200
        self.is_polling = self.is_delivering = True

    def refresh(self, instance: str) -> None:
        """A data source of the instance is refreshed now."""
        now = self.clock() - timedelta(seconds=20)
        task = Task("ingestion", "successful", "t", "Sales", ("j",), now)
        job = Job(f"{instance}-{now:%H%M%S}", "successful", "ingestion", "onDemand", None, now, now, [task])
        self.insights.show(
            instance,
            jobs=[job, *self.insights.tenant.get(instance, {}).get("jobs", ())],
            data_sources=[DataSource("d1", "sales", "Sales", None, "updated", now)],
            nodes=[Node("ingestion", "d1", "successful", None, (job.id,), now)],
            segments=[],
            measures=[],
        )

    def answer(self, *answers: Answer) -> None:
        """What the flow answers from now on, the last for ever."""
        self.callbacks.answers[URL] = list(answers)

    async def run(self, minutes: int, *, failing: Sequence[str] = ()) -> None:
        """Let the bridge work; reads of `failing` (as `InsightsFake` names them) fail."""
        with self.recorder.listening():
            for _ in range(minutes):
                self.insights.failures = {name: [TransientError("the API is down")] * 99 for name in failing}
                await self._minute()

    async def _minute(self) -> None:
        number = round(self.clock().timestamp() / 60)
        if self.is_polling:
            self._call_the_api()
            for families in (REFRESHES, THRESHOLDS) if number % 5 == 0 else (REFRESHES,):
                with contextlib.suppress(PollFailedError, TransientError):
                    await self.poll(families)
        for event in self.publisher.events:
            await self.dispatch(json.dumps(event))
        self.publisher.events.clear()
        if self.is_delivering:
            for message in self.queue.due():
                self.queue.remove(message)
                await self.deliver(message)
        if number % 5 == 0:
            await self.observe()
            self._ask_health()
        self.clock.advance(MINUTE)
        self.keep()

    def keep(self) -> None:
        """Store what was told since the last time, as of now."""
        now, self._workspace = self.clock(), None
        self.rows["AppMetrics"] += [tables.metric_row(now, point) for point in self.recorder.export()]
        self.rows["AppDependencies"] += [tables.span_row(now, span) for span in self.recorder.take_spans()]
        self.rows["AppTraces"] += [tables.log_row(now, record) for record in self.recorder.records]
        self.recorder.records.clear()

    def _call_the_api(self) -> None:
        with responses.RequestsMock() as api:
            api.add(responses.GET, "https://api.example/v1/instances", status=self.api_status)
            for _ in range(CALLS_PER_POLL):
                with contextlib.suppress(requests.RequestException):
                    self.session.get("https://api.example/v1/instances", timeout=1)

    def _ask_health(self) -> None:
        now, status = self.clock(), self.health_status
        self.rows["AppRequests"].append(tables.request_row(now, "health", status))
        self.rows["AppAvailabilityResults"].append(tables.availability_row(now, success=status == 200))

    def _oldest_delivery(self) -> datetime | None:
        return min((Delivery.decode(text).dispatched_at for text in self.queue.due()), default=None)

    def ask(self, query: str, window: timedelta = timedelta(days=1)) -> list[dict[str, Any]]:
        """The answer to a query over the window that ends now."""
        if self._workspace is None:
            self._workspace = tables.Workspace(self.rows, self.clock())
        return self._workspace.ask(query, window)
