"""When the timers and the heartbeat last ran: a partition of the table `polls` that no instance can have."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

from shared.adapters.storage import Account
from shared.adapters.tables import VERSION, Row, Table, known
from shared.domain.timers import Ticked

POLLS = "polls"
# Behind an exclamation mark, the key of an instance has two hexadecimal digits.
TIMERS = "!timers"


class TimerTable:
    """One row for each timer, and for what the heartbeat does."""

    def __init__(self, account: Account) -> None:
        self._table = Table(account, POLLS)
        self.close = self._table.close

    async def all(self) -> Sequence[Ticked]:
        """When each last ran. Raises `FormatError` for a row of another version of the bridge."""
        async with aclosing(self._table.query("PartitionKey eq @timers", {"timers": TIMERS})) as rows:
            return [_read(row) async for row in rows]

    async def put(self, ticked: Ticked) -> None:
        """Write when one last ran, whatever stands there."""
        await self._table.put(_row(ticked))


def _row(ticked: Ticked) -> Mapping[str, object]:
    row = {
        "PartitionKey": TIMERS,
        "RowKey": ticked.name,
        "v": VERSION,
        "at": ticked.at.isoformat(),
        "token": ticked.token,
    }
    return {name: value for name, value in row.items() if value is not None}


def _read(row: Row) -> Ticked:
    known(row, "row of timers")
    return Ticked(row["RowKey"], datetime.fromisoformat(row["at"]), row.get("token"))
