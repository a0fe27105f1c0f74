"""Notices: which turns of a subscription are told, and what is known to have been missed."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain import gaps
from shared.domain.jobs import JobMark, JobsState, enough
from shared.domain.notices import MOST_OWED, NEAR, SWITCHED_OFF_AFTER, notice_at, owing, warned
from shared.domain.resources import Job
from shared.domain.subscriptions import MAX_FAILURES, Subscription
from tests.fakes import NOON
from tests.usecases.world import subscription

DAY = timedelta(days=1)

type Turn = Callable[[Subscription, datetime], Subscription]

TURNS: dict[str, Turn] = {
    "fails": lambda it, at: it.failed(at),
    "works": lambda it, at: it.recovered(at),
    "works by hand": lambda it, at: it.recovered(at, by_hand=True),
    "is gone": lambda it, at: it.suspended("HTTP 404", at),
    "is let on": lambda it, at: it.activated(at),
}
turns = st.lists(st.tuples(st.sampled_from([*TURNS, *["fails"] * 4]), st.integers(1, 100_000)), max_size=60)


def lived(it: Subscription, life: Sequence[tuple[str, int]]) -> tuple[list[tuple[str, str]], Subscription]:
    """The statuses it turned from and to, and what it then is."""
    at, turned = NOON, list[tuple[str, str]]()
    for turn, seconds in life:
        at += timedelta(seconds=seconds)
        new = TURNS[turn](it, at)
        if new.status != it.status:
            turned.append((it.status, new.status))
        it = owing(it, new)
    return turned, it


@given(turns)
def test_each_turn_is_told_once_as_what_it_is(life: Sequence[tuple[str, int]]) -> None:
    turned, it = lived(subscription(), life)
    names = {"failing": "Failing", "suspended": "Suspended", "active": "Resumed"}
    told = [str(notice["type"]).rpartition("Subscription")[2] for notice in it.owed]
    assert told == [names[to] for _, to in turned][-MOST_OWED:]
    assert len({notice["id"] for notice in it.owed}) == len(it.owed)


@given(turns, st.sampled_from(["subscription-failing", "subscription-suspended", "subscription-resumed"]))
def test_of_those_that_are_for_notices_nothing_is_told(life: Sequence[tuple[str, int]], slug: str) -> None:
    _, it = lived(subscription(slug=slug, instance_id="*"), life)
    assert warned(it, NOON + 999 * DAY).owed == ()
    assert notice_at(it) is None


@given(turns, st.integers(0, 20))
def test_a_warning_comes_once_eleven_days_after_the_first_failure(life: Sequence[tuple[str, int]], days: int) -> None:
    _, it = lived(subscription(), life)
    now = NOON + days * DAY
    after = warned(it, now)
    is_due = it.status == "failing" and it.failing_since is not None and now >= it.failing_since + 11 * DAY
    assert (after != it) == is_due
    assert warned(after, now + 99 * DAY) == after or not is_due
    if is_due:
        assert after.owed[-1]["data"]["stage"] == "nearSwitchOff"


def test_eleven_days_are_three_before_the_platform_switches_off() -> None:
    assert (SWITCHED_OFF_AFTER - NEAR, MAX_FAILURES) == (11 * DAY, 5)


def job(number: int) -> Job:
    return Job(f"j{number}", "successful", "all", None, None, NOON + number * DAY, NOON + number * DAY, ())


@given(known=st.integers(1, 10), first=st.integers(0, 12), count=st.integers(0, 12), is_listed=st.booleans())
def test_jobs_are_missed_only_where_newer_ones_are_listed_and_none_of_the_last(
    *, known: int, first: int, count: int, is_listed: bool
) -> None:
    marks = {f"j{n}": JobMark(ended=True, unlisted_at=None if is_listed else NOON) for n in range(known)}
    state, listed = JobsState(known=marks), [job(n) for n in range(first, first + count)]
    assert gaps.is_cut_off(state, listed) == (is_listed and count > 0 and first >= known)
    assert not (gaps.is_cut_off(state, listed) and enough(state, listed))
    assert not gaps.is_cut_off(None, listed)
