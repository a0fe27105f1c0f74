"""Real storage for the adapters, emptied before each test that uses it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from local.azurite import Azurite
from shared.adapters.storage import API_VERSION, Account
from shared.adapters.subscription_table import SubscriptionTable
from shared.adapters.tables import Table
from shared.domain.deliveries import New
from shared.domain.events.data_sources import DataSourceRefreshFailed
from shared.domain.events.envelope import Event
from tests.fakes import ClockFake, SubscriptionStoreFake

type Opened[T] = Callable[[T], T]  # has an adapter closed at the end of the test

ODD_IDS = ["plain", "a/b", "a#b", "a?b", "a%2Fb", "a b", "a|b", "a!7Cb", "a'b", "Größe-日本", "\t\n"]
NOW = datetime(2026, 11, 20, 3, 12, 45, 123456, UTC)


class Storage:
    """What stands in the account, seen with the plain SDKs."""

    def __init__(self, connection_string: str) -> None:
        self.connection_string = connection_string
        self.account = Account(connection_string)
        self.blobs = BlobServiceClient.from_connection_string(connection_string, api_version=API_VERSION)
        self.queues = QueueServiceClient.from_connection_string(connection_string, api_version=API_VERSION)
        self.tables = TableServiceClient.from_connection_string(connection_string)

    async def clear(self) -> None:
        async for container in self.blobs.list_containers():
            await self.blobs.delete_container(container.name)
        async for queue in self.queues.list_queues():
            await self.queues.delete_queue(queue.name)
        async for table in self.tables.list_tables():
            await self.tables.delete_table(table.name)

    async def names(self) -> set[str]:
        found = {f"container {each.name}" async for each in self.blobs.list_containers()}
        found |= {f"queue {each.name}" async for each in self.queues.list_queues()}
        return found | {f"table {each.name}" async for each in self.tables.list_tables()}

    async def rows(self, table: str) -> Sequence[dict[str, Any]]:
        return [dict(row) async for row in self.tables.get_table_client(table).list_entities()]

    async def close(self) -> None:
        await asyncio.gather(self.blobs.close(), self.queues.close(), self.tables.close())


@pytest_asyncio.fixture(loop_scope="session")
async def storage(azurite: Azurite) -> AsyncIterator[Storage]:
    storage = Storage(azurite.connection_string)
    await storage.clear()
    yield storage
    await storage.close()


@pytest_asyncio.fixture(loop_scope="session")
async def opened() -> AsyncIterator[Opened[Any]]:
    adapters: list[Any] = []

    def keep(adapter: Any) -> Any:  # noqa: ANN401 - whatever adapter it is
        adapters.append(adapter)
        return adapter

    yield keep
    for adapter in adapters:
        await adapter.close()


@pytest.fixture
def event() -> Event:
    return made_event("1")


def made_event(occurrence: str, time: datetime = NOW, **data: str) -> Event:
    """An event of a failed refresh, with these values in its data, which may be longer than it would let them be."""
    filled = DataSourceRefreshFailed.model_validate(DataSourceRefreshFailed.sample)
    made = Event.of(filled, time=time, occurrence=[occurrence])
    return Event.parse({**made.raw, "data": {**made.data, **data}})


def made_new(number: int = 0, subscription_id: str = "s", at: datetime | None = None, **data: str) -> New:
    """A delivery of an event, each a minute after the one before unless it is said otherwise."""
    event = made_event(str(number), NOW + timedelta(minutes=number) if at is None else at, **data)
    return New(subscription_id, event, NOW)


@dataclass
class Stored:
    """A store of subscriptions, and its table behind its back; `now` is what its rows' times go by."""

    store: SubscriptionTable
    table: Any
    now: datetime

    async def rows(self) -> Sequence[dict[str, Any]]:
        return [dict(row) async for row in self.table.query("PartitionKey ge @first", {"first": ""})]

    async def remove(self, *rows: Any) -> None:  # noqa: ANN401 - as the SDK has them
        for row in rows:
            await self.table.delete(row["PartitionKey"], row["RowKey"])


@pytest.fixture(params=["azurite", "memory"])
def stored(request: pytest.FixtureRequest) -> Stored:
    """A table of subscriptions, and the one that stands in for it elsewhere."""
    if request.param == "memory":
        fake = SubscriptionStoreFake(clock=ClockFake(NOW))
        return Stored(fake, fake.table, NOW)
    storage: Storage = request.getfixturevalue("storage")
    opened: Opened[Any] = request.getfixturevalue("opened")
    table = opened(Table(storage.account, "subscriptions"))
    return Stored(opened(SubscriptionTable(storage.account)), table, datetime.now(UTC))
