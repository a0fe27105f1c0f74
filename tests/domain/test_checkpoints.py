"""Checkpoints: what is written is read back, and anything else is refused."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.checkpoints import VERSION, Checkpoint, Family, State, decode, encode
from shared.domain.jobs import JobMark, JobsState
from shared.domain.lapses import Lapse
from shared.domain.refresh_marks import DataSourceMark, DataSourcesState, KnownRefresh, short
from shared.domain.watching import SliceMark, ValueMark, ValuesState

T0 = datetime(2026, 11, 20, tzinfo=UTC)
times = st.timedeltas(timedelta(-9000), timedelta(9000)).map(lambda gap: T0 + gap)
maybe = st.none() | times
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
hashes = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
numbers = st.decimals(allow_nan=False, allow_infinity=False)
lapses = st.dictionaries(hashes, st.builds(Lapse, since=times, told=maybe), max_size=2)
jobs = st.builds(
    JobsState,
    known=st.dictionaries(
        names,
        st.builds(
            JobMark,
            ended=st.booleans(),
            merged=st.booleans(),
            at=maybe,
            stages=st.none() | st.lists(names, max_size=2).map(tuple),
        ),
        max_size=4,
    ),
    floor=maybe,
    full_at=maybe,
    lapses=lapses,
)
data_sources = st.builds(
    DataSourcesState,
    marks=st.dictionaries(
        names,
        st.builds(
            DataSourceMark,
            recent=st.lists(
                st.builds(
                    KnownRefresh,
                    times=st.dictionaries(st.sampled_from(["task", "node", "own"]), times, min_size=1),
                    at=times,
                    outcome=st.sampled_from(["succeeded", "failed", None]),
                    jobs=st.lists(hashes, max_size=2).map(tuple),
                ),
                max_size=2,
            ).map(tuple),
            since=maybe,
            refresh_state=st.none() | names,
            turn_expected=st.booleans(),
            untimed_at=maybe,
            name=st.none() | st.just("") | hashes,
            named_at=maybe,
            gone_at=maybe,
        ),
        max_size=4,
    ),
    horizon=times,
    asking=st.none() | st.lists(names, max_size=2).map(tuple),
    lapses=lapses,
)
looks = st.tuples(st.none() | names, maybe, maybe, st.none() | names)
values = st.builds(
    ValuesState,
    marks=st.dictionaries(
        names,
        st.builds(
            ValueMark,
            value=st.none() | numbers,
            at=maybe,
            seen=looks,
            failed_at=maybe,
            ended_at=maybe,
            was_active=st.booleans(),
        ),
        max_size=4,
    ),
    fired=st.dictionaries(names, st.lists(st.sampled_from(["above", "below"]), max_size=2).map(tuple), max_size=3),
    slices=st.dictionaries(hashes, st.builds(SliceMark, at=times, value=st.none() | numbers), max_size=2),
)
states = {Family.JOBS: jobs, Family.DATA_SOURCES: data_sources, Family.SEGMENTS: values, Family.MEASURES: values}
outboxes = st.lists(st.dictionaries(names, names | st.integers() | st.booleans(), max_size=3), max_size=3)


@given(st.data())
def test_a_checkpoint_survives_its_store(data: st.DataObject) -> None:
    family = data.draw(st.sampled_from(Family))
    state: State | None = data.draw(st.none() | states[family])
    checkpoint = Checkpoint(state, data.draw(outboxes))
    assert decode(family, encode(family, checkpoint)) == checkpoint


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.recursive(st.none() | st.integers() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)).map(
        lambda v: json.dumps(v).encode()
    ),
    st.sampled_from(Family),
)
def test_garbage_is_a_value_error(stored: bytes, family: Family) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any text will do
        decode(family, stored)


GOOD: dict[str, Any] = {"version": VERSION, "family": "jobs", "state": {"known": {}}, "outbox": []}


@pytest.mark.parametrize(
    "change",
    [
        {"version": VERSION + 1},
        {"version": None},
        {"version": [1]},
        {"version": "x"},
        {"family": "segments"},
        {"state": []},
        {"state": {"known": {"j": {"ended": "perhaps"}}}},
        {"outbox": None},
        {"outbox": [1]},
        {"more": 1},
    ],
)
def test_what_this_release_does_not_know_is_a_value_error(change: dict[str, Any]) -> None:
    assert decode(Family.JOBS, json.dumps(GOOD).encode()) == Checkpoint(JobsState(), [])
    with pytest.raises(ValueError):  # noqa: PT011 - any text will do
        decode(Family.JOBS, json.dumps({**GOOD, **change}).encode())


def test_what_is_wrong_is_said_without_what_stands_there() -> None:
    broken = {**GOOD, "state": {"known": {"j": {"at": "S3CRET"}}}}
    with pytest.raises(ValueError, match="known") as error:
        decode(Family.JOBS, json.dumps(broken).encode())
    assert "S3CRET" not in str(error.value)


def test_data_sources_are_read_as_the_first_version_wrote_them() -> None:
    refresh = {"times": {"node": "2026-11-20T03:00:05Z", "task": "2026-11-20T03:00:00Z"}, "jobs": ["j1"]}
    mark = {"recent": [refresh], "since": "2026-11-19T03:00:00Z", "refresh_state": "updated", "turn_expected": True}
    state = {"marks": {"d1": mark}, "horizon": "2026-11-20T03:01:00Z"}
    stored = {"version": 1, "family": "data-sources", "state": state, "outbox": []}
    read = decode(Family.DATA_SOURCES, json.dumps(stored).encode()).state
    assert isinstance(read, DataSourcesState)
    (known,) = read.marks["d1"].recent
    assert known.at == known.times["task"] == datetime(2026, 11, 20, 3, tzinfo=UTC)
    assert known.jobs == (short("j1"),)
    assert (read.marks["d1"].refresh_state, read.marks["d1"].turn_expected) == ("updated", True)
    assert decode(Family.DATA_SOURCES, encode(Family.DATA_SOURCES, Checkpoint(read))).state == read


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ("completedSuccess 2026-11-20T00:00:00+00:00", ("completedSuccess", T0, None, None)),
        ("completed 2026-11-20T00:00:00+00:00 2026-11-20T00:00:00+00:00", ("completed", T0, T0, None)),
        ("completed  ", ("completed", None, None, None)),
        ("", (None, None, None, None)),
    ],
)
def test_values_are_read_as_the_first_version_wrote_them(seen: str, expected: tuple[object, ...]) -> None:
    mark = {"value": "1", "at": "2026-11-20T00:00:00Z", "seen": seen}
    stored = {"version": 1, "family": "measures", "state": {"marks": {"m": mark}}, "outbox": []}
    read = decode(Family.MEASURES, json.dumps(stored).encode()).state
    assert isinstance(read, ValuesState)
    assert read.marks["m"].seen == expected


# As the second version wrote them.
_MARK = '{"marks":{"R":{"value":"5","at":"2026-11-20T00:00:00Z","seen":["%s","2026-11-20T00:00:00Z",%s]}}}'
SECOND: Mapping[Family, str] = {
    Family.JOBS: '{"known":{"j1":{"ended":true,"at":"2026-11-20T00:30:00Z"}},"floor":"2026-11-20T00:00:00Z"}',
    Family.DATA_SOURCES: '{"marks":{"d1":"=updated,=k3v9;hx3v1c7p2qSTN5kO8c~b7d0"},"horizon":"2026-11-20T00:00:00Z"}',
    Family.SEGMENTS: _MARK % ("completedSuccess", "null"),
    Family.MEASURES: _MARK % ("completed", '"2026-11-19T23:59:00Z"'),
}


@pytest.mark.parametrize("family", Family)
def test_what_the_second_version_wrote_is_read_and_knows_nothing_of_what_came_after(family: Family) -> None:
    stored = f'{{"version":2,"family":"{family}","state":{SECOND[family]},"outbox":[]}}'.encode()
    state = decode(family, stored).state
    match state:
        case JobsState():
            assert (state.known["j1"].stages, state.exports, state.full_at) == (None, None, None)
        case DataSourcesState():
            assert (state.asking, state.lapses) == (None, {})
        case ValuesState():
            (mark,) = state.marks.values()
            assert (mark.seen[1], mark.seen[3], mark.failed_at, state.slices) == (T0, None, None, {})
    again = encode(family, Checkpoint(state))
    assert b'"version":3' in again
    assert decode(family, again).state == state


@pytest.mark.parametrize(
    "text", ["a,b,c,d,e,f,g,h", ";x", ";=", ",,!", ",,zzzzzzzzzzzzzzzz", ";1STzzzzzzzzzzzzzzzzz", "=é;1S"]
)
def test_a_mark_that_nobody_wrote_is_a_value_error(text: str) -> None:
    stored = {"version": VERSION, "family": "data-sources", "state": {"marks": {"d1": text}}, "outbox": []}
    with pytest.raises(ValueError):  # noqa: PT011 - any text will do
        decode(Family.DATA_SOURCES, json.dumps(stored).encode())
