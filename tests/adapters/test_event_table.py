"""The log of events, on a real table as in the tests' fake: what is kept, found, listed and forgotten."""

import asyncio
import hashlib
import json
import math
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import batched, groupby
from operator import itemgetter
from typing import Any

import pytest
import pytest_asyncio

from shared.adapters.event_table import AT_A_TIME, EventTable
from shared.adapters.ordering import latest_first, readable
from shared.domain.events.envelope import Event
from shared.domain.logs import ALWAYS, Between, LoggedEvent, Purged
from shared.domain.pages import Slice
from shared.errors import FormatError, InvalidInputError
from tests.adapters.conftest import NOW, Opened, Storage, made_event
from tests.adapters.tap import Tap, tapped
from tests.fakes import ClockFake, EventLogFake

pytestmark = pytest.mark.asyncio(loop_scope="session")

type Log = EventTable | EventLogFake

FAILED, SUCCEEDED = "CustomerInsights.DataSource.RefreshFailed", "CustomerInsights.DataSource.RefreshSucceeded"
DAY, SECOND, MICROSECOND = timedelta(days=1), timedelta(seconds=1), timedelta(microseconds=1)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
NO_IDS = ["", ".", "..", "nobody", "a/b", "a#b?c", "a'b", "\0", "Größe", "x" * 129, "x" * 5_000, "id|0"]


@pytest.fixture
def clock() -> ClockFake:
    return ClockFake(NOW)


@pytest.fixture
def table(storage: Storage, opened: Opened[EventTable], clock: ClockFake) -> EventTable:
    return opened(EventTable(storage.account, clock))


@pytest.fixture(params=["table", "fake"])
def log(request: pytest.FixtureRequest, table: EventTable, clock: ClockFake) -> Log:
    return table if request.param == "table" else EventLogFake(clock=clock)


def event_of(name: str, time: datetime = NOW, *, instance: str = "i1", kind: str = FAILED) -> Event:
    made = made_event(name, time, instanceId=instance)
    return Event.parse({**made.raw, "type": kind})


# Two instances and two types; times on both sides of days, equal ones, and the first and last of all.
TIMES = [MIDNIGHT - day * DAY + by for day in (0, 1, 2, 40) for by in (-MICROSECOND, timedelta(0), MICROSECOND, SECOND)]
HISTORY = [
    event_of(f"{number} {instance}", time, instance=instance, kind=(FAILED, SUCCEEDED)[number % 3 == 0])
    for number, time in enumerate([*TIMES, *TIMES[:5], FIRST, FIRST + SECOND, LAST, LAST - DAY])
    for instance in ("i1", "i2")
]
NEWEST_FIRST = sorted(HISTORY, key=lambda it: (LAST - it.time, it.id))
BETWEENS = [
    ALWAYS,
    Between(since=MIDNIGHT),
    Between(until=MIDNIGHT),
    Between(MIDNIGHT, MIDNIGHT + DAY),
    Between(MIDNIGHT + MICROSECOND, MIDNIGHT + SECOND),
    Between(MIDNIGHT - 2 * DAY + MICROSECOND, MIDNIGHT + MICROSECOND),
    Between(MIDNIGHT, MIDNIGHT),
    Between(MIDNIGHT + DAY, MIDNIGHT),
    Between(FIRST, LAST),
    Between(since=LAST),
    Between(until=FIRST),
    Between(until=FIRST + SECOND),
]


def is_in(time: datetime, between: Between) -> bool:
    return (between.since or FIRST) <= time and (between.until is None or time < between.until)


async def fill(log: Log, events: Sequence[Event], subscription_ids: Sequence[str] = ("s1", "s2")) -> None:
    for start in range(0, len(events), 16):
        await asyncio.gather(*(log.record(event, subscription_ids) for event in events[start : start + 16]))


async def listed(log: Log, limit: int = 500, **wanted: Any) -> list[LoggedEvent]:  # noqa: ANN401 - as the port has it
    """All pages, each as full as it has to be."""
    found: list[LoggedEvent] = []
    part = Slice(limit)
    while True:
        page = await log.page(part, **wanted)
        found += page.items
        assert len(page.items) == limit or page.cursor is None
        assert page.items or part.cursor is None
        if page.cursor is None:
            return found
        part = Slice(limit, page.cursor)


async def test_an_event_comes_back_with_whom_it_was_dispatched_to(log: Log, event: Event) -> None:
    await log.record(event, ["s1", "Größe", "s2"])
    logged = LoggedEvent(event, ("s1", "Größe", "s2"), NOW)
    assert await log.get(event.id) == logged
    assert await listed(log) == [logged]


async def test_its_table_is_created_when_it_is_missing(table: EventTable, storage: Storage) -> None:
    await table.check()
    assert await storage.names() == {"table events"}


@pytest.mark.parametrize("ids", [[], ["s" * 64]])
async def test_whoever_it_was_dispatched_to(log: Log, event: Event, ids: list[str]) -> None:
    await log.record(event, ids)
    assert await log.get(event.id) == LoggedEvent(event, tuple(ids), NOW)


@pytest.mark.parametrize("event_id", NO_IDS)
async def test_what_is_not_there_is_not_found(log: Log, event: Event, event_id: str) -> None:
    await log.record(event, [])
    assert await log.get(event_id) is None


async def test_an_empty_log_has_nothing(log: Log) -> None:
    assert (await log.get("e1"), await listed(log)) == (None, [])
    assert [event async for event in log.between("*", FAILED, ALWAYS)] == []
    assert await log.purge(NOW, NOW + SECOND) == Purged(0, is_done=True)


async def test_to_record_an_event_once_more_changes_nothing(log: Log, clock: ClockFake, event: Event) -> None:
    await asyncio.gather(*(log.record(event, ["s1"]) for _ in range(5)))
    clock.advance(DAY)
    await log.record(event, ["s1", "s2"])
    await log.record(Event.parse({**event.raw, "time": "2026-11-21T00:00:00Z"}), ["s2"])
    assert await listed(log) == [LoggedEvent(event, ("s1",), NOW)]
    assert await log.get(event.id) == LoggedEvent(event, ("s1",), NOW)


async def test_lists_hold_what_was_asked_for_the_newest_first_in_pages_of_any_size(log: Log) -> None:
    await fill(log, HISTORY)
    for limit in (1, 3, 7, len(HISTORY) - 1, len(HISTORY), 500):
        assert [it.event for it in await listed(log, limit)] == NEWEST_FIRST
    for between in BETWEENS:
        for instance_id, kind in [(None, None), ("i1", None), (None, SUCCEEDED), ("i2", FAILED), ("nobody", None)]:
            expected = [
                event
                for event in NEWEST_FIRST
                if is_in(event.time, between)
                and instance_id in {None, event.instance_id}
                and kind in {None, event.type}
            ]
            found = await listed(log, 5, instance_id=instance_id, event_type=kind, between=between)
            assert [it.event for it in found] == expected


async def test_all_of_a_time_come_the_oldest_day_first(log: Log) -> None:
    await fill(log, HISTORY)
    for between in BETWEENS:
        for instance_id, kind in [("*", FAILED), ("*", SUCCEEDED), ("i1", FAILED), ("nobody", FAILED)]:
            found = [event async for event in log.between(instance_id, kind, between)]
            assert [event.time.date() for event in found] == sorted(event.time.date() for event in found)
            assert {event.id for event in found} == {
                event.id
                for event in HISTORY
                if is_in(event.time, between) and instance_id in {"*", event.instance_id} and kind == event.type
            }
            assert len(found) == len({event.id for event in found})


async def test_what_comes_and_goes_meanwhile_neither_repeats_an_event_nor_skips_one(log: Log) -> None:
    events = [event_of(str(number), NOW - number * SECOND) for number in range(6)]
    await fill(log, events)
    page = await log.page(Slice(3))
    await fill(log, [event_of("new", NOW + SECOND)])
    rest = await log.page(Slice(3, page.cursor))
    assert [it.event for it in (*page.items, *rest.items)] == events


async def test_a_cursor_leads_to_nothing_outside_of_the_time_that_is_asked_for(log: Log) -> None:
    events = [event_of(str(number), NOW - number * DAY) for number in range(6)]
    await fill(log, events)
    page = await log.page(Slice(1))
    rest = await log.page(Slice(9, page.cursor), between=Between(NOW - 4 * DAY, NOW - 2 * DAY))
    assert [it.event for it in rest.items] == [events[3], events[4]]


@pytest.mark.parametrize("cursor", ["", "x", "é", "e30=", "WzEsICJldmVudHMiLCAiLi4iXQ=="])
async def test_what_is_no_cursor_is_said_to_be_none(log: Log, cursor: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await log.page(Slice(1, cursor))
    assert list(refused.value.fields) == ["cursor"]


async def test_a_log_forgets_what_happened_and_was_recorded_before_a_time(log: Log, clock: ClockFake) -> None:
    before = NOW - 30 * DAY
    old = [event_of("old", before - MICROSECOND), event_of("older", before - 90 * DAY), event_of("first", FIRST)]
    recent = [event_of("exact", before), event_of("young", before + SECOND), event_of("last", LAST)]
    late = event_of("late", before - DAY)
    clock.now = before - SECOND
    await fill(log, [*old, *recent])
    clock.now = before
    await log.record(late, [])
    clock.now = NOW
    assert await log.purge(before, NOW + SECOND) == Purged(3, is_done=True)
    assert {it.event.id for it in await listed(log)} == {event.id for event in (*recent, late)}
    assert [await log.get(event.id) for event in old] == [None] * 3
    assert all([await log.get(event.id) for event in (*recent, late)])
    assert await log.purge(before, NOW + SECOND) == Purged(0, is_done=True)


async def test_nothing_of_what_is_forgotten_is_left(table: EventTable, storage: Storage) -> None:
    await fill(table, HISTORY)
    await table.purge(LAST, NOW + SECOND)
    left = [row for row in await storage.rows("events") if not row["PartitionKey"].startswith("id|")]
    assert {row["eventTime"][:4] for row in left} == {"9999"}
    assert len(await storage.rows("events")) == 2 * len(left)


async def test_an_event_for_any_number_of_subscriptions_is_kept(table: EventTable, storage: Storage) -> None:
    event = event_of("1")
    ids = [f"00000000-0000-0000-0000-{number:012d}" for number in range(60_000)]
    await table.record(event, ids)
    logged = await table.get(event.id)
    assert logged is not None
    assert len(logged.subscription_ids) > 17_000
    assert list(logged.subscription_ids) == ids[: len(logged.subscription_ids)]
    [row] = [row for row in await storage.rows("events") if "event0" in row]
    assert row["subscriptions"] == 60_000


@pytest.mark.parametrize("text", ["é" * 30_000, "\ud800", "\0", "x" * 200_000])
async def test_an_event_of_any_text_is_kept(table: EventTable, text: str) -> None:
    event = made_event("1")
    event = Event.parse({**event.raw, "data": {**event.data, "name": text}})
    await table.record(event, ["s1"])
    assert await table.get(event.id) == LoggedEvent(event, ("s1",), NOW)


INDEX = {
    "PartitionKey": "id|b",
    "RowKey": "2d3fbb0c-5a1a-5e38-8a4c-1a7d8b3f0c55",
    "v": 1,
    "event": "251607156434876543-2d3fbb0c-5a1a-5e38-8a4c-1a7d8b3f0c55",
}
ROW = {
    "PartitionKey": "2912119",
    "RowKey": "251607156434876543-2d3fbb0c-5a1a-5e38-8a4c-1a7d8b3f0c55",
    "v": 1,
    "instanceId": "i1",
    "eventType": FAILED,
    "eventTime": "2026-11-20T03:12:45.123456+00:00",
    "publishedAt": "2026-11-20T03:12:48.500000+00:00",
    "recordedAt": "2026-11-20T03:12:50.000000+00:00",
    "event0": b'{"specversion":"1.0","id":"2d3fbb0c-5a1a-5e38-8a4c-1a7d8b3f0c55",'
    b'"source":"/customer-insights/instances/i1","type":"CustomerInsights.DataSource.RefreshFailed",'
    b'"time":"2026-11-20T03:12:45.123456Z","data":{"instanceId":"i1"}}',
    "subscriptions": 2,
    "subscriptionIds0": b"s1\ns2",
}
SAMPLE = LoggedEvent(
    Event.parse(json.loads(ROW["event0"])),
    ("s1", "s2"),
    recorded_at=datetime(2026, 11, 20, 3, 12, 50, tzinfo=UTC),
    published_at=datetime(2026, 11, 20, 3, 12, 48, 500_000, UTC),
)


async def write(storage: Storage, *rows: dict[str, Any]) -> None:
    client = await storage.tables.create_table_if_not_exists("events")
    async with client:
        for row in rows:
            await client.upsert_entity(row)


async def test_the_stored_form_is_what_it_was(table: EventTable, storage: Storage, clock: ClockFake) -> None:
    clock.now = SAMPLE.recorded_at
    await table.record(SAMPLE.event, SAMPLE.subscription_ids, SAMPLE.published_at)
    assert await storage.rows("events") == [ROW, INDEX]
    await storage.clear()
    await write(storage, INDEX, ROW)
    assert await table.get(SAMPLE.event.id) == SAMPLE
    assert await listed(table) == [SAMPLE]


async def test_one_that_says_nothing_of_when_it_was_published_is_read(table: EventTable, storage: Storage) -> None:
    await write(storage, INDEX, {name: value for name, value in ROW.items() if name != "publishedAt"})
    assert await table.get(SAMPLE.event.id) == replace(SAMPLE, published_at=None)


async def test_another_form_is_left_alone_and_said_to_be_another(table: EventTable, storage: Storage) -> None:
    for rows in ([INDEX, {**ROW, "v": 2}], [{**INDEX, "v": 2}, ROW]):
        await write(storage, *rows)
        with pytest.raises(FormatError):
            await table.get(SAMPLE.event.id)
    await write(storage, {**INDEX, "v": 2}, {**ROW, "v": 2})
    with pytest.raises(FormatError):
        await listed(table)
    assert await table.purge(LAST, NOW + SECOND) == Purged(0, is_done=True)
    await table.record(made_event("1"), [])
    assert [row for row in await storage.rows("events") if row["v"] == 2] == [{**ROW, "v": 2}, {**INDEX, "v": 2}]


async def test_what_a_process_that_died_has_left_is_completed_or_removed(table: EventTable, storage: Storage) -> None:
    await write(storage, INDEX)  # died between the two rows
    assert (await table.get(SAMPLE.event.id), await listed(table)) == (None, [])
    await table.record(SAMPLE.event, ["s1"])
    assert await table.get(SAMPLE.event.id) == LoggedEvent(SAMPLE.event, ("s1",), NOW)
    await storage.clear()
    await write(storage, ROW)  # died while removing
    assert await table.purge(NOW + DAY, NOW + SECOND) == Purged(1, is_done=True)
    assert await storage.rows("events") == []


async def stand(storage: Storage, times: Sequence[datetime]) -> None:
    """Write a row for an event of each time, as if recorded then, and the row that leads to it."""
    rows = []
    for time in times:
        id_ = latest_first(time)
        key = f"{id_}-{id_}"
        day = f"{int(id_) // (DAY // MICROSECOND):07d}"
        rows.append({**ROW, "PartitionKey": day, "RowKey": key, "recordedAt": readable(time)})
        index = f"id|{hashlib.sha256(id_.encode()).hexdigest()[0]}"
        rows.append({**INDEX, "PartitionKey": index, "RowKey": id_, "event": key})
    rows.sort(key=itemgetter("PartitionKey"))
    async with await storage.tables.create_table_if_not_exists("events") as client:
        for _, some in groupby(rows, key=itemgetter("PartitionKey")):
            for batch in batched(some, 100, strict=False):
                await client.submit_transaction([("upsert", row) for row in batch])


@pytest_asyncio.fixture(loop_scope="session")
async def tapped_table(storage: Storage, clock: ClockFake) -> AsyncIterator[tuple[EventTable, Tap]]:
    async with tapped(storage.connection_string) as (account, tap):
        table = EventTable(account, clock)
        yield table, tap
        await table.close()


async def test_a_purge_reads_what_it_removes_a_page_at_a_time_and_goes_on_where_it_stopped(
    tapped_table: tuple[EventTable, Tap], storage: Storage, clock: ClockFake
) -> None:
    table, tap = tapped_table
    before, pages = NOW - timedelta(hours=1), 3
    old = pages * AT_A_TIME - 100
    await stand(storage, [before - timedelta(minutes=number) for number in range(1, old + 1)])
    await stand(storage, [before + number * SECOND for number in range(100)])
    clock.now = NOW + 60 * DAY
    peaks = []
    for until, expected in [
        (clock.now, Purged(AT_A_TIME, is_done=False)),
        (clock.now + SECOND, Purged(old - AT_A_TIME, is_done=True)),
    ]:
        tap.asked.clear()
        tracemalloc.start()
        assert await table.purge(before, until) == expected
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        # Two stretches, and a page that may be empty; each page is 16 and 10 transactions.
        assert tap.asked.count("GET events") <= 1 + expected.rows / AT_A_TIME + 2
        assert tap.asked.count("POST $batch") <= 26 * math.ceil(expected.rows / AT_A_TIME) + 2
    assert len(await listed(table)) == 100
    assert peaks[1] < 1.3 * peaks[0]


async def test_a_purge_goes_on_when_the_service_hangs_up_once(
    tapped_table: tuple[EventTable, Tap], storage: Storage, clock: ClockFake
) -> None:
    async def hang_up() -> None:
        raise asyncio.CancelledError

    table, tap = tapped_table
    await stand(storage, [NOW - DAY - number * SECOND for number in range(30)])
    tap.before = ("POST $batch", hang_up)
    assert await table.purge(NOW, clock.now + SECOND) == Purged(30, is_done=True)
    assert await storage.rows("events") == []
