"""A table of the storage account: rows read, written under a condition, and removed."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from itertools import batched, groupby
from operator import itemgetter
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from shared.adapters.storage import Account, creating, named_errors
from shared.errors import LostRaceError

# The most operations that one transaction may hold.
MAX_BATCH = 100

type Row = Mapping[str, Any]


class Table:
    """One table; it is created when it is missing."""

    def __init__(self, account: Account, name: str) -> None:
        if account.connection_string is not None:
            self._table = TableClient.from_connection_string(account.connection_string, name)
        else:
            assert account.credential is not None  # noqa: S101 - settings guarantee one or the other
            self._table = TableClient(account.table_url, name, credential=account.credential)
        self._what = f"table {name}"

    async def get(self, partition: str, row: str) -> tuple[Row, str] | None:
        """A row and its ETag, or None."""
        async with named_errors(self._what):
            try:
                entity = await self._table.get_entity(partition, row)
            except ResourceNotFoundError:
                return None
        return entity, str(entity.metadata["etag"])

    async def insert(self, row: Row) -> str:
        """Add a new row; gives its ETag. Raises `LostRaceError` when it is there already."""
        async with named_errors(self._what):
            try:
                written = await creating(lambda: self._table.create_entity(row), self._table.create_table)
            except ResourceExistsError:
                raise LostRaceError(f"{self._what}: the row is there already") from None
        return str(written["etag"])

    async def replace(self, row: Row, version: str) -> str:
        """Replace a row in that version; gives the new ETag. Raises `LostRaceError` when it has been changed."""
        async with named_errors(self._what):
            try:
                written = await self._table.update_entity(
                    row, mode=UpdateMode.REPLACE, etag=version, match_condition=MatchConditions.IfNotModified
                )
            except (ResourceModifiedError, ResourceNotFoundError):
                raise LostRaceError(f"{self._what}: the row has been changed") from None
        return str(written["etag"])

    async def put(self, row: Row) -> None:
        """Write a row, whatever stands there."""
        async with named_errors(self._what):
            await creating(lambda: self._table.upsert_entity(row, mode=UpdateMode.REPLACE), self._table.create_table)

    async def delete(self, partition: str, row: str, version: str | None = None) -> None:
        """Remove a row, also when it is gone; with a version, raises `LostRaceError` when it has been changed."""
        async with named_errors(self._what):
            if version is None:
                await self._table.delete_entity(partition, row)
                return
            try:
                await self._table.delete_entity(
                    partition, row, etag=version, match_condition=MatchConditions.IfNotModified
                )
            except ResourceModifiedError:
                raise LostRaceError(f"{self._what}: the row has been changed") from None

    async def query(self, condition: str, values: Row, columns: list[str] | None = None) -> AsyncIterator[Row]:
        """The rows that meet an OData condition; its `@names` stand for the values."""
        async with named_errors(self._what):
            try:
                async for row in self._table.query_entities(condition, parameters=dict(values), select=columns):
                    yield row
            except ResourceNotFoundError:
                return  # no table, no rows

    async def purge(self, before: datetime) -> int:
        """Remove the rows last written before a time; gives how many."""
        keys = ["PartitionKey", "RowKey"]
        found = [row async for row in self.query("Timestamp lt @before", {"before": before}, keys)]
        found.sort(key=itemgetter(*keys))
        async with named_errors(self._what):
            for _, rows in groupby(found, key=itemgetter("PartitionKey")):
                for batch in batched(rows, MAX_BATCH, strict=False):
                    await self._table.submit_transaction([("delete", row) for row in batch])
        return len(found)

    async def check(self) -> None:
        """Raise what keeps the table from being used."""

        async def first() -> None:
            async for _ in self._table.query_entities("PartitionKey eq ''", results_per_page=1):
                return

        async with named_errors(self._what):
            await creating(first, self._table.create_table)

    async def close(self) -> None:
        """Close the connections."""
        await self._table.close()
