"""Poll report: write down how the polls go, for whoever asks how the bridge is.

A row is written at most once a minute, and at once when polls begin to fail or recover. What a worker has written it
remembers; while polls fail it reads the row, for another worker may have seen the first failure.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.domain.checkpoints import Family
from shared.domain.polls import EVERY_INSTANCE, Polled
from shared.domain.resources import Instance
from shared.errors import BridgeError
from shared.ports import Clock, PollStore

MAX_ERROR = 400


class PollReport:
    """Reports each poll of a family of an instance."""

    def __init__(self, *, polls: PollStore, clock: Clock) -> None:
        self._polls = polls
        self._clock = clock
        self._known: dict[tuple[str, Family], Polled] = {}
        self._pending: dict[tuple[str, Family], int] = {}

    def pending(self, instance_id: str, family: Family, events: int) -> None:
        """Remember how many events of a family are found and not known to be published, for the next report."""
        self._pending[instance_id, family] = events

    async def __call__(self, instance: Instance, family: Family, failures: Sequence[Exception]) -> None:
        """Report a poll and why it failed, if it did."""
        key, now = (instance.id, family), self._clock()
        before = self._known.get(key)
        if before is None or before.is_failing or failures:
            before = await self._polls.get(*key)
        polled = replace(
            before or Polled(*key, now),
            last_poll_at=now,
            name=instance.name or (before.name if before is not None else None),
            pending_events=self._pending.get(key, before.pending_events if before is not None else 0),
        )
        polled = polled.failed(_text(failures)) if failures else polled.succeeded()
        if _is_news(before, polled):
            await self._polls.put(polled)
            before = polled
        self._known[key] = before or polled


def _is_news(before: Polled | None, polled: Polled) -> bool:
    has_turned = polled.is_failing != (before is not None and before.is_failing)
    if polled.instance_id == EVERY_INSTANCE:  # that they can be listed is no news
        return has_turned or polled.is_failing
    return before is None or has_turned or _minute(before.last_poll_at) != _minute(polled.last_poll_at)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _text(failures: Sequence[Exception]) -> str:
    """The failures in words. Those that nobody foresaw are named only: what they say may hold anything."""
    said = [str(one) if isinstance(one, BridgeError) else f"unexpected {type(one).__name__}" for one in failures]
    return "; ".join(dict.fromkeys(said))[:MAX_ERROR]
