"""How polls go: when it is told that they fail, and that they go well again."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.checkpoints import Family
from shared.domain.events.envelope import Notice
from shared.domain.polls import MIN_FAILURES, MOST_OWED, Polled
from tests.fakes import NOON

AFTER = timedelta(seconds=600)
JOBS = Family.JOBS

# Polls one after the other: how many seconds after the one before, and whether each went well.
polls = st.lists(st.tuples(st.integers(1, 700), st.booleans()), max_size=40)


def lived(outcomes: Sequence[tuple[int, bool]]) -> tuple[list[Notice], Polled]:
    """All that is told of these polls, each notice as soon as it is owed."""
    polled, told, at = Polled("i1", JOBS, NOON).succeeded(), list[Notice](), NOON
    for seconds, is_well in outcomes:
        at += timedelta(seconds=seconds)
        before = Polled(**{**fields(polled), "last_poll_at": at})
        polled = before.succeeded(2) if is_well else before.failed("503").told(at, AFTER, "transient")
        told += polled.owed
        polled = polled.without(polled.owed)
    return told, polled


def fields(polled: Polled) -> dict[str, object]:
    return {name: getattr(polled, name) for name in Polled.__slots__}


def outages(outcomes: Sequence[tuple[int, bool]]) -> list[tuple[int, int, int, bool]]:
    """The failures in a row: since when, until when (seconds), how many, and whether a poll went well after them."""
    found, at, since, latest, count = list[tuple[int, int, int, bool]](), 0, 0, 0, 0
    for seconds, is_well in outcomes:
        at += seconds
        if not is_well:
            since, latest, count = (since if count else at), at, count + 1
        elif count:
            found.append((since, latest, count, True))
            count = 0
    return [*found, (since, latest, count, False)] if count else found


@given(polls)
def test_a_failure_is_told_once_when_it_has_lasted_and_was_seen_three_times_and_so_is_its_end(
    outcomes: Sequence[tuple[int, bool]],
) -> None:
    told, _ = lived(outcomes)
    expected = list[tuple[str, str]]()
    for since, latest, count, is_over in outages(outcomes):
        if count >= MIN_FAILURES and latest - since >= AFTER.total_seconds():
            at = (NOON + timedelta(seconds=since)).isoformat().replace("+00:00", "Z")
            expected += [("Failed", at), ("Recovered", at)][: 2 if is_over else 1]
    assert [(one["type"].rpartition(".Polling")[2], one["data"]["failingSince"]) for one in told] == expected
    assert len({one["id"] for one in told}) == len(told)
    for one in told:
        assert one["subject"] == "polling/jobs"
        if one["type"].endswith("Recovered"):
            assert (one["data"]["events"], one["data"]["gapSeconds"] > 0) == (2, True)


@given(polls)
def test_the_same_polls_tell_the_same(outcomes: Sequence[tuple[int, bool]]) -> None:
    assert lived(outcomes) == lived(outcomes)


@given(polls)
def test_what_nobody_has_taken_stays_owed_and_has_its_bounds(outcomes: Sequence[tuple[int, bool]]) -> None:
    polled, told, at = Polled("i1", JOBS, NOON), list[Notice](), NOON
    for seconds, is_well in [*outcomes, *[(700, False)] * 3, (1, True)] * 8:
        at += timedelta(seconds=seconds)
        before = Polled(**{**fields(polled), "last_poll_at": at})
        after = before.succeeded() if is_well else before.failed("503").told(at, AFTER, "transient")
        told += [one for one in after.owed if one not in before.owed]
        polled = after
    assert list(polled.owed) == told[-MOST_OWED:]


def test_an_instance_that_leaves_while_its_polls_fail_is_told_as_what_it_is() -> None:
    polled = Polled("i1", JOBS, NOON)
    for _ in range(3):
        polled = polled.failed("503").told(NOON + AFTER, AFTER, "transient")
    for _ in range(3):
        polled = polled.left(NOON + AFTER, "not listed").told(NOON + 2 * AFTER, AFTER, "configuration")
    errors = [one["data"]["error"] for one in polled.owed]
    assert errors == [{"kind": "transient", "message": "503"}, {"kind": "configuration", "message": "not listed"}]
    assert len({one["id"] for one in polled.owed}) == 2
