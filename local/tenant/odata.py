"""A small honest part of OData: `$filter`, `$orderby`, `$search`, `$select` and `$expand` over one table, and row keys.

A filter compares columns with literals (`eq ne gt ge lt le`), joined by `and`, `or` and parentheses. Whatever else it
says is an error; so is an unknown column, or a literal of another type than its column.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.tenant.tables import (
    BOOLEAN,
    DECIMAL,
    INTEGER,
    STRING,
    Comparable,
    Row,
    Table,
    TableError,
    as_json,
    as_text,
    comparable,
    fits,
)

type Condition = Callable[[Row], bool]
type Shown = dict[str, object]

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|[()]|[^\s()']+)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_ENTITY = re.compile(r"([^()]+)\((.*)\)", re.DOTALL)
_TEXT = re.compile(r"'((?:[^']|'')*)'")
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


@dataclass(frozen=True, slots=True)
class Query:
    """The options of one call, as they were sent."""

    filter: str | None = None
    orderby: str | None = None
    search: str | None = None
    select: str | None = None
    expand: str | None = None

    def matching(self, table: Table) -> Sequence[Row]:
        """Find the rows that `$filter` and `$search` leave, in the order of `$orderby`."""
        rows: Iterable[Row] = table.rows
        if self.filter is not None:
            if table.source is not None:
                raise TableError("An ingested table cannot be filtered.", "$filter")
            rows = filter(condition(self.filter, table), rows)
        if self.search is not None:
            rows = filter(_search(self.search, table), rows)
        found = list(rows)
        for column, descending in reversed(_order(self.orderby or "", table)):
            found.sort(key=_sort_key(column, table.columns[column]), reverse=descending)
        return found

    def shown(self, rows: Iterable[Row], table: Table, tables: Mapping[str, Table]) -> list[Shown]:
        """Write rows as JSON with the columns of `$select` and the rows of other tables that `$expand` adds."""
        columns = list(table.columns) if self.select in {None, "*"} else _names(self.select or "")
        for column in columns:
            table.type_of(column)
        expanded = _names(self.expand or "")
        if expanded and (self.search is not None or self.select not in {None, "*"}):
            raise TableError("$expand goes with neither $search nor a partial $select.", "$expand")
        for name in expanded:
            if name not in table.expands or name not in tables:
                raise TableError(f"The table {table.name} has no property {name} to expand.", name)
        return [
            {
                **{column: as_json(row.get(column)) for column in columns},
                **{name: _related(row, table.expands[name], tables[name]) for name in expanded},
            }
            for row in rows
        ]


def entity_of(path: str) -> tuple[str, str | None]:
    """Take `Table` or `Table(key)` apart; the key is still a literal."""
    found = _ENTITY.fullmatch(path)
    return (found[1], found[2]) if found else (path, None)


def key_of(literal: str, table: Table) -> str:
    """Read the literal of a row's key."""
    if len(table.keys) != 1:
        raise TableError(f"The rows of {table.name} have no single key.", table.name)
    edm_type, text = table.columns[table.keys[0]], _TEXT.fullmatch(literal)
    if text is not None and edm_type == STRING:
        return text[1].replace("''", "'")
    if edm_type == STRING or not _is_bare(literal, edm_type):
        raise TableError(f"{literal} is no key of {table.name}.", table.keys[0])
    return literal


def written_key(row: Row, table: Table) -> str:
    """Write the key of a row as `key_of` reads it, in parentheses; nothing where there is no single key."""
    if len(table.keys) != 1:
        return ""
    text = as_text(row[table.keys[0]])
    return f"({text})" if table.columns[table.keys[0]] != STRING else "('" + text.replace("'", "''") + "')"


def condition(text: str, table: Table) -> Condition:
    """Read a `$filter`."""
    parser = _Parser(_tokens(text), table)
    result = parser.alternatives()
    if parser.tokens:
        raise _malformed(parser.tokens[-1])
    return result


@dataclass(slots=True)
class _Parser:
    """Reads an expression from its tokens, the next one last."""

    tokens: list[str]
    table: Table

    def alternatives(self) -> Condition:
        parts = [self._conjunction()]
        while self._next_is("or"):
            parts.append(self._conjunction())
        return lambda row: any(part(row) for part in parts)

    def _conjunction(self) -> Condition:
        parts = [self._comparison()]
        while self._next_is("and"):
            parts.append(self._comparison())
        return lambda row: all(part(row) for part in parts)

    def _comparison(self) -> Condition:
        if self._next_is("("):
            inner = self.alternatives()
            if not self._next_is(")"):
                raise _malformed("(")
            return inner
        column, comparison, literal = self._take(), self._take(), self._take()
        if comparison not in _COMPARISONS:
            raise _malformed(comparison)
        return _compare(column, comparison, _literal(literal, column, self.table), self.table)

    def _take(self) -> str:
        if not self.tokens:
            raise TableError("The $filter ends too early.", "$filter")
        return self.tokens.pop()

    def _next_is(self, token: str) -> bool:
        if self.tokens and self.tokens[-1] == token:
            self.tokens.pop()
            return True
        return False


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise _malformed(text[position:])
        tokens.append(found[1])
        position = found.end()
    return tokens[::-1]


def _literal(literal: str, column: str, table: Table) -> Comparable | None:
    edm_type = table.type_of(column)
    if literal == "null":
        return None
    text = _TEXT.fullmatch(literal)
    if text is not None and edm_type == STRING:
        return text[1].replace("''", "'")
    if edm_type == STRING or not _is_bare(literal, edm_type):
        raise TableError(f"The column {column} cannot be compared with {literal}.", column)
    return comparable(edm_type, literal == "true" if edm_type == BOOLEAN else literal)


def _is_bare(literal: str, edm_type: str) -> bool:
    """Say whether a literal without quotes is one of this type."""
    if edm_type == BOOLEAN:
        return literal in {"true", "false"}
    if edm_type in {INTEGER, DECIMAL}:
        return _NUMBER.fullmatch(literal) is not None
    return fits(edm_type, literal)


def _compare(column: str, comparison: str, wanted: Comparable | None, table: Table) -> Condition:
    edm_type, compare = table.columns[column], _COMPARISONS[comparison]

    def holds(row: Row) -> bool:
        value = comparable(edm_type, row.get(column))
        if value is None or wanted is None:
            # OData: null is equal to null only, and neither less nor greater than anything.
            return comparison in {"eq", "ne"} and compare(value, wanted)
        return compare(value, wanted)

    return holds


def _search(text: str, table: Table) -> Condition:
    wanted = text.strip('"').casefold()
    columns = [column for column, edm_type in table.columns.items() if edm_type == STRING]
    return lambda row: any(wanted in str(row.get(column) or "").casefold() for column in columns)


def _order(text: str, table: Table) -> list[tuple[str, bool]]:
    order = []
    for part in _names(text):
        column, _, direction = part.partition(" ")
        if direction.strip() not in {"", "asc", "desc"}:
            raise TableError(f"The $orderby is not valid near '{part}'.", "$orderby")
        table.type_of(column)
        order.append((column, direction.strip() == "desc"))
    return order


def _sort_key(column: str, edm_type: str) -> Callable[[Row], tuple[bool, Comparable]]:
    """Order by a column's values; null comes before all of them."""

    def key(row: Row) -> tuple[bool, Comparable]:
        value = comparable(edm_type, row.get(column))
        return (value is not None, 0 if value is None else value)

    return key


def _related(row: Row, column: str, other: Table) -> list[Shown]:
    matching = [each for each in other.rows if each.get(column) == row.get(column)]
    return Query().shown(matching, other, {})


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")] if text else []


def _malformed(where: str) -> TableError:
    return TableError(f"The $filter is not valid near '{where}'.", "$filter")
