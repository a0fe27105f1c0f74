"""A table in memory, as Azure's behaves where it matters: versions, conditions, pages that others write between."""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from azure.data.tables import TableEntity

from shared.errors import LostRaceError

type Row = Mapping[str, Any]
type Key = tuple[str, str]
type Step = tuple[str, Row, Mapping[str, Any]]
# A column, how it is compared, with which parameter, or with what.
type Clause = tuple[str, Callable[[Any, Any], bool], str | None, Any]

MAX_KEY = 512  # characters: 1 KiB of UTF-16
MAX_BATCH = 100
OPERATORS = {"eq": eq, "ge": ge, "gt": gt, "le": le, "lt": lt, "ne": ne}
CLAUSE = re.compile(r"(\w+) (eq|ge|gt|le|lt|ne) (@\w+|\d+|'[^']*')")


class TableFake:
    """`step` is asked to let each call to the storage take effect; `page` is how many rows one of them gives.

    `calls` are the calls so far, `given` counts the rows that queries have given, and `failures` are what the next
    calls of a name raise, None for one that does not. Of the next call of each name in `repeated` the answer is lost,
    so that the SDK makes it once more.
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
        self.repeated: set[str] = set()
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

    async def put_all(self, rows: Collection[Row]) -> None:
        assert len(rows) <= MAX_BATCH, "more rows than a transaction holds"
        await self._call("put_all", lambda: [self.write(row) for row in rows])

    async def delete(self, partition: str, row: str, version: str | None = None) -> None:
        def effect() -> None:
            if version is not None and (partition, row) in self.rows:  # as the SDK: what is gone is no failure
                self._expect((partition, row), version)
            self.rows.pop((partition, row), None)

        await self._call("delete", effect)

    async def transact(self, *steps: Step) -> Sequence[str | None]:
        keys = [key(row) for _, row, _ in steps]
        assert len(keys) <= MAX_BATCH, "more steps than a transaction holds"
        assert len({partition for partition, _ in keys}) == 1, "steps in several partitions"
        assert len(set(keys)) == len(keys), "two steps for one row"

        def effect() -> Sequence[str | None]:
            for kind, row, options in steps:
                self._expect_step(kind, key(row), options)
            return [self._done(kind, row) for kind, row, _ in steps]

        return await self._call("transact", effect)

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

    async def first(self, most: int, condition: str, values: Row, columns: list[str] | None = None) -> Sequence[Row]:
        found: list[Row] = []
        async with aclosing(self.query(condition, values, columns, min(most, self._page))) as rows:
            async for row in rows:
                found.append(row)
                if len(found) == most:
                    break
        return found

    async def delete_all(self, partition: str, rows: Iterable[str]) -> None:
        for row in rows:
            await self.delete(partition, row)

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

    def _expect_step(self, kind: str, at: Key, options: Mapping[str, Any]) -> None:
        if kind == "create" and at in self.rows:
            raise LostRaceError("the row is there already")
        if kind != "create" and at not in self.rows:
            raise LostRaceError("the row is gone")
        if "etag" in options:
            self._expect(at, options["etag"])

    def _done(self, kind: str, row: Row) -> str | None:
        if kind != "delete":
            return self.write(row)
        del self.rows[key(row)]
        return None

    def _following(self, condition: str, values: Row, after: Key | None) -> list[TableEntity]:
        clauses = clauses_of(condition)
        wanted = [
            [(name, compare, values[parameter] if parameter else value) for name, compare, parameter, value in each]
            for each in clauses
        ]
        found = [
            (at, row)
            for at, row in self.rows.items()
            if (after is None or at > after)
            and all(any(name in row and compare(row[name], value) for name, compare, value in each) for each in wanted)
        ]
        return [row for _, row in sorted(found, key=lambda one: one[0])]

    async def _call[T](self, name: str, effect: Callable[[], T]) -> T:
        self.calls.append(name)
        if self.failures.get(name) and (failure := self.failures[name].pop(0)) is not None:
            raise failure
        if name in self.repeated:
            self.repeated.remove(name)
            await self._step(effect)
        done: T = await self._step(effect)
        return done


@cache
def clauses_of(condition: str) -> Sequence[Sequence[Clause]]:
    """What all has to be met: of each, one of its clauses."""
    return [[_clause(one) for one in each.strip("( )").split(" or ")] for each in condition.split(" and ")]


def _clause(text: str) -> Clause:
    found = CLAUSE.fullmatch(text)
    assert found is not None, text
    name, operator, value = found.groups()
    if value[0] == "@":
        return name, OPERATORS[operator], value[1:], None
    return name, OPERATORS[operator], None, value.strip("'") if value[0] == "'" else int(value)


def key(row: Row) -> Key:
    return row["PartitionKey"], row["RowKey"]


def shown(row: TableEntity, columns: list[str] | None) -> TableEntity:
    if columns is None:
        return row
    part = TableEntity({name: row[name] for name in columns if name in row})
    part._metadata = row.metadata
    return part
