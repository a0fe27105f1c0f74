"""Polls: how it goes to ask Customer Insights, for each instance and family, and what goes on there."""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.checkpoints import Family


@dataclass(frozen=True, slots=True)
class Polled:
    """How the polls of a family of an instance go; `pending_events` are found and not known to be published.

    Of what goes on there: whether a job runs, when a scheduled one is due, and when a poll last found anything changed.
    `left_at` is when it was found that the instance is not served any more.
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

    def succeeded(self) -> "Polled":
        """It after a poll that went well."""
        return replace(self, last_success_at=self.last_poll_at, failing_since=None, error=None, left_at=None)

    def failed(self, error: str) -> "Polled":
        """It after a poll that failed; it fails since the first of those in a row."""
        return replace(self, failing_since=self.failing_since or self.last_poll_at, error=error, left_at=None)

    def left(self, at: datetime, error: str) -> "Polled":
        """It when its instance is not served any more: nothing is polled, which is told like a failure."""
        return replace(
            self, failing_since=self.failing_since or at, error=error, left_at=self.left_at or at, is_running=False
        )

    @property
    def is_failing(self) -> bool:
        """Whether the last poll failed."""
        return self.failing_since is not None
