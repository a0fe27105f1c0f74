"""Poll report: write down how the polls go, for whoever asks how the bridge is.

A row is written at most once a minute, and at once when polls begin to fail or recover. What a worker has written it
remembers; while polls fail it reads the row, for another worker may have seen the first failure.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.domain import cadence, ids
from shared.domain.checkpoints import Family
from shared.domain.polls import EVERY_INSTANCE, Polled
from shared.domain.resources import Instance, Job
from shared.errors import BridgeError, ThrottledError
from shared.ports.clock import Clock
from shared.ports.polling import PollStore

MAX_ERROR = 400


class PollReport:
    """Reports each poll of a family of an instance."""

    def __init__(self, *, polls: PollStore, clock: Clock) -> None:
        self._polls = polls
        self._clock = clock
        self._known: dict[tuple[str, Family], Polled] = {}
        self._pending: dict[tuple[str, Family], int] = {}
        self._seen: dict[tuple[str, Family], tuple[Sequence[Job], bool]] = {}

    def pending(self, instance_id: str, family: Family, events: int) -> None:
        """Remember how many events of a family are found and not known to be published, for the next report."""
        self._pending[ids.key(instance_id), family] = events

    def saw(self, instance_id: str, family: Family, jobs: Sequence[Job], *, changed: bool) -> None:
        """Remember what a poll saw going on, for the next report."""
        self._seen[ids.key(instance_id), family] = jobs, changed

    def recall(self, polled: Polled) -> None:
        """Take over what another worker may have written."""
        self._known[ids.key(polled.instance_id), polled.family] = polled

    async def __call__(self, instance: Instance, family: Family, failures: Sequence[Exception]) -> None:
        """Report a poll and why it failed, if it did."""
        key, now = (ids.key(instance.id), family), self._clock()
        before = self._known.get(key)
        if before is None or before.is_failing or failures:
            before = await self._polls.get(*key)
        # Whoever had no turn because the API took no more calls keeps its place, but only once: it may take none of its
        # calls ever, and whoever is first in line would stop all others.
        is_throttled = bool(failures) and all(isinstance(one, ThrottledError) for one in failures)
        had_turn = before is None or before.is_failing or not is_throttled
        polled = replace(
            before or Polled(instance.id, family, now),
            instance_id=instance.id,
            last_poll_at=now if had_turn or before is None else before.last_poll_at,
            name=instance.name or (before.name if before is not None else None),
            pending_events=self._pending.get(key, before.pending_events if before is not None else 0),
        )
        if (seen := self._seen.pop(key, None)) is not None:
            polled = _with_sights(polled, *seen)
        polled = polled.failed(_text(failures)) if failures else polled.succeeded()
        if _is_news(before, polled):
            await self._polls.put(polled)
            before = polled
        self._known[key] = before or polled


def _is_news(before: Polled | None, polled: Polled) -> bool:
    has_turned = polled.is_failing != (before is not None and before.is_failing)
    if polled.instance_id == EVERY_INSTANCE:  # that they can be listed is no news
        return has_turned or polled.is_failing
    goes_on = before is not None and polled.is_running != before.is_running
    return before is None or has_turned or goes_on or _minute(before.last_poll_at) != _minute(polled.last_poll_at)


def _with_sights(polled: Polled, jobs: Sequence[Job], changed: bool) -> Polled:  # noqa: FBT001 - as it is remembered
    now = polled.last_poll_at
    return replace(
        polled,
        changed_at=now if changed else polled.changed_at,
        is_running=cadence.is_running(jobs, now),
        due_at=cadence.due_at(jobs, now),
    )


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _text(failures: Sequence[Exception]) -> str:
    """The failures in words. Those that nobody foresaw are named only: what they say may hold anything."""
    said = [str(one) if isinstance(one, BridgeError) else f"unexpected {type(one).__name__}" for one in failures]
    return "; ".join(dict.fromkeys(said))[:MAX_ERROR]
