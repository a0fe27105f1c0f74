"""The rows of tables over OData: read page by page, created and updated.

Names, keys and expressions are encoded on their way into the address, never spliced.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from shared.domain.rows import Row, RowQuery
from shared.errors import NotFoundError
from shared.insights.calls import Calls, source_of
from shared.insights.paths import below, quoted
from shared.insights.reading import MalformedAnswerError, decoded
from shared.insights.transport import Answer, Call
from shared.insights.values import whole_number

# How many rows the API gives at most is not documented, so a page with fewer than asked for need not be the last one:
# an empty one is, or the one that reaches the count where the API gives it. That this counts all the rows that a query
# finds, as OData says, is an assumption.
_LARGEST_PAGE: Final = 1_000

# All pages of one reading together; Power Automate waits 120 seconds for an answer.
_READING: Final = timedelta(seconds=100)

_OPTIONS: Final = {"filter": "$filter", "select": "$select", "order_by": "$orderby", "search": "$search"}
_EXPAND: Final = "$expand"


class RowsClient:
    """Reads and writes rows. What it raises, see `Calls`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def pages(self, instance_id: str, table: str, query: RowQuery) -> AsyncIterator[Sequence[Row]]:
        """The rows a query finds, page by page."""
        return self._calls.each(self._pages(instance_id, table, query))

    async def row(self, instance_id: str, table: str, key: str) -> Row:
        """The row with a key."""
        call = Call("GET", below(instance_id, "data", _entity(table, key)), told=_told(instance_id, table))
        missing = _missing_item(instance_id, table, key)
        rows = await self._ask(call, _row_or_rows, missing)
        if not rows:
            raise NotFoundError(missing)
        return rows[0]

    async def create(self, instance_id: str, table: str, row: Row) -> bool:
        """Add a row; False where the API has only accepted it and adds it later."""
        told = _told(instance_id, table)
        call = Call("POST", told, body=row, told=told)
        missing = _missing_table(instance_id, table)
        return await self._ask(call, lambda answer: answer.status != HTTPStatus.ACCEPTED, missing)

    async def update(self, instance_id: str, table: str, key: str, changes: Row) -> None:
        """Change columns of the row with a key."""
        path = below(instance_id, "data", quoted(table), quoted(key))
        call = Call("PATCH", path, body=changes, told=_told(instance_id, table))
        await self._ask(call, lambda _: None, _missing_item(instance_id, table, key))

    async def _ask[T](self, call: Call, read: Callable[[Answer], T], missing: str) -> T:
        """Ask in a thread; `missing` says what a 404 means."""
        try:
            return await self._calls.run(lambda: self._calls.ask(call, read))
        except NotFoundError:
            raise NotFoundError(missing) from None

    def _pages(self, instance_id: str, table: str, query: RowQuery) -> Iterator[Sequence[Row]]:
        path, until = _told(instance_id, table), self._calls.deadline(_READING)
        options = {name: value for field, name in _OPTIONS.items() if (value := getattr(query, field)) is not None}
        if query.expand is not None:
            options[_EXPAND] = query.expand
        skip, left = query.skip, query.top
        while left > 0:
            asked = min(left, _LARGEST_PAGE)
            paging = {"$top": str(asked), "$skip": str(skip)}
            try:
                call = Call("GET", path, options | paging, told=path)
                page = self._calls.ask(call, page_of, min(until, self._calls.deadline()))
            except NotFoundError:
                raise NotFoundError(_missing_table(instance_id, table)) from None
            items = page.items[:asked]
            yield [_plain(item) for item in items if isinstance(item, dict)]
            # An item that is no row has its place on the page, too.
            skip, left = skip + len(items), left - len(items)
            if not items or (page.count is not None and skip >= page.count):
                return


def _told(instance_id: str, table: str) -> str:
    """The path of a call as the log may have it: without the key of a row, which may be a mail address."""
    return below(instance_id, "data", quoted(table))


def _missing_table(instance_id: str, table: str) -> str:
    return f"Customer Insights knows no table {table!r} in {source_of(instance_id)}."


def _missing_item(instance_id: str, table: str, key: str) -> str:
    return f"Customer Insights knows no item {key!r} of the table {table!r} in {source_of(instance_id)}."


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the rows that a query finds, and how many these are in all, where the API tells."""

    items: Sequence[object]
    count: int | None

    @property
    def rows(self) -> Sequence[Row]:
        """Those of the items that are rows."""
        return [_plain(item) for item in self.items if isinstance(item, dict)]


def page_of(answer: Answer) -> Page:
    """The page that an answer holds. Raises `MalformedAnswerError`."""
    document = decoded(answer.body(), dict)
    items, count = document.get("value"), document.get("@odata.count")
    if not isinstance(items, list):
        raise MalformedAnswerError("it holds no list of rows")
    return Page(items, whole_number(count))


def _row_or_rows(answer: Answer) -> Sequence[Row]:
    """The row: an object of its own, as OData has it, or alone in an envelope, or in a list there."""
    row: object = _plain(decoded(answer.body(), dict))
    if isinstance(row, dict) and row.keys() == {"value"}:
        row = row["value"]
    return [one for one in (row if isinstance(row, list) else [row]) if isinstance(one, dict) and one]


def _plain[T](value: T) -> T:
    """A value without OData's annotations, such as `@odata.context` and `Name@odata.type`, at any depth."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if "@odata." not in name}  # type: ignore[return-value]
    return [_plain(one) for one in value] if isinstance(value, list) else value  # type: ignore[return-value]


def _entity(table: str, key: str) -> str:
    """The address of one row. That keys are texts is an assumption."""
    return f"{quoted(table)}('{quote(doubled(key), safe='')}')"


def doubled(text: str) -> str:
    """What stands between the quotes of a text in OData, where a quote is written twice."""
    return text.replace("'", "''")
