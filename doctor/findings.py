"""What a check has found: fine, wrong, or open because it cannot be seen from here; and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """How something stands. What is open is no fault: only a person, or time, can tell."""

    FINE = "fine"
    WRONG = "wrong"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `what` was seen, and what to `do`, if anything."""

    verdict: Verdict
    what: str
    do: str = ""


def fine(what: str) -> Finding:
    """Something is as it should be."""
    return Finding(Verdict.FINE, what)


def wrong(what: str, do: str = "") -> Finding:
    """Something keeps the bridge from working, or from working fully."""
    return Finding(Verdict.WRONG, what, do)


def unseen(what: str, do: str = "") -> Finding:
    """Something cannot be told from here, or not yet."""
    return Finding(Verdict.OPEN, what, do)


def sentence(text: str) -> str:
    """A text with a capital in front and one full stop at its end."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names as part of a sentence; of many, the first ones."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def minute(at: datetime) -> str:
    """A time (UTC) as part of a sentence."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
