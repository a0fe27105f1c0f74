"""The storage queues: `events`, which Event Grid fills, and those which the bridge fills itself.

Messages are written in base64; they never expire and may show later.
"""

import math
from datetime import datetime, timedelta

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from shared.adapters.storage import API_VERSION, CONNECTING, RETRIES, Account, creating, named_errors
from shared.domain.deliveries import New
from shared.domain.messages import Beat, Look, Release, encode_new, encode_shard
from shared.domain.slots import Shard
from shared.errors import TooLargeError

EVENTS, DELIVERIES, RELEASES, POLLS = "events", "deliveries", "releases", "polls"
# A message holds 64 KiB, and base64 makes four bytes of three.
MAX_BYTES = 49_152
# The most that one look shows.
PEEKED = 32


class Queue:
    """One queue; it is created when it is missing."""

    def __init__(self, account: Account, name: str) -> None:
        self._name = name
        options = {
            "api_version": API_VERSION,
            "message_encode_policy": TextBase64EncodePolicy(),
            **RETRIES,
            **CONNECTING,
        }
        if account.connection_string is not None:
            self._queue = QueueClient.from_connection_string(account.connection_string, name, **options)
        else:
            self._queue = QueueClient(account.queue_url, name, account.credential, **options)

    async def add(self, text: str, delay: timedelta) -> None:
        """Add a message; it shows after the delay, in whole seconds rounded up.

        Raises `TooLargeError` when no message holds it.
        """
        if len(text.encode()) > MAX_BYTES:
            raise TooLargeError(f"too large for a message of the queue {self._name}")
        seconds = max(0, math.ceil(delay.total_seconds()))
        async with named_errors("queue storage"):
            await creating(
                lambda: self._queue.send_message(text, visibility_timeout=seconds, time_to_live=-1),
                self._queue.create_queue,
            )

    async def oldest(self) -> datetime | None:
        """When the oldest of the first messages that show was added; None: none shows, or there is no such queue."""
        async with named_errors("queue storage"):
            try:
                shown = await self._queue.peek_messages(PEEKED)
            except ResourceNotFoundError:  # a poison queue is made with its first message
                return None
        return min((message.inserted_on for message in shown if message.inserted_on), default=None)

    async def count(self) -> int:
        """About how many messages there are, those that do not show yet included; 0 when there is no such queue."""
        async with named_errors("queue storage"):
            try:
                properties = await self._queue.get_queue_properties()
            except ResourceNotFoundError:
                return 0
        return properties.approximate_message_count or 0

    async def check(self) -> None:
        """Raise what keeps the queue from being used."""
        async with named_errors("queue storage"):
            await creating(self._queue.get_queue_properties, self._queue.create_queue)

    async def close(self) -> None:
        """Close the connections."""
        await self._queue.close()


class DeliveryMessages(Queue):
    """The queue of deliveries."""

    def __init__(self, account: Account) -> None:
        super().__init__(account, DELIVERIES)

    async def send(self, message: New | Look, delay: timedelta = timedelta(0)) -> None:
        """Add a message. Raises `TooLargeError` when no message holds it."""
        await self.add(encode_new(message) if isinstance(message, New) else message.encode(), delay)


class ReleaseMessages(Queue):
    """The queue of backlogs to let out."""

    def __init__(self, account: Account) -> None:
        super().__init__(account, RELEASES)

    async def send(self, message: Release, delay: timedelta = timedelta(0)) -> None:
        """Add a message."""
        await self.add(message.encode(), delay)


class PollMessages(Queue):
    """The queue of instances to be polled, and of the heartbeat."""

    def __init__(self, account: Account) -> None:
        super().__init__(account, POLLS)

    async def send(self, message: Shard | Beat, delay: timedelta = timedelta(0)) -> None:
        """Add a message. Raises `TooLargeError` when no message holds it."""
        await self.add(encode_shard(message) if isinstance(message, Shard) else message.encode(), delay)
