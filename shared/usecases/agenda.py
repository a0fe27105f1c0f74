"""Agenda: see to it that something is looked at again, now or at a time.

A queue holds only what is due soon: Azure starts instances by a queue's length, and counts what does not show yet. The
rest stands in a table until a timer moves it into its queue.
"""

import math
from collections import Counter
from datetime import datetime, timedelta

from shared.domain.deliveries import New
from shared.domain.messages import Look, Release
from shared.ports.clock import Clock
from shared.ports.deliveries import DueStore
from shared.ports.queues import DeliveryQueue, ReleaseQueue

# What is due later than this stands in the table.
SOON = timedelta(minutes=2)
# A timer looks into the table so often.
EVERY = timedelta(minutes=1)
# No more looks than this fall due in a second, and where as many deliveries begin in it, none: when an event is for a
# thousand flows and all of them fail, what is new elsewhere comes between them.
PER_SECOND = 40


class Calendar:
    """How much this process has arranged for each second of the near future."""

    def __init__(self) -> None:
        self._booked: Counter[int] = Counter()
        self._swept = 0

    def book(self, at: datetime, now: datetime) -> datetime:
        """The first time from then on whose second is not full yet; it counts as booked."""
        self._forget(now)
        free = second = math.floor(at.timestamp())
        while self._booked[free] >= PER_SECOND:
            free += 1
        self._booked[free] += 1
        return at + timedelta(seconds=free - second)

    def note(self, at: datetime, now: datetime) -> None:
        """Count what is arranged for a time, however full its second is."""
        self._forget(now)
        self._booked[math.floor(at.timestamp())] += 1

    def _forget(self, now: datetime) -> None:
        passed = math.floor(now.timestamp())
        if passed != self._swept:
            self._swept, self._booked = passed, Counter({key: n for key, n in self._booked.items() if key >= passed})


class Agenda:
    """Arranges looks at deliveries and at backlogs."""

    def __init__(self, *, deliveries: DeliveryQueue, releases: ReleaseQueue, due: DueStore, clock: Clock) -> None:
        self._deliveries = deliveries
        self._releases = releases
        self._due = due
        self._clock = clock
        self._calendar = Calendar()

    async def begin(self, new: New, wait: timedelta = timedelta(0)) -> None:
        """Have a new delivery made, soon. Raises `TooLargeError` when no message holds its event."""
        if wait:
            now = self._clock()
            self._calendar.note(now + wait, now)
        await self._deliveries.send(new, wait)

    async def look(self, what: Look | Release, at: datetime) -> None:
        """Have a delivery or a backlog looked at, at a time; one in the past is now."""
        if at - self._clock() > SOON:
            await self._due.add(at, what)
        else:
            await self._send(what, at)

    async def insure(self, what: Look | Release, at: datetime) -> None:
        """Have a delivery or a backlog looked at, also if the instance that works on it is lost."""
        await self._due.add(at, what)

    async def waive(self, what: Look | Release, at: datetime) -> None:
        """Forget what was insured."""
        await self._due.remove(at, what)

    async def advance(self) -> int:
        """Move what is due before the timer looks again into the queues; gives how many."""
        moved = 0
        async for at, what, version in self._due.until(self._clock() + EVERY):
            await self._send(what, at)
            # Whoever has looked by now, and takes it to be earlier, may have put it in once more.
            await self._due.remove(at, what, version)
            moved += 1
        return moved

    async def _send(self, what: Look | Release, at: datetime) -> None:
        now = self._clock()
        wait = self._calendar.book(at, now) - now if at > now else timedelta(0)
        if isinstance(what, Release):
            await self._releases.send(what, wait)
        else:
            await self._deliveries.send(what, wait)
