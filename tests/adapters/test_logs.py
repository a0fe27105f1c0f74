"""The logs on real tables: deliveries, events, dead letters, and what they forget."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.adapters.logs import DeadLetterTable, DeliveryTable, EventTable
from shared.domain.deliveries import DeadLetter, Delivery, DeliveryRecord, Stage
from shared.domain.events import Event
from shared.errors import LostRaceError
from tests.adapters.conftest import NOW, Opened, Storage, made_event

pytestmark = pytest.mark.asyncio(loop_scope="session")

ODD_IDS = ["plain", "a/b", "a#b", "a?b", "a%2Fb", "a b", "a|b", "a!7Cb", "a'b", "Größe-日本", "\t\n"]


@pytest.fixture
def deliveries(storage: Storage, opened: Opened[DeliveryTable]) -> DeliveryTable:
    return opened(DeliveryTable(storage.account))


@pytest.fixture
def events(storage: Storage, opened: Opened[EventTable]) -> EventTable:
    return opened(EventTable(storage.account))


@pytest.fixture
def letters(storage: Storage, opened: Opened[DeadLetterTable]) -> DeadLetterTable:
    return opened(DeadLetterTable(storage.account))


def delivery(event: Event, subscription_id: str = "s") -> Delivery:
    return Delivery(subscription_id, event, NOW + timedelta(seconds=5))


def started(made: Delivery) -> DeliveryRecord:
    return DeliveryRecord.start(made, NOW, NOW + timedelta(seconds=31))


async def test_a_delivery_that_never_began_has_no_record(deliveries: DeliveryTable, event: Event) -> None:
    assert await deliveries.get(delivery(event)) is None


async def test_a_record_comes_back_as_written(deliveries: DeliveryTable, event: Event) -> None:
    record = started(delivery(event))
    version = await deliveries.put(record, None)
    assert await deliveries.get(delivery(event)) == (record, version)
    ended = replace(record, stage=Stage.WAITING, attempts=3, claimed_until=None, status=503, reason="HTTP 503")
    version = await deliveries.put(ended, version)
    assert await deliveries.get(delivery(event)) == (ended, version)


async def test_what_an_attempt_leaves_out_is_gone_from_the_row(deliveries: DeliveryTable, event: Event) -> None:
    waiting = replace(started(delivery(event)), stage=Stage.WAITING, status=503, reason="HTTP 503")
    version = await deliveries.put(waiting, None)
    delivered = replace(waiting, stage=Stage.DELIVERED, status=202, reason=None, claimed_until=None)
    version = await deliveries.put(delivered, version)
    assert await deliveries.get(delivery(event)) == (delivered, version)


async def test_one_of_many_begins_a_delivery(deliveries: DeliveryTable, event: Event) -> None:
    record = started(delivery(event))
    outcomes = await asyncio.gather(*(deliveries.put(record, None) for _ in range(8)), return_exceptions=True)
    assert len([each for each in outcomes if isinstance(each, str)]) == 1
    assert len([each for each in outcomes if isinstance(each, LostRaceError)]) == 7


async def test_a_record_is_replaced_only_in_the_version_that_was_read(deliveries: DeliveryTable, event: Event) -> None:
    record = started(delivery(event))
    first = await deliveries.put(record, None)
    await deliveries.put(replace(record, attempts=1), first)
    with pytest.raises(LostRaceError):
        await deliveries.put(replace(record, attempts=2), first)
    found = await deliveries.get(delivery(event))
    assert found is not None
    assert found[0].attempts == 1


async def test_odd_subscription_ids_have_records_of_their_own(deliveries: DeliveryTable, event: Event) -> None:
    for odd in ODD_IDS:
        await deliveries.put(started(delivery(event, odd)), None)
    for odd in ODD_IDS:
        found = await deliveries.get(delivery(event, odd))
        assert found is not None
        assert found[0].subscription_id == odd


async def test_a_subscriptions_latest_events_come_first(deliveries: DeliveryTable, storage: Storage) -> None:
    times = [NOW, NOW + timedelta(seconds=1), NOW - timedelta(days=3), NOW + timedelta(days=400)]
    for number, time in enumerate(times):
        await deliveries.put(started(delivery(made_event(str(number), time))), None)
    shown = [row["eventTime"] for row in await storage.rows("deliveries")]
    assert shown == [time.isoformat() for time in sorted(times, reverse=True)]


async def test_an_event_is_kept_once(events: EventTable, storage: Storage, event: Event) -> None:
    await asyncio.gather(*(events.record(event) for _ in range(5)))
    rows = await storage.rows("events")
    assert [row["event"] for row in rows] == [event.encode().encode()]


async def test_events_stand_in_the_order_of_their_times_whatever_their_zone(
    events: EventTable, storage: Storage
) -> None:
    east = timezone(timedelta(hours=9))
    times = [NOW + timedelta(hours=1), NOW.astimezone(east), NOW - timedelta(microseconds=1)]
    for number, time in enumerate(times):
        await events.record(made_event(str(number), time))
    keys = [row["RowKey"] for row in await storage.rows("events")]
    assert keys == sorted(keys)
    assert [key[:26] for key in keys] == [f"{t.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}" for t in sorted(times)]


async def test_events_of_odd_instances_are_kept(events: EventTable, storage: Storage) -> None:
    for odd in ODD_IDS:
        await events.record(made_event("1", instanceId=odd))
    assert len(await storage.rows("events")) == len(ODD_IDS)


async def test_a_dead_letter_is_kept_once_with_its_reason(letters: DeadLetterTable, storage: Storage) -> None:
    letter = DeadLetter("1-a", "delivery", "HTTP 410", NOW, "{}", "s", "e", "t", 3, 410)
    await letters.record(letter)
    await letters.record(letter)
    [row] = await storage.rows("deadletters")
    assert (row["kind"], row["reason"], row["body"], row["attempts"]) == ("delivery", "HTTP 410", b"{}", 3)
    assert (row["subscriptionId"], row["eventId"], row["eventType"], row["status"]) == ("s", "e", "t", 410)


@pytest.mark.parametrize("body", ["", "\x00\x01", "é" * 65_536, "x" * 200_000])
async def test_a_dead_letter_of_any_body_is_kept(letters: DeadLetterTable, storage: Storage, body: str) -> None:
    await letters.record(DeadLetter("1-a", "message", "unreadable", NOW, body))
    [row] = await storage.rows("deadletters")
    assert body.encode().startswith(row.get("body", b""))


async def test_a_log_forgets_what_is_old_enough_and_keeps_the_rest(
    events: EventTable, deliveries: DeliveryTable, storage: Storage
) -> None:
    for number in range(130):
        await events.record(made_event(str(number)))
    await events.record(made_event("other", instanceId="other"))
    await deliveries.put(started(delivery(made_event("1"))), None)
    now = datetime.now(UTC)
    assert await events.purge(now - timedelta(minutes=1)) == 0
    assert len(await storage.rows("events")) == 131
    assert await events.purge(now + timedelta(minutes=1)) == 131
    assert await storage.rows("events") == []
    assert len(await storage.rows("deliveries")) == 1
    assert await deliveries.purge(now + timedelta(minutes=1)) == 1


async def test_age_counts_from_the_writing(events: EventTable, storage: Storage) -> None:
    await events.record(made_event("long ago", NOW - timedelta(days=900)))
    assert await events.purge(datetime.now(UTC) - timedelta(minutes=1)) == 0
    assert len(await storage.rows("events")) == 1


async def test_a_missing_log_has_nothing_to_forget(events: EventTable) -> None:
    assert await events.purge(datetime.now(UTC)) == 0


async def test_tables_are_created_when_missing(
    deliveries: DeliveryTable, events: EventTable, letters: DeadLetterTable, storage: Storage, event: Event
) -> None:
    expected = {"table deliveries", "table events", "table deadletters"}
    for log in (deliveries, events, letters):
        await log.check()
    assert await storage.names() == expected
    await storage.clear()
    await deliveries.put(started(delivery(event)), None)
    await events.record(event)
    await letters.record(DeadLetter("1", "message", "unreadable", NOW, ""))
    assert await storage.names() == expected
