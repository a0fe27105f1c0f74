"""The table `deadletters`: what could not be delivered, or not even be read, the latest first."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.adapters.chunks import MAX_CHUNK, chunked, joined
from shared.adapters.columns import present
from shared.adapters.ordering import readable
from shared.adapters.paging import page, position
from shared.adapters.storage import Account, is_plain
from shared.adapters.tables import VERSION, Row, Table, known, version_of
from shared.domain.letters import DeadLetter, LetterKind
from shared.domain.logs import ALWAYS, Between
from shared.domain.pages import Page, Slice
from shared.errors import LostRaceError

DEAD_LETTERS = "deadletters"
PARTITION = "letters"
# A row holds 1 MiB. What is longer than this is no event, and its beginning shows what it is.
MAX_BODY = 12 * MAX_CHUNK
# In characters.
MAX_REASON = 4_096


class DeadLetterTable:
    """The log of dead letters."""

    def __init__(self, account: Account) -> None:
        self._table = Table(account, DEAD_LETTERS)
        self.check, self.close = self._table.check, self._table.close

    async def record(self, letter: DeadLetter) -> None:
        """Keep a dead letter, in place of an earlier one with its id."""
        row = _row(letter)
        try:
            await self._table.insert(row)
        except LostRaceError:
            await self._table.put(row)

    async def get(self, letter_id: str) -> DeadLetter | None:
        """A dead letter."""
        found = await self._table.get(PARTITION, letter_id) if is_plain(letter_id) else None
        return _read(found[0]) if found is not None else None

    async def remove(self, letter_id: str, recorded_at: datetime | None = None) -> bool:
        """Forget a dead letter, with a time only the one recorded then; whether there was one."""
        found = await self._table.get(PARTITION, letter_id) if is_plain(letter_id) else None
        if found is None or recorded_at not in {None, _read(found[0]).recorded_at}:
            return False
        try:
            await self._table.delete(PARTITION, letter_id, version_of(found[0]))
        except LostRaceError:
            return False
        return True

    async def page(
        self,
        part: Slice,
        *,
        subscription_id: str | None = None,
        kind: LetterKind | None = None,
        between: Between = ALWAYS,
    ) -> Page[DeadLetter]:
        """The dead letters, the latest first. Raises `InvalidInputError` on `cursor`."""
        wanted = {
            "RowKey gt": position(part, DEAD_LETTERS),
            "subscriptionId eq": subscription_id,
            "kind eq": kind,
            "recordedAt ge": readable(between.since) if between.since else None,
            "recordedAt lt": readable(between.until) if between.until else None,
        }
        conditions, values = [f"PartitionKey eq '{PARTITION}'"], dict[str, str]()
        for number, (condition, value) in enumerate(wanted.items()):
            if value is not None:
                conditions.append(f"{condition} @v{number}")
                values[f"v{number}"] = value
        rows = self._table.query(" and ".join(conditions), values, at_a_time=part.limit + 1)
        return await page(rows, part, DEAD_LETTERS, _read)

    async def count(self, most: int) -> int:
        """How many there are, up to `most`."""
        return len(await self._table.first(most, f"PartitionKey eq '{PARTITION}'", {}, ["RowKey"]))


def _row(letter: DeadLetter) -> Mapping[str, Any]:
    row = {
        "PartitionKey": PARTITION,
        "RowKey": letter.id,
        "v": VERSION,
        "kind": letter.kind,
        "reason": letter.reason[:MAX_REASON],
        "recordedAt": readable(letter.recorded_at),
        "subscriptionId": letter.subscription_id,
        "eventId": letter.event_id,
        "eventType": letter.event_type,
        "attempts": letter.attempts,
        "status": letter.status,
        # Half a character becomes the escape that JSON has for it.
        **chunked("body", letter.body.encode(errors="backslashreplace")[:MAX_BODY]),
    }
    return present(row)


def _read(row: Row) -> DeadLetter:
    known(row, "dead letter")
    return DeadLetter(
        id=row["RowKey"],
        kind=row["kind"],
        reason=row["reason"],
        recorded_at=datetime.fromisoformat(row["recordedAt"]),
        body=joined(row, "body").decode(errors="ignore"),  # its end may have been cut within a character
        subscription_id=row.get("subscriptionId"),
        event_id=row.get("eventId"),
        event_type=row.get("eventType"),
        attempts=row["attempts"],
        status=row.get("status"),
    )
