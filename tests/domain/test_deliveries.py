"""Deliveries: what each answer means, how long to wait, and a message that survives its journey."""

import base64
import json
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Delivery, DeliveryRecord, Stage, Verdict, judge, reason, wait_after
from shared.domain.events import DataSourceRefreshSucceeded, Event

T0 = datetime(2026, 11, 20, tzinfo=UTC)
EVENT = Event.of(DataSourceRefreshSucceeded(instance_id="i1", data_source_id="dé"), time=T0, occurrence=["d1"])
DELIVERED, RETRY, DENIED, GONE, REJECTED = Verdict
OFF, MISSING = '{"error":{"code":"WorkflowTriggerIsNotEnabled"}}', "x WorkflowNotFound y"

TABLE = [
    *((status, "", DELIVERED) for status in (200, 201, 202, 204, 206, 299)),
    *((status, OFF, DELIVERED) for status in (200, 202)),
    *((status, "", RETRY) for status in (408, 425, 429, 500, 501, 502, 503, 504, 507, 599)),
    *((status, OFF, RETRY) for status in (500, 502, 503)),
    (None, "", RETRY),
    *((status, body, GONE) for status, body in product((404, 410), ("", "anything", OFF, MISSING))),
    *((status, body, GONE) for status, body in product((400, 401, 403, 408, 409, 422, 429), (OFF, MISSING))),
    *((status, body, DENIED) for status, body in product((401, 403), ("", "no"))),
    *((status, body, REJECTED) for status, body in product((301, 302, 303, 307, 308), ("", OFF))),
    *((status, "no", REJECTED) for status in (400, 402, 405, 406, 409, 411, 413, 414, 415, 422, 451)),
]


@pytest.mark.parametrize(("status", "body", "verdict"), TABLE)
def test_what_an_answer_means(status: int | None, body: str, verdict: Verdict) -> None:
    assert judge(Answer(status, body)) is verdict


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (202, "", DELIVERED),
        (302, "", REJECTED),
        (400, "", RETRY),
        (422, "", RETRY),
        (400, OFF, GONE),
        (401, "", DENIED),
        (404, "", GONE),
        (503, "", RETRY),
    ],
)
def test_an_answer_that_was_cut_off_gives_nothing_up_for_what_it_might_have_said(
    status: int, body: str, verdict: Verdict
) -> None:
    answer = Answer(status, body, is_cut=True)
    assert judge(answer) is verdict
    assert reason(answer).endswith(", cut off")


def test_a_url_that_the_policy_refuses_is_never_tried_again() -> None:
    assert judge(Answer(failure="must be on an allowed host", refused=True)) is REJECTED


def test_a_reason_shows_nothing_that_the_other_side_wrote() -> None:
    assert reason(Answer(400, "sig=secret")) == "HTTP 400"
    assert reason(Answer(400, f"sig=secret {OFF}")) == "HTTP 400 WorkflowTriggerIsNotEnabled"
    assert reason(Answer(failure="timeout")) == "timeout"


@given(
    attempt=st.integers(1, 500),
    schedule=st.lists(st.floats(1, 1e5), min_size=1, max_size=12),
    asked=st.none() | st.floats(0, 1e12),
    jitter=st.floats(-1, 1),
)
def test_waits_stray_by_a_fifth_and_are_never_shorter_than_asked(
    attempt: int, schedule: list[float], asked: float | None, jitter: float
) -> None:
    wait = wait_after(attempt, schedule, asked, jitter).total_seconds()
    planned = schedule[attempt - 1] if attempt <= len(schedule) else schedule[-1]
    least = min(asked or 0, 12 * 3600)
    assert wait >= least - 1e-5
    assert planned * 0.8 - 1e-5 <= wait <= max(planned * 1.2, least) + 1e-5


@given(
    subscription_id=st.text(min_size=1, max_size=64).filter(lambda text: text.isprintable()),
    attempt=st.integers(1, 10_000),
    at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds it
    encoded=st.booleans(),
)
def test_a_delivery_survives_its_journey(subscription_id: str, attempt: int, at: datetime, *, encoded: bool) -> None:
    delivery = Delivery(subscription_id, EVENT, at, attempt)
    text = delivery.encode()
    if encoded:
        text = base64.b64encode(text.encode()).decode()
    assert Delivery.decode(text) == delivery
    assert delivery.next() == Delivery(subscription_id, EVENT, at, attempt + 1)


def refuse(text: str) -> None:
    try:
        Delivery.decode(text)
    except ValueError:
        return


WHOLE = json.loads(Delivery("s1", EVENT, T0).encode())
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()) | anything.map(json.dumps))
def test_garbage_is_a_value_error(text: str) -> None:
    refuse(text)


@given(st.sampled_from([*WHOLE, "event.id", "event.time", "event.data", "event.type"]), anything | st.just(...))
def test_a_delivery_with_something_wrong_is_a_value_error(key: str, value: object) -> None:
    message = json.loads(json.dumps(WHOLE))
    part = message["event"] if "." in key else message
    if value is ...:
        del part[key.rpartition(".")[2]]
    else:
        part[key.rpartition(".")[2]] = value
    refuse(json.dumps(message))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({**WHOLE, "dispatchedAt": "0001-01-01T00:00:00+23:00"}),
        json.dumps({**WHOLE, "event": {**WHOLE["event"], "time": "0001-01-01T00:00:00+14:00"}}),
        json.dumps({**WHOLE, "event": {**WHOLE["event"], "data": {"instanceId": "i1", "n": float("nan")}}}),
        json.dumps({**WHOLE, "event": {**WHOLE["event"], "n": "huge"}}).replace('"huge"', "-1e400"),
        json.dumps({**WHOLE, "event": {**WHOLE["event"], "\ud800": 1}}),
        json.dumps({**WHOLE, "event": {**WHOLE["event"], "subject": "\udfff"}}),
        '{"a":' * 13_000,
        '{"a":' * 10_900 + "1" + "}" * 10_900,
    ],
    ids=[
        "dispatched before time",
        "happened before time",
        "no number",
        "endless",
        "half a letter in a name",
        "half a letter",
        "deep",
        "deep and whole",
    ],
)
def test_garbage_of_the_strangest_kind_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any text will do
        Delivery.decode(text)


def test_a_delivery_record_remembers_how_far_it_is() -> None:

    until = T0 + timedelta(seconds=31)
    record = DeliveryRecord.start(Delivery("s1", EVENT, T0), T0, until)
    assert record.is_claimed(T0)
    assert not record.is_claimed(until)
    assert not record.has_done(1)
    waiting = record.end(Stage.WAITING, 1, Answer(503), "HTTP 503", T0)
    assert waiting.has_done(1)
    assert not waiting.has_done(2)
    assert not waiting.is_claimed(T0)
    assert waiting.end(Stage.DELIVERED, 2, Answer(202), None, T0).has_done(99)
