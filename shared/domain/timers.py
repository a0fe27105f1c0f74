"""Timers: when each last opened a slot, and the heartbeat that stands in for them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

# The name under which the heartbeat's own row stands.
HEARTBEAT: Final = "heartbeat"


@dataclass(frozen=True, slots=True)
class Ticked:
    """A timer, by the first family that it has polled: when it last ran, and when its last slot was opened by anybody.

    Of the heartbeat: when it last beat, and the token of the only message that goes on.
    """

    name: str
    at: datetime
    opened_at: datetime | None = None
    token: str | None = None
