"""The logs of events and of dead letters."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from shared.domain import ids
from shared.domain.deliveries import EventKey
from shared.domain.events.envelope import Event
from shared.domain.letters import DeadLetter, LetterKind
from shared.domain.logs import ALWAYS, Between, LoggedEvent, Purged
from shared.domain.pages import Page, Slice
from shared.errors import InvalidInputError
from tests.fakes.process import ClockFake, Fate


def is_in(at: datetime, between: Between) -> bool:
    since, until = between
    return (since is None or since <= at) and (until is None or at < until)


def latest_first(key: EventKey) -> str:
    """The key as text that sorts the latest first."""
    return f"{(datetime.max.replace(tzinfo=UTC) - key.time) // timedelta(microseconds=1):018d} {key.id}"


def page_of[T](items: Mapping[str, T], part: Slice) -> Page[T]:
    """A page of what goes by a key; the cursor is the last key given."""
    if part.cursor is not None and not re.fullmatch(r"\d{1,18}[ -].+", part.cursor):
        raise InvalidInputError({"cursor": "is none"})
    rest = [key for key in sorted(items) if key > (part.cursor or "")]
    given = rest[: part.limit]
    return Page([items[key] for key in given], given[-1] if len(rest) > len(given) else None)


class EventLogFake:
    """Events with when they were recorded."""

    def __init__(self, fate: Fate | None = None, clock: ClockFake | None = None) -> None:
        self._fate = fate or Fate()
        self._clock = clock or ClockFake()
        self.events: dict[str, LoggedEvent] = {}

    async def record(self, event: Event, subscription_ids: Sequence[str], published_at: datetime | None = None) -> None:
        logged = LoggedEvent(event, tuple(subscription_ids), self._clock(), published_at)
        await self._fate.step(lambda: self.events.setdefault(event.id, logged))

    async def get(self, event_id: str) -> LoggedEvent | None:
        return await self._fate.step(lambda: self.events.get(event_id))

    async def page(
        self, part: Slice, *, instance_id: str | None = None, event_type: str | None = None, between: Between = ALWAYS
    ) -> Page[LoggedEvent]:
        wanted = {
            latest_first(EventKey(it.event.time, it.event.id)): it
            for it in self.events.values()
            if (instance_id is None or ids.key(instance_id) == ids.key(it.event.instance_id))
            and event_type in {None, it.event.type}
            and is_in(it.event.time, between)
        }
        return await self._fate.step(lambda: page_of(wanted, part))

    async def between(self, instance_id: str, event_type: str, between: Between) -> AsyncIterator[Event]:
        for logged in sorted(self.events.values(), key=lambda it: it.event.time):
            event = logged.event
            if (
                (instance_id == "*" or ids.key(instance_id) == ids.key(event.instance_id))
                and event.type == event_type
                and is_in(event.time, between)
            ):
                await asyncio.sleep(0)
                yield event

    async def purge(self, before: datetime, until: datetime) -> Purged:
        del until
        old = [id_ for id_, it in self.events.items() if max(it.event.time, it.recorded_at) < before]
        for id_ in old:
            await self._fate.step(lambda gone=id_: self.events.pop(gone))
        return Purged(len(old), is_done=True)


class DeadLetterLogFake:
    """Dead letters; `failures` are raised by the next records."""

    def __init__(self, fate: Fate | None = None) -> None:
        self._fate = fate or Fate()
        self.letters: dict[str, DeadLetter] = {}
        self.failures: list[Exception] = []

    async def record(self, letter: DeadLetter) -> None:
        if self.failures:
            raise self.failures.pop(0)
        await self._fate.step(lambda: self.letters.update({letter.id: letter}))

    async def get(self, letter_id: str) -> DeadLetter | None:
        return await self._fate.step(lambda: self.letters.get(letter_id))

    async def remove(self, letter_id: str, recorded_at: datetime | None = None) -> bool:
        found = self.letters.get(letter_id)
        if found is None or recorded_at not in {None, found.recorded_at}:
            return await self._fate.step(lambda: False)
        return await self._fate.step(lambda: self.letters.pop(letter_id, None)) is not None

    async def page(
        self,
        part: Slice,
        *,
        subscription_id: str | None = None,
        kind: LetterKind | None = None,
        between: Between = ALWAYS,
    ) -> Page[DeadLetter]:
        wanted = {
            id_: it
            for id_, it in self.letters.items()
            if subscription_id in {None, it.subscription_id}
            and kind in {None, it.kind}
            and is_in(it.recorded_at, between)
        }
        return await self._fate.step(lambda: page_of(wanted, part))

    async def count(self, most: int) -> int:
        return await self._fate.step(lambda: min(most, len(self.letters)))
