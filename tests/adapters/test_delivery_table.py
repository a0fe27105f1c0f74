"""The table of deliveries: what each step costs, what stands in it, and what it forgets."""

from collections.abc import AsyncIterator, Sequence
from copy import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from shared.adapters.delivery_rows import line_row, record_row
from shared.adapters.delivery_table import DeliveryTable
from shared.domain.callbacks import Answer
from shared.domain.deliveries import Delivery, Line, Stage
from shared.domain.logs import Purged
from shared.domain.pages import Slice
from shared.errors import FormatError, LostRaceError
from tests.adapters.conftest import NOW, Opened, Storage, made_new
from tests.adapters.tap import Tap, tapped
from tests.fakes import ClockFake

pytestmark = pytest.mark.asyncio(loop_scope="session")

INSERT, REPLACE, READ, TRANSACT = "POST deliveries", "PUT deliveries", "GET deliveries", "POST $batch"
LATER = NOW + timedelta(seconds=40)
MONTH = timedelta(days=30)


@pytest.fixture
def clock() -> ClockFake:
    return ClockFake(NOW)


@pytest_asyncio.fixture(loop_scope="session")
async def tapped_table(storage: Storage, clock: ClockFake) -> AsyncIterator[tuple[DeliveryTable, Tap]]:
    async with tapped(storage.connection_string) as (account, tap):
        table = DeliveryTable(account, clock)
        await table.check()
        tap.asked.clear()
        yield table, tap
        await table.close()


@pytest.fixture
def table(storage: Storage, opened: Opened[DeliveryTable], clock: ClockFake) -> DeliveryTable:
    return opened(DeliveryTable(storage.account, clock))


def held(number: int = 0, of: str = "s", line: Line = Line.HELD) -> Delivery:
    return Delivery.held(made_new(number, of), NOW, line)


def attempted(number: int = 0, of: str = "s") -> Delivery:
    return Delivery.attempted(made_new(number, of), NOW, LATER)


def delivered(number: int = 0, of: str = "s", at: datetime = LATER) -> Delivery:
    return attempted(number, of).end_attempt(Answer(202), at).succeed()


async def write(storage: Storage, rows: Sequence[Any]) -> None:
    """Write many rows of a partition at once."""
    await storage.tables.create_table_if_not_exists("deliveries")
    client = storage.tables.get_table_client("deliveries")
    for start in range(0, len(rows), 100):
        await client.submit_transaction([("create", row) for row in rows[start : start + 100]])


async def test_what_goes_straight_through_is_an_insert_and_a_replacement(
    tapped_table: tuple[DeliveryTable, Tap],
) -> None:
    table, tap = tapped_table
    first = attempted()
    version = await table.put(first)
    await table.put(first.end_attempt(Answer(202), LATER).succeed(), version, first)
    assert tap.asked == [INSERT, REPLACE]


async def test_what_is_held_and_let_out_is_a_write_for_each_step(tapped_table: tuple[DeliveryTable, Tap]) -> None:
    table, tap = tapped_table
    waiting = held()
    version = await table.put(waiting)
    assert await table.line("s", 132) == [waiting.key]
    begun = waiting.attempt(NOW, LATER, is_let_out=True)
    version = await table.put(begun, version, waiting)
    await table.put(begun.end_attempt(Answer(202), LATER).succeed(), version, begun)
    assert tap.asked == [TRANSACT, READ, REPLACE, TRANSACT]


async def test_what_keeps_its_place_and_its_stage_is_one_plain_write(tapped_table: tuple[DeliveryTable, Tap]) -> None:
    table, tap = tapped_table
    waiting = held()
    version = await table.put(waiting)
    tap.asked.clear()
    await table.put(waiting.hold(LATER, "for longer"), version, waiting)
    assert tap.asked == [REPLACE]


@pytest.mark.parametrize("first", [attempted(), held()], ids=["in no line", "in a line"])
async def test_a_write_that_a_closed_connection_has_lost_is_repeated(
    tapped_table: tuple[DeliveryTable, Tap], first: Delivery
) -> None:
    table, tap = tapped_table
    tap.lost = "POST"
    version = await table.put(first)
    assert len(tap.asked) == 2
    assert await table.get("s", first.key) == (first, version)


@pytest.mark.parametrize("first", [attempted(), held()], ids=["in no line", "in a line"])
async def test_a_write_whose_answer_was_lost_is_no_lost_race(
    tapped_table: tuple[DeliveryTable, Tap], first: Delivery
) -> None:
    table, tap = tapped_table
    tap.lost_answer = "POST"
    version = await table.put(first)
    assert len(tap.asked) == 3
    assert await table.get("s", first.key) == (first, version)


async def test_a_record_that_cannot_take_its_place_is_not_written(table: DeliveryTable, storage: Storage) -> None:
    in_the_way = line_row(held())
    await write(storage, [in_the_way])
    with pytest.raises(LostRaceError):
        await table.put(held())
    assert await storage.rows("deliveries") == [in_the_way]


async def test_a_record_that_cannot_leave_its_place_is_as_it_was(table: DeliveryTable, storage: Storage) -> None:
    waiting = held()
    version = await table.put(waiting)
    client = storage.tables.get_table_client("deliveries")
    place = line_row(waiting)
    assert place is not None
    await client.delete_entity(place)
    for other in (delivered(), replace(waiting, stage=Stage.WAITING)):
        with pytest.raises(LostRaceError):
            await table.put(other, version, waiting)
    assert await table.get("s", waiting.key) == (waiting, version)


async def test_the_largest_event_and_odd_texts_come_back(table: DeliveryTable) -> None:
    room = 49_152 - len(made_new(name="").event.encode())
    large = Delivery.held(made_new(name="x" * room), NOW)
    assert len(large.event.encode().encode()) == 49_152
    odd = replace(
        Delivery.attempted(made_new(1, name="Größe 日本 \0 ' \ud83d"), NOW, LATER),
        reason="it's\n\t\0 <odd> 日本",
        run_id="08584'%20",
        by_hand="",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        was=Stage.DELIVERED,
        replayed=True,
    )
    for delivery in (large, odd):
        await table.put(delivery)
        found = await table.get("s", delivery.key)
        assert found is not None
        assert found[0] == delivery


async def test_a_row_of_another_version_is_told_of_and_left_alone(
    table: DeliveryTable, storage: Storage, clock: ClockFake
) -> None:
    waiting, old = held(), delivered(1)
    rows = [record_row(waiting), line_row(waiting), record_row(old)]
    theirs = [{**row, "v": 2} for row in rows if row is not None]
    await write(storage, theirs)
    for asked in (
        table.get("s", waiting.key),
        table.line("s", 10),
        table.page("s", Slice()),
        table.drop("s", NOW + timedelta(days=1)),
    ):
        with pytest.raises(FormatError, match="2"):
            await asked
    far = NOW + timedelta(days=400)
    assert await table.purge(far, clock() + timedelta(minutes=1)) == Purged(0, is_done=True)
    assert len(await storage.rows("deliveries")) == 3
    assert {row["v"] for row in await storage.rows("deliveries")} == {2}


async def test_more_than_one_answer_holds_is_read_and_no_more_than_is_asked_for(
    tapped_table: tuple[DeliveryTable, Tap], storage: Storage
) -> None:
    table, tap = tapped_table
    waiting = [held(number) for number in range(1_100)]
    await write(storage, [line_row(each) for each in waiting])
    assert await table.held("s", 1_001) == 1_001
    assert await table.held("s", 2_000) == 1_100
    await write(storage, [record_row(each) for each in waiting[:30]])
    tap.asked.clear()
    tap.given = 0
    assert await table.line("s", 132) == [each.key for each in waiting[:132]]
    assert await table.held("s", 1) == 1
    assert len((await table.page("s", Slice(10))).items) == 10
    assert (tap.asked, tap.given) == ([READ] * 3, 132 + 1 + 11)


async def test_the_service_may_give_fewer_at_a_time(tapped_table: tuple[DeliveryTable, Tap], storage: Storage) -> None:
    table, tap = tapped_table
    waiting = [held(number) for number in range(30)]
    await write(storage, [line_row(each) for each in waiting])
    await write(storage, [record_row(each) for each in waiting])
    tap.most = 4
    newest_first = [each.key for each in reversed(waiting)]
    page = await table.page("s", Slice(10))
    assert [each.key for each in page.items] == newest_first[:10]
    page = await table.page("s", Slice(20, page.cursor), stage=Stage.HELD)
    assert [each.key for each in page.items] == newest_first[10:]
    assert page.cursor is None
    assert await table.line("s", 17) == [each.key for each in waiting[:17]]
    assert await table.held("s", 29) == 29
    await table.drop("s", NOW + timedelta(days=1))
    assert await storage.rows("deliveries") == []


async def test_what_leaves_the_backlog_while_it_is_dropped_stays(
    tapped_table: tuple[DeliveryTable, Tap], table: DeliveryTable
) -> None:
    dropping, tap = tapped_table
    for number in range(4):
        await table.put(held(number))
    found = await table.get("s", held(2).key)
    assert found is not None
    gone = found[0].attempt(NOW, LATER).end_attempt(Answer(202), LATER).succeed()

    async def leave() -> None:
        await table.put(gone, found[1], found[0])

    tap.before = TRANSACT, leave
    await dropping.drop("s", NOW + timedelta(days=1))
    assert await table.line("s", 10) == []
    assert (await table.page("s", Slice())).items == [gone]


async def test_only_what_ended_is_forgotten_and_only_when_both_it_and_its_event_are_old(
    table: DeliveryTable, clock: ClockFake
) -> None:
    before = NOW + timedelta(minutes=4)
    waiting = attempted(2).end_attempt(Answer(503), NOW).retry(LATER, None)
    kept = [
        attempted(0),
        held(1),
        waiting,
        delivered(3, at=before),  # ended too late
        delivered(4, at=NOW),  # its event is too new
        replace(held(5, line=Line.REPLAYED), stage=Stage.WAITING),
        replace(held(-1).give_up(NOW, "too old"), line=Line.HELD),  # not buried yet
    ]
    old = [delivered(-2, at=before - timedelta(microseconds=1)), held(-3).give_up(NOW, "too old"), delivered(-4, "t")]
    for delivery in [*kept, *old]:
        await table.put(delivery)
    assert await table.purge(before, clock() + timedelta(minutes=1)) == Purged(3, is_done=True)
    assert await table.purge(before, clock() + timedelta(minutes=1)) == Purged(0, is_done=True)
    left = (await table.page("s", Slice(100))).items
    assert sorted(each.key for each in left) == sorted(each.key for each in kept)
    assert (await table.page("t", Slice(100))).items == []
    assert await table.line("s", 10) == [each.key for each in [kept[6], kept[1], kept[5]]]


async def test_a_purge_reads_little_more_than_what_it_removes(
    tapped_table: tuple[DeliveryTable, Tap], storage: Storage, clock: ClockFake
) -> None:
    table, tap = tapped_table
    old = [record_row(delivered(-number, "b")) for number in range(1, 251)]
    await write(storage, old)
    for of in "abc":
        await write(storage, [record_row(delivered(number, of)) for number in range(300)])
    tap.asked.clear()
    assert await table.purge(NOW, clock() + timedelta(minutes=1)) == Purged(0, is_done=True)  # ended just now
    nothing = len(tap.asked)
    assert nothing <= 2 * 3 + 1 + 3  # of three partitions, each found and looked at; the old of one read in vain
    tap.asked.clear()
    old_now = NOW + timedelta(minutes=10)
    assert (await table.purge(old_now, clock() + timedelta(minutes=1))).rows == 250 + 30
    assert tap.asked.count(TRANSACT) == 5
    assert tap.asked.count(READ) <= nothing + 3


async def test_a_purge_stops_when_its_time_is_up_and_goes_on_from_there(
    tapped_table: tuple[DeliveryTable, Tap], storage: Storage, clock: ClockFake
) -> None:
    table, tap = tapped_table
    for of in ("a", "a1", "b"):
        await write(storage, [record_row(delivered(number, of)) for number in range(150)])
    before, until = NOW + MONTH, NOW + timedelta(seconds=30)

    async def tick() -> None:
        clock.advance(timedelta(seconds=10))
        tap.before = TRANSACT, tick

    tap.before = TRANSACT, tick
    assert await table.purge(before, until) == Purged(250, is_done=False)
    assert len(await storage.rows("deliveries")) == 200
    assert await table.purge(before, until) == Purged(0, is_done=False)
    tap.asked.clear()
    assert await table.purge(before, clock() + timedelta(minutes=9)) == Purged(200, is_done=True)
    assert await storage.rows("deliveries") == []
    assert tap.asked.count(TRANSACT) == 3
    await write(storage, [record_row(delivered(0, "a"))])
    assert await table.purge(before, clock() + timedelta(minutes=9)) == Purged(1, is_done=True)


async def test_what_is_replayed_while_it_would_be_forgotten_stays(
    tapped_table: tuple[DeliveryTable, Tap], table: DeliveryTable, clock: ClockFake
) -> None:
    purging, tap = tapped_table
    for number in range(5):
        await table.put(delivered(number))
    found = await table.get("s", delivered(2).key)
    assert found is not None

    async def replay() -> None:
        await table.put(found[0].replay(LATER, NOW), found[1], found[0])

    tap.before = TRANSACT, replay
    assert await purging.purge(NOW + MONTH, clock() + timedelta(minutes=1)) == Purged(4, is_done=True)
    assert await table.line("s", 10) == [found[0].key]
    assert [each.stage for each in (await table.page("s", Slice())).items] == [Stage.HELD]


async def test_there_is_nothing_to_forget_without_a_table(table: DeliveryTable, clock: ClockFake) -> None:
    assert await table.purge(NOW, clock() + timedelta(minutes=1)) == Purged(0, is_done=True)


async def test_the_table_is_created_when_missing_whatever_is_written_first(
    table: DeliveryTable, storage: Storage
) -> None:
    await table.put(held())
    assert await storage.names() == {"table deliveries"}
    await storage.clear()
    await table.put(attempted())
    assert await storage.names() == {"table deliveries"}
