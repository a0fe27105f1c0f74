"""A queue of deliveries on an Azurite of its own, drained by the bridge or by nothing but its storage calls."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from azure.core import MatchConditions
from azure.data.tables import TableEntity, UpdateMode
from azure.data.tables.aio import TableClient
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from bench.delivering import AT_ONCE, HOST, KEY, RATE, each, now
from local.azurite import Azurite
from local.install_azurite import install
from shared.adapters.delivery_rows import record_row
from shared.adapters.storage import API_VERSION, CONNECTING, RETRIES
from shared.adapters.subscription_rows import subscription_key
from shared.composition import Bridge, compose
from shared.domain.callbacks import Answer
from shared.domain.deliveries import Delivery, New
from shared.domain.messages import decode_delivery
from shared.domain.subscriptions import Subscription
from shared.settings import Settings
from shared.usecases.shared_calls import SharedCalls

_BATCH: Final = 32  # as host.json has it
_HIDDEN: Final = 600  # seconds
_CLAIM: Final = timedelta(seconds=36)


@dataclass(frozen=True, slots=True)
class Storage:
    """The bridge on an Azurite, and the SDK's own clients for it."""

    bridge: Bridge
    queue: QueueClient
    subscriptions: TableClient
    deliveries: TableClient

    async def drain(self, work: Callable[[QueueMessage], Awaitable[object]]) -> None:
        """Do the work of each message, and remove it, so many at a time, until the queue is empty."""
        room = asyncio.Semaphore(AT_ONCE)

        async def settle(message: QueueMessage) -> None:
            try:
                await work(message)
                await self.queue.delete_message(message.id, message.pop_receipt)
            finally:
                room.release()

        async with asyncio.TaskGroup() as tasks:
            async for message in self.queue.receive_messages(messages_per_page=_BATCH, visibility_timeout=_HIDDEN):
                await room.acquire()
                tasks.create_task(settle(message))

    async def delivered(self) -> int:
        """How many deliveries are recorded as made."""
        rows = self.deliveries.query_entities("stage eq 'delivered'", select=["RowKey"])
        return len([row async for row in rows])


async def delivered(storage: Storage) -> None:
    """Drain the queue as the bridge does."""
    bridge = storage.bridge

    async def work(message: QueueMessage) -> None:
        text, tries = str(message.content), message.dequeue_count or 1
        await bridge.patience("deliveries", text, message.inserted_on, lambda: bridge.deliver(text, tries))

    await storage.drain(work)


async def stored(storage: Storage) -> None:
    """Drain the queue with the storage calls alone that a delivery needs: one read and two writes.

    The read is shared as the bridge shares it. What is written is what the bridge writes.
    """
    read = SharedCalls[str, TableEntity](lambda id_: storage.subscriptions.get_entity(*subscription_key(id_)))

    async def work(message: QueueMessage) -> None:
        new = decode_delivery(str(message.content))
        assert isinstance(new, New)  # noqa: S101 - no other was sent
        await read(new.subscription_id)
        claimed = Delivery.attempted(new, now(), now() + _CLAIM)
        written = await storage.deliveries.create_entity(record_row(claimed))
        ended = claimed.end_attempt(Answer(202, run_id="08584"), now()).succeed()
        await storage.deliveries.update_entity(
            record_row(ended),
            mode=UpdateMode.REPLACE,
            etag=written["etag"],
            match_condition=MatchConditions.IfNotModified,
        )

    await storage.drain(work)


@asynccontextmanager
async def on_azurite(subscribed: Sequence[Subscription], waiting: Sequence[str]) -> AsyncIterator[Storage]:
    """An Azurite that has these subscriptions, and these messages in the queue of deliveries."""
    install()
    azurite = Azurite()
    async with AsyncExitStack() as opened:
        opened.push_async_callback(azurite.stop)
        await azurite.start()
        connection = azurite.connection_string
        bridge = compose(Settings.load(_environment(connection)))
        opened.push_async_callback(bridge.close)
        await bridge.prepare()
        for subscription in subscribed:
            await bridge.subscriptions.put(subscription, None)
        options = {"api_version": API_VERSION, **CONNECTING, **RETRIES}  # as the bridge has it
        queue = QueueClient.from_connection_string(connection, "deliveries", **options)
        tables = [
            TableClient.from_connection_string(connection, name, **CONNECTING)
            for name in ("subscriptions", "deliveries")
        ]
        storage = Storage(bridge, await opened.enter_async_context(queue), *tables)
        for table in tables:
            await opened.enter_async_context(table)
        await each(queue.send_message, waiting)
        yield storage


def _environment(connection: str) -> dict[str, str]:
    return {
        "AzureWebJobsStorage": connection,
        "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": "not-asked-for",
        "CUSTOMER_INSIGHTS_ACCESS_TOKEN": "not-asked-for",
        "EVENT_GRID_TOPIC_ENDPOINT": f"http://{HOST}/api/events",
        "EVENT_GRID_TOPIC_KEY": "not-asked-for",
        "CALLBACK_ALLOWED_HOSTS": HOST,
        "CALLBACK_ALLOW_INSECURE": "true",
        "CALLBACK_ENCRYPTION_KEY": base64.b64encode(KEY).decode(),
        "DELIVERY_RATE_PER_SECOND": str(RATE),
    }
