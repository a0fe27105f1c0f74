"""The table `events`: what happened and whom it was dispatched to, the newest first.

An event has two rows. One is the event; it stands in the partition of its day. Days, and the events in a day, sort the
latest first, so that a list is read as it stands. The other leads from the event's id to the first. It is written and
removed before the first: what a process that dies leaves in the list is removed from there another time.
"""

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

from shared.adapters.chunks import MAX_CHUNK, chunked, joined
from shared.adapters.columns import present, text_of, time_in
from shared.adapters.ordering import DIGITS, latest_first, latest_in, readable
from shared.adapters.paging import page, position
from shared.adapters.storage import Account, is_plain
from shared.adapters.tables import MAX_READ, VERSION, Row, Table, batches, known
from shared.domain import ids
from shared.domain.events.envelope import Event
from shared.domain.logs import ALWAYS, Between, LoggedEvent, Purged
from shared.domain.pages import Page, Slice
from shared.errors import LostRaceError
from shared.ports.clock import Clock

EVENTS = "events"
DAY = 86_400_000_000  # in microseconds
# Beside the event, a row of 1 MiB holds so many bytes of the ids of subscriptions: about 17,000 ids.
MAX_IDS = 10 * MAX_CHUNK
# So many events are removed at a time.
AT_A_TIME = MAX_READ

type Condition = tuple[str, Mapping[str, str]]


class EventTable:
    """The log of events."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._table = Table(account, EVENTS)
        self._clock = clock
        self.check, self.close = self._table.check, self._table.close

    async def record(self, event: Event, subscription_ids: Sequence[str], published_at: datetime | None = None) -> None:
        """Keep an event and the subscriptions that it was dispatched to; once more changes nothing."""
        key = f"{latest_first(event.time)}-{event.id}"
        index = {"PartitionKey": _index_of(event.id), "RowKey": event.id, "v": VERSION, "event": key}
        row: dict[str, Any] = {
            "PartitionKey": _day_of(key),
            "RowKey": key,
            "v": VERSION,
            "instanceId": ids.key(event.instance_id),
            "eventType": event.type,
            "eventTime": readable(event.time),
            "publishedAt": text_of(published_at),
            "recordedAt": readable(self._clock()),
            # Half a character becomes the escape that JSON has for it.
            **chunked("event", event.encode().encode(errors="backslashreplace")),
            "subscriptions": len(subscription_ids),
            **chunked("subscriptionIds", _that_fit(subscription_ids)),
        }
        if await self._is_new(index) or await self._key_of(event.id) == key:
            await self._is_new(present(row))

    async def get(self, event_id: str) -> LoggedEvent | None:
        """An event."""
        key = await self._key_of(event_id)
        found = await self._table.get(_day_of(key), key) if key is not None else None
        return _read(found[0]) if found is not None else None

    async def page(
        self, part: Slice, *, instance_id: str | None = None, event_type: str | None = None, between: Between = ALWAYS
    ) -> Page[LoggedEvent]:
        """The events, newest first. Raises `InvalidInputError` on `cursor`."""
        begin, end = latest_in(between)
        behind = position(part, EVENTS) or begin
        rows = self._rows(max(begin, behind), end, _wanted(instance_id, event_type), at_a_time=part.limit + 1)
        return await page(rows, part, EVENTS, _read)

    async def between(self, instance_id: str, event_type: str, between: Between) -> AsyncIterator[Event]:
        """All events of an instance (`*`: any) and a type in a time, in pages, the oldest day first."""
        begin, end = latest_in(between)
        wanted = _wanted(None if instance_id == "*" else instance_id, event_type)
        days = [day async for day in self._days(_day_of(begin), _day_of(end))]
        for day in reversed(days):
            first, last = max(begin, _start_of(day)), min(end, _start_of(_next(day)))
            async with aclosing(self._rows(first, last, wanted)) as rows:
                async for row in rows:
                    yield _read(row).event

    async def purge(self, before: datetime, until: datetime) -> Purged:
        """Remove the events of before a time that were recorded before it, too, for as long as it is not `until`.

        What another version of the bridge has written is that version's to remove.
        """
        begin, end = latest_in(Between(until=before))
        old = f"v eq {VERSION} and recordedAt lt @before", {"before": readable(before)}
        removed = 0
        async with aclosing(
            batches(self._rows(begin, end, old, columns=["PartitionKey", "RowKey"]), AT_A_TIME)
        ) as some:
            async for rows in some:
                removed += await self._remove(rows)
                if self._clock() >= until:
                    return Purged(removed, is_done=False)
        return Purged(removed, is_done=True)

    async def _is_new(self, row: Row) -> bool:
        """Add a row, unless it is there already; whether it was not."""
        try:
            await self._table.insert(row)
        except LostRaceError:
            return False
        return True

    async def _key_of(self, event_id: str) -> str | None:
        """The key of an event's row in its day."""
        found = await self._table.get(_index_of(event_id), event_id) if is_plain(event_id) else None
        return known(found[0], "event")["event"] if found is not None else None

    async def _rows(
        self, begin: str, end: str, wanted: Condition, *, columns: list[str] | None = None, at_a_time: int = MAX_READ
    ) -> AsyncGenerator[Row]:
        """The rows that are wanted, from behind one key to before another."""
        for stretch, keys in _stretches(begin, end):
            condition = " and ".join(filter(None, (stretch, wanted[0])))
            async with aclosing(self._table.query(condition, {**keys, **wanted[1]}, columns, at_a_time)) as rows:
                async for row in rows:
                    yield row

    async def _days(self, first: str, last: str) -> AsyncIterator[str]:
        """The days that have events, the latest first, with one request for each."""
        condition = "PartitionKey ge @first and PartitionKey le @last"
        while found := await self._table.first(1, condition, {"first": first, "last": last}, ["PartitionKey"]):
            yield found[0]["PartitionKey"]
            first = _next(found[0]["PartitionKey"])

    async def _remove(self, events: Sequence[Row]) -> int:
        """Remove events by the keys of their rows; gives how many."""
        indexes, days = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        for row in events:
            event_id = row["RowKey"][DIGITS + 1 :]
            indexes[_index_of(event_id)].append(event_id)
            days[row["PartitionKey"]].append(row["RowKey"])
        for partitions in (indexes, days):
            await asyncio.gather(*(self._table.delete_all(each, rows) for each, rows in partitions.items()))
        return len(events)


def _read(row: Row) -> LoggedEvent:
    known(row, "event")
    dispatched = joined(row, "subscriptionIds").decode()
    return LoggedEvent(
        Event.parse(json.loads(joined(row, "event"))),
        tuple(dispatched.split("\n")) if dispatched else (),
        datetime.fromisoformat(row["recordedAt"]),
        time_in(row, "publishedAt"),
    )


def _that_fit(subscription_ids: Sequence[str]) -> bytes:
    """As many ids as a row holds, one a line."""
    lines = "\n".join(subscription_ids).encode()
    return lines if len(lines) <= MAX_IDS else lines[: MAX_IDS + 1].rpartition(b"\n")[0]


def _wanted(instance_id: str | None, event_type: str | None) -> Condition:
    given = {"instanceId": instance_id and ids.key(instance_id), "eventType": event_type}
    wanted = {name: value for name, value in given.items() if value is not None}
    return " and ".join(f"{name} eq @{name}" for name in wanted), wanted


def _stretches(begin: str, end: str) -> Iterator[Condition]:
    """What to ask for, one after the other, to get the rows from behind one key to before another.

    The storage service finds a row key at once in one partition, and the first row of many; it would read all that
    stands before a row key in many.
    """
    if begin >= end:
        return
    first, last = _day_of(begin), _day_of(end)
    if first == last:
        yield (
            "PartitionKey eq @day and RowKey gt @begin and RowKey lt @end",
            {"day": first, "begin": begin, "end": end},
        )
        return
    if begin != _start_of(first):
        yield "PartitionKey eq @day and RowKey gt @begin", {"day": first, "begin": begin}
        first = _next(first)
    if first < last:
        yield "PartitionKey ge @first and PartitionKey lt @last", {"first": first, "last": last}
    if end != _start_of(last):
        yield "PartitionKey eq @day and RowKey lt @end", {"day": last, "end": end}


def _index_of(event_id: str) -> str:
    """The partition of the row that leads from an id; 16 of them, so that a transaction removes many rows."""
    return f"id|{hashlib.sha256(event_id.encode()).hexdigest()[0]}"


def _day_of(key: str) -> str:
    """The partition of a day: how many days are left until the end of the year 9999."""
    return f"{int(key[:DIGITS]) // DAY:07d}"


def _start_of(day: str) -> str:
    return f"{int(day) * DAY:0{DIGITS}d}"


def _next(day: str) -> str:
    return f"{int(day) + 1:07d}"
