"""The storage queues: `events`, which Event Grid fills, and `deliveries`, which the bridge fills itself.

Messages are written in base64; they never expire and may show later.
"""

import math
from datetime import datetime, timedelta

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from shared.adapters.storage import API_VERSION, RETRIES, Account, creating, named_errors
from shared.domain.deliveries import Delivery
from shared.errors import TooLargeError

EVENTS, DELIVERIES = "events", "deliveries"
# A message holds 64 KiB, and base64 makes four bytes of three.
MAX_BYTES = 49_152
# The most that one look shows.
PEEKED = 32


class Queue:
    """One queue; it is created when it is missing."""

    def __init__(self, account: Account, name: str) -> None:
        encode = TextBase64EncodePolicy()
        if account.connection_string is not None:
            self._queue = QueueClient.from_connection_string(
                account.connection_string,
                name,
                api_version=API_VERSION,
                message_encode_policy=encode,
                **RETRIES,
            )
        else:
            self._queue = QueueClient(
                account.queue_url,
                name,
                account.credential,
                api_version=API_VERSION,
                message_encode_policy=encode,
                **RETRIES,
            )

    async def check(self) -> None:
        """Raise what keeps the queue from being used."""
        async with named_errors("queue storage"):
            await creating(self._queue.get_queue_properties, self._queue.create_queue)

    async def oldest(self) -> datetime | None:
        """When the oldest of the first messages that show was added; None: none shows, or there is no such queue."""
        async with named_errors("queue storage"):
            try:
                shown = await self._queue.peek_messages(PEEKED)
            except ResourceNotFoundError:  # a poison queue is made with its first message
                return None
        return min((message.inserted_on for message in shown if message.inserted_on), default=None)

    async def close(self) -> None:
        """Close the connections."""
        await self._queue.close()


class DeliveryMessages(Queue):
    """The queue of deliveries."""

    def __init__(self, account: Account) -> None:
        super().__init__(account, DELIVERIES)

    async def send(self, delivery: Delivery, delay: timedelta = timedelta(0)) -> None:
        """Add a delivery; it shows after the delay, in whole seconds rounded up."""
        text = delivery.encode()
        if len(text.encode()) > MAX_BYTES:
            raise TooLargeError(f"the event is too large for a message of the queue {DELIVERIES}")
        seconds = max(0, math.ceil(delay.total_seconds()))
        async with named_errors("queue storage"):
            await creating(
                lambda: self._queue.send_message(text, visibility_timeout=seconds, time_to_live=-1),
                self._queue.create_queue,
            )
