"""Messages: a message survives its journey, and garbage is said to be so."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.checkpoints import Family
from shared.domain.deliveries import EventKey, New
from shared.domain.events.data_sources import DataSourceRefreshSucceeded
from shared.domain.events.envelope import Event
from shared.domain.messages import (
    Beat,
    Look,
    Release,
    decode_delivery,
    decode_poll,
    encode_new,
    encode_shard,
)
from shared.domain.resources import Instance
from shared.domain.slots import SHARD, Shard, Slot, shards
from shared.errors import FormatError

T0 = datetime(2026, 11, 20, tzinfo=UTC)
EVENT = Event.of(DataSourceRefreshSucceeded(instance_id="i1", data_source_id="dé"), time=T0, occurrence=["d1"])
NEW = New("s1", EVENT, T0)

ids = st.text(min_size=1, max_size=64).filter(lambda text: text.isprintable())
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it
hands = st.none() | st.text(min_size=1, max_size=40)


def as_it_may_come(text: str, *, encoded: bool) -> str:
    return base64.b64encode(text.encode()).decode() if encoded else text


@given(new=st.builds(New, ids, st.just(EVENT), times, hands), encoded=st.booleans())
def test_a_new_delivery_survives_its_journey(*, new: New, encoded: bool) -> None:
    assert decode_delivery(as_it_may_come(encode_new(new), encoded=encoded)) == new


@given(look=st.builds(Look, ids, st.builds(EventKey, times, ids), hands, st.booleans()), encoded=st.booleans())
def test_a_look_survives_its_journey(*, look: Look, encoded: bool) -> None:
    assert decode_delivery(as_it_may_come(look.encode(), encoded=encoded)) == look


@given(release=st.builds(Release, ids, times, st.booleans()), encoded=st.booleans())
def test_a_release_survives_its_journey(*, release: Release, encoded: bool) -> None:
    assert Release.decode(as_it_may_come(release.encode(), encoded=encoded)) == release


instances = st.lists(st.builds(Instance, ids, st.none() | st.text(max_size=100)), max_size=SHARD)


@given(
    shard=st.builds(
        Shard, st.builds(Slot, st.lists(st.sampled_from(Family)).map(tuple), times, times), instances.map(tuple)
    ),
    encoded=st.booleans(),
)
def test_a_shard_survives_its_journey(*, shard: Shard, encoded: bool) -> None:
    assert decode_poll(as_it_may_come(encode_shard(shard), encoded=encoded)) == shard


@given(beat=st.builds(Beat, ids), encoded=st.booleans())
def test_a_heartbeat_survives_its_journey(*, beat: Beat, encoded: bool) -> None:
    assert decode_poll(as_it_may_come(beat.encode(), encoded=encoded)) == beat


@given(st.lists(st.builds(Instance, ids)))
def test_shards_hold_all_instances_in_their_order(found: list[Instance]) -> None:
    made = shards(Slot((Family.JOBS,), T0, T0), found)
    assert [one for shard in made for one in shard.instances] == found
    assert all(1 <= len(shard.instances) <= SHARD for shard in made)
    assert len(made) == -(-len(found) // SHARD)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"v":1}',
        '{"v":1,"beat":1}',
        '{"v":1,"families":["jobs"],"openedAt":"2026-11-20T00:00:00Z","instances":[]}',
        '{"v":1,"families":["else"],"openedAt":"2026-11-20T00:00:00Z","endsAt":"2026-11-20T00:01:00Z","instances":[]}',
        '{"v":1,"families":[["x"]],"openedAt":"2026-11-20T00:00:00Z","endsAt":"2026-11-20T00:01:00Z","instances":[]}',
        '{"v":1,"families":["jobs"],"openedAt":"2026-11-20T00:00:00Z","endsAt":"2026-11-20T00:01:00Z","instances":[7]}',
        '{"v":1,"families":["jobs"],"openedAt":"2026-11-20T00:00:00","endsAt":"2026-11-20T00:01:00Z","instances":[]}',
    ],
)
def test_what_is_no_poll_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|no |zone"):
        decode_poll(text)


def test_a_poll_of_another_version_is_somebody_else_s() -> None:
    with pytest.raises(FormatError):
        decode_poll('{"v":2,"beat":"x"}')


def test_the_forms_of_the_messages_are_these() -> None:
    """What is stored by one version is read by the next."""
    zone = timezone(timedelta(hours=1))
    event = {**EVENT.raw, "traceparent": "00-1-2-01"}
    forms = {
        '{"v":1,"subscriptionId":"s1","eventTime":"2026-11-20T01:00:00+01:00","eventId":"e1","byHand":"h"}': Look(
            "s1", EventKey(T0, "e1"), "h"
        ),
        json.dumps(
            {"v": 1, "subscriptionId": "s1", "dispatchedAt": datetime(2026, 11, 20, 1, tzinfo=zone).isoformat()}
            | {"event": event}
        ): New("s1", Event.parse(event), T0, None, "00-1-2-01"),
    }
    assert {text: decode_delivery(text) for text in forms} == forms
    assert Release.decode('{"v":1,"subscriptionId":"s1","at":"2026-11-20T00:00:00+00:00","careful":true}') == Release(
        "s1", T0, is_careful=True
    )
    assert Release.decode(Release("s1", T0, is_spent=True).encode()) == Release("s1", T0, is_spent=True)


@pytest.mark.parametrize("version", [0, 2, 99])
def test_a_form_of_another_version_is_said_to_be_that(version: int) -> None:
    message = {**json.loads(encode_new(NEW)), "v": version}
    with pytest.raises(FormatError, match=f"form {version}"):
        decode_delivery(json.dumps(message))
    with pytest.raises(FormatError):
        Release.decode(json.dumps({"v": version, "subscriptionId": "s1", "at": T0.isoformat()}))


def refuse(text: str) -> None:
    for read in (decode_delivery, Release.decode):
        try:
            read(text)
        except (ValueError, FormatError):
            continue


WHOLE = json.loads(encode_new(NEW))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()) | anything.map(json.dumps))
def test_garbage_is_a_value_error(text: str) -> None:
    refuse(text)


@given(
    st.sampled_from([*WHOLE, "byHand", "at", "event.id", "event.time", "event.data", "event.type"]),
    anything | st.just(...),
)
def test_a_message_with_something_wrong_is_a_value_error(key: str, value: object) -> None:
    message = json.loads(json.dumps(WHOLE))
    part = message["event"] if "." in key else message
    if value is ...:
        part.pop(key.rpartition(".")[2], None)
    else:
        part[key.rpartition(".")[2]] = value
    refuse(json.dumps(message))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({**WHOLE, "dispatchedAt": "0001-01-01T00:00:00+23:00"}),
        json.dumps({**WHOLE, "dispatchedAt": "2026-11-20T00:00:00"}),
        json.dumps({**WHOLE, "event": {**WHOLE["event"], "time": "0001-01-01T00:00:00+14:00"}}),
        json.dumps({**WHOLE, "event": {**WHOLE["event"], "data": {"instanceId": "i1", "n": float("nan")}}}),
        json.dumps({**WHOLE, "event": {**WHOLE["event"], "n": "huge"}}).replace('"huge"', "-1e400"),
        json.dumps({"v": 1, "subscriptionId": "s1"}),
        json.dumps({**WHOLE, "v": "1"}),
        '{"a":' * 13_000,
        '{"a":' * 10_900 + "1" + "}" * 10_900,
    ],
    ids=[
        "before time",
        "no zone",
        "happened before time",
        "no number",
        "endless",
        "nothing to look at",
        "no version",
        "deep",
        "deep and whole",
    ],
)
def test_garbage_of_the_strangest_kind_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any text will do
        decode_delivery(text)
    shard = (
        '{"v":1,"families":["data-sources","jobs"],"openedAt":"2026-11-20T00:00:00+00:00","endsAt":"2026-11-20T00:01:00+00:00",'
        '"instances":[["i1","Contoso"],["i2"]]}'
    )
    slot = Slot((Family.DATA_SOURCES, Family.JOBS), T0, T0 + timedelta(minutes=1))
    assert decode_poll(shard) == Shard(slot, (Instance("i1", "Contoso"), Instance("i2")))
    assert encode_shard(Shard(slot, (Instance("i1", "Contoso"), Instance("i2")))) == shard
