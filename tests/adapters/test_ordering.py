from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.ordering import latest_first, latest_in, oldest_first, readable, time_of
from shared.domain.logs import Between

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
times = st.datetimes(timezones=st.just(UTC))


@given(times, times)
def test_texts_sort_as_times_do_to_the_microsecond(one: datetime, other: datetime) -> None:
    assert (oldest_first(one) < oldest_first(other)) == (one < other)
    assert (latest_first(one) > latest_first(other)) == (one < other)
    assert (readable(one) < readable(other)) == (one < other)


@given(times)
def test_texts_have_one_length_and_one_time(at: datetime) -> None:
    assert len(oldest_first(at)) == len(latest_first(at)) == 18
    assert time_of(oldest_first(at)) == datetime.fromisoformat(readable(at)) == at


@given(st.datetimes(min_value=datetime(1, 1, 2)), st.integers(-14, 14))  # noqa: DTZ001 - the zone is given
def test_a_time_has_one_text_in_every_zone(at: datetime, hours: int) -> None:
    there = at.replace(tzinfo=timezone(timedelta(hours=hours)))
    here = there.astimezone(UTC) if at.year < 9999 else there
    texts = [(oldest_first(it), latest_first(it)) for it in (there, here)]
    assert texts[0] == texts[1]


def test_the_ends_of_time_have_texts() -> None:
    assert (oldest_first(FIRST), latest_first(LAST)) == ("0" * 18, "0" * 18)
    assert latest_first(FIRST) == oldest_first(LAST) == "315537897599999999"


@given(times, st.none() | times, st.none() | times, st.text("0-9az"))
def test_a_time_is_between_as_its_text_is(
    at: datetime, since: datetime | None, until: datetime | None, more: str
) -> None:
    begin, end = latest_in(Between(since, until))
    is_in = (since is None or since <= at) and (until is None or at < until)
    assert (begin <= f"{latest_first(at)}-{more}" < end) == is_in
