"""Timers: when each last ran, and the heartbeat that stands in for them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

# The heartbeat's own name.
HEARTBEAT: Final = "heartbeat"


@dataclass(frozen=True, slots=True)
class Ticked:
    """When a timer last ran, by the first family that it polls; or when the heartbeat last beat, or stood in for it.

    `token` is that of the only message which is the heartbeat. Each row is written by one of them alone.
    """

    name: str
    at: datetime
    token: str | None = None


def standing_in(name: str) -> str:
    """The name of the heartbeat where it stands in for a timer."""
    return f"{HEARTBEAT}-{name}"
