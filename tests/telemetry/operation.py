"""Operation on a simulated clock: the use cases composed on fakes, minute by minute, with all that they tell."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import requests
import responses

from shared.domain.callbacks import Answer
from shared.domain.resources import DataSource, Job, Node, Task
from shared.errors import TransientError
from shared.insights.metering import meter
from shared.insights.sessions import new_session
from shared.usecases.edit import Edits
from shared.usecases.observe import Observe
from shared.usecases.poll import REFRESHES, THRESHOLDS
from shared.usecases.poll_many import PollFailedError
from shared.usecases.subscribe import Unsubscribe
from tests.fakes import CheckpointStoreFake, InsightsFake, PollStoreFake, PublisherFake
from tests.telemetry import tables
from tests.telemetry.recorder import Recorder
from tests.usecases.polling import worker_of
from tests.usecases.world import URL, World, subscription

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

    def __init__(self, max_age: timedelta = timedelta(hours=76)) -> None:
        self.rows: dict[str, list[tables.Row]] = {table: [] for table in tables.COLUMNS}
        self._workspace: tables.Workspace | None = None
        self.recorder = Recorder()
        told = self.recorder.telemetry
        mine = subscription(id_="s1", slug="data-source-refresh-succeeded")
        self.world = World(of=mine, events=(), max_age=max_age, telemetry=told)
        self.clock, self.store = self.world.clock, self.world.subscriptions
        self.insights = InsightsFake()
        for instance in ("i1", "i2"):
            self.refresh(instance)
        self.publisher = PublisherFake()
        self.timers = worker_of(
            insights=self.insights,
            checkpoints=CheckpointStoreFake(),
            subscriptions=self.store,
            publisher=self.publisher,
            polls=PollStoreFake(),
            clock=self.clock,
            telemetry=told,
        ).timers
        self.dispatch, self.patience = self.world.delivering.dispatch, self.world.delivering.patience
        self.unsubscribe = Unsubscribe(
            subscriptions=self.store,
            deliveries=self.world.deliveries,
            notify=self.world.notify,
            clock=self.clock,
        )
        self.poison: dict[str, datetime] = {}
        self.observe = Observe(
            queues={
                "events": Head(lambda: None),
                "deliveries": self.world.queue,
                "releases": self.world.releases,
                "deliveries-poison": Head(lambda: self.poison.get("deliveries-poison")),
            },
            subscriptions=self.store,
            deliveries=self.world.deliveries,
            clock=self.clock,
            telemetry=told,
        )
        self.session = meter(new_session(), told)
        self.api_status, self.health_status = 200, 200
        self.is_polling = self.is_delivering = True

    def refresh(self, instance: str, *, ago: timedelta = timedelta(seconds=20)) -> None:
        """A data source of the instance has been refreshed."""
        at = self.clock() - ago
        task = Task("ingestion", "successful", "t", "Sales", ("j",), at)
        job = Job(f"{instance}-{at:%H%M%S}", "successful", "ingestion", "onDemand", None, at, at, [task])
        self.insights.show(
            instance,
            jobs=[job, *self.insights.tenant.get(instance, {}).get("jobs", ())],
            data_sources=[DataSource("d1", "sales", "Sales", None, "updated", at)],
            nodes=[Node("ingestion", "d1", "successful", None, (job.id,), at)],
            segments=[],
            measures=[],
        )

    def answer(self, *answers: Answer) -> None:
        """What the flow answers from now on, the last for ever."""
        self.world.callbacks.answers[URL] = list(answers)

    async def pause(self) -> None:
        """Somebody pauses the subscription."""
        with self.recorder.listening():
            await self.world.edit("s1", Edits(status="paused"))

    async def resume(self) -> None:
        """Somebody has the subscription take events again."""
        with self.recorder.listening():
            await self.world.edit("s1", Edits(status="active"))

    def label(self, text: str) -> None:
        """The subscription's maker has called it so."""
        mine, version = self.store.rows["s1"]
        self.store.rows["s1"] = replace(mine, label=text), version

    async def run(self, minutes: int, *, failing: Sequence[str] = (), refreshing: bool = False) -> None:
        """Let the bridge work; reads of `failing` (as `InsightsFake` names them) fail.

        `refreshing`: a data source is refreshed each minute.
        """
        with self.recorder.listening():
            for _ in range(minutes):
                self.insights.failures = {name: [TransientError("the API is down")] * 99 for name in failing}
                if refreshing:
                    self.refresh("i1")
                await self._minute()

    async def _minute(self) -> None:
        began = self.clock()
        number = round(began.timestamp() / 60)
        if self.is_polling:
            self._call_the_api()
            for families in (REFRESHES, THRESHOLDS) if number % 5 == 0 else (REFRESHES,):
                with contextlib.suppress(PollFailedError, TransientError):
                    await self.timers.tick(families)
        for event in self.publisher.events:
            await self.dispatch(json.dumps(event))
        self.publisher.events.clear()
        if number % 5 == 0:
            await self.observe()
            self._ask_health()
        if self.is_delivering:
            await self.world.run(until=MINUTE)
        self.clock.now = max(self.clock.now, began + MINUTE)
        self.keep()

    def keep(self) -> None:
        """Store what was told since the last time, as of now."""
        now, self._workspace = self.clock(), None
        self.rows["AppMetrics"] += [tables.metric_row(now, point) for point in self.recorder.export()]
        self.rows["AppDependencies"] += [
            tables.span_row(at, span) for at, span in _until(now, self.recorder.take_spans())
        ]
        self.rows["AppTraces"] += [tables.log_row(at, record) for at, record in _until(now, self.recorder.records)]
        self.recorder.records.clear()

    def azure_tells(self, table: str, **row: Any) -> None:  # noqa: ANN401 - a column's value
        """One of Azure's own services writes a row now."""
        self.rows[table].append({"TimeGenerated": self.clock(), **row})

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

    def ask(self, query: str, window: timedelta = timedelta(days=1)) -> list[dict[str, Any]]:
        """The answer to a query over the window that ends now."""
        if self._workspace is None:
            self._workspace = tables.Workspace(self.rows, self.clock())
        return self._workspace.ask(query, window)


def _until[T](now: datetime, told: Sequence[T]) -> Iterator[tuple[datetime, T]]:
    """What was told in the last minute, each a little later than the one before."""
    for number, each in enumerate(told):
        yield now - timedelta(milliseconds=len(told) - number), each
