"""The rows of tables: read, create, update; and the rows of partitions."""

from collections.abc import AsyncIterable, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import Field, RootModel

from shared.composition import bridge
from shared.domain import exact_json
from shared.domain.catalog import Listing, Partition
from shared.domain.events.wire import Wire
from shared.domain.rows import Row, RowQuery
from triggers.catalog import FINDING
from triggers.operations import Reply, Routes
from triggers.parameters import ItemPath, PartitionPath, TablePath

routes = Routes()
blueprint = routes.blueprint

ITEMS = "instances/{instanceId}/tables/{table}/items"
PARTITIONS = "instances/{instanceId}/tables/{table}/partitions"


class Item(RootModel[dict[str, Any]]):
    """A row: its values by column."""


class Created(Wire):
    """What became of a row."""

    status: Literal["created", "accepted"] = Field(description="created, or accepted where it is added later.")


@routes(
    "GET", ITEMS, summary="Get items", visibility="important", answers={HTTPStatus.OK: Listing[Item]}, problems=FINDING
)
async def list_items(path: TablePath, query: RowQuery) -> Reply:
    """The rows of a table that a query finds, as many as asked for, following the pages of Customer Insights."""
    pages = bridge().rows.pages(bridge().served(path.instance_id), path.table, query)
    return Reply(await _gathered(pages))


@routes(
    "GET",
    ITEMS + "/{itemId}",
    summary="Get an item",
    visibility="important",
    answers={HTTPStatus.OK: Item},
    problems=FINDING,
)
async def get_item(path: ItemPath) -> Reply:
    """One row of a table by its key."""
    row = await bridge().rows.row(bridge().served(path.instance_id), path.table, path.item_id)
    return Reply(exact_json.write(row).encode())


@routes(
    "POST",
    ITEMS,
    summary="Create an item",
    visibility="normal",
    answers={HTTPStatus.CREATED: Created, HTTPStatus.ACCEPTED: Created},
    problems=(*FINDING, HTTPStatus.CONFLICT),
)
async def create_item(path: TablePath, body: Item) -> Reply:
    """Adds a row to a table."""
    if await bridge().rows.create(bridge().served(path.instance_id), path.table, body.root):
        return Reply(Created(status="created"), HTTPStatus.CREATED)
    return Reply(Created(status="accepted"), HTTPStatus.ACCEPTED)


@routes(
    "PATCH",
    ITEMS + "/{itemId}",
    summary="Update an item",
    visibility="normal",
    problems=(*FINDING, HTTPStatus.CONFLICT),
)
async def update_item(path: ItemPath, body: Item) -> None:
    """Changes columns of one row of a table."""
    await bridge().rows.update(bridge().served(path.instance_id), path.table, path.item_id, body.root)


@routes("GET", PARTITIONS, summary="List partitions", problems=FINDING)
async def list_partitions(path: TablePath) -> Listing[Partition]:
    """The parts in which the rows of a table are stored, as names for Get the data of a partition."""
    found = await bridge().partitions.partitions(bridge().served(path.instance_id), path.table)
    return Listing[Partition](value=found)


@routes(
    "GET",
    PARTITIONS + "/{partition}",
    summary="Get the data of a partition",
    answers={HTTPStatus.OK: Listing[Item]},
    problems=FINDING,
)
async def get_partition(path: PartitionPath) -> Reply:
    """The rows of a partition of a table."""
    pages = bridge().partitions.rows(bridge().served(path.instance_id), path.table, path.partition)
    return Reply(await _gathered(pages))


async def _gathered(pages: AsyncIterable[Sequence[Row]]) -> bytes:
    """The rows as one list answer. Each page is encoded and let go before the next: only the text adds up."""
    content = bytearray(b'{"value":[')
    first = True
    async for page in pages:
        for row in page:
            content += (b"" if first else b",") + exact_json.write(row).encode()
            first = False
    content += b"]}"
    return bytes(content)
