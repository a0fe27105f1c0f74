"""NCRONTAB: what a schedule names is what it says, and what the host would misread is refused."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.schedules import FIELDS, read_schedule

RANGES = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def spelled(value: int, place: int) -> st.SearchStrategy[str]:
    names = {4: MONTHS[value - 1 : value], 5: DAYS[value : value + 1]}.get(place, [])
    words = [str(value), f"{value:02}", *names, *(name.upper() for name in names)]
    return st.sampled_from(words)


@st.composite
def part(draw: st.DrawFn, place: int) -> tuple[str, set[int]]:
    """One part of a field, and what it names."""
    least, most = RANGES[place]
    step = draw(st.none() | st.integers(1, most - least + 1))
    tail = "" if step is None else f"/{step}"
    first = draw(st.integers(least, most))
    match draw(st.sampled_from(["all", "one", "range"])):
        case "all":
            return f"*{tail}", set(range(least, most + 1, step or 1))
        case "one":
            return f"{draw(spelled(first, place))}{tail}", set(
                range(first, (first if step is None else most) + 1, step or 1)
            )
        case _:
            # Another reader of cron takes 3-3/2 for 3/2.
            first = min(first, most - 1)
            last = draw(st.integers(first + 1, most))
            text = f"{draw(spelled(first, place))}-{draw(spelled(last, place))}{tail}"
            return text, set(range(first, last + 1, step or 1))


@st.composite
def field(draw: st.DrawFn, place: int) -> tuple[str, set[int]]:
    parts = draw(st.lists(part(place), min_size=1, max_size=4))
    return ",".join(text for text, _ in parts), set().union(*(values for _, values in parts))


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[str], list[set[int]]]:
    fields = [draw(field(place)) for place in range(len(RANGES))]
    return [text for text, _ in fields], [values for _, values in fields]


def comes(days: set[int], months: set[int]) -> bool:
    return any(day <= monthrange(2024, month)[1] for day in days for month in months)


@given(schedules())
def test_a_schedule_names_what_it_says(schedule: tuple[list[str], list[set[int]]]) -> None:
    texts, values = schedule
    assume(comes(values[3], values[4]))
    assert list(read_schedule(" ".join(texts)).fields) == values


@given(schedules())
def test_a_date_that_never_comes_is_refused(schedule: tuple[list[str], list[set[int]]]) -> None:
    texts, values = schedule
    if comes(values[3], values[4]):
        read_schedule(" ".join(texts))
    else:
        with pytest.raises(ValueError, match="never comes"):
            read_schedule(" ".join(texts))


@given(place=st.integers(0, 5), beyond=st.integers(1, 99), below=st.booleans(), data=st.data())
def test_a_value_outside_its_field_is_refused(place: int, beyond: int, *, below: bool, data: st.DataObject) -> None:
    least, most = RANGES[place]
    value = least - 1 if below else most + beyond
    assume(value >= 0)
    form = data.draw(st.sampled_from(["{}", "{}/1", f"{least}-{{}}", "{0}-{0}", f"{least},{{}}"]))
    fields = ["*"] * 6
    fields[place] = form.format(value)
    with pytest.raises(ValueError, match=FIELDS[place].name):
        read_schedule(" ".join(fields))


@given(schedules(), st.integers(0, 5), st.data())
def test_a_range_that_runs_backwards_is_refused(
    schedule: tuple[list[str], list[set[int]]], place: int, data: st.DataObject
) -> None:
    texts, _ = schedule
    least, most = RANGES[place]
    last = data.draw(st.integers(least, most - 1))
    texts[place] = f"{data.draw(st.integers(last + 1, most))}-{last}"
    with pytest.raises(ValueError, match="is no schedule"):
        read_schedule(" ".join(texts))


@given(st.text(alphabet="0159*/-, ?LW#ajnMO"))
def test_any_text_is_read_or_refused_without_being_shown(text: str) -> None:
    told, values = "", ()
    try:
        values = read_schedule(text).fields
    except ValueError as error:
        told = str(error)
    assert all(values) if values else told.startswith("is no schedule")


@given(schedules(), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001 - made aware below
def test_a_schedule_ticks_when_another_reader_of_cron_says(
    schedule: tuple[list[str], list[set[int]]], moment: datetime
) -> None:
    texts, _ = schedule
    # Of two restricted days cron takes either, NCRONTAB both; and with a restricted one, one day in eight years.
    texts[3] = texts[5] = "*"
    seconds, minutes, hours, days, months, weekdays = read_schedule(" ".join(texts)).fields
    now = moment.replace(microsecond=0, tzinfo=UTC)
    tick = next(CronSim(" ".join(texts), now))
    assert (tick.second in seconds, tick.minute in minutes, tick.hour in hours) == (True, True, True)
    assert (tick.day in days, tick.month in months, tick.isoweekday() % 7 in weekdays) == (True, True, True)
    assert tick - now <= timedelta(days=366)


@given(schedules(), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001 - made aware below
def test_the_next_tick_is_the_first_that_the_schedule_names(
    schedule: tuple[list[str], list[set[int]]], moment: datetime
) -> None:
    texts, values = schedule
    texts[5] = "*"  # of two restricted days cron takes either, NCRONTAB both
    assume(comes(values[3], values[4]))
    now = moment.replace(tzinfo=UTC)
    assert read_schedule(" ".join(texts)).after(now) == next(CronSim(" ".join(texts), now))


def test_a_day_of_the_month_and_a_day_of_the_week_must_both_be_right() -> None:
    friday_the_13th = read_schedule("0 0 12 13 * FRI")
    assert friday_the_13th.after(datetime(2026, 11, 20, tzinfo=UTC)) == datetime(2027, 8, 13, 12, tzinfo=UTC)
