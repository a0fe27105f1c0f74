"""Poll report: write down how the polls go, for whoever asks how the bridge is, and tell where they fail for long.

A row is written at most once a minute, and at once when polls begin to fail or recover, or that is to be told. What a
worker has written it remembers; while polls fail it reads the row, for another worker may have seen the first failure.

What is to be told stands in the row from the write that makes it true until the topic has taken it. What a process that
died has left there is told when the next slot opens.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from operator import ne
from typing import NamedTuple

from shared.domain import cadence, ids
from shared.domain.checkpoints import Family
from shared.domain.ids import EVERY_INSTANCE
from shared.domain.polls import Kind, Polled
from shared.domain.resources import Instance, Job
from shared.errors import BridgeError, LostRaceError, ThrottledError, TransientError
from shared.ports.clock import Clock
from shared.ports.polling import PollStore
from shared.usecases.publish import Publish

MAX_ERROR = 400
MAX_RACES = 16
# What is written at once when it changes, and not with the next minute.
AT_ONCE = ("is_running", "failures", "is_told")


class Seen(NamedTuple):
    """What a poll saw: the jobs, where it read them, how many events it found, and whether anything has changed."""

    jobs: Sequence[Job]
    events: int
    changed: bool


class PollReport:
    """Reports each poll of a family of an instance; tells of failures that last for `failed_after`."""

    def __init__(self, *, polls: PollStore, publish: Publish, clock: Clock, failed_after: timedelta) -> None:
        self._polls = polls
        self._publish = publish
        self._clock = clock
        self._failed_after = failed_after
        self._known: dict[tuple[str, Family], tuple[Polled | None, str | None]] = {}
        self._pending: dict[tuple[str, Family], int] = {}
        self._seen: dict[tuple[str, Family], Seen] = {}

    def pending(self, instance_id: str, family: Family, events: int) -> None:
        """Remember how many events of a family are found and not known to be published, for the next report."""
        self._pending[ids.key(instance_id), family] = events

    def saw(self, instance_id: str, family: Family, seen: Seen) -> None:
        """Remember what a poll saw going on, for the next report."""
        self._seen[ids.key(instance_id), family] = seen

    def recall(self, polled: Polled, version: str) -> None:
        """Take over what another worker may have written."""
        self._known[ids.key(polled.instance_id), polled.family] = polled, version

    async def __call__(self, instance: Instance, family: Family, failures: Sequence[Exception]) -> None:
        """Report a poll and why it failed, if it did."""
        key, now = (ids.key(instance.id), family), self._clock()
        seen = self._seen.pop(key, None)
        is_throttled = bool(failures) and all(isinstance(one, ThrottledError) for one in failures)

        def after(before: Polled | None) -> Polled:
            # Whoever had no turn because the API took no more calls keeps its place, but only once: it may take none of
            # its calls ever, and whoever is first in line would stop all others.
            had_turn = before is None or before.is_failing or not is_throttled
            polled = replace(
                before or Polled(instance.id, family, now),
                instance_id=instance.id,
                last_poll_at=now if had_turn or before is None else before.last_poll_at,
                name=instance.name or (before.name if before is not None else None),
                pending_events=self._pending.get(key, before.pending_events if before is not None else 0),
            )
            if seen is not None:
                polled = _with_sights(polled, seen)
            if not failures:
                return polled.succeeded(seen.events if seen is not None else 0)
            return self._told(polled.failed(_text(failures), now), now, _kind(failures))

        known = self._known.get(key, (None, None))[0]
        if known is None or known.is_failing or failures:
            await self._read(key)
        await self._write(key, after, _is_news)

    async def left(self, polled: Polled, at: datetime, error: str, *, pending: int, is_watched: bool) -> None:
        """Report that an instance is not served any more; whether anybody watches it says whether this is told."""

        def after(before: Polled | None) -> Polled:
            left = replace((before or polled).left(at, error), pending_events=pending)
            return self._told(left, at, "configuration") if is_watched else left

        key = ids.key(polled.instance_id), polled.family
        await self._read(key)
        await self._write(key, after, ne)

    async def tell_left(self, polled: Polled) -> None:
        """Tell what a row owes that was read a while ago, if it still does."""
        key = ids.key(polled.instance_id), polled.family
        await self._read(key)
        await self._tell(key)

    def _told(self, polled: Polled, now: datetime, kind: Kind) -> Polled:
        # That instances could not be listed is nothing that was polled.
        return polled if polled.instance_id == EVERY_INSTANCE else polled.told(now, self._failed_after, kind)

    async def _read(self, key: tuple[str, Family]) -> None:
        self._known[key] = await self._polls.get(*key) or (None, None)

    async def _write(
        self,
        key: tuple[str, Family],
        after: Callable[[Polled | None], Polled],
        is_news: Callable[[Polled | None, Polled], bool],
    ) -> None:
        """Write what becomes of a row, where that is news, over whatever stands there; and tell it."""
        for _ in range(MAX_RACES):
            before, version = self._known.get(key, (None, None))
            polled = after(before)
            if not is_news(before, polled):
                self._known[key] = before or polled, version
                return
            try:
                self._known[key] = polled, await self._polls.put(polled, version)
            except LostRaceError:
                await self._read(key)
            else:
                await self._tell(key)
                return
        raise TransientError("the row of a poll is being changed by others")

    async def _tell(self, key: tuple[str, Family]) -> None:
        polled, version = self._known[key]
        if polled is None or not polled.owed:
            return
        await self._publish(polled.owed)
        told = polled.without(polled.owed)
        try:
            self._known[key] = told, await self._polls.put(told, version)
        except LostRaceError:
            del self._known[key]  # whoever was quicker tells it once more


def _is_news(before: Polled | None, polled: Polled) -> bool:
    has_turned = polled.is_failing != (before is not None and before.is_failing)
    if polled.instance_id == EVERY_INSTANCE:  # that they can be listed is no news
        return has_turned or polled.is_failing
    if before is None or has_turned or _minute(before.last_poll_at) != _minute(polled.last_poll_at):
        return True
    return any(getattr(before, name) != getattr(polled, name) for name in AT_ONCE)


def _with_sights(polled: Polled, seen: Seen) -> Polled:
    now = polled.last_poll_at
    return replace(
        polled,
        changed_at=now if seen.changed else polled.changed_at,
        is_running=cadence.is_running(seen.jobs, now),
        due_at=cadence.due_at(seen.jobs, now),
    )


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _kind(failures: Sequence[Exception]) -> Kind:
    return "transient" if all(isinstance(one, TransientError) for one in failures) else "configuration"


def _text(failures: Sequence[Exception]) -> str:
    """The failures in words. Those that nobody foresaw are named only: what they say may hold anything."""
    said = [str(one) if isinstance(one, BridgeError) else f"unexpected {type(one).__name__}" for one in failures]
    return "; ".join(dict.fromkeys(said))[:MAX_ERROR]
