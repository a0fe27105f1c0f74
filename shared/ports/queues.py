"""The queues: what is put into each, and what waits in it."""

from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.deliveries import New
from shared.domain.messages import Beat, Look, Release
from shared.domain.slots import Shard


class PollQueue(Protocol):
    """The queue `polls`."""

    async def send(self, message: Shard | Beat, delay: timedelta = timedelta(0)) -> None:
        """Add a message; it shows after the delay. Raises `TooLargeError` when no message holds it."""
        ...


class DeliveryQueue(Protocol):
    """The queue `deliveries`."""

    async def send(self, message: New | Look, delay: timedelta = timedelta(0)) -> None:
        """Add a message; it shows after the delay. Raises `TooLargeError` when no message holds it."""
        ...


class ReleaseQueue(Protocol):
    """The queue `releases`."""

    async def send(self, message: Release, delay: timedelta = timedelta(0)) -> None:
        """Add a message; it shows after the delay."""
        ...


class TextQueue(Protocol):
    """A queue whose messages are passed on as they came."""

    async def add(self, text: str, delay: timedelta) -> None:
        """Add a message; it shows after the delay."""
        ...


class Waiting(Protocol):
    """What waits in a queue."""

    async def oldest(self) -> datetime | None:
        """When the oldest of the messages that show was added; None: there is none."""
        ...

    async def count(self) -> int:
        """About how many messages there are, those that do not show yet included."""
        ...
