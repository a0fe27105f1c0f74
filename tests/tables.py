"""A table in memory, as Azure's behaves where it matters: versions, conditions, pages that others write between."""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import datetime
from operator import eq, ge, gt, le, lt
from typing import Any

from azure.data.tables import TableEntity

from shared.errors import LostRaceError

type Row = Mapping[str, Any]
type Key = tuple[str, str]

MAX_KEY = 512  # characters: 1 KiB of UTF-16
OPERATORS = {"eq": eq, "ge": ge, "gt": gt, "le": le, "lt": lt}
CLAUSE = re.compile(r"(\w+) (eq|ge|gt|le|lt) (@\w+|\d+)")


class TableFake:
    """`step` is asked to let each call to the storage take effect; `page` is how many rows one of them gives.

    `calls` are the calls so far, `given` counts the rows that queries have given, and `failures` are what the next
    calls of a name raise, None for one that does not.
    """

    def __init__(
        self,
        step: Callable[[Callable[[], Any]], Awaitable[Any]],
        clock: Callable[[], datetime],
        page: int = 1_000,
    ) -> None:
        self.rows: dict[Key, TableEntity] = {}
        self.calls: list[str] = []
        self.given = 0
        self.failures: dict[str, list[Exception | None]] = {}
        self._step = step
        self._clock = clock
        self._page = page
        self._versions: Counter[Key] = Counter()

    async def get(self, partition: str, row: str) -> tuple[Row, str] | None:
        def effect() -> tuple[Row, str] | None:
            found = self.rows.get((partition, row))
            return (found, str(found.metadata["etag"])) if found is not None else None

        return await self._call("get", effect)

    async def insert(self, row: Row) -> str:
        def effect() -> str:
            if key(row) in self.rows:
                raise LostRaceError("the row is there already")
            return self.write(row)

        return await self._call("insert", effect)

    async def replace(self, row: Row, version: str) -> str:
        def effect() -> str:
            self._expect(key(row), version)
            return self.write(row)

        return await self._call("replace", effect)

    async def put(self, row: Row) -> None:
        await self._call("put", lambda: self.write(row))

    async def delete(self, partition: str, row: str, version: str | None = None) -> None:
        def effect() -> None:
            if version is not None and (partition, row) in self.rows:  # as the SDK: what is gone is no failure
                self._expect((partition, row), version)
            self.rows.pop((partition, row), None)

        await self._call("delete", effect)

    async def query(
        self, condition: str, values: Row, columns: list[str] | None = None, at_a_time: int | None = None
    ) -> AsyncGenerator[Row]:
        page, last = at_a_time or self._page, None
        while True:
            some = await self._call("query", lambda after=last: self._following(condition, values, after)[:page])
            for row in some:
                self.given += 1
                yield shown(row, columns)
            if len(some) < page:
                return
            last = key(some[-1])

    def write(self, row: Row) -> str:
        """Have a row stand there, without a step."""
        partition, row_key = key(row)
        assert len(partition) <= MAX_KEY, "a key that is too long"
        assert len(row_key) <= MAX_KEY, "a key that is too long"
        written = TableEntity({name: value for name, value in row.items() if value is not None})
        self._versions[key(row)] += 1
        written._metadata = {"etag": f"v{self._versions[key(row)]}", "timestamp": self._clock()}
        self.rows[partition, row_key] = written
        return str(written.metadata["etag"])

    def _expect(self, at: Key, version: str) -> None:
        if at not in self.rows or self.rows[at].metadata["etag"] != version:
            raise LostRaceError("the row has been changed")

    def _following(self, condition: str, values: Row, after: Key | None) -> list[TableEntity]:
        clauses = [CLAUSE.fullmatch(clause) for clause in condition.split(" and ")]
        assert all(clauses), condition
        wanted = [
            (clause[1], OPERATORS[clause[2]], values[clause[3][1:]] if clause[3][0] == "@" else int(clause[3]))
            for clause in clauses
            if clause is not None
        ]
        return [
            row
            for at, row in sorted(self.rows.items())
            if (after is None or at > after)
            and all(name in row and compare(row[name], value) for name, compare, value in wanted)
        ]

    async def _call[T](self, name: str, effect: Callable[[], T]) -> T:
        self.calls.append(name)
        if self.failures.get(name) and (failure := self.failures[name].pop(0)) is not None:
            raise failure
        done: T = await self._step(effect)
        return done


def key(row: Row) -> Key:
    return row["PartitionKey"], row["RowKey"]


def shown(row: TableEntity, columns: list[str] | None) -> TableEntity:
    if columns is None:
        return row
    part = TableEntity({name: row[name] for name in columns if name in row})
    part._metadata = row.metadata
    return part
