"""A crowd: many instances behind one API with its pace and its limits, and workers that poll them, on virtual time."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count

from shared.domain import messages
from shared.domain.checkpoints import Family
from shared.domain.messages import Beat
from shared.domain.resources import DataSource, Instance, Job, Measure, Node, Segment
from shared.domain.rows import Row
from shared.domain.rules import Combination
from shared.domain.slots import Shard
from shared.errors import ThrottledError, TimedOutError
from shared.insights.budget import Budget
from shared.usecases.poll import REFRESHES
from shared.usecases.poll_many import PollFailedError
from tests.fakes import (
    CheckpointStoreFake,
    PollStoreFake,
    PublisherFake,
    SubscriptionStoreFake,
    TimerStoreFake,
)
from tests.usecases.polling import Polling, worker_of
from tests.virtual_time import NOON, LoopClock

# What a call that hangs takes, with all its attempts.
PATIENCE = 45.0


class CrowdInsights:
    """Instances that show jobs; each call takes `seconds`, hangs, or is one too many in its minute (`per_minute`)."""

    def __init__(self, instances: Iterable[str], *, seconds: float = 0.05, per_minute: int | None = None) -> None:
        self.ids = list(instances)
        self.hanging: set[str | None] = set()
        self.refusing: set[str] = set()
        self.jobs_of = {instance_id: [_ended(instance_id, 0, NOON - timedelta(days=1))] for instance_id in self.ids}
        self.patience = PATIENCE
        self.polled: defaultdict[str, list[float]] = defaultdict(list)
        self.clock = LoopClock()
        self.budget = Budget(self.clock)
        self.calls = self.refused = self.at_once = self.most_at_once = 0
        self._seconds = seconds
        self._per_minute = per_minute
        self._minute, self._used = -1, 0

    async def _call(self, instance_id: str | None) -> None:
        deadline = self.clock.monotonic() + PATIENCE
        while wait := self.budget.take():
            if self.clock.monotonic() + wait >= deadline:
                raise ThrottledError("not made", retry_after=wait)
            await asyncio.sleep(wait)
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._answer(instance_id)
        finally:
            self.at_once -= 1

    async def _answer(self, instance_id: str | None) -> None:
        if instance_id in self.hanging:
            await asyncio.sleep(self.patience)
            raise TimedOutError(f"{instance_id} hangs")
        await asyncio.sleep(self._seconds)
        now = self.clock.monotonic()
        if int(now // 60) != self._minute:
            self._minute, self._used = int(now // 60), 0
        self._used += 1
        is_over = self._per_minute is not None and self._used > self._per_minute
        if is_over or instance_id in self.refusing:
            self.refused += 1
            self.budget.refused(60 - now % 60)
            raise ThrottledError("too many calls", retry_after=60 - now % 60)
        self.budget.taken()

    def finish_job(self, instance_id: str, at: datetime) -> None:
        """Have a full refresh end."""
        self.jobs_of[instance_id].insert(0, _ended(instance_id, len(self.jobs_of[instance_id]), at))

    async def instances(self) -> Sequence[Instance]:
        await self._call(None)
        return [Instance(instance_id) for instance_id in self.ids]

    async def data_sources(self, instance_id: str) -> Sequence[DataSource]:
        await self._call(instance_id)
        return []

    async def nodes(self, instance_id: str) -> Sequence[Node]:
        await self._call(instance_id)
        return []

    async def jobs(self, instance_id: str, top: int) -> Sequence[Job]:
        await self._call(instance_id)
        self.polled[instance_id].append(self.clock.monotonic())
        return self.jobs_of[instance_id][:top]

    async def segments(self, instance_id: str, history_days: int | None = None) -> Sequence[Segment]:
        del history_days
        await self._call(instance_id)
        return []

    async def measures(self, instance_id: str) -> Sequence[Measure]:
        await self._call(instance_id)
        return []

    async def measure(self, instance_id: str, name: str) -> Measure:
        raise AssertionError(f"nobody watches {name} of {instance_id}")

    async def rows_of_measure(self, instance_id: str, name: str, combinations: Sequence[Combination]) -> Sequence[Row]:
        raise AssertionError(f"nobody watches {len(combinations)} combinations of {name} of {instance_id}")

    def told_time(self, instance_id: str) -> datetime | None:
        """Nobody has any rule on an age."""


def _ended(instance_id: str, number: int, at: datetime) -> Job:
    begin = at - timedelta(minutes=1)
    return Job(f"{instance_id}-{number}", "successful", "all", "onDemand", "full", begin, at, [])


class PumpedQueue:
    """The queue `polls` and the host that runs its function: each message by itself, once more if it fails."""

    def __init__(self) -> None:
        self.worker: Polling | None = None
        self.sent: list[Shard | Beat] = []
        self.is_up = asyncio.Event()
        self.is_up.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = count()

    async def send(self, message: Shard | Beat, delay: timedelta = timedelta(0)) -> None:
        self.sent.append(message)
        text = messages.encode_shard(message) if isinstance(message, Shard) else message.encode()
        task = asyncio.create_task(self._settle(text, delay.total_seconds()), name=f"message {next(self._numbers)}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, text: str, wait: float) -> None:
        await asyncio.sleep(wait)
        while True:
            await self.is_up.wait()
            assert self.worker is not None
            try:
                await self.worker.message(text)
            except PollFailedError:
                await asyncio.sleep(10)
            else:
                return

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


class Crowd:
    """A bridge with one worker, and the API that it polls."""

    def __init__(
        self,
        insights: CrowdInsights,
        *,
        inline_max: int = 20,
        checkpoints: CheckpointStoreFake | None = None,
        polls: PollStoreFake | None = None,
    ) -> None:
        self.insights = insights
        self.publisher = PublisherFake()
        self.checkpoints = checkpoints or CheckpointStoreFake()
        self.polls = polls or PollStoreFake()
        self.timers = TimerStoreFake()
        self.queue = PumpedQueue()
        self.clock = LoopClock()
        self.runs: list[float] = []
        self.worker = worker_of(
            insights=insights,
            checkpoints=self.checkpoints,
            subscriptions=SubscriptionStoreFake(),
            publisher=self.publisher,
            polls=self.polls,
            clock=self.clock,
            inline_max=inline_max,
            queue=self.queue,
            timers=self.timers,
            budget=insights.budget,
        )
        self.queue.worker = self.worker

    def seconds_of(self, at: datetime) -> float:
        """A time as seconds since the beginning."""
        return (at - NOON).total_seconds()

    async def until_minute(self, minute: float) -> None:
        await asyncio.sleep(max(0.0, minute * 60 - self.clock.monotonic()))

    async def tick(self, families: Sequence[Family] = REFRESHES) -> None:
        """A run of the timer; that it fails is nothing special."""
        began = self.clock.monotonic()
        try:
            await self.worker.timers.tick(families)
        except PollFailedError:
            pass
        finally:
            self.runs.append(self.clock.monotonic() - began)

    async def run(self, minutes: int) -> None:
        """Let the timer tick each minute; a tick that comes while it still runs is lost."""
        end = self.clock.monotonic() + minutes * 60
        while self.clock.monotonic() < end:
            await self.tick()
            await asyncio.sleep(60 - self.clock.monotonic() % 60)
