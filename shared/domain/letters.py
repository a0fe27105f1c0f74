"""Dead letters: what could not be delivered, or not even be read, and why."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

LetterKind = Literal["delivery", "message"]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter; `body` is the event, or the start of the message as it came."""

    id: str
    kind: LetterKind
    reason: str
    recorded_at: datetime
    body: str
    subscription_id: str | None = None
    event_id: str | None = None
    event_type: str | None = None
    attempts: int = 0
    status: int | None = None


def letter_id(at: datetime, *what: str) -> str:
    """An id that is the same for the same thing at the same time, and sorts the latest first."""
    until_the_end = 10**14 - int(at.timestamp() * 1000)
    return f"{until_the_end:014d}-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]}"
