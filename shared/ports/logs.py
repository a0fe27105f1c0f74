"""The logs, and how they forget."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.events.envelope import Event
from shared.domain.letters import DeadLetter, LetterKind
from shared.domain.logs import ALWAYS, Between, LoggedEvent, Purged
from shared.domain.pages import Page, Slice


class EventLog(Protocol):
    """The log of events."""

    async def record(self, event: Event, subscription_ids: Sequence[str], published_at: datetime | None = None) -> None:
        """Keep an event and the subscriptions that it was dispatched to; once more changes nothing."""
        ...

    async def get(self, event_id: str) -> LoggedEvent | None:
        """An event."""
        ...

    async def page(
        self, part: Slice, *, instance_id: str | None = None, event_type: str | None = None, between: Between = ALWAYS
    ) -> Page[LoggedEvent]:
        """The events, newest first. Raises `InvalidInputError` on `cursor`."""
        ...

    def between(self, instance_id: str, event_type: str, between: Between) -> AsyncIterator[Event]:
        """All events of an instance (`*`: any) and a type in a time, in pages, so that any number fits into memory."""
        ...


class DeadLetterLog(Protocol):
    """What could not be delivered."""

    async def record(self, letter: DeadLetter) -> None:
        """Keep a dead letter, in place of an earlier one with its id."""
        ...

    async def get(self, letter_id: str) -> DeadLetter | None:
        """A dead letter."""
        ...

    async def remove(self, letter_id: str, recorded_at: datetime | None = None) -> bool:
        """Forget a dead letter, with a time only the one recorded then; whether there was one."""
        ...

    async def page(
        self,
        part: Slice,
        *,
        subscription_id: str | None = None,
        kind: LetterKind | None = None,
        between: Between = ALWAYS,
    ) -> Page[DeadLetter]:
        """The dead letters, the latest recorded first. Raises `InvalidInputError` on `cursor`."""
        ...

    async def count(self, most: int) -> int:
        """How many there are, up to `most`."""
        ...


class Retention(Protocol):
    """A log that forgets."""

    async def purge(self, before: datetime, until: datetime) -> Purged:
        """Remove what ended before a time, for as long as it is not `until`.

        It reads little more than what it removes, and page by page. What still waits is never removed.
        """
        ...
