"""A storage account seen with the plain SDKs, and all that stands in it as one text to search in."""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

API_VERSION = "2025-11-05"
SHOWN = 32  # messages: the most that one look shows


@dataclass(frozen=True, slots=True)
class Storage:
    """Blobs, queues and tables of one account."""

    blobs: BlobServiceClient
    queues: QueueServiceClient
    tables: TableServiceClient

    @classmethod
    @asynccontextmanager
    async def opened(cls, connection: str) -> AsyncIterator[Self]:
        """The account of a connection string."""
        async with (
            BlobServiceClient.from_connection_string(connection, api_version=API_VERSION) as blobs,
            QueueServiceClient.from_connection_string(connection, api_version=API_VERSION) as queues,
            TableServiceClient.from_connection_string(connection) as tables,
        ):
            yield cls(blobs, queues, tables)

    async def rows(self, table: str) -> list[Mapping[str, Any]]:
        """The rows of a table."""
        return [dict(row) async for row in self.tables.get_table_client(table).list_entities()]

    async def messages(self, queue: str) -> list[str]:
        """The first messages of a queue that show, without what they were encoded in."""
        shown = await self.queues.get_queue_client(queue).peek_messages(SHOWN)
        return [_decoded(message.content) for message in shown]

    async def text(self) -> str:
        """All that stands in blobs and tables, and in messages that show."""
        found: list[str] = []
        async for table in self.tables.list_tables():
            found += [_text(value) for row in await self.rows(table.name) for value in row.values()]
        async for container in self.blobs.list_containers():
            client = self.blobs.get_container_client(container.name)
            async for blob in client.list_blobs():
                found += [blob.name, _text(await (await client.download_blob(blob.name)).readall())]
        async for queue in self.queues.list_queues():
            found += await self.messages(queue.name)
        return "\n".join(found)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _decoded(content: str) -> str:
    """A message out of its base64; as it came where it is in none."""
    try:
        return base64.b64decode(content, validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return content
