"""Deliveries, and what is due."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

from shared.domain.deliveries import Delivery, EventKey, Stage
from shared.domain.logs import ALWAYS, Between
from shared.domain.messages import Look, Release
from shared.domain.pages import Page, Slice
from shared.errors import LostRaceError
from tests.fakes.logs import is_in, latest_first, page_of
from tests.fakes.process import Fate


class DueStoreFake:
    """What is due, by its time."""

    def __init__(self, fate: Fate | None = None) -> None:
        self._fate = fate or Fate()
        self.rows: dict[tuple[datetime, str], tuple[Look | Release, str]] = {}
        self.added = 0
        self._versions = itertools.count(1)

    async def add(self, at: datetime, what: Look | Release) -> None:
        self.added += 1
        await self._fate.step(lambda: self.rows.update({(at, what.encode()): (what, f"v{next(self._versions)}")}))

    async def remove(self, at: datetime, what: Look | Release, version: str | None = None) -> None:
        def effect() -> None:
            place = at, what.encode()
            if place in self.rows and version in {None, self.rows[place][1]}:
                del self.rows[place]

        await self._fate.step(effect)

    async def until(self, at: datetime) -> AsyncIterator[tuple[datetime, Look | Release, str]]:
        for (due_at, _), due in sorted(self.rows.items(), key=lambda row: row[0]):
            if due_at < at:
                await asyncio.sleep(0)
                yield due_at, *due


class DeliveryStoreFake:
    """Deliveries with versions; the lines are read from the records, as they are written at once with them."""

    def __init__(self, fate: Fate | None = None) -> None:
        self._fate = fate or Fate()
        self._versions = itertools.count(1)
        self.rows: dict[tuple[str, EventKey], tuple[Delivery, str]] = {}
        self.reads = self.writes = 0
        self.slowness: Callable[[], None] = lambda: None

    async def get(self, subscription_id: str, key: EventKey) -> tuple[Delivery, str] | None:
        self.reads += 1
        return await self._fate.step(lambda: self.rows.get((subscription_id, key)))

    async def find(self, subscription_id: str, event_id: str, time: datetime | None) -> tuple[Delivery, str] | None:
        del time
        found = [row for (id_, key), row in self.rows.items() if (id_, key.id) == (subscription_id, event_id)]
        return found[0] if found else None

    async def put(self, delivery: Delivery, version: str | None = None, was: Delivery | None = None) -> str:
        place = (delivery.subscription_id, delivery.key)
        self.writes += 1
        self.slowness()

        def write() -> str:
            found = self.rows.get(place)
            if (found[1] if found else None) != version:
                raise LostRaceError("the delivery was written by another")
            assert found is None or found[0] == was, "what is replaced is not what stands there"
            self.rows[place] = delivery, f"v{next(self._versions)}"
            return self.rows[place][1]

        return await self._fate.step(write)

    async def remove(self, delivery: Delivery, version: str) -> None:
        place = (delivery.subscription_id, delivery.key)

        def write() -> None:
            if place not in self.rows or self.rows[place][1] != version:
                raise LostRaceError("the delivery was written by another")
            del self.rows[place]

        await self._fate.step(write)

    def _in_line(self, subscription_id: str) -> list[Delivery]:
        mine = [delivery for (id_, _), (delivery, _) in self.rows.items() if id_ == subscription_id and delivery.line]
        return sorted(mine, key=lambda delivery: (delivery.line, delivery.key))

    async def line(self, subscription_id: str, most: int) -> Sequence[EventKey]:
        self.reads += 1
        return await self._fate.step(lambda: [delivery.key for delivery in self._in_line(subscription_id)[:most]])

    async def held(self, subscription_id: str, most: int) -> int:
        mine = (delivery for (id_, _), (delivery, _) in self.rows.items() if id_ == subscription_id and delivery.line)
        return min(most, sum(delivery.stage is Stage.HELD for delivery in mine))

    async def drop(self, subscription_id: str, before: datetime) -> None:
        for delivery in [each for each in self._in_line(subscription_id) if each.dispatched_at < before]:
            await self._fate.step(lambda place=(subscription_id, delivery.key): self.rows.pop(place))

    async def page(
        self, subscription_id: str, part: Slice, *, stage: Stage | None = None, between: Between = ALWAYS
    ) -> Page[Delivery]:
        mine = [delivery for (id_, _), (delivery, _) in self.rows.items() if id_ == subscription_id]
        wanted = [each for each in mine if stage in {None, each.stage} and is_in(each.key.time, between)]
        return page_of({latest_first(each.key): each for each in wanted}, part)
