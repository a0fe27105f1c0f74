"""Feeds: what one poll reads of one instance, each list once, however many families need it.

A feed that the API does not offer is None. A failure is not kept: the next family that needs the feed asks again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

from shared.domain.events.data import EventData
from shared.domain.resources import DataSource, Job, Node
from shared.domain.rules import AgeRule, Rule
from shared.domain.triggers import TRIGGERS_BY_EVENT_TYPE
from shared.errors import NotFoundError, TimedOutError
from shared.ports.clock import Clock
from shared.ports.polling import Insights
from shared.ports.subscriptions import SubscriptionStore

# How many of the latest jobs are read at first, by how much more each time, and at most.
FIRST_JOBS, MORE_JOBS, MAX_JOBS = 20, 5, 2_500
# So many resources are compared within a few milliseconds.
FEW = 100


class Feeds:
    """The feeds of an instance during one poll; `insights` is for what only one family reads."""

    def __init__(self, instance_id: str, insights: Insights, subscriptions: SubscriptionStore, clock: Clock) -> None:
        self.instance_id = instance_id
        self.insights = insights
        self._clock = clock
        self._subscriptions = subscriptions
        self._kept: dict[str, Any] = {}
        self.unread: TimedOutError | None = None
        self._told_time: datetime | None = None
        self._late: TimedOutError | None = None
        self._top = 0
        self._jobs: Sequence[Job] = ()

    def now(self) -> datetime:
        """What time it is: the later of our time and the tenant's own. What lies beyond has not happened."""
        return max(one for one in (self._clock(), self.told_time) if one is not None)

    @property
    def told_time(self) -> datetime | None:
        """What time it was by the tenant's own clock when it answered the first call of this poll, where it told.

        All that is read after that shows at least what had happened by then.
        """
        return self._told_time

    async def data_sources(self) -> Sequence[DataSource] | None:
        """All data sources."""
        return await self._once("data sources", lambda: self.insights.data_sources(self.instance_id))

    async def nodes(self) -> Sequence[Node] | None:
        """The state of every workflow node."""
        return await self._once("nodes", lambda: self.insights.nodes(self.instance_id))

    async def jobs(self, enough: Callable[[Sequence[Job]], bool]) -> Sequence[Job]:
        """The latest jobs, newest first, as many as are `enough`, or all that the API shows.

        Where it shows no more of them in time, `unread` says so to the family that asked last.
        Raises `NotFoundError` where the API does not offer them.
        """
        while self._top == 0 or (not enough(self._jobs) and self._top < MAX_JOBS and self._late is None):
            count, top = len(self._jobs), self._top * MORE_JOBS or FIRST_JOBS
            try:
                self._jobs = await self.insights.jobs(self.instance_id, top)
            except TimedOutError as error:
                if not self._jobs:
                    raise
                self._late = TimedOutError(f"the jobs before the latest {count} could not be read: {error}")
                break
            self._listen()
            self._top = top
            if len(self._jobs) <= count:
                break
        self.unread = None if enough(self._jobs) else self._late
        return self._jobs

    async def rules[R: (Rule, AgeRule)](self, data: type[EventData], kind: type[R]) -> Sequence[R]:
        """The rules that subscriptions to a type of event have watched."""
        found = await self._subscriptions.rules(TRIGGERS_BY_EVENT_TYPE[data.event_type], self.instance_id)
        return [rule for rule in found if isinstance(rule, kind)]

    def _listen(self) -> None:
        if self._told_time is None:
            self._told_time = self.insights.told_time(self.instance_id)

    async def _once[T](self, what: str, read: Callable[[], Awaitable[T]]) -> T | None:
        if what not in self._kept:
            self._kept[what] = await if_offered(read())
            self._listen()
        found: T | None = self._kept[what]
        return found


async def if_offered[T](call: Awaitable[T]) -> T | None:
    """What a feed shows, or None where the API does not offer it."""
    try:
        return await call
    except NotFoundError:
        return None


async def aside[T](work: Callable[[], T], count: int) -> T:
    """What the work on so many resources gives; it is done in a thread where it would hold up the event loop."""
    return work() if count <= FEW else await asyncio.to_thread(work)


async def side_by_side[A, B](one: Coroutine[Any, Any, A], other: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """What both give; when one fails, the other is ended before its error goes on."""
    try:
        async with asyncio.TaskGroup() as both:
            first, second = both.create_task(one), both.create_task(other)
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return first.result(), second.result()
