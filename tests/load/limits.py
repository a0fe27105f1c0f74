"""What nothing can exceed here: the storage calls and the POSTs of deliveries, made bare and as many at a time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import aiohttp
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueClient

from local.azurite import Azurite
from local.flows import Flows
from tests.storage import API_VERSION

STORAGE_AT_ONCE = 32
HIDDEN = 600  # seconds
POSTS_AT_ONCE = 64
# What a record of a delivery holds beside the event.
COLUMNS = {f"column{number}": "2026-05-04T06:00:00.000000Z" for number in range(8)}


async def posts(body: bytes, count: int) -> float:
    """How many POSTs of these bytes a flow takes in a second."""
    flows = Flows()
    async with flows.serving(), aiohttp.ClientSession() as session:
        url = flows.url("bare")

        async def post(_: int) -> None:
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                await answer.read()

        return await _rate(post, count, POSTS_AT_ONCE)


async def storage(body: bytes, events: int, flows: int) -> float:
    """How many deliveries' storage calls a new Azurite takes in a second: those of events for so many flows each.

    For an event: a message got and removed, two rows written. For a delivery: a message written, got and removed, a
    subscription read, a record written twice.
    """
    async with _storage() as (queue, table):
        text = body.decode()
        await table.create_entity({"PartitionKey": "subscription", "RowKey": "one", **COLUMNS})

        async def begin(number: int) -> None:
            for kind in ("event", "index"):
                await table.create_entity({"PartitionKey": kind, "RowKey": str(number), "event": body})
            for _ in range(flows):
                await queue.send_message(text)

        async def deliver(number: int) -> None:
            await table.get_entity("subscription", "one")
            row = {"PartitionKey": str(number % flows), "RowKey": str(number), "event": body, **COLUMNS}
            await table.create_entity(row)
            await table.update_entity(row, mode=UpdateMode.REPLACE)
            message = got.pop()
            await queue.delete_message(message.id, message.pop_receipt)

        count, began = events * flows, time.monotonic()
        await _each(begin, range(events), STORAGE_AT_ONCE)
        got, done = [], 0
        while done < count:
            pages = queue.receive_messages(messages_per_page=STORAGE_AT_ONCE, visibility_timeout=HIDDEN).by_page()
            got = [message async for message in await anext(pages)]
            numbers = range(done, done + len(got))
            await _each(deliver, numbers, STORAGE_AT_ONCE)
            done += len(numbers)
        return count / (time.monotonic() - began)


@asynccontextmanager
async def _storage() -> AsyncIterator[tuple[QueueClient, TableClient]]:
    azurite = Azurite()
    await azurite.start()
    try:
        connection = azurite.connection_string
        async with (
            QueueClient.from_connection_string(connection, "bare", api_version=API_VERSION) as queue,
            TableClient.from_connection_string(connection, "bare") as table,
        ):
            await queue.create_queue()
            await table.create_table()
            yield queue, table
    finally:
        await azurite.stop()


async def _rate(what: Callable[[int], Awaitable[None]], count: int, at_once: int) -> float:
    began = time.monotonic()
    await _each(what, range(count), at_once)
    return count / (time.monotonic() - began)


async def _each(what: Callable[[int], Awaitable[None]], numbers: Iterable[int], at_once: int) -> None:
    turns = iter(numbers)

    async def work() -> None:
        for number in turns:
            await what(number)

    await asyncio.gather(*(work() for _ in range(at_once)))
