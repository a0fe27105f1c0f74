"""What is due later, in the table `due`: in a partition for each minute, the earliest first."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime

from shared.adapters.grouping import Grouped
from shared.adapters.ordering import oldest_first, time_of
from shared.adapters.storage import Account
from shared.adapters.tables import VERSION, Row, Table, known, version_of
from shared.domain.deliveries import New
from shared.domain.messages import Look, Release, decode_delivery
from shared.errors import FormatError, LostRaceError

DUE = "due"


class DueTable:
    """The table of what is due."""

    def __init__(self, account: Account) -> None:
        self._table = Table(account, DUE)
        self.check, self.close = self._table.check, self._table.close
        self._group()

    def _group(self) -> None:
        # When a thousand flows are late at once, as many looks are insured, and waived again.
        self._add = Grouped[Row](lambda _, rows: self._table.put_all(rows.values()))
        self._remove = Grouped[None](self._table.delete_all)

    async def add(self, at: datetime, what: Look | Release) -> None:
        """Have something looked at, at a time; once more changes nothing."""
        row = due_row(at, what)
        await self._add(row["PartitionKey"], row["RowKey"], row)

    async def remove(self, at: datetime, what: Look | Release, version: str | None = None) -> None:
        """Forget it, also when it is gone; with an ETag, unless it has been added once more since."""
        if version is None:
            await self._remove(*_key(at, what), None)
            return
        with suppress(LostRaceError):
            await self._table.delete(*_key(at, what), version)

    async def until(self, at: datetime) -> AsyncGenerator[tuple[datetime, Look | Release, str]]:
        """What is due before a time, the earliest first, with its ETag; it may be removed meanwhile.

        What another version of the bridge has written stops nothing else: it raises `FormatError` at the end.
        """
        unknown: FormatError | None = None
        condition, values = "PartitionKey le @minute and RowKey lt @at", {"minute": _minute(at), "at": oldest_first(at)}
        async for row in self._table.query(condition, values):
            try:
                due = what_of(row)
            except FormatError as error:
                unknown = error
                continue
            yield *due, version_of(row)
        if unknown is not None:
            raise unknown


def due_row(at: datetime, what: Look | Release) -> Row:
    """The row of something due: the same for the same, and no other."""
    partition, key = _key(at, what)
    return {
        "PartitionKey": partition,
        "RowKey": key,
        "v": VERSION,
        "kind": "release" if isinstance(what, Release) else "look",
        "message": what.encode(),
    }


def what_of(row: Row) -> tuple[datetime, Look | Release]:
    """When something is due, and what. Raises `FormatError` for a row of another version of the bridge."""
    message = known(row, "row of what is due")["message"]
    what = Release.decode(message) if row["kind"] == "release" else decode_delivery(message)
    assert not isinstance(what, New)  # noqa: S101 - what has no record is due at once
    return time_of(row["RowKey"].partition("|")[0]), what


def _minute(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="minutes")


def _key(at: datetime, what: Look | Release) -> tuple[str, str]:
    return _minute(at), f"{oldest_first(at)}|{hashlib.sha256(what.encode().encode()).hexdigest()[:32]}"
