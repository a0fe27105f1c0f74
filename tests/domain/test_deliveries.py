"""Deliveries: they move by the table of stages only, and remember how far they are."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.callbacks import Answer
from shared.domain.deliveries import MOST_ENDED, TRANSITIONS, Delivery, Ended, Line, Move, New, RetryPolicy, Stage
from shared.domain.events.data_sources import DataSourceRefreshSucceeded
from shared.domain.events.envelope import Event
from shared.domain.settling import Terms, settle
from shared.domain.verdicts import Verdict, judge

T0 = datetime(2026, 11, 20, tzinfo=UTC)
LATER = T0 + timedelta(seconds=31)
EVENT = Event.of(DataSourceRefreshSucceeded(instance_id="i1", data_source_id="d1"), time=T0, occurrence=["d1"])
NEW = New("s1", EVENT, T0)
POLICY = RetryPolicy((10, 30, 60), timedelta(hours=1))

BEGUN = Delivery.attempted(NEW, T0, LATER)
STAGES: dict[Stage | None, Delivery | None] = {
    None: None,
    Stage.ATTEMPTING: BEGUN,
    Stage.WAITING: BEGUN.end_attempt(Answer(503), T0).retry(LATER, None),
    Stage.HELD: Delivery.held(NEW, T0),
    Stage.DELIVERED: BEGUN.end_attempt(Answer(202), T0).succeed(),
    Stage.DEAD: BEGUN.give_up(T0, "too old"),
}
MOVES: dict[Move, Callable[[Delivery | None], Delivery]] = {
    Move.ATTEMPT: lambda it: it.attempt(T0, LATER) if it else Delivery.attempted(NEW, T0, LATER),
    Move.SUCCEED: lambda it: _some(it).succeed(),
    Move.RETRY: lambda it: _some(it).retry(LATER, None),
    Move.HOLD: lambda it: it.hold(T0) if it else Delivery.held(NEW, T0),
    Move.GIVE_UP: lambda it: _some(it).give_up(T0, "why"),
    Move.REPLAY: lambda it: it.replay(T0, T0) if it else Delivery.held(NEW, T0, Line.REPLAYED),
    Move.PUT_BACK: lambda it: _some(it).put_back(),
}


def _some(it: Delivery | None) -> Delivery:
    if it is None:
        raise ValueError("there is none")
    return it


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("move", Move)
def test_a_delivery_moves_by_the_table_and_no_other_way(move: Move, stage: Stage | None) -> None:
    targets = {row.target for row in TRANSITIONS if row.move is move and stage in row.sources}
    if targets:
        assert {MOVES[move](STAGES[stage]).stage} == targets
    else:
        with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
            MOVES[move](STAGES[stage])


def test_every_row_says_when() -> None:
    assert {row.move for row in TRANSITIONS} == set(Move)
    assert all(row.when.endswith(".") for row in TRANSITIONS)


def test_a_claim_ends_at_its_time() -> None:
    assert BEGUN.is_claimed(T0)
    assert not BEGUN.is_claimed(LATER)
    assert not STAGES[Stage.WAITING].is_claimed(T0)  # type: ignore[union-attr]


def test_the_latest_attempts_are_kept_each_with_when_and_how_long() -> None:
    it = BEGUN
    for number in range(1, MOST_ENDED + 2):
        at = T0 + timedelta(minutes=number)
        answer = Answer(503, took=timedelta(seconds=number))
        it = it.attempt(at, at + timedelta(seconds=40)).end_attempt(answer, at + timedelta(seconds=9)).retry(at, None)
    assert (it.attempts, len(it.history)) == (MOST_ENDED + 1, MOST_ENDED)
    assert it.history[0] == Ended(T0 + timedelta(minutes=2), 2_000, 503, "HTTP 503")
    assert it.history[-1].at == T0 + timedelta(minutes=MOST_ENDED + 1)
    assert it.give_up(LATER, "too old").replay(LATER, T0).history == ()


answers = st.builds(
    Answer,
    status=st.none() | st.sampled_from([200, 202, 301, 400, 401, 403, 404, 408, 410, 422, 429, 500, 503]),
    body=st.sampled_from(["", "WorkflowNotFound"]),
    retry_after=st.none() | st.floats(0, 1e6),
    refused=st.booleans(),
)


@given(
    stage=st.sampled_from(list(Stage)),
    line=st.none() | st.sampled_from(Line),
    answer=answers,
    terms=st.builds(Terms, st.booleans(), st.booleans(), st.floats(-1, 1)),
    by_hand=st.none() | st.just("h"),
    age=st.timedeltas(timedelta(0), timedelta(hours=2)),
)
def test_after_every_answer_a_delivery_is_somewhere_that_somebody_looks_at(  # noqa: PLR0913 - the dimensions
    *, stage: Stage, line: Line | None, answer: Answer, terms: Terms, by_hand: str | None, age: timedelta
) -> None:
    before = STAGES[stage]
    assert before is not None
    if stage in {Stage.DELIVERED, Stage.DEAD} and by_hand is None:
        by_hand = "h"
    if stage is Stage.HELD:
        line = line or Line.HELD
        before = before.hold(T0) if line is Line.HELD else Delivery.held(NEW, T0, line)
    now = T0 + age
    attempted = before.attempt(now, now + timedelta(seconds=40), by_hand=by_hand)
    settled = settle(attempted, answer, now, POLICY, terms)
    ended = settled.delivery
    assert ended.attempts == attempted.attempts + 1
    assert ended.stage is not Stage.ATTEMPTING
    assert (ended.stage is Stage.DELIVERED) == (
        judge(answer) is Verdict.DELIVERED or (by_hand is not None and stage is Stage.DELIVERED)
    )
    assert (ended.stage is Stage.HELD) <= (ended.line is not None)
    assert (ended.stage in {Stage.DEAD, Stage.DELIVERED}) <= (ended.line is None)
    assert (ended.stage is Stage.WAITING) == (ended.next_attempt_at is not None)
    assert (settled.suspends is not None) <= (ended.stage is Stage.HELD and by_hand is None)
    assert ended.claimed_until is None
