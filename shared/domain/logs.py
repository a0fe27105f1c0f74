"""What the logs keep: events with whom they were dispatched to, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shared.domain.events.envelope import Event


class Between(NamedTuple):
    """A time: `since` is in it, `until` is not; None: without that end. Both in UTC."""

    since: datetime | None = None
    until: datetime | None = None


ALWAYS = Between()


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event, the subscriptions that it was dispatched to, and when.

    It had come from the topic at `published_at`, where that is known.
    """

    event: Event
    subscription_ids: Sequence[str]
    recorded_at: datetime
    published_at: datetime | None = None


class Purged(NamedTuple):
    """How many rows were removed, and whether that was all."""

    rows: int
    is_done: bool
