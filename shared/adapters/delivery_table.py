"""Deliveries in the table `deliveries`: in a partition each subscription's records and the lines of its backlog.

A record and its place in a line are written in one transaction. A delivery that stands in no line costs one write.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from itertools import chain

from shared.adapters.delivery_rows import (
    BACKLOG,
    delivery_of,
    event_key,
    line_steps,
    record_key,
    record_row,
    records_in,
)
from shared.adapters.ordering import readable
from shared.adapters.own_writes import write
from shared.adapters.paging import page, position
from shared.adapters.storage import Account, key_of
from shared.adapters.tables import (
    MAX_BATCH,
    MAX_READ,
    VERSION,
    Row,
    Step,
    Table,
    batches,
    deletion,
    version_of,
)
from shared.domain.deliveries import Delivery, EventKey, Stage
from shared.domain.logs import ALWAYS, Between, Purged
from shared.domain.pages import Page, Slice
from shared.errors import LostRaceError
from shared.ports.clock import Clock

DELIVERIES = "deliveries"
RANGE = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @end"
# What a delivery that nobody will look at again is known by.
ENDED = f"( stage eq 'delivered' or stage eq 'dead' ) and updatedAt lt @before and v eq {VERSION}"


class DeliveryTable:
    """The table of deliveries; `clock` tells a purge when its time is up."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._table = Table(account, DELIVERIES)
        self.check, self.close = self._table.check, self._table.close
        self._clock = clock
        self._purged = ""  # the partitions up to this one are done with

    async def get(self, subscription_id: str, key: EventKey) -> tuple[Delivery, str] | None:
        """A delivery and its ETag, or None. Raises `FormatError` for a row of another version of the bridge."""
        found = await self._table.get(key_of(subscription_id), record_key(key))
        return (delivery_of(found[0]), found[1]) if found else None

    async def find(self, subscription_id: str, event_id: str, time: datetime | None) -> tuple[Delivery, str] | None:
        """A delivery by its event's id, and its ETag; quickly where the event's time is known."""
        if time is not None:
            return await self.get(subscription_id, EventKey(time, event_id))
        values = {"partition": key_of(subscription_id), "id": event_id}
        found = await self._table.first(1, "PartitionKey eq @partition and eventId eq @id", values)
        return (delivery_of(found[0]), version_of(found[0])) if found else None

    async def put(self, delivery: Delivery, version: str | None = None, was: Delivery | None = None) -> str:
        """Write a new delivery (None), or replace that version (which is `was`); gives the new ETag.

        Raises `LostRaceError` when there is one already, or it has been changed.
        """
        return await write(self._table, record_row(delivery), version, *line_steps(was, delivery))

    async def remove(self, delivery: Delivery, version: str) -> None:
        """Forget that version, and its place in the line. Raises `LostRaceError` when it has been changed."""
        record = deletion(key_of(delivery.subscription_id), record_key(delivery.key), version)
        await self._table.transact(record, *line_steps(delivery, None))

    async def line(self, subscription_id: str, most: int) -> Sequence[EventKey]:
        """The first of a subscription's backlog: those held, then those replayed, each by the events' times."""
        rows = await self._table.first(most, RANGE, _backlog_of(subscription_id), ["RowKey", "v"])
        return [event_key(row) for row in rows]

    async def held(self, subscription_id: str, most: int) -> int:
        """How many of a subscription's deliveries are in the stage `held`, up to `most`.

        Those of its line that are being attempted are counted as what they were before.
        """
        condition = f"{RANGE} and stage eq 'held'"
        return len(await self._table.first(most, condition, _backlog_of(subscription_id), ["RowKey"]))

    async def drop(self, subscription_id: str, before: datetime) -> None:
        """Forget a subscription's backlog of before a time, but what leaves it meanwhile."""
        partition = key_of(subscription_id)
        values = {**_backlog_of(subscription_id), "before": readable(before)}
        found = self._table.query(f"{RANGE} and since lt @before", values, ["RowKey", "v"])
        async for rows in batches(found, MAX_BATCH // 2):
            await self._remove(
                [[deletion(partition, row["RowKey"]), deletion(partition, record_key(event_key(row)))] for row in rows]
            )

    async def page(
        self, subscription_id: str, part: Slice, *, stage: Stage | None = None, between: Between = ALWAYS
    ) -> Page[Delivery]:
        """A subscription's deliveries, those of the newest events first. Raises `InvalidInputError` on `cursor`."""
        first, end = records_in(between)
        condition, values = RANGE, {"partition": key_of(subscription_id), "first": first, "end": end}
        if (behind := position(part, DELIVERIES)) is not None:
            condition, values = f"{condition} and RowKey gt @behind", {**values, "behind": behind}
        if stage is not None:
            condition, values = f"{condition} and stage eq @stage", {**values, "stage": stage.value}
        rows = self._table.query(condition, values, at_a_time=min(part.limit + 1, MAX_READ))
        return await page(rows, part, DELIVERIES, delivery_of)

    async def purge(self, before: datetime, until: datetime) -> Purged:
        """Remove what ended before a time, for as long as it is not `until`; the next call goes on from there.

        It goes from partition to partition and reads, of each, what is about events of that time.
        """
        removed = 0
        while self._clock() < until:
            following = await self._table.first(
                1, "PartitionKey gt @purged", {"purged": self._purged}, ["PartitionKey"]
            )
            if not following:
                self._purged = ""
                return Purged(removed, is_done=True)
            [partition] = (row["PartitionKey"] for row in following)
            async with aclosing(batches(self._ended(partition, before), MAX_BATCH)) as found:
                async for rows in found:
                    removed += await self._remove(
                        [[deletion(partition, row["RowKey"], version_of(row))] for row in rows]
                    )
                    if self._clock() >= until:
                        return Purged(removed, is_done=False)
            self._purged = partition
        return Purged(removed, is_done=False)

    async def _ended(self, partition: str, before: datetime) -> AsyncGenerator[Row]:
        first, end = records_in(Between(until=before))
        values = {"partition": partition, "first": first, "end": end, "before": readable(before)}
        # Where the service does not give a row's ETag, the SDK makes it of the time.
        columns = ["RowKey", "Timestamp", "line"]
        async with aclosing(self._table.query(f"{RANGE} and {ENDED}", values, columns, MAX_BATCH)) as rows:
            async for row in rows:
                if row.get("line") is None:  # a dead one stays in its line until it is buried
                    yield row

    async def _remove(self, each: Sequence[Sequence[Step]]) -> int:
        """Remove many things at once; where some have changed meanwhile, all others. Gives how many."""
        try:
            await self._table.transact(*chain.from_iterable(each))
        except LostRaceError:
            removed = 0
            for steps in each:
                with suppress(LostRaceError):
                    await self._table.transact(*steps)
                    removed += 1
            return removed
        return len(each)


def _backlog_of(subscription_id: str) -> Row:
    first, end = BACKLOG
    return {"partition": key_of(subscription_id), "first": first, "end": end}
