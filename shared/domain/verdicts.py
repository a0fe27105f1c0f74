"""What a flow's answer means for a delivery, and when to try again."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from shared.domain.callbacks import Answer

# What a flow's answer names when the flow is switched off, deleted or gone.
DEAD_FLOW = ("WorkflowTriggerIsNotEnabled", "WorkflowNotFound")
GONE_STATUSES = {404, 410}
RETRY_STATUSES = {408, 425, 429}
DENIED_STATUSES = {401, 403}
MAX_RETRY_AFTER = timedelta(hours=12)
JITTER = 0.2


class Verdict(StrEnum):
    """What an answer means for the delivery."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DENIED = "denied"  # retry, and suspend the subscription when it persists
    GONE = "gone"  # suspend the subscription
    REJECTED = "rejected"  # a dead letter; the subscription stays as it is


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
