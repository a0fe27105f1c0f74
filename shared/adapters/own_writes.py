"""Own writes: a write under a condition is known again where its answer was lost and the SDK has repeated it.

To the storage, the repeat is that of somebody who was too late. Whoever takes it for that does again what is done: he
counts a failure twice, or leaves alone what is his. What stands there may equal what two have wanted to write, so each
write bears a mark of its own.
"""

import secrets

from shared.adapters.tables import Row, Step, Table, insertion, replacement
from shared.errors import LostRaceError

MARK = "mark"
_BYTES = 8


async def write(table: Table, row: Row, version: str | None, *steps: Step) -> str:
    """Add a row (None), or replace that version, and do the other steps at once; gives the new ETag.

    Raises `LostRaceError` when somebody else has written it.
    """
    marked = {**row, MARK: secrets.token_hex(_BYTES)}
    try:
        if steps:
            record = insertion(marked) if version is None else replacement(marked, version)
            return str((await table.transact(record, *steps))[0])
        return await (table.insert(marked) if version is None else table.replace(marked, version))
    except LostRaceError:
        found = await table.get(row["PartitionKey"], row["RowKey"])
        if found is None or found[0].get(MARK) != marked[MARK]:
            raise
        return found[1]
