"""Time, as those who ask the API need it."""

from typing import Protocol


class Clock(Protocol):
    """Time as the standard module `time` tells it, in seconds."""

    def monotonic(self) -> float:
        """Return a time that never goes back."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Let the time pass."""
        ...
