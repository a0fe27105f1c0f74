"""What deliveries need: where they are kept, and what is due later."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.deliveries import Delivery, EventKey, Stage
from shared.domain.logs import ALWAYS, Between
from shared.domain.messages import Look, Release
from shared.domain.pages import Page, Slice


class DeliveryStore(Protocol):
    """The deliveries of each subscription, one record for each event, and the lines of its backlog.

    A record and its place in a line are written at once or not at all.
    """

    async def get(self, subscription_id: str, key: EventKey) -> tuple[Delivery, str] | None:
        """A delivery and its version, or None. Raises `FormatError` for a row of another version of the bridge."""
        ...

    async def find(self, subscription_id: str, event_id: str, time: datetime | None) -> tuple[Delivery, str] | None:
        """A delivery by its event's id, and its version; quickly where the event's time is known."""
        ...

    async def put(self, delivery: Delivery, version: str | None = None, was: Delivery | None = None) -> str:
        """Write a new delivery (None), or replace that version (which is `was`); gives the new one.

        Raises `LostRaceError` when there is one already, or it has been changed.
        """
        ...

    async def remove(self, delivery: Delivery, version: str) -> None:
        """Forget that version, and its place in the line. Raises `LostRaceError` when it has been changed."""
        ...

    async def line(self, subscription_id: str, most: int) -> Sequence[EventKey]:
        """The first of a subscription's backlog: those held, then those replayed, each by the events' times."""
        ...

    async def held(self, subscription_id: str, most: int) -> int:
        """How many of a subscription's deliveries are in the stage `held`, up to `most`.

        Those of its line that are being attempted may be counted as what they were before.
        """
        ...

    async def drop(self, subscription_id: str, before: datetime) -> None:
        """Forget all of a subscription's backlog that has been there since before a time."""
        ...

    async def page(
        self, subscription_id: str, part: Slice, *, stage: Stage | None = None, between: Between = ALWAYS
    ) -> Page[Delivery]:
        """A subscription's deliveries, those of the newest events first. Raises `InvalidInputError` on `cursor`."""
        ...


class DueStore(Protocol):
    """What is to be looked at later, by the minute."""

    async def add(self, at: datetime, what: Look | Release) -> None:
        """Have something looked at, at a time; once more changes nothing."""
        ...

    async def remove(self, at: datetime, what: Look | Release, version: str | None = None) -> None:
        """Forget it, also when it is gone; with a version, unless it has been added once more since."""
        ...

    def until(self, at: datetime) -> AsyncIterator[tuple[datetime, Look | Release, str]]:
        """What is due before a time, with its version; it may be removed meanwhile.

        It comes in pages, so that any number fits into memory.
        """
        ...
