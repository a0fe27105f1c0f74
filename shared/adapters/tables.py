"""A table of the storage account: rows read, written under a condition, and removed."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from http import HTTPStatus
from itertools import batched
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.data.tables import TableEntity, TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from shared.adapters.storage import CONNECTING, Account, creating, has_code, named_errors
from shared.errors import FormatError, LostRaceError

# The most operations that one transaction may hold.
MAX_BATCH = 100
# The most rows that one answer holds.
MAX_READ = 1000
# The form in which rows are written; each bears it as `v`.
VERSION = 1
# What a transaction fails with when somebody else was quicker.
LOST = {"EntityAlreadyExists", "UpdateConditionNotSatisfied", "ConditionNotMet", "ResourceNotFound", "EntityNotFound"}
# The SDK repeats what a closed connection has lost, but no POST. One that had arrived and is repeated finds its own
# doing, and that looks like a lost race: see `own_writes`.
REPEATED: Mapping[str, Any] = {"retry_on_methods": {"POST"}}

type Row = Mapping[str, Any]
# A step of a transaction, as `insertion`, `replacement` and `deletion` make it.
type Step = tuple[str, Row, Mapping[str, Any]]


def known(row: Row, what: str) -> Row:
    """A row in the form that this version of the bridge knows; raises `FormatError` for another."""
    if row.get("v") != VERSION:
        raise FormatError(what, row.get("v"))
    return row


def version_of(row: Row) -> str:
    """The ETag of a row that has been read."""
    assert isinstance(row, TableEntity)  # noqa: S101 - what the SDK reads is one
    return str(row.metadata["etag"])


async def batches[T](found: AsyncGenerator[T], size: int) -> AsyncGenerator[list[T]]:
    """What is found, so many at a time."""
    batch: list[T] = []
    async with aclosing(found):
        async for one in found:
            batch.append(one)
            if len(batch) == size:
                yield batch
                batch = []
    if batch:
        yield batch


def insertion(row: Row) -> Step:
    """Add a new row."""
    return "create", row, {}


def replacement(row: Row, version: str | None = None) -> Step:
    """Replace a row, in that version or whichever stands there."""
    return "update", row, {"mode": UpdateMode.REPLACE, **_if(version)}


def deletion(partition: str, row: str, version: str | None = None) -> Step:
    """Remove a row, in that version or whichever stands there."""
    return "delete", {"PartitionKey": partition, "RowKey": row}, _if(version)


def _if(version: str | None) -> Mapping[str, Any]:
    return {} if version is None else {"etag": version, "match_condition": MatchConditions.IfNotModified}


class Table:
    """One table; it is created when it is missing."""

    def __init__(self, account: Account, name: str) -> None:
        if account.connection_string is not None:
            self._table = TableClient.from_connection_string(account.connection_string, name, **CONNECTING)
        else:
            assert account.credential is not None  # noqa: S101 - settings guarantee one or the other
            self._table = TableClient(account.table_url, name, credential=account.credential, **CONNECTING)
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
                written = await creating(lambda: self._table.create_entity(row, **REPEATED), self._table.create_table)
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

    async def put_all(self, rows: Collection[Row]) -> None:
        """Write rows of a partition, no more than a transaction holds, whatever stands there; all of them or none."""
        if len(rows) == 1:
            await self.put(*rows)
        else:
            await self.transact(*(("upsert", row, {"mode": UpdateMode.REPLACE}) for row in rows))

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

    async def transact(self, *steps: Step) -> Sequence[str | None]:
        """Do all of it or nothing, in one partition; gives each step's new ETag, where it leaves a row.

        Raises `LostRaceError` when a row to add is there already, or another is gone or has been changed.
        """
        async with named_errors(self._what):
            try:
                done = await creating(
                    lambda: self._table.submit_transaction(steps, **REPEATED), self._table.create_table
                )
            except TableTransactionError as error:
                if not has_code(error, LOST):
                    raise
                raise LostRaceError(f"{self._what}: a row has been changed") from None
        return [step.get("etag") for step in done]

    async def query(
        self, condition: str, values: Row, columns: list[str] | None = None, at_a_time: int | None = None
    ) -> AsyncGenerator[Row]:
        """The rows that meet an OData condition, by their keys, read so many at a time (None: 1,000).

        `@names` in the condition, each between blanks, stand for the values: texts, or times since 1601. A whole number
        has to stand in the condition itself: the SDK makes a truth value of 0 and 1.
        """
        pages = self._table.query_entities(
            condition, parameters=dict(values), select=columns, results_per_page=at_a_time
        ).by_page()
        while rows := await self._next(pages):
            for row in rows:
                yield row

    async def _next(self, pages: AsyncIterator[AsyncIterator[Row]]) -> Sequence[Row]:
        """The rows of the next page that has any; none at the end."""
        async with named_errors(self._what):
            try:
                async for page in pages:
                    if rows := [row async for row in page]:
                        return rows
            except ResourceNotFoundError:
                pass  # no table, no rows
        return []

    async def first(self, most: int, condition: str, values: Row, columns: list[str] | None = None) -> Sequence[Row]:
        """The first rows that meet a condition, at most so many; the rest are not read."""
        found: list[Row] = []
        async with aclosing(self.query(condition, values, columns, min(most, MAX_READ))) as rows:
            async for row in rows:
                found.append(row)
                if len(found) == most:
                    break
        return found

    async def delete_all(self, partition: str, rows: Iterable[str]) -> None:
        """Remove rows of a partition, also those that are gone, as many at a time as a transaction may hold."""
        for batch in batched(rows, MAX_BATCH, strict=False):
            if len(batch) == 1:
                await self.delete(partition, *batch)
                continue
            operations = [("delete", {"PartitionKey": partition, "RowKey": row}) for row in batch]
            async with named_errors(self._what):
                try:
                    await self._table.submit_transaction(operations, **REPEATED)
                except TableTransactionError as error:
                    if error.status_code != HTTPStatus.NOT_FOUND:
                        raise
                    # One is gone already, so none of them has been removed.
                    for row in batch:
                        await self._table.delete_entity(partition, row)

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
