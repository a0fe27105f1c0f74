"""The table `polls`: how the polls of each instance and family go."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

from shared.adapters.columns import present, time_in
from shared.adapters.storage import Account, key_of
from shared.adapters.tables import VERSION, Row, Table, known
from shared.domain.checkpoints import Family
from shared.domain.polls import Polled

POLLS = "polls"


class PollTable:
    """One row for each instance and family."""

    def __init__(self, account: Account) -> None:
        self._table = Table(account, POLLS)
        self.check, self.close = self._table.check, self._table.close

    async def get(self, instance_id: str, family: Family) -> Polled | None:
        """How the polls of a family go, or None. Raises `FormatError` for a row of another version of the bridge."""
        found = await self._table.get(key_of(instance_id), family)
        return _read(found[0]) if found is not None else None

    async def put(self, polled: Polled) -> None:
        """Write how they go, whatever stands there."""
        await self._table.put(_row(polled))

    async def all(self) -> AsyncIterator[Polled]:
        """How the polls go, by instance. Raises `FormatError` for a row of another version of the bridge."""
        async with aclosing(self._table.query("PartitionKey ge ''", {})) as rows:
            async for row in rows:
                yield _read(row)


def _row(polled: Polled) -> Mapping[str, Any]:
    row = {
        "PartitionKey": key_of(polled.instance_id),
        "RowKey": polled.family.value,
        "v": VERSION,
        "instanceId": polled.instance_id,
        "name": polled.name,
        "lastPollAt": polled.last_poll_at.isoformat(),
        "lastSuccessAt": polled.last_success_at.isoformat() if polled.last_success_at else None,
        "failingSince": polled.failing_since.isoformat() if polled.failing_since else None,
        "error": polled.error,
        "pendingEvents": polled.pending_events,
    }
    return present(row)


def _read(row: Row) -> Polled:
    known(row, "row of polls")
    return Polled(
        instance_id=row["instanceId"],
        family=Family(row["RowKey"]),
        last_poll_at=datetime.fromisoformat(row["lastPollAt"]),
        name=row.get("name"),
        last_success_at=time_in(row, "lastSuccessAt"),
        failing_since=time_in(row, "failingSince"),
        error=row.get("error"),
        pending_events=row["pendingEvents"],
    )
