"""A delivery: one event for one subscription, the stages it passes, and what moves it from one to the next.

The record of a delivery is the truth about it. A message in a queue only says "look at this record now".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Self

from shared.domain.callbacks import Answer
from shared.domain.events.envelope import Event
from shared.domain.verdicts import reason

MILLISECOND = timedelta(milliseconds=1)


class Stage(StrEnum):
    """Where a delivery stands."""

    ATTEMPTING = "attempting"  # the flow is being called, until `claimed_until` at the latest
    WAITING = "waiting"  # for its next attempt, at `next_attempt_at`
    HELD = "held"  # in its subscription's backlog
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; a dead letter says why


class Line(StrEnum):
    """The lines of a subscription's backlog, in the order in which they are let out; each goes by the events' times."""

    HELD = "held"  # what may not go out now; what happens meanwhile stands behind it
    REPLAYED = "replayed"  # what somebody has asked for again; nothing stands behind it


class Move(StrEnum):
    """What happens to a delivery."""

    ATTEMPT = "attempt"
    SUCCEED = "succeed"
    RETRY = "retry"
    HOLD = "hold"
    GIVE_UP = "give up"
    REPLAY = "replay"
    PUT_BACK = "put back"


class Transition(NamedTuple):
    """A row of the table of stages. A source of None is a delivery that has no record yet."""

    move: Move
    sources: frozenset[Stage | None]
    target: Stage
    when: str


def _row(move: Move, sources: Sequence[Stage | None], target: Stage, when: str) -> Transition:
    return Transition(move, frozenset(sources), target, when)


# All that can happen. `Delivery` moves by these rows only.
TRANSITIONS = (
    _row(
        Move.ATTEMPT,
        (None, Stage.WAITING, Stage.HELD, Stage.ATTEMPTING),
        Stage.ATTEMPTING,
        "It may go out now; an attempt whose process died is made again when its claim has ended.",
    ),
    _row(Move.ATTEMPT, (Stage.DELIVERED, Stage.DEAD), Stage.ATTEMPTING, "Somebody sends it again by hand."),
    _row(Move.SUCCEED, (Stage.ATTEMPTING,), Stage.DELIVERED, "The flow answers 2xx."),
    _row(Move.RETRY, (Stage.ATTEMPTING,), Stage.WAITING, "The flow may recover, and the delivery is not too old."),
    _row(
        Move.HOLD,
        (None, Stage.WAITING, Stage.ATTEMPTING, Stage.HELD),
        Stage.HELD,
        "Its subscription is not active, others wait before it, or the rate is used up.",
    ),
    _row(
        Move.GIVE_UP,
        (Stage.WAITING, Stage.HELD, Stage.ATTEMPTING),
        Stage.DEAD,
        "The flow rejects it, it is too old, it was held for too long, or its backlog is discarded.",
    ),
    _row(Move.REPLAY, (None, Stage.DELIVERED, Stage.DEAD), Stage.HELD, "Somebody has its time replayed."),
    _row(
        Move.PUT_BACK,
        (Stage.ATTEMPTING,),
        Stage.DELIVERED,
        "It had been delivered before, was sent again by hand, and the flow did not take it.",
    ),
)
_ALLOWED = {(row.move, source, row.target) for row in TRANSITIONS for source in row.sources}


class EventKey(NamedTuple):
    """What finds an event: its time (UTC) and its id."""

    time: datetime
    id: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again: the waits after attempt 1, 2, … in seconds, and the age at which a delivery is given up."""

    schedule: Sequence[float]
    max_age: timedelta


class Ended(NamedTuple):
    """An attempt with a known end: when it began, how many milliseconds the flow took, and what came of it."""

    at: datetime
    duration_ms: int
    status: int | None = None
    reason: str | None = None


# A record keeps so many of them, the latest.
MOST_ENDED = 20
# A reason may be as long as an exception's message; its beginning says what it was.
MAX_REASON = 200


# A tuple, for each move copies one, and a tuple is copied in a third of the time of a data class.
class Delivery(NamedTuple):
    """One event for one subscription.

    `attempts` counts those with a known end, and `history` has the latest of them. `patient_since` is what the maximum
    age counts from: its dispatch, or when it was last let out of the backlog or sent by hand. While it stands in a
    `line` of the backlog it keeps its place there, also during an attempt. `by_hand` is the last request of a person
    that was begun, and `was` the stage in which it found the delivery. `subscribed_at` is when the subscription was
    made that it is for; nothing where it is for whichever has the id.
    """

    subscription_id: str
    event: Event
    stage: Stage
    dispatched_at: datetime
    patient_since: datetime
    updated_at: datetime
    attempts: int = 0
    history: Sequence[Ended] = ()
    line: Line | None = None
    next_attempt_at: datetime | None = None
    claimed_until: datetime | None = None
    status: int | None = None
    reason: str | None = None
    run_id: str | None = None
    replayed: bool = False
    by_hand: str | None = None
    was: Stage | None = None
    traceparent: str | None = None
    subscribed_at: datetime | None = None

    @classmethod
    def attempted(cls, new: "New", now: datetime, until: datetime) -> Self:
        """A new delivery whose first attempt begins now."""
        return cls(
            new.subscription_id,
            new.event,
            _checked(Move.ATTEMPT, None, Stage.ATTEMPTING),
            new.dispatched_at,
            new.dispatched_at,
            now,
            claimed_until=until,
            by_hand=new.by_hand,
            was=Stage.DEAD if new.by_hand else None,
            traceparent=new.traceparent,
            subscribed_at=new.subscribed_at,
        )

    @classmethod
    def held(cls, new: "New", now: datetime, line: Line = Line.HELD) -> Self:
        """A new delivery that joins the backlog."""
        move = Move.REPLAY if line is Line.REPLAYED else Move.HOLD
        return cls(
            new.subscription_id,
            new.event,
            _checked(move, None, Stage.HELD),
            new.dispatched_at,
            new.dispatched_at,
            now,
            line=line,
            replayed=line is Line.REPLAYED,
            traceparent=new.traceparent,
            subscribed_at=new.subscribed_at,
        )

    @property
    def key(self) -> EventKey:
        """What finds it among its subscription's deliveries."""
        return EventKey(self.event.time, self.event.id)

    @property
    def is_test(self) -> bool:
        """Whether it is a sample event that somebody sent to see what the flow answers."""
        return self.event.data.get("test") is True

    @property
    def is_by_hand(self) -> bool:
        """Whether a person has sent the attempt that is under way: its subscription does not suffer by it."""
        return self.was is not None

    @property
    def has_ended(self) -> bool:
        """Whether it goes nowhere by itself."""
        return self.stage in {Stage.DELIVERED, Stage.DEAD}

    def is_for(self, subscribed_at: datetime) -> bool:
        """Whether it is for the subscription that was made then, and not for one with the same id that has ended since.

        The times are compared as names: the clocks of two processes may differ.
        """
        return self.subscribed_at in {None, subscribed_at}

    def is_claimed(self, now: datetime) -> bool:
        """Whether somebody may be making an attempt."""
        return self.stage is Stage.ATTEMPTING and self.claimed_until is not None and self.claimed_until > now

    def is_too_old(self, now: datetime, policy: RetryPolicy) -> bool:
        """Whether it is given up instead of attempted."""
        return now > self.patient_since + policy.max_age

    def attempt(self, now: datetime, until: datetime, *, is_let_out: bool = False, by_hand: str | None = None) -> Self:
        """It with an attempt under way; one that is let out of the backlog, or sent by hand, is as patient as new."""
        fresh = by_hand is not None or (is_let_out and self.stage is Stage.HELD)
        return self._replace(
            stage=_checked(Move.ATTEMPT, self.stage, Stage.ATTEMPTING),
            updated_at=now,
            claimed_until=until,
            next_attempt_at=None,
            patient_since=now if fresh else self.patient_since,
            by_hand=by_hand or self.by_hand,
            was=self._found(by_hand),
            subscribed_at=None if by_hand is not None else self.subscribed_at,
        )

    def _found(self, by_hand: str | None) -> Stage | None:
        """The stage in which a person's request finds it; an attempt whose process died waits to be made again."""
        if self.stage is Stage.ATTEMPTING:
            return self.was or (Stage.WAITING if by_hand else None)
        return self.stage if by_hand else None

    def hold(self, now: datetime, why: str | None = None) -> Self:
        """It in the backlog, in the line where it stands already or with those that are held."""
        return self._replace(
            stage=_checked(Move.HOLD, self.stage, Stage.HELD),
            updated_at=now,
            claimed_until=None,
            next_attempt_at=None,
            line=self.line or Line.HELD,
            reason=why or self.reason,
            was=None,
        )

    def replay(self, now: datetime, subscribed_at: datetime) -> Self:
        """A new delivery of the same event, in the backlog of the subscription that was made then."""
        return self._replace(
            stage=_checked(Move.REPLAY, self.stage, Stage.HELD),
            updated_at=now,
            patient_since=now,
            attempts=0,
            history=(),
            line=Line.REPLAYED,
            replayed=True,
            status=None,
            reason=None,
            run_id=None,
            was=None,
            subscribed_at=subscribed_at,
        )

    def give_up(self, now: datetime, why: str) -> Self:
        """It as a dead letter."""
        return self._replace(
            stage=_checked(Move.GIVE_UP, self.stage, Stage.DEAD),
            updated_at=now,
            claimed_until=None,
            next_attempt_at=None,
            line=None,
            reason=why,
            was=None,
        )

    def end_attempt(self, answer: Answer, now: datetime) -> Self:
        """It with the attempt's end noted, on its way to what comes of it."""
        why = reason(answer)
        ended = Ended(self.updated_at, round(answer.took / MILLISECOND), answer.status, why[:MAX_REASON])
        return self._replace(
            attempts=self.attempts + 1,
            history=(*self.history, ended)[-MOST_ENDED:],
            status=answer.status,
            reason=why,
            run_id=answer.run_id,
            updated_at=now,
            claimed_until=None,
        )

    def succeed(self) -> Self:
        """It as delivered."""
        stage = _checked(Move.SUCCEED, self.stage, Stage.DELIVERED)
        return self._replace(stage=stage, line=None, reason=None, was=None)

    def put_back(self) -> Self:
        """It as delivered, as it was before it was sent again in vain."""
        return self._replace(stage=_checked(Move.PUT_BACK, self.stage, Stage.DELIVERED), was=None)

    def retry(self, at: datetime, line: Line | None) -> Self:
        """It waiting for its next attempt, in a line as the probe of its subscription, else out of the backlog."""
        stage = _checked(Move.RETRY, self.stage, Stage.WAITING)
        return self._replace(stage=stage, next_attempt_at=at, line=line, was=None)


@dataclass(frozen=True, slots=True)
class New:
    """A delivery that has no record yet; `by_hand` is the request of the person who sends it.

    `subscribed_at` is when its subscription was made, which shows when the record is made: no message bears it.
    """

    subscription_id: str
    event: Event
    dispatched_at: datetime
    by_hand: str | None = None
    traceparent: str | None = None
    subscribed_at: datetime | None = None

    @property
    def key(self) -> EventKey:
        """What finds it among its subscription's deliveries."""
        return EventKey(self.event.time, self.event.id)


def _checked(move: Move, source: Stage | None, target: Stage) -> Stage:
    if (move, source, target) not in _ALLOWED:
        raise ValueError(f"no delivery goes from {source} to {target} by {move}")
    return target
