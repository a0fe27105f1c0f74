"""The tables of one instance: typed columns, rows found by their key, and the partitions in which they are stored.

A row's values are Python's own (text, numbers, `datetime`, `UUID`) or JSON's for the same; either compares alike.
"""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from local.tenant.records import DataSource

# OData's names of the types, as Microsoft's Power BI connector reads them in `dataType`.
STRING = "Edm.String"
INTEGER = "Edm.Int64"
DECIMAL = "Edm.Decimal"
DATE_TIME = "Edm.DateTimeOffset"
BOOLEAN = "Edm.Boolean"
GUID = "Edm.Guid"

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

type Value = str | int | float | Decimal | datetime | UUID | bool | None
type Row = dict[str, Value]
type Comparable = str | int | Decimal | datetime


class TableError(Exception):
    """A row or a question that does not fit a table; `target` is the column or the part of the question at fault."""

    def __init__(self, message: str, target: str) -> None:
        super().__init__(message)
        self.message, self.target = message, target


class DuplicateKeyError(TableError):
    """A row with this key is there already."""


@dataclass(slots=True)
class Partition:
    """One file of a table. `uri` replaces the address under which the tenant itself serves it."""

    name: str
    uri: str | None = None


@dataclass(slots=True)
class Table:
    """A table with its rows. `keys` are the columns whose values tell rows apart.

    `source` is the data source it was ingested from, none for a table that the system made. `expands` names, by table
    that `$expand` may ask for, the column that both have in common. `header` says whether the partitions' files begin
    with the columns' names.
    """

    name: str
    columns: Mapping[str, str]
    rows: list[Row]
    keys: tuple[str, ...]
    refreshed_at: datetime
    entity_type: str = "unspecified"
    source: DataSource | None = None
    expands: Mapping[str, str] = field(default_factory=dict)
    partitions: list[Partition] = field(default_factory=list)
    header: bool = False
    _by_key: dict[tuple[str, ...], Row] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_key = {self._key_of(row): row for row in self.rows}

    def type_of(self, column: str) -> str:
        """Give the type of a column; TableError, which names it, where there is none."""
        if column not in self.columns:
            raise TableError(f"The table {self.name} has no column {column}.", column)
        return self.columns[column]

    def find(self, key: str) -> Row | None:
        """Find the row with this key, written as text; none in a table with another number of key columns than one."""
        return self._by_key.get((key,))

    def add(self, values: Mapping[str, Value]) -> Row:
        """Add a row; TableError where it does not fit."""
        row = self._checked(values)
        for column in self.keys:
            if row.get(column) is None:
                raise TableError(f"The key column {column} has no value.", column)
        key = self._key_of(row)
        if self.keys and key in self._by_key:
            raise DuplicateKeyError(f"The table {self.name} has a row with this key.", self.name)
        self._by_key[key] = row
        self.rows.append(row)
        return row

    def change(self, key: str, values: Mapping[str, Value]) -> None:
        """Change a row, but not its key; TableError where the changes do not fit, KeyError where there is no row."""
        row, changes = self._by_key[key,], self._checked(values)
        if self._key_of({**row, **changes}) != (key,):
            raise TableError(f"The key column {self.keys[0]} cannot be changed.", self.keys[0])
        row.update(changes)

    def stored(self, partition: Partition) -> str:
        """Write the file of one partition: its share of the rows, as CSV."""
        position = self.partitions.index(partition)
        share = -(-len(self.rows) // len(self.partitions))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if self.header:
            writer.writerow(self.columns)
        for row in self.rows[position * share : (position + 1) * share]:
            writer.writerow([as_text(row.get(column)) for column in self.columns])
        return text.getvalue()

    def _checked(self, values: Mapping[str, Value]) -> Row:
        for column, value in values.items():
            if not fits(self.type_of(column), value):
                raise TableError(f"The value of the column {column} is no {self.columns[column]}.", column)
        return dict(values)

    def _key_of(self, row: Row) -> tuple[str, ...]:
        return tuple(as_text(row.get(column)) for column in self.keys)


def fits(edm_type: str, value: object) -> bool:
    """Say whether a value, Python's or JSON's, may stand in a column of this type; null may in each."""
    if value is None:
        return True
    if edm_type == BOOLEAN or isinstance(value, bool):
        return edm_type == BOOLEAN and isinstance(value, bool)
    if edm_type in {INTEGER, DECIMAL}:
        return isinstance(value, int if edm_type == INTEGER else int | float | Decimal)
    if edm_type == DATE_TIME:
        return isinstance(value, datetime) or (isinstance(value, str) and _reads_as_time(value))
    if edm_type == GUID:
        return isinstance(value, UUID) or (isinstance(value, str) and _GUID.fullmatch(value) is not None)
    return isinstance(value, str)


def comparable(edm_type: str, value: Value) -> Comparable | None:
    """Turn a value of a column of this type into one that orders as the type does."""
    if value is None:
        return None
    if edm_type in {INTEGER, DECIMAL}:
        return Decimal(str(value))
    if edm_type == DATE_TIME:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    if edm_type == BOOLEAN:
        return bool(value)
    return str(value).lower() if edm_type == GUID else str(value)


def as_json(value: Value) -> object:
    """Write a value as JSON has it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if value is None or isinstance(value, bool | int | float) else as_text(value)


def as_text(value: Value) -> str:
    """Write a value as a file or an address has it; null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def new_partitions(count: int) -> list[Partition]:
    """Name the files of a table."""
    return [Partition(f"part-{number:05}") for number in range(count)]


def _reads_as_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
