"""The logs in table storage: events, deliveries and dead letters."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.adapters.storage import Account, key_of
from shared.adapters.tables import Row, Table
from shared.domain import ids
from shared.domain.deliveries import DeadLetter, Delivery, DeliveryRecord, Stage
from shared.domain.events import Event
from shared.errors import LostRaceError

DELIVERIES, EVENTS, DEAD_LETTERS = "deliveries", "events", "deadletters"
LETTERS_PARTITION = "letters"


def latest_first(at: datetime) -> str:
    """A time as text that sorts the latest first."""
    return f"{10**14 - int(at.timestamp() * 1000):014d}"


def _present(row: Mapping[str, Any]) -> Row:
    return {key: value for key, value in row.items() if value is not None}


class DeliveryTable:
    """The table `deliveries`: one row per event and subscription, a subscription's latest events first."""

    def __init__(self, account: Account) -> None:
        self._table = Table(account, DELIVERIES)
        self.check, self.close, self.purge = self._table.check, self._table.close, self._table.purge

    async def get(self, delivery: Delivery) -> tuple[DeliveryRecord, str] | None:
        """The record of a delivery and its ETag, or None."""
        event = delivery.event
        found = await self._table.get(*_record_key(delivery.subscription_id, event.time, event.id))
        return (_record(found[0]), found[1]) if found else None

    async def put(self, record: DeliveryRecord, version: str | None) -> str:
        """Write a new record, or replace that version; gives the new ETag."""
        partition, key = _record_key(record.subscription_id, record.event_time, record.event_id)
        row = _present(
            {
                "PartitionKey": partition,
                "RowKey": key,
                "subscriptionId": record.subscription_id,
                "eventId": record.event_id,
                "eventType": record.event_type,
                "eventTime": record.event_time.isoformat(),
                "dispatchedAt": record.dispatched_at.isoformat(),
                "stage": record.stage.value,
                "attempts": record.attempts,
                "updatedAt": record.updated_at.isoformat(),
                "claimedUntil": record.claimed_until.isoformat() if record.claimed_until else None,
                "status": record.status,
                "reason": record.reason,
            }
        )
        return await (self._table.insert(row) if version is None else self._table.replace(row, version))


def _record_key(subscription_id: str, event_time: datetime, event_id: str) -> tuple[str, str]:
    return key_of(subscription_id), f"{latest_first(event_time)}-{event_id}"


def _record(row: Row) -> DeliveryRecord:
    claimed = row.get("claimedUntil")
    return DeliveryRecord(
        subscription_id=row["subscriptionId"],
        event_id=row["eventId"],
        event_type=row["eventType"],
        event_time=datetime.fromisoformat(row["eventTime"]),
        dispatched_at=datetime.fromisoformat(row["dispatchedAt"]),
        stage=Stage(row["stage"]),
        attempts=row["attempts"],
        updated_at=datetime.fromisoformat(row["updatedAt"]),
        claimed_until=datetime.fromisoformat(claimed) if claimed else None,
        status=row.get("status"),
        reason=row.get("reason"),
    )


class EventTable:
    """The table `events`: one row per event, by instance and type, in the order of their times."""

    def __init__(self, account: Account) -> None:
        self._table = Table(account, EVENTS)
        self.check, self.close, self.purge = self._table.check, self._table.close, self._table.purge

    async def record(self, event: Event) -> None:
        """Keep an event; once more changes nothing."""
        row = {
            "PartitionKey": key_of(ids.key(event.instance_id), event.type),
            "RowKey": f"{event.time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}-{event.id}",
            "event": event.encode().encode(),
        }
        try:
            await self._table.insert(row)
        except LostRaceError:
            return


class DeadLetterTable:
    """The table `deadletters`, the latest first."""

    def __init__(self, account: Account) -> None:
        self._table = Table(account, DEAD_LETTERS)
        self.check, self.close = self._table.check, self._table.close

    async def record(self, letter: DeadLetter) -> None:
        """Keep a dead letter; once more changes nothing."""
        await self._table.put(
            _present(
                {
                    "PartitionKey": LETTERS_PARTITION,
                    "RowKey": letter.id,
                    "kind": letter.kind,
                    "reason": letter.reason,
                    "recordedAt": letter.recorded_at.isoformat(),
                    "body": letter.body.encode()[:65_536],
                    "subscriptionId": letter.subscription_id,
                    "eventId": letter.event_id,
                    "eventType": letter.event_type,
                    "attempts": letter.attempts,
                    "status": letter.status,
                }
            )
        )
