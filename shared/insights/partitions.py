"""The partitions of tables: parts of a table's data that stand in files of delimited text.

The API gives the files' addresses where it is asked for a table with `proxy=true`. How they relate to the partitions is
documented nowhere; what is assumed stands in `_files_of` and `_named`.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import batched, chain
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from shared.domain.catalog import Column, Partition
from shared.domain.rows import MAX_ROWS, Row, RowQuery, from_text
from shared.errors import InvalidInputError, NotFoundError, PermanentError
from shared.insights.calls import Calls, source_of
from shared.insights.catalog import CatalogClient
from shared.insights.catalog_wire import PartitionMetadata, UnreadablePartition
from shared.insights.delimited import UnreadableFileError
from shared.insights.files import FileClient, FileRequest
from shared.insights.paths import below, quoted
from shared.insights.reading import MalformedAnswerError, Omissions, decoded
from shared.insights.rows import RowsClient
from shared.insights.transport import Answer, Call

_BATCH: Final = 1_000


class PartitionsClient:
    """Reads partitions. What it raises, see `Calls` and `FileClient`."""

    def __init__(self, calls: Calls, files: FileClient) -> None:
        self._calls = calls
        self._files = files
        self._catalog = CatalogClient(calls)
        self._rows = RowsClient(calls)
        self._omissions = Omissions()

    async def partitions(self, instance_id: str, table: str) -> Sequence[Partition]:
        """The partitions of a table."""
        entity = await self._catalog.entity(instance_id, table)
        found = entity.partitions or ()
        for place, partition in enumerate(found):
            if isinstance(partition, UnreadablePartition):
                what = f"partitions[{place}] of table {table!r}"
                self._omissions.warn(source_of(instance_id), what, partition.flaw)
        return [partition.shown() for partition in found if isinstance(partition, PartitionMetadata)]

    async def rows(self, instance_id: str, table: str, partition: str) -> AsyncIterator[Sequence[Row]]:
        """The rows of a partition, some at a time. Raises `InvalidInputError` for one that no answer can hold."""
        entity = await self._catalog.entity(instance_id, table)
        partitions = entity.partitions or []
        named = [one for one in partitions if isinstance(one, PartitionMetadata) and one.name == partition]
        if not named:
            raise NotFoundError(f"Customer Insights knows no partition {partition!r} of the table {table!r}.")
        if len(named) > 1:
            raise PermanentError(f"Customer Insights has two partitions named {partition!r} of the table {table!r}.")
        wanted = named[0]
        try:
            how = wanted.text_format()
        except UnreadableFileError as error:
            raise PermanentError(f"The partition {partition!r} is {error}.") from None
        call = Call("GET", below(instance_id, "data", quoted(entity.data_name)), {"$select": "*", "proxy": "true"})
        files = await self._calls.run(lambda: self._calls.ask(call, _file_requests))
        if files is None:
            if len(partitions) > 1:
                raise PermanentError(f"Customer Insights does not say where the partitions of {table!r} are.")
            # One more than an answer holds shows that there are too many.
            query = RowQuery().model_copy(update={"top": MAX_ROWS + 1})
            batches = [self._rows.pages(instance_id, entity.data_name, query)]
        else:
            columns = entity.columns()
            batches = [
                self._calls.each(
                    batched(
                        _named(self._files.rows(file, how), columns, has_header=wanted.begins_with_header),
                        _BATCH,
                        strict=False,
                    )
                )
                for file in _files_of(wanted, partitions, files)
            ]
        count = 0
        for rows in batches:
            async for some in rows:
                count += len(some)
                if count > MAX_ROWS:
                    raise InvalidInputError(
                        {"partition": f"holds more than {MAX_ROWS:,} rows; read the table's items with a filter"}
                    )
                yield some


def _file_requests(answer: Answer) -> Sequence[FileRequest] | None:
    """Where the files of a table are; None where the API gives the rows themselves.

    None is left out: the place of each may tell which partition it belongs to.
    """
    document = decoded(answer.body(), dict)
    requests = document.get("httpRequests")
    if not isinstance(requests, list):
        return None
    if not all(isinstance(request, dict) and isinstance(request.get("uri"), str) for request in requests):
        raise MalformedAnswerError("a request for a file has no address")
    return [FileRequest(request["uri"], _texts(request.get("headers"))) for request in requests]


def _texts(headers: object) -> Mapping[str, str]:
    pairs: dict[Any, Any] = headers if isinstance(headers, dict) else {}
    return {name: value for name, value in pairs.items() if isinstance(value, str)}


def _files_of(
    partition: PartitionMetadata,
    partitions: Sequence[PartitionMetadata | UnreadablePartition],
    files: Sequence[FileRequest],
) -> Sequence[FileRequest]:
    """The files of one partition: those at its location; else the one in its place; else all, where it is the only one.

    Raises `PermanentError` where none of these tells.
    """
    locations = {_path(one.location) for one in partitions if isinstance(one, PartitionMetadata) and one.location}
    at_location = [file for file in files if partition.location and _path(file.uri) == _path(partition.location)]
    if at_location:
        return at_location
    if len(files) == len(partitions):
        in_place = files[partitions.index(partition)]
        # What is at another's location is not this one's, whatever its place.
        if _path(in_place.uri) not in locations:
            return [in_place]
    if len(partitions) == 1:
        return files
    raise PermanentError(f"Customer Insights does not say where the partition {partition.name!r} is.")


def _path(url: str) -> str:
    try:
        return unquote(urlsplit(url).path)
    except ValueError:
        return url


def _named(rows: Iterator[list[str]], columns: Sequence[Column], *, has_header: bool | None) -> Iterator[Row]:
    """The rows with their values by column. Raises `PermanentError` where a row has more or fewer values than those.

    Without word of a header, a first row that is clearly one is taken for one.
    """
    first = next(filter(None, rows), None)  # a blank line is no row
    if first is None:
        return
    known = {column.name.casefold(): column for column in columns}
    if _is_header(first, set(known), declared=has_header):
        columns = [known.get(name.casefold(), Column(name=name)) for name in first]
    else:
        columns = columns or [Column(name=f"column {number}") for number, _ in enumerate(first, start=1)]
        rows = chain([first], rows)
    if len({column.name for column in columns}) < len(columns):
        raise PermanentError("A row cannot be told by its columns: two columns have the same name.")
    for number, row in enumerate(rows, start=1):
        # Where there is but one column, a blank line is an empty value.
        values = row or [""] * (len(columns) == 1)
        if not values:
            continue
        if len(values) != len(columns):
            raise PermanentError(
                f"Row {number} of a file has {len(values)} values where there are {len(columns)} columns; it may have "
                "another format than Customer Insights declares."
            )
        yield {column.name: from_text(value, column.data_type) for column, value in zip(columns, values, strict=True)}


def _is_header(cells: Sequence[str], known: set[str], *, declared: bool | None) -> bool:
    """Whether a first row is a header: as declared, or else where it holds all columns' names, or only such.

    Raises `PermanentError` where a header is declared that is none, and where nothing tells: a header that is taken
    for a row is a wrong row, and a row that is taken for a header is lost.
    """
    if declared is False:
        return False
    found = {cell.casefold() for cell in cells}
    are_names = "" not in found and len(found) == len(cells)
    if declared:
        if not are_names or (known and found.isdisjoint(known)):
            raise PermanentError("The first row of a file holds no names of columns, though a header is declared.")
        return True
    if known and found.isdisjoint(known):
        return False
    if known and are_names and (found <= known or known <= found):
        return True
    raise PermanentError("The first row of a file may be a header or not, and none is declared.")
