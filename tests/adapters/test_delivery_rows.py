"""The keys of the table of deliveries sort as the port says, and each row is read as it was written."""

from copy import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.delivery_rows import (
    BACKLOG,
    delivery_of,
    event_key,
    line_row,
    line_steps,
    record_key,
    record_row,
    records_in,
)
from shared.domain.callbacks import Answer
from shared.domain.deliveries import MAX_REASON, Delivery, Ended, EventKey, Line, Stage
from shared.domain.logs import Between
from tests.adapters.conftest import NOW, made_new

TIMES = st.datetimes(timezones=st.just(UTC))
IDS = st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True)
KEYS = st.builds(EventKey, TIMES | st.just(NOW), IDS)
LINES = st.sampled_from(Line)
ENDED = st.builds(
    Ended,
    TIMES,
    st.integers(0, 100_000),
    st.none() | st.integers(100, 599),
    st.none() | st.text(max_size=20),
)


def standing(key: EventKey, line: Line | None = Line.HELD, stage: Stage = Stage.HELD) -> Delivery:
    delivery = Delivery.held(made_new(), NOW)
    event = replace(delivery.event, raw={**delivery.event.raw, "id": key.id}, id=key.id, time=key.time)
    return replace(delivery, event=event, line=line, stage=stage)


def place(key: EventKey, line: Line) -> str:
    row = line_row(standing(key, line))
    assert row is not None
    return str(row["RowKey"])


@given(st.lists(KEYS, min_size=2, unique=True))
def test_records_go_by_the_latest_event_first(keys: list[EventKey]) -> None:
    shown = sorted(keys, key=record_key)
    assert [key.time for key in shown] == sorted((key.time for key in keys), reverse=True)
    assert len({record_key(key) for key in keys}) == len(keys)


@given(st.lists(st.tuples(LINES, KEYS), min_size=2, unique=True))
def test_the_backlog_goes_line_by_line_and_the_oldest_event_first(places: list[tuple[Line, EventKey]]) -> None:
    assert sorted(places, key=lambda each: place(each[1], each[0])) == sorted(places)


@given(KEYS, LINES)
def test_a_place_says_whose_it_is_and_stands_apart_from_the_records(key: EventKey, line: Line) -> None:
    row = line_row(standing(key, line))
    assert row is not None
    assert event_key(row) == key
    first, end = BACKLOG
    assert first <= row["RowKey"] < end
    assert not first <= record_key(key) < end


@given(KEYS, st.none() | TIMES, st.none() | TIMES)
def test_a_record_stands_where_the_time_of_its_event_is_looked_for(
    key: EventKey, since: datetime | None, until: datetime | None
) -> None:
    first, end = records_in(Between(since, until))
    is_in = (since is None or since <= key.time) and (until is None or key.time < until)
    assert (first <= record_key(key) < end) == is_in


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    text, time = st.none() | st.text(max_size=20), st.none() | TIMES
    return Delivery(
        draw(st.text(min_size=1, max_size=20)),
        made_new(draw(st.integers(0, 9)), at=draw(TIMES)).event,
        draw(st.sampled_from(Stage)),
        draw(TIMES),
        draw(TIMES),
        draw(TIMES),
        draw(st.integers(0, 1_000)),
        draw(st.lists(ENDED, max_size=3).map(tuple)),
        draw(st.none() | LINES),
        draw(time),
        draw(time),
        draw(st.none() | st.integers(100, 599)),
        draw(text),
        draw(text),
        draw(st.booleans()),
        draw(text),
        draw(st.none() | st.sampled_from(Stage)),
        draw(text),
        draw(time),
    )


@given(deliveries())
def test_a_delivery_is_read_as_it_was_written(delivery: Delivery) -> None:
    assert delivery_of(record_row(delivery)) == delivery


@given(
    st.timedeltas(timedelta(0), timedelta(minutes=10)),
    st.none() | st.integers(100, 599),
    st.text(max_size=2 * MAX_REASON),
)
def test_what_an_attempt_has_left_is_read_as_it_was_written(took: timedelta, status: int | None, failure: str) -> None:
    begun = Delivery.attempted(made_new(), NOW, NOW + timedelta(minutes=1))
    ended = begun.end_attempt(Answer(status, failure=failure, took=took), NOW + took)
    assert delivery_of(record_row(ended)) == ended


@given(KEYS, st.lists(st.none() | st.tuples(st.none() | LINES, st.sampled_from(Stage))))
def test_wherever_a_delivery_goes_it_has_its_one_place(
    key: EventKey, stations: list[tuple[Line | None, Stage] | None]
) -> None:
    walk = [None, *(standing(key, *station) if station is not None else None for station in stations)]
    rows: dict[str, Any] = {}
    for was, delivery in pairwise(walk):
        for name, row, _ in line_steps(was, delivery):
            assert (row["RowKey"] in rows) == (name != "create")
            rows[row["RowKey"]] = row
            if name == "delete":
                del rows[row["RowKey"]]
        if delivery is None or (place := line_row(delivery)) is None:
            assert rows == {}
        elif delivery.stage in {Stage.HELD, Stage.WAITING}:
            assert rows == {place["RowKey"]: place}
        else:
            assert rows.keys() == {place["RowKey"]}
