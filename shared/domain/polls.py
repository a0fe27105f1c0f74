"""Polls: how it goes to ask Customer Insights, for each instance and family, and what goes on there."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.domain.checkpoints import Family
from shared.domain.events.data import EventData
from shared.domain.events.envelope import Event, Notice
from shared.domain.events.polling import PollingError, PollingFailed, PollingRecovered

# It takes so many polls in a row to tell that they fail, however long that takes.
MIN_FAILURES = 3
# A row has room for so many notices; only where the topic takes nothing for long are there more.
MOST_OWED = 20

type Kind = Literal["transient", "configuration"]


@dataclass(frozen=True, slots=True)
class Polled:
    """How the polls of a family of an instance go; `pending_events` are found and not known to be published.

    Of what goes on there: whether a job runs, when a scheduled one is due, and when a poll last found anything changed.
    `left_at` is when it was found that the instance is not served any more. `failures` counts those in a row, up to as
    many as it takes to tell of them, and `is_told` says that it was; `owed` are notices that the topic is not known to
    have.
    """

    instance_id: str
    family: Family
    last_poll_at: datetime
    name: str | None = None
    last_success_at: datetime | None = None
    failing_since: datetime | None = None
    error: str | None = None
    pending_events: int = 0
    changed_at: datetime | None = None
    is_running: bool = False
    due_at: datetime | None = None
    left_at: datetime | None = None
    failures: int = 0
    is_told: bool = False
    owed: Sequence[Notice] = field(default=(), repr=False)

    def succeeded(self, events: int = 0) -> "Polled":
        """It after a poll that went well and found so many events; where it was told that polls fail, so is this."""
        at, since = self.last_poll_at, self.failing_since
        well = replace(
            self,
            last_success_at=at,
            failing_since=None,
            error=None,
            left_at=None,
            failures=0,
            is_told=False,
        )
        if since is None or not self.is_told:
            return well
        gap = max(0.0, (at - since).total_seconds())
        told = PollingRecovered(**self._known, failing_since=since, recovered_at=at, gap_seconds=gap, events=events)
        return _owing(well, told, at, since.isoformat())

    def failed(self, error: str, at: datetime | None = None) -> "Polled":
        """It after a poll that failed, at this time if it had no turn; it fails since the first of those in a row."""
        failing = self._failing(at or self.last_poll_at)
        return replace(failing, error=error, left_at=None)

    def left(self, at: datetime, error: str) -> "Polled":
        """It when its instance is not served any more: nothing is polled, which is told like a failure of its own."""
        failing = self._failing(at)
        is_told = self.is_told and self.left_at is not None
        return replace(failing, error=error, left_at=self.left_at or at, is_running=False, is_told=is_told)

    def told(self, now: datetime, after: timedelta, kind: Kind) -> "Polled":
        """It with the notice of its failures, once they have lasted for so long."""
        since = self.failing_since
        if since is None or self.is_told or self.failures < MIN_FAILURES or now - since < after:
            return self
        error = PollingError(kind=kind, message=self.error or "unknown")
        told = PollingFailed(**self._known, failing_since=since, error=error)
        return _owing(replace(self, is_told=True), told, now, since.isoformat(), kind)

    def without(self, told: Sequence[Notice]) -> "Polled":
        """It without notices that have been told."""
        return replace(self, owed=tuple(notice for notice in self.owed if notice not in told))

    @property
    def is_failing(self) -> bool:
        """Whether the last poll failed."""
        return self.failing_since is not None

    @property
    def _known(self) -> dict[str, Any]:
        return {"instance_id": self.instance_id, "family": self.family.on_wire}

    def _failing(self, at: datetime) -> "Polled":
        failures = min(self.failures + 1, MIN_FAILURES)
        return replace(self, failing_since=self.failing_since or at, failures=failures)


def _owing(polled: Polled, told: EventData, at: datetime, *occurrence: str) -> Polled:
    """It with one more notice, of what is so since a time."""
    notice = Event.of(told, time=at, occurrence=[polled.family.on_wire, *occurrence]).raw
    return replace(polled, owed=(*polled.owed, notice)[-MOST_OWED:])
