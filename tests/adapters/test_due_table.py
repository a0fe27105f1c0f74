"""What is due later, as a table and as the tests' fake."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from local.azurite import Azurite
from shared.adapters.due_table import DueTable
from shared.domain.deliveries import EventKey
from shared.domain.messages import Look, Release
from shared.errors import FormatError
from shared.ports.deliveries import DueStore
from tests.adapters.conftest import NOW, ODD_IDS, Opened, Storage
from tests.adapters.tap import tapped
from tests.fakes import DueStoreFake

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def table(storage: Storage, opened: Opened[DueTable]) -> DueTable:
    return opened(DueTable(storage.account))


@pytest.fixture(params=["fake", "table"])
def due(request: pytest.FixtureRequest) -> DueStore:
    store: DueStore = DueStoreFake() if request.param == "fake" else request.getfixturevalue("table")
    return store


def look(number: int = 0, of: str = "s", by_hand: str | None = None) -> Look:
    return Look(of, EventKey(NOW, f"e{number}"), by_hand)


async def until(due: DueStore, at: datetime) -> Sequence[tuple[datetime, Any]]:
    return [(at, what) async for at, what, _ in due.until(at)]


async def test_what_is_due_before_a_time_comes_the_earliest_first(due: DueStore) -> None:
    times = [NOON + timedelta(seconds=seconds) for seconds in (59.999_999, 0, 60, 30, 86_400, -86_400, 0.000_001)]
    times += [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)]
    added = [(at, look(number) if number % 2 else Release("s", at)) for number, at in enumerate(times)]
    for at, what in added:
        await due.add(at, what)
    for at in (*times, NOON - MINUTE, NOON + MINUTE / 3, datetime(9999, 12, 31, 23, 59, 59, 999_998, UTC)):
        assert await until(due, at) == sorted(each for each in added if each[0] < at)


async def test_once_more_changes_nothing_and_anything_else_is_another(due: DueStore) -> None:
    different = [
        look(),
        look(1),
        look(of="t"),
        look(by_hand="r"),
        Release("s", NOON),
        Release("s", NOON, is_careful=True),
    ]
    for what in [*different, *different]:
        await due.add(NOON, what)
    await due.add(NOON + MINUTE, look())
    assert len(await until(due, NOON + MINUTE)) == len(different)
    assert {what for _, what in await until(due, NOON + MINUTE)} == set(different)
    assert len(await until(due, NOON + 2 * MINUTE)) == len(different) + 1


async def test_what_is_removed_is_not_due_and_may_be_gone_already(due: DueStore) -> None:
    await due.remove(NOON, look())
    for what in (look(1), look(2)):
        await due.add(NOON, what)
    for _ in range(2):
        await due.remove(NOON, look(1))
        await due.remove(NOON + MINUTE, look(2))
        assert await until(due, NOON + MINUTE) == [(NOON, look(2))]


async def test_what_has_been_added_once_more_is_not_removed_by_whoever_has_read_it_before(due: DueStore) -> None:
    await due.add(NOON, look())
    [(at, what, version)] = [each async for each in due.until(NOON + MINUTE)]
    await due.add(at, what)
    await due.remove(at, what, version)
    [(at, what, version)] = [each async for each in due.until(NOON + MINUTE)]
    for _ in range(2):
        await due.remove(at, what, version)
        assert await until(due, NOON + MINUTE) == []


async def test_it_may_be_removed_while_it_is_read(due: DueStore) -> None:
    for number in range(30):
        await due.add(NOON + number * MINUTE, look(number))
    moved = 0
    async for at, what, _ in due.until(NOON + MINUTE * 60):
        await due.remove(at, what)
        moved += 1
    assert moved == 30
    assert await until(due, NOON + MINUTE * 60) == []


async def test_of_hundreds_at_once_few_requests_are_made(azurite: Azurite, storage: Storage) -> None:
    many = [look(number) for number in range(250)]
    async with tapped(azurite.connection_string) as (account, tap):
        table = DueTable(account)
        await table.check()
        tap.asked.clear()
        await asyncio.gather(*(table.add(NOON, what) for what in many))
        assert len(await storage.rows("due")) == len(many)
        await table.remove(NOON, many[7])
        await asyncio.gather(*(table.remove(NOON, what) for what in many[:99]))
        await table.close()
    assert {row["message"] for row in await storage.rows("due")} == {what.encode() for what in many[99:]}
    written = [asked for asked in tap.asked if asked.startswith("POST")]
    assert len(written) == 4
    assert len(tap.asked) == 4 + 1 + 99  # one was gone, so the others were removed one by one


async def test_odd_ids_come_back(due: DueStore) -> None:
    for odd in ODD_IDS:
        await due.add(NOON, look(of=odd))
        await due.add(NOON, Release(odd, NOON))
    assert {what.subscription_id for _, what in await until(due, NOON + MINUTE)} == set(ODD_IDS)


async def test_a_minute_is_a_partition_whatever_the_zone(table: DueTable, storage: Storage) -> None:
    east = timezone(timedelta(hours=9))
    for at in (NOON, (NOON + timedelta(seconds=59)).astimezone(east), NOON + MINUTE):
        await table.add(at, look())
    minutes = [row["PartitionKey"] for row in await storage.rows("due")]
    assert minutes == ["2026-11-20T12:00", "2026-11-20T12:00", "2026-11-20T12:01"]


async def test_any_number_is_read_in_pages(table: DueTable, storage: Storage) -> None:
    await table.check()
    client = storage.tables.get_table_client("due")
    await table.add(NOON, look())
    [row] = await storage.rows("due")
    keys = [f"{row['RowKey'][:18]}|{number:032x}" for number in range(1_100)]
    for start in range(0, len(keys), 100):
        await client.submit_transaction([("create", {**row, "RowKey": key}) for key in keys[start : start + 100]])
    assert len(await until(table, NOON + MINUTE)) == 1_101


async def test_a_row_of_another_version_is_told_of_stops_nothing_and_is_left_alone(
    table: DueTable, storage: Storage
) -> None:
    for number in range(3):
        await table.add(NOON + number * MINUTE, look(number))
    client = storage.tables.get_table_client("due")
    rows = await storage.rows("due")
    await client.upsert_entity({**rows[0], "v": 2})
    await client.upsert_entity({**rows[1], "message": '{"v":2}'})
    found = table.until(NOON + 5 * MINUTE)
    assert (await anext(found))[:2] == (NOON + 2 * MINUTE, look(2))
    with pytest.raises(FormatError):
        await anext(found)
    assert len(await storage.rows("due")) == 3


async def test_a_missing_table_is_empty_and_created_by_the_first_write(table: DueTable, storage: Storage) -> None:
    assert await until(table, NOON) == []
    await table.remove(NOON, look())
    assert await storage.names() == set()
    await table.add(NOON, look())
    assert await storage.names() == {"table due"}
