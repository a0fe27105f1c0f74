"""Deliveries: one event for one subscription, what an attempt's answer means, and when to try again."""

import base64
import binascii
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from shared.domain.callbacks import Answer
from shared.domain.events import Event, in_utc, trace_context

# What a flow's answer names when the flow is switched off, deleted or gone.
DEAD_FLOW = ("WorkflowTriggerIsNotEnabled", "WorkflowNotFound")
GONE_STATUSES = {404, 410}
RETRY_STATUSES = {408, 425, 429}
DENIED_STATUSES = {401, 403}
MAX_RETRY_AFTER = timedelta(hours=12)
JITTER = 0.2


# Half of it, escaped, is JSON, but nothing that can be sent.
_SURROGATE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


def parse(message: str) -> Any:  # noqa: ANN401 - any JSON value may stand there
    """The JSON value in a queue message, plain or as base64 of it; raises ValueError where there is none.

    What could not be sent on as JSON in UTF-8 is none: a number that is endless or none, and half a letter.
    """
    text = message.strip()
    try:
        if not text.startswith("{"):
            text = base64.b64decode(text, validate=True).decode()
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("neither JSON nor base64 of JSON") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _SURROGATE.search(text) and not _is_encodable(value):
        raise ValueError("half a letter, which no UTF-8 can hold")
    return value


def _is_encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number without end, or none")
    return number


class Verdict(StrEnum):
    """What an answer means for the delivery."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DENIED = "denied"  # retry, and suspend the subscription when it persists
    GONE = "gone"  # suspend the subscription
    REJECTED = "rejected"  # a dead letter; the subscription stays active


def judge(answer: Answer) -> Verdict:
    """What an answer means. Anything the flow may still recover from is retried."""
    status = answer.status
    if answer.refused:
        return Verdict.REJECTED
    if status is None or status >= 500 or status in RETRY_STATUSES | DENIED_STATUSES:  # noqa: PLR2004 - HTTP's classes
        if status is not None and status < 500 and _names_dead_flow(answer):  # noqa: PLR2004
            return Verdict.GONE
        return Verdict.DENIED if status in DENIED_STATUSES else Verdict.RETRY
    if 200 <= status < 300:  # noqa: PLR2004
        return Verdict.DELIVERED
    if status in GONE_STATUSES or (status >= 400 and _names_dead_flow(answer)):  # noqa: PLR2004
        return Verdict.GONE
    # What was cut off a refusal might have named a dead flow.
    return Verdict.RETRY if answer.is_cut and status >= 400 else Verdict.REJECTED  # noqa: PLR2004


def _names_dead_flow(answer: Answer) -> bool:
    return any(name in answer.body for name in DEAD_FLOW)


def reason(answer: Answer) -> str:
    """An answer in words for the operator; holds nothing that the other side wrote but names we know."""
    if answer.status is None:
        return answer.failure or "no answer"
    named = next((name for name in DEAD_FLOW if name in answer.body), None)
    said = f"HTTP {answer.status} {named}" if named else f"HTTP {answer.status}"
    return f"{said}, cut off" if answer.is_cut else said


def wait_after(attempt: int, schedule: Sequence[float], retry_after: float | None, jitter: float) -> timedelta:
    """How long to wait after an attempt (1, 2, …) before the next.

    `schedule` and `retry_after` are in seconds; `jitter` in [-1, 1] says which way and how far to stray.
    """
    wait = schedule[min(attempt, len(schedule)) - 1] * (1 + JITTER * jitter)
    asked = min(retry_after or 0.0, MAX_RETRY_AFTER.total_seconds())
    return timedelta(seconds=max(wait, asked))


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one subscription: the message in the queue `deliveries`.

    `traceparent` is what its attempts are caused by, in the trace that the event names or in none.
    """

    subscription_id: str
    event: Event
    dispatched_at: datetime
    attempt: int = 1
    traceparent: str | None = None

    def next(self) -> Self:
        """The delivery's next attempt."""
        return replace(self, attempt=self.attempt + 1)

    def encode(self) -> str:
        """The message as JSON text."""
        message = {
            "subscriptionId": self.subscription_id,
            "dispatchedAt": self.dispatched_at.isoformat(),
            "attempt": self.attempt,
            "traceparent": self.traceparent,
            "event": self.event.raw,
        }
        present = {key: value for key, value in message.items() if value is not None}
        return json.dumps(present, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read a message, base64 or plain; raises ValueError saying what is wrong with it."""
        message = parse(text)
        try:
            subscription_id, attempt = message["subscriptionId"], message["attempt"]
            dispatched_at = in_utc(datetime.fromisoformat(message["dispatchedAt"]))
            event = Event.parse(message["event"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a delivery: {error}") from None
        if not isinstance(subscription_id, str) or not isinstance(attempt, int) or attempt < 1:
            raise ValueError("not a delivery: subscriptionId or attempt is wrong")
        traceparent = trace_context(message.get("traceparent")) or event.traceparent
        return cls(subscription_id, event, dispatched_at, attempt, traceparent)


class Stage(StrEnum):
    """Where a delivery stands."""

    ATTEMPTING = "attempting"
    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """The log of one delivery; `attempts` counts those with a known end.

    While an attempt is under way (`ATTEMPTING`), nobody else may make one before `claimed_until`.
    """

    subscription_id: str
    event_id: str
    event_type: str
    event_time: datetime
    dispatched_at: datetime
    stage: Stage
    attempts: int
    updated_at: datetime
    claimed_until: datetime | None = None
    status: int | None = None
    reason: str | None = None

    @classmethod
    def start(cls, delivery: Delivery, now: datetime, until: datetime) -> Self:
        """The record of a delivery whose first attempt begins now."""
        event = delivery.event
        return cls(
            delivery.subscription_id,
            event.id,
            event.type,
            event.time,
            delivery.dispatched_at,
            Stage.ATTEMPTING,
            delivery.attempt - 1,
            now,
            until,
        )

    def claim(self, now: datetime, until: datetime) -> Self:
        """The record with another attempt under way."""
        return replace(self, stage=Stage.ATTEMPTING, updated_at=now, claimed_until=until)

    def end(self, stage: Stage, attempt: int, answer: Answer | None, why: str | None, now: datetime) -> Self:
        """The record after an attempt."""
        return replace(
            self,
            stage=stage,
            attempts=attempt,
            updated_at=now,
            claimed_until=None,
            status=answer.status if answer else None,
            reason=why,
        )

    def has_done(self, attempt: int) -> bool:
        """Whether this attempt, or the delivery as a whole, is done: the message that asks for it is a repeat."""
        return self.stage in {Stage.DELIVERED, Stage.DEAD} or self.attempts >= attempt

    def is_claimed(self, now: datetime) -> bool:
        """Whether somebody is making an attempt."""
        return self.claimed_until is not None and self.claimed_until > now


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be delivered, or not even be read, and why.

    `kind` is `delivery`, `event` or `message`; `body` is the event, or the start of the message as it came.
    """

    id: str
    kind: str
    reason: str
    recorded_at: datetime
    body: str
    subscription_id: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    attempts: int = 0
    status: int | None = None
