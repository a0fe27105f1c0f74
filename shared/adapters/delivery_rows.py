"""The rows of the table `deliveries`: a subscription's records, the latest events first, and the lines of its backlog.

A line's rows begin with `h` (held) or `r` (replayed) and go by the events' times, the oldest first: read by their keys
they are the backlog in its order.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.adapters.columns import present, text_of, time_in
from shared.adapters.ordering import latest_first, latest_in, oldest_first, readable, time_of
from shared.adapters.storage import key_of, parts_of
from shared.adapters.tables import VERSION, Row, Step, deletion, insertion, known, replacement
from shared.domain.deliveries import Delivery, Ended, EventKey, Line, Stage
from shared.domain.events.envelope import Event
from shared.domain.logs import Between

RECORD = "d"
LINES = {Line.HELD: "h", Line.REPLAYED: "r"}
# The keys of the backlog are these and those between them.
BACKLOG = ("h|", "r}")


def record_key(key: EventKey) -> str:
    """The row key of a record."""
    return f"{RECORD}|{latest_first(key.time)}|{key.id}"


def records_in(between: Between) -> tuple[str, str]:
    """Between which row keys the records of a time's events stand; the second is none of them."""
    first, end = latest_in(between)
    return f"{RECORD}|{first}", f"{RECORD}|{end}"


def event_key(line_row: Row) -> EventKey:
    """Whose place a row of a line is."""
    _, at, event_id = known(line_row, "place in a backlog")["RowKey"].split("|")
    return EventKey(time_of(at), event_id)


def line_row(delivery: Delivery) -> Row | None:
    """The row of its place in a line, if it has one."""
    if delivery.line is None:
        return None
    key = delivery.key
    return {
        "PartitionKey": key_of(delivery.subscription_id),
        "RowKey": f"{LINES[delivery.line]}|{oldest_first(key.time)}|{key.id}",
        "v": VERSION,
        "stage": delivery.stage.value,
        "since": readable(delivery.dispatched_at),
    }


def line_steps(was: Delivery | None, delivery: Delivery | None) -> list[Step]:
    """What has to be done to the lines when a delivery becomes another; None: there is none.

    What goes on while it keeps its place is not worth a transaction: the row says where it last stood.
    """
    before, after = (line_row(each) if each is not None else None for each in (was, delivery))
    if before is not None and after is not None and before["RowKey"] == after["RowKey"]:
        stands = after["stage"] in {Stage.HELD, Stage.WAITING} and after["stage"] != before["stage"]
        return [replacement(after)] if stands else []
    left = [] if before is None else [deletion(before["PartitionKey"], before["RowKey"])]
    return left if after is None else [*left, insertion(after)]


def record_row(delivery: Delivery) -> Row:
    """The row that holds all of a delivery."""
    row: dict[str, Any] = {
        "PartitionKey": key_of(delivery.subscription_id),
        "RowKey": record_key(delivery.key),
        "v": VERSION,
        "eventId": delivery.event.id,
        "event": delivery.event.encode().encode(),
        "stage": delivery.stage.value,
        "dispatchedAt": readable(delivery.dispatched_at),
        "patientSince": readable(delivery.patient_since),
        "updatedAt": readable(delivery.updated_at),
        "attempts": delivery.attempts,
        "history": _text_of_history(delivery.history),
        "line": delivery.line,
        "nextAttemptAt": text_of(delivery.next_attempt_at),
        "claimedUntil": text_of(delivery.claimed_until),
        "status": delivery.status,
        "reason": delivery.reason,
        "runId": delivery.run_id,
        "replayed": delivery.replayed,
        "byHand": delivery.by_hand,
        "was": delivery.was,
        "traceparent": delivery.traceparent,
        "subscribedAt": text_of(delivery.subscribed_at),
    }
    return present(row)


def _text_of_history(history: Sequence[Ended]) -> str | None:
    """Attempts as JSON, short: when each began, milliseconds, status, reason; None: there are none."""
    rows = [[readable(one.at), *one[1:]] for one in history]
    return json.dumps(rows, separators=(",", ":")) if rows else None


def _history_in(text: str | None) -> Sequence[Ended]:
    """What `_text_of_history` has written; a record of before there was any has none."""
    rows = json.loads(text) if text is not None else ()
    return tuple(Ended(datetime.fromisoformat(at), *more) for at, *more in rows)


def delivery_of(row: Row) -> Delivery:
    """The delivery that a row holds. Raises `FormatError` for a row of another version of the bridge."""
    [subscription_id] = parts_of(known(row, "delivery")["PartitionKey"])
    line, was = row.get("line"), row.get("was")
    return Delivery(
        subscription_id=subscription_id,
        event=Event.parse(json.loads(row["event"])),
        stage=Stage(row["stage"]),
        dispatched_at=datetime.fromisoformat(row["dispatchedAt"]),
        patient_since=datetime.fromisoformat(row["patientSince"]),
        updated_at=datetime.fromisoformat(row["updatedAt"]),
        attempts=row["attempts"],
        history=_history_in(row.get("history")),
        line=Line(line) if line is not None else None,
        next_attempt_at=time_in(row, "nextAttemptAt"),
        claimed_until=time_in(row, "claimedUntil"),
        status=row.get("status"),
        reason=row.get("reason"),
        run_id=row.get("runId"),
        replayed=row["replayed"],
        by_hand=row.get("byHand"),
        was=Stage(was) if was is not None else None,
        traceparent=row.get("traceparent"),
        subscribed_at=time_in(row, "subscribedAt"),
    )
