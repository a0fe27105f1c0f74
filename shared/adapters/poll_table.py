"""The table `polls`: how the polls of each instance and family go."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

from shared.adapters.columns import present, text_of, time_in
from shared.adapters.own_writes import write
from shared.adapters.storage import Account, key_of
from shared.adapters.tables import VERSION, Row, Table, known
from shared.adapters.timer_table import POLLS, TIMERS
from shared.domain import ids
from shared.domain.checkpoints import Family
from shared.domain.events.wire import json_text
from shared.domain.polls import Polled


class PollTable:
    """One row for each instance and family."""

    def __init__(self, account: Account) -> None:
        self._table = Table(account, POLLS)
        self.check, self.close = self._table.check, self._table.close

    async def get(self, instance_id: str, family: Family) -> tuple[Polled, str] | None:
        """How the polls of a family go, and its ETag, or None.

        Raises `FormatError` for a row of another version of the bridge.
        """
        found = await self._table.get(_partition(instance_id), family)
        return (_read(found[0]), found[1]) if found is not None else None

    async def put(self, polled: Polled, version: str | None) -> str:
        """Write how they go, new (None) or in place of that version; gives the new ETag.

        Raises `LostRaceError` when there is a row already, or it has been changed.
        """
        return await write(self._table, _row(polled), version)

    async def remove(self, polled: Polled) -> None:
        """Forget how they go, also when it is forgotten already."""
        await self._table.delete(_partition(polled.instance_id), polled.family)

    async def all(self) -> AsyncIterator[Polled]:
        """How the polls go, by instance. Raises `FormatError` for a row of another version of the bridge."""
        async with aclosing(self._table.query("PartitionKey ne @timers", {"timers": TIMERS})) as rows:
            async for row in rows:
                yield _read(row)


def _partition(instance_id: str) -> str:
    return key_of(ids.key(instance_id))


def _row(polled: Polled) -> Mapping[str, Any]:
    row = {
        "PartitionKey": _partition(polled.instance_id),
        "RowKey": polled.family.value,
        "v": VERSION,
        "instanceId": polled.instance_id,
        "name": polled.name,
        "lastPollAt": polled.last_poll_at.isoformat(),
        "lastSuccessAt": text_of(polled.last_success_at),
        "failingSince": text_of(polled.failing_since),
        "error": polled.error,
        "pendingEvents": polled.pending_events,
        "changedAt": text_of(polled.changed_at),
        "running": polled.is_running or None,
        "dueAt": text_of(polled.due_at),
        "leftAt": text_of(polled.left_at),
        "failures": polled.failures or None,
        "told": polled.is_told or None,
        "owed": json_text(polled.owed) if polled.owed else None,
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
        changed_at=time_in(row, "changedAt"),
        is_running=row.get("running", False),
        due_at=time_in(row, "dueAt"),
        left_at=time_in(row, "leftAt"),
        failures=row.get("failures", 0),
        is_told=row.get("told", False),
        owed=tuple(json.loads(row.get("owed", "[]"))),
    )
