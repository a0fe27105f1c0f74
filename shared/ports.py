"""The ports: what the use cases need from the outside world, and the errors each may raise.

Every port may raise `TransientError` (try again later) and `ConfigurationError` (somebody must act).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.callbacks import Answer
from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.deliveries import DeadLetter, Delivery, DeliveryRecord
from shared.domain.events import Event
from shared.domain.resources import DataSource, Instance, Job, Measure, Node, Segment
from shared.domain.subscriptions import Route, Subscription, Trigger
from shared.domain.thresholds import Rule


class Clock(Protocol):
    """What time it is."""

    def __call__(self) -> datetime:
        """Now, in UTC."""
        ...


class Insights(Protocol):
    """The Customer Insights API of one tenant. Raises `NotFoundError` for what does not exist."""

    async def instances(self) -> Sequence[Instance]:
        """All instances the bridge's identity can see."""
        ...

    async def data_sources(self, instance_id: str) -> Sequence[DataSource]:
        """All data sources."""
        ...

    async def nodes(self, instance_id: str) -> Sequence[Node]:
        """The state of every workflow node that names its object."""
        ...

    async def jobs(self, instance_id: str, top: int) -> Sequence[Job]:
        """The latest `top` jobs with their tasks, newest first."""
        ...

    async def segments(self, instance_id: str, history_days: int | None = None) -> Sequence[Segment]:
        """All segments; with `history_days`, each with its evaluations of so many days."""
        ...

    async def measures(self, instance_id: str) -> Sequence[Measure]:
        """All measures, without history."""
        ...

    async def measure(self, instance_id: str, name: str) -> Measure:
        """One measure with its history."""
        ...


class CheckpointStore(Protocol):
    """Where checkpoints are kept."""

    async def load(self, instance_id: str, family: Family) -> tuple[Checkpoint, str | None]:
        """The checkpoint and its version; a new one and None before the first save.

        Raises `CheckpointError` for one that cannot be read.
        """
        ...

    async def save(self, instance_id: str, family: Family, checkpoint: Checkpoint, version: str | None) -> str:
        """Replace the version that was loaded; gives the new version. Raises `LostRaceError` when it is another's."""
        ...


class Publisher(Protocol):
    """The Event Grid topic."""

    async def publish(self, events: Sequence[Mapping[str, object]]) -> None:
        """Publish CloudEvents; those already taken may be published again after an error."""
        ...


class SubscriptionStore(Protocol):
    """Where subscriptions are kept, and found by the events they want."""

    async def get(self, subscription_id: str) -> tuple[Subscription, str] | None:
        """A subscription and its version, or None."""
        ...

    async def put(self, subscription: Subscription, version: str | None, replaced: Subscription | None = None) -> str:
        """Write a new one (None) or replace that version (which is `replaced`); gives the new version.

        Raises `LostRaceError` when there is one already, or it has been changed.
        """
        ...

    async def delete(self, subscription: Subscription, version: str) -> None:
        """Remove that version. Raises `LostRaceError` when it has been changed."""
        ...

    def all(self) -> AsyncIterator[Subscription]:
        """Every subscription."""
        ...

    async def id_of(self, fingerprint: str) -> str | None:
        """The id of the subscription that has this fingerprint, if a caller chose the id."""
        ...

    def matching(self, route: Route) -> AsyncIterator[str]:
        """The ids of the active subscriptions that stand at a route."""
        ...

    async def prune(self, subscription_id: str, event: Event) -> None:
        """Forget at which routes the event found a subscription that does not want it any more."""
        ...

    async def rules(self, trigger: Trigger, instance_id: str) -> Sequence[Rule]:
        """The rules of all active subscriptions of a threshold trigger."""
        ...


class DeliveryQueue(Protocol):
    """The queue `deliveries`."""

    async def send(self, delivery: Delivery, delay: timedelta = timedelta(0)) -> None:
        """Add a delivery; it shows after the delay. Raises `TooLargeError` when no message holds it."""
        ...


class Backlog(Protocol):
    """What waits in a queue."""

    async def oldest(self) -> datetime | None:
        """When the oldest of the messages that show was added; None: there is none."""
        ...


class DeliveryLog(Protocol):
    """The log of deliveries, one record for each event and subscription."""

    async def get(self, delivery: Delivery) -> tuple[DeliveryRecord, str] | None:
        """The record of a delivery and its version, or None."""
        ...

    async def put(self, record: DeliveryRecord, version: str | None) -> str:
        """Write a new record (None) or replace that version; gives the new one. Raises `LostRaceError`."""
        ...


class EventLog(Protocol):
    """The log of events."""

    async def record(self, event: Event) -> None:
        """Keep an event; once more changes nothing."""
        ...


class DeadLetterLog(Protocol):
    """What could not be delivered."""

    async def record(self, letter: DeadLetter) -> None:
        """Keep a dead letter; once more changes nothing."""
        ...


class Callbacks(Protocol):
    """The flows' side."""

    async def admit(self, url: str) -> str:
        """Check a callback URL and where it leads; gives its host. Raises `InvalidInputError` on `callbackUrl`."""
        ...

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Make one attempt. Raises nothing for what the other side or the network does."""
        ...


class Cipher(Protocol):
    """Keeps callback URLs unreadable at rest; `context` is the id of the subscription that a URL belongs to."""

    def seal(self, plaintext: str, *, context: str) -> bytes:
        """Encrypt."""
        ...

    def open(self, sealed: bytes, *, context: str) -> str:
        """Decrypt. Raises `ConfigurationError` when no key fits."""
        ...


class Retention(Protocol):
    """A log that forgets."""

    async def purge(self, before: datetime) -> int:
        """Remove what was written before a time; gives how many rows."""
        ...
