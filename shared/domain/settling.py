"""Settle: what becomes of a delivery after an attempt."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Delivery, RetryPolicy, Stage
from shared.domain.verdicts import Verdict, judge, wait_after


@dataclass(frozen=True, slots=True)
class Terms:
    """What decides besides the answer.

    `is_active`: its subscription takes events. `is_probe`: it is the one delivery by which a failing subscription is
    tried. `jitter` in [-1, 1].
    """

    is_active: bool = True
    is_probe: bool = False
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Settled:
    """A delivery after an attempt, and why its subscription is to be suspended, if it is."""

    delivery: Delivery
    suspends: str | None = None


def settle(attempted: Delivery, answer: Answer, now: datetime, policy: RetryPolicy, terms: Terms) -> Settled:
    """What becomes of a delivery whose attempt was answered so.

    What a person has sent by hand in vain changes nothing but the log: neither its subscription, nor a delivery that
    was there before.
    """
    verdict, done = judge(answer), attempted.end_attempt(answer, now)
    match verdict, done.was:
        case Verdict.DELIVERED, _:
            return Settled(done.succeed())
        case _, Stage.DELIVERED:
            return Settled(done.put_back())
        case _, Stage.HELD:
            return Settled(done.hold(now))
        case Verdict.GONE, None:
            return Settled(done.hold(now), suspends=done.reason)
        case (Verdict.GONE, Stage.WAITING) | ((Verdict.RETRY | Verdict.DENIED), _) if not done.is_test:
            return _later(done, answer, now, policy, terms)
    return Settled(done.give_up(now, done.reason or verdict))


def _later(done: Delivery, answer: Answer, now: datetime, policy: RetryPolicy, terms: Terms) -> Settled:
    at = now + wait_after(done.attempts, policy.schedule, answer.retry_after, terms.jitter)
    if at > done.patient_since + policy.max_age:
        why = f"{done.reason}, until DELIVERY_MAX_AGE_HOURS"
        if judge(answer) is Verdict.DENIED and not done.is_by_hand:
            return Settled(done.hold(now, why), suspends=why)
        return Settled(done.give_up(now, why))
    if terms.is_active:
        return Settled(done.retry(at, None))
    return Settled(done.retry(at, done.line) if terms.is_probe else done.hold(now))
