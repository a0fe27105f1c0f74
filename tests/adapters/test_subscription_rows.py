"""The forms in which subscriptions are stored: whoever changes one has to raise its version."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.subscription_rows import rule_of, signposts, subscription_of, subscription_row
from shared.domain.notices import owing
from shared.domain.subscriptions import Subscription
from shared.errors import FormatError
from tests.adapters.subscriptions import FULL, MEASURE, subscription

TIMES = st.datetimes(timezones=st.just(UTC))
LATELY = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds
NUMBERS = st.decimals(-(10**9), 10**9, places=3)
SAMPLE = {
    "PartitionKey": "subscription|m",
    "RowKey": "",
    "v": 1,
    "id": "m",
    "trigger": "measure-threshold-crossed",
    "instanceId": "instance",
    "instanceKey": "instance",
    "filters": '{"threshold": "0.1", "direction": "above", "rearmMargin": "0", "measureName": "Revenue"}',
    "callback": b"\x00sealed\xff",
    "callbackHost": "prod-1.logic.azure.com",
    "fingerprint": "fingerprint of m",
    "ruleId": "rule of m",
    "createdAt": "2026-11-20T03:12:45.123456+00:00",
    "updatedAt": "2026-11-20T03:12:45.123456+00:00",
    "label": "Größe",
    "status": "failing",
    "statusReason": "5 failures in a row",
    "statusSince": "2026-11-20T03:12:46.123456+00:00",
    "failures": 5,
    "failingSince": "2026-11-20T03:12:47.123456+00:00",
    "releaseAt": "2026-11-20T03:12:48.123456+00:00",
    "leasedUntil": "2026-11-20T03:12:49.123456+00:00",
    "tokens": json.dumps(["a" * 64, "b" * 64]),
    "secret": b"\x01secret",
    "previousSecret": b"\x02secret",
    "previousUntil": "2026-11-21T03:12:45.123456+00:00",
    "environmentHint": "Default-1",
    "flowHint": "2",
    "noticeAt": "2026-12-01T03:12:47.123456+00:00",
}
SIGNPOSTS = [
    {
        "PartitionKey": "route|measure-threshold-crossed|instance",
        "RowKey": "rule of m",
        "v": 1,
        "subscriptionId": "m",
        "ruleId": "rule of m",
        "filters": '{"threshold": "0.1", "direction": "above", "rearmMargin": "0", "measureName": "Revenue"}',
    },
    {"PartitionKey": "callback|fingerprint of m", "RowKey": "m|rule of m", "v": 1, "subscriptionId": "m"},
]


@st.composite
def subscriptions(draw: st.DrawFn) -> Subscription:
    text, time, sealed = st.none() | st.text(max_size=20), st.none() | TIMES, st.none() | st.binary(max_size=20)
    values = st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5) | NUMBERS, max_size=2)
    filters = {"threshold": draw(NUMBERS), "direction": draw(st.sampled_from(("above", "either")))}
    old = replace(
        subscription(MEASURE, "m", **filters, dimensions=draw(values) or None),
        created_at=draw(TIMES),
        updated_at=draw(TIMES),
        label=draw(text),
        status=draw(st.sampled_from(("active", "failing", "paused", "suspended"))),
        status_reason=draw(text),
        status_since=draw(time),
        failures=draw(st.integers(0, 1_000)),
        failing_since=draw(st.none() | LATELY),
        release_at=draw(time),
        leased_until=draw(time),
        tokens=tuple(draw(st.lists(st.text(max_size=5), max_size=2))),
        secret=draw(sealed),
        previous_secret=draw(sealed),
        previous_until=draw(time),
        environment_hint=draw(text),
        flow_hint=draw(text),
        warned_since=draw(time),
    )
    return owing(old, old.suspended(draw(st.text(max_size=20)), draw(LATELY)), held=draw(st.integers(0, 9)))


@given(subscriptions())
def test_a_subscription_is_read_as_it_was_written(one: Subscription) -> None:
    assert subscription_of(subscription_row(one)) == one


def test_times_are_stored_in_utc() -> None:
    row = subscription_row(replace(FULL, release_at=datetime.fromisoformat("2026-11-20T05:00:00+02:00")))
    assert row["releaseAt"] == "2026-11-20T03:00:00.000000+00:00"


def test_rows_are_as_this_version_has_always_written_them() -> None:
    assert subscription_row(FULL) == SAMPLE
    assert subscription_of(SAMPLE) == FULL
    assert signposts(FULL) == SIGNPOSTS


@pytest.mark.parametrize("version", [0, 2, None, "1"])
def test_another_version_is_refused(version: object) -> None:
    with pytest.raises(FormatError, match=repr(version)):
        subscription_of({**SAMPLE, "v": version})
    with pytest.raises(FormatError, match=repr(version)):
        rule_of(FULL.trigger, {**SIGNPOSTS[0], "v": version})
