"""A sample of each form in which deliveries are stored: whoever changes one has to raise its version.

What this version writes is what stands here, and what stands here is read. A form of another version is refused. A
column that a row may be without, and that whoever does not know it may pass over, is no other form.
"""

import json
from collections.abc import Callable, Mapping
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.delivery_rows import delivery_of, event_key, line_row, record_row
from shared.adapters.due_table import due_row, what_of
from shared.domain.deliveries import MAX_REASON, MOST_ENDED, Delivery, Ended, EventKey, Line, New, Stage
from shared.domain.events.envelope import Event
from shared.domain.messages import Look, Release, decode_delivery, encode_new
from shared.errors import FormatError

AT = datetime(2026, 11, 20, 3, 12, 45, 123456, UTC)
EVENT = (
    '{"specversion":"1.0","id":"7c1c0f9e-0d6b-5b0e-8a55-2f6f0c8e4f11","source":"/customer-insights/instances/i1",'
    '"type":"CustomerInsights.Segment.RefreshFailed","subject":"segments/Größe","time":"2026-11-20T03:12:45.123456Z",'
    '"datacontenttype":"application/json","data":{"instanceId":"i1","segmentName":"Größe"}}'
)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

RECORD = {
    "PartitionKey": "s!2F1",
    "RowKey": "d|251607156434876543|7c1c0f9e-0d6b-5b0e-8a55-2f6f0c8e4f11",
    "v": 1,
    "eventId": "7c1c0f9e-0d6b-5b0e-8a55-2f6f0c8e4f11",
    "event": EVENT.encode(),
    "stage": "waiting",
    "dispatchedAt": "2026-11-20T03:12:46.123456+00:00",
    "patientSince": "2026-11-20T03:12:47.123456+00:00",
    "updatedAt": "2026-11-20T03:12:48.123456+00:00",
    "attempts": 3,
    "history": '[["2026-11-20T03:12:46.123456+00:00",5001,null,"timeout"],'
    '["2026-11-20T03:12:47.123456+00:00",123,503,"HTTP 503"]]',
    "line": "held",
    "nextAttemptAt": "2026-11-20T03:12:49.123456+00:00",
    "claimedUntil": "2026-11-20T03:12:50.123456+00:00",
    "status": 503,
    "reason": "HTTP 503",
    "runId": "08584",
    "replayed": True,
    "byHand": "request",
    "was": "dead",
    "traceparent": TRACE,
    "subscribedAt": "2026-11-20T03:12:45.123456+00:00",
}
PLACE = {
    "PartitionKey": "s!2F1",
    "RowKey": "h|063930741165123456|7c1c0f9e-0d6b-5b0e-8a55-2f6f0c8e4f11",
    "v": 1,
    "stage": "waiting",
    "since": "2026-11-20T03:12:46.123456+00:00",
}
DUE_LOOK = {
    "PartitionKey": "2026-11-20T03:12",
    "RowKey": "063930741165123456|f79c6807eed4636f39f00e545484f795",
    "v": 1,
    "kind": "look",
    "message": '{"v":1,"subscriptionId":"s/1","eventTime":"2026-11-20T03:12:45.123456+00:00","eventId":"e1"}',
}
DUE_RELEASE = {
    "PartitionKey": "2026-11-20T03:12",
    "RowKey": "063930741165123456|faf76b39968bad28dada313faaf8f7fc",
    "v": 1,
    "kind": "release",
    "message": '{"v":1,"subscriptionId":"s/1","at":"2026-11-20T03:12:45.123456+00:00"}',
}
NEW = (
    '{"v":1,"subscriptionId":"s/1","dispatchedAt":"2026-11-20T03:12:45.123456+00:00","byHand":"request",'
    f'"traceparent":"{TRACE}","event":{EVENT}}}'
)
LOOK = '{"v":1,"subscriptionId":"s/1","eventTime":"2026-11-20T03:12:45.123456+00:00","eventId":"e1","byHand":"request"}'
RELEASE = '{"v":1,"subscriptionId":"s/1","at":"2026-11-20T03:12:45.123456+00:00","careful":true}'


def later(seconds: int) -> datetime:
    return AT + timedelta(seconds=seconds)


DELIVERY = Delivery(
    subscription_id="s/1",
    event=Event.parse(json.loads(EVENT)),
    stage=Stage.WAITING,
    dispatched_at=later(1),
    patient_since=later(2),
    updated_at=later(3),
    attempts=3,
    history=(
        Ended(later(1), 5_001, None, "timeout"),
        Ended(later(2), 123, 503, "HTTP 503"),
    ),
    line=Line.HELD,
    next_attempt_at=later(4),
    claimed_until=later(5),
    status=503,
    reason="HTTP 503",
    run_id="08584",
    replayed=True,
    by_hand="request",
    was=Stage.DEAD,
    traceparent=TRACE,
    subscribed_at=later(0),
)
MESSAGES: Mapping[str, tuple[str, Any, Callable[[Any], str], Callable[[str], Any]]] = {
    "new": (NEW, New("s/1", DELIVERY.event, AT, "request", TRACE), encode_new, decode_delivery),
    "look": (LOOK, Look("s/1", EventKey(AT, "e1"), "request"), Look.encode, decode_delivery),
    "release": (RELEASE, Release("s/1", AT, is_careful=True), Release.encode, Release.decode),
}
DUE = {"look": (DUE_LOOK, Look("s/1", EventKey(AT, "e1"))), "release": (DUE_RELEASE, Release("s/1", AT))}


def test_a_record() -> None:
    assert record_row(DELIVERY) == RECORD
    assert delivery_of(RECORD) == DELIVERY


def test_a_record_of_what_has_just_begun() -> None:
    optional = {
        "history",
        "line",
        "nextAttemptAt",
        "claimedUntil",
        "status",
        "reason",
        "runId",
        "byHand",
        "was",
        "traceparent",
        "subscribedAt",
    }
    row = {key: value for key, value in RECORD.items() if key not in optional}
    bare = dict.fromkeys(["line", "next_attempt_at", "claimed_until", "status", "reason", "run_id", "by_hand", "was"])
    assert delivery_of(row) == replace(DELIVERY, **bare, history=(), traceparent=None, subscribed_at=None)
    assert record_row(delivery_of(row)) == row


def test_a_history_takes_little_room_whatever_came_of_the_attempts() -> None:
    long = Ended(AT, 9 * 86_400_000, 599, "é" * MAX_REASON)
    row = record_row(replace(DELIVERY, history=(long,) * MOST_ENDED))
    assert len(row["history"]) < 32_000  # characters: the most of a column


def test_a_place_in_a_line() -> None:
    assert line_row(DELIVERY) == PLACE
    assert line_row(replace(DELIVERY, line=Line.REPLAYED)) == {**PLACE, "RowKey": f"r{PLACE['RowKey'][1:]}"}
    assert event_key(PLACE) == DELIVERY.key


@pytest.mark.parametrize(("row", "what"), DUE.values(), ids=DUE)
def test_a_row_of_what_is_due(row: Mapping[str, Any], what: Look | Release) -> None:
    assert due_row(AT, what) == row
    assert what_of(row) == (AT, what)


@pytest.mark.parametrize(("text", "what", "write", "read"), MESSAGES.values(), ids=MESSAGES)
def test_a_message(text: str, what: object, write: Callable[[Any], str], read: Callable[[str], Any]) -> None:
    assert write(what) == text
    assert read(text) == what


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_another_version_is_refused(version: object) -> None:
    for read, row in ((delivery_of, RECORD), (event_key, PLACE), (what_of, DUE_LOOK)):
        with pytest.raises(FormatError, match=repr(version)):
            read({**row, "v": version})


@pytest.mark.parametrize(("text", "what", "write", "read"), MESSAGES.values(), ids=MESSAGES)
def test_a_message_of_another_version_is_refused(
    text: str, what: object, write: object, read: Callable[[str], Any]
) -> None:
    del what, write
    with pytest.raises(FormatError):
        read(text.replace('"v":1', '"v":2'))
