"""The ports: what the use cases need from the outside world, and the errors each may raise.

Every port may raise `TransientError` (try again later) and `ConfigurationError` (somebody must act).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.callbacks import Answer
from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.deliveries import Delivery, EventKey, New, Stage
from shared.domain.events import Event
from shared.domain.letters import DeadLetter, LetterKind
from shared.domain.logs import ALWAYS, Between, LoggedEvent, Purged
from shared.domain.messages import Beat, Look, Release
from shared.domain.pages import Page, Slice
from shared.domain.polls import Polled
from shared.domain.resources import DataSource, Instance, Job, Measure, Node, Segment
from shared.domain.rows import Row
from shared.domain.rules import AnyRule, Combination
from shared.domain.slots import Shard
from shared.domain.subscriptions import Route, Standing, Status, Subscription, Trigger
from shared.domain.timers import Ticked


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

    async def job(self, instance_id: str, job_id: str) -> Job:
        """One job with its tasks."""
        ...

    async def segments(self, instance_id: str, history_days: int | None = None) -> Sequence[Segment]:
        """All segments; with `history_days`, each with its evaluations of so many days."""
        ...

    async def measures(self, instance_id: str) -> Sequence[Measure]:
        """All measures, without history."""
        ...

    async def measure(self, instance_id: str, name: str, history_days: int | None = None) -> Measure:
        """One measure; with `history_days`, with its evaluations and outputs of so many days."""
        ...

    async def rows_of_measure(self, instance_id: str, name: str, combinations: Sequence[Combination]) -> Sequence[Row]:
        """The rows of a measure's own table for these combinations; none for what the API does not know or take."""
        ...

    def told_time(self, instance_id: str) -> datetime | None:
        """What time it was by the tenant's own clock when it last answered about an instance, where it told."""
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


class PollStore(Protocol):
    """Where it stands how the polls go."""

    async def get(self, instance_id: str, family: Family) -> Polled | None:
        """How the polls of a family go, or None. Raises `FormatError` for a row of another version of the bridge."""
        ...

    async def put(self, polled: Polled) -> None:
        """Write how they go, whatever stands there."""
        ...

    async def remove(self, polled: Polled) -> None:
        """Forget how they go, also when it is forgotten already."""
        ...

    def all(self) -> AsyncIterator[Polled]:
        """How the polls of all instances and families go, by instance. Raises `FormatError` as `get` does."""
        ...


class TimerStore(Protocol):
    """Where it stands when the timers and the heartbeat last ran."""

    async def all(self) -> Sequence[Ticked]:
        """When each last ran. Raises `FormatError` for a row of another version of the bridge."""
        ...

    async def put(self, ticked: Ticked) -> None:
        """Write when one last ran, whatever stands there."""
        ...


class Budget(Protocol):
    """What Customer Insights takes of the bridge."""

    def begin(self) -> float:
        """Keep room for the calls of a poll until its `end`; or give the seconds after which to ask again."""
        ...

    def end(self) -> None:
        """Give up the room of a poll."""
        ...


class Publisher(Protocol):
    """The Event Grid topic."""

    async def publish(self, events: Sequence[Mapping[str, object]]) -> None:
        """Publish CloudEvents; those already taken may be published again after an error."""
        ...


class SubscriptionStore(Protocol):
    """Where subscriptions are kept, and found by the events they want.

    A subscription's own row is the truth about it. What leads events to it is written before it and removed after it,
    so that no event misses a subscription that is shown; what is left over leads nowhere, and is cleared away.
    """

    async def get(self, subscription_id: str) -> tuple[Subscription, str] | None:
        """A subscription and its version, or None. Raises `FormatError` for a row of another version of the bridge."""
        ...

    async def put(self, subscription: Subscription, version: str | None, replaced: Subscription | None = None) -> str:
        """Write a new one (None) or replace that version (which is `replaced`); gives the new version.

        Raises `LostRaceError` when there is one already, or it has been changed.
        """
        ...

    async def delete(self, subscription: Subscription, version: str) -> None:
        """Remove that version. Raises `LostRaceError` when it has been changed."""
        ...

    def all(
        self, instance_id: str | None = None, trigger: Trigger | None = None, status: Status | None = None
    ) -> AsyncIterator[Subscription]:
        """Every subscription, or those of an instance, a trigger, a status."""
        ...

    def standings(self) -> AsyncIterator[Standing]:
        """How every subscription stands, read without the rest of it."""
        ...

    async def id_of(self, fingerprint: str) -> str | None:
        """The id of the subscription that has this fingerprint, if a caller chose the id."""
        ...

    def matching(self, route: Route) -> AsyncIterator[str]:
        """The ids of the subscriptions that stand at a route, whatever their status."""
        ...

    async def rules(self, trigger: Trigger, instance_id: str) -> Sequence[AnyRule]:
        """The rules of all subscriptions of a trigger that has the poll watch something, whatever their status."""
        ...

    async def tidy(self, now: datetime) -> int:
        """Write what is missing to lead events to each subscription, and remove what leads nowhere; gives how many."""
        ...


class DeliveryQueue(Protocol):
    """The queue `deliveries`."""

    async def send(self, message: New | Look, delay: timedelta = timedelta(0)) -> None:
        """Add a message; it shows after the delay. Raises `TooLargeError` when no message holds it."""
        ...


class ReleaseQueue(Protocol):
    """The queue `releases`."""

    async def send(self, message: Release, delay: timedelta = timedelta(0)) -> None:
        """Add a message; it shows after the delay."""
        ...


class PollQueue(Protocol):
    """The queue `polls`."""

    async def send(self, message: Shard | Beat, delay: timedelta = timedelta(0)) -> None:
        """Add a message; it shows after the delay. Raises `TooLargeError` when no message holds it."""
        ...


class DueStore(Protocol):
    """What is to be looked at later, by the minute."""

    async def add(self, at: datetime, what: Look | Release) -> None:
        """Have something looked at, at a time; once more changes nothing."""
        ...

    async def remove(self, at: datetime, what: Look | Release) -> None:
        """Forget it, also when it is gone."""
        ...

    def until(self, at: datetime) -> AsyncIterator[tuple[datetime, Look | Release]]:
        """What is due before a time, in pages, so that any number fits into memory; it may be removed meanwhile."""
        ...


class TextQueue(Protocol):
    """A queue whose messages are passed on as they came."""

    async def add(self, text: str, delay: timedelta) -> None:
        """Add a message; it shows after the delay."""
        ...


class Waiting(Protocol):
    """What waits in a queue."""

    async def oldest(self) -> datetime | None:
        """When the oldest of the messages that show was added; None: there is none."""
        ...

    async def count(self) -> int:
        """About how many messages there are, those that do not show yet included."""
        ...


class DeliveryStore(Protocol):
    """The deliveries of each subscription, one record for each event, and the lines of its backlog.

    A record and its place in a line are written at once or not at all.
    """

    async def get(self, subscription_id: str, key: EventKey) -> tuple[Delivery, str] | None:
        """A delivery and its version, or None. Raises `FormatError` for a row of another version of the bridge."""
        ...

    async def find(self, subscription_id: str, event_id: str, time: datetime | None) -> tuple[Delivery, str] | None:
        """A delivery by its event's id, and its version; quickly where the event's time is known."""
        ...

    async def put(self, delivery: Delivery, version: str | None = None, was: Delivery | None = None) -> str:
        """Write a new delivery (None), or replace that version (which is `was`); gives the new one.

        Raises `LostRaceError` when there is one already, or it has been changed.
        """
        ...

    async def remove(self, delivery: Delivery, version: str) -> None:
        """Forget that version, and its place in the line. Raises `LostRaceError` when it has been changed."""
        ...

    async def line(self, subscription_id: str, most: int) -> Sequence[EventKey]:
        """The first of a subscription's backlog: those held, then those replayed, each by the events' times."""
        ...

    async def held(self, subscription_id: str, most: int) -> int:
        """How many of a subscription's deliveries are in the stage `held`, up to `most`.

        Those of its line that are being attempted may be counted as what they were before.
        """
        ...

    async def drop(self, subscription_id: str, before: datetime) -> None:
        """Forget all of a subscription's backlog that has been there since before a time."""
        ...

    async def page(
        self, subscription_id: str, part: Slice, *, stage: Stage | None = None, between: Between = ALWAYS
    ) -> Page[Delivery]:
        """A subscription's deliveries, those of the newest events first. Raises `InvalidInputError` on `cursor`."""
        ...


class EventLog(Protocol):
    """The log of events."""

    async def record(self, event: Event, subscription_ids: Sequence[str]) -> None:
        """Keep an event and the subscriptions that it was dispatched to; once more changes nothing."""
        ...

    async def get(self, event_id: str) -> LoggedEvent | None:
        """An event."""
        ...

    async def page(
        self, part: Slice, *, instance_id: str | None = None, event_type: str | None = None, between: Between = ALWAYS
    ) -> Page[LoggedEvent]:
        """The events, newest first. Raises `InvalidInputError` on `cursor`."""
        ...

    def between(self, instance_id: str, event_type: str, between: Between) -> AsyncIterator[Event]:
        """All events of an instance (`*`: any) and a type in a time, in pages, so that any number fits into memory."""
        ...


class DeadLetterLog(Protocol):
    """What could not be delivered."""

    async def record(self, letter: DeadLetter) -> None:
        """Keep a dead letter; once more changes nothing."""
        ...

    async def get(self, letter_id: str) -> DeadLetter | None:
        """A dead letter."""
        ...

    async def remove(self, letter_id: str) -> bool:
        """Forget a dead letter; whether there was one."""
        ...

    async def page(
        self,
        part: Slice,
        *,
        subscription_id: str | None = None,
        kind: LetterKind | None = None,
        between: Between = ALWAYS,
    ) -> Page[DeadLetter]:
        """The dead letters, the latest recorded first. Raises `InvalidInputError` on `cursor`."""
        ...

    async def count(self, most: int) -> int:
        """How many there are, up to `most`."""
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
    """Keeps callback URLs and secrets unreadable at rest; `context` says whose a text is, and what it is for."""

    def seal(self, plaintext: str, *, context: str) -> bytes:
        """Encrypt."""
        ...

    def open(self, sealed: bytes, *, context: str) -> str:
        """Decrypt. Raises `ConfigurationError` when no key fits."""
        ...


class Retention(Protocol):
    """A log that forgets."""

    async def purge(self, before: datetime, until: datetime) -> Purged:
        """Remove what ended before a time, for as long as it is not `until`.

        It reads little more than what it removes, and page by page. What still waits is never removed.
        """
        ...
