"""One fake per port, in memory, as faithful as the real thing where it matters: versions, delays, races, failures."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.adapters import checkpoint_bytes
from shared.adapters.subscription_rows import (
    SUBSCRIPTIONS,
    signposts,
    subscription_key,
    subscription_of,
    subscription_row,
)
from shared.adapters.subscription_table import SubscriptionTable
from shared.domain import ids
from shared.domain.callbacks import Answer
from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.deliveries import Delivery, EventKey, New, Stage
from shared.domain.events.envelope import Event
from shared.domain.letters import DeadLetter, LetterKind
from shared.domain.logs import ALWAYS, Between, LoggedEvent, Purged
from shared.domain.messages import Beat, Look, Release, encode_new, encode_shard
from shared.domain.pages import Page, Slice
from shared.domain.polls import Polled
from shared.domain.resources import DataSource, Instance, Job, Measure, Node, Segment
from shared.domain.rows import Row
from shared.domain.rules import AnyRule, Combination
from shared.domain.slots import Shard
from shared.domain.subscriptions import Subscription
from shared.domain.timers import Ticked
from shared.domain.triggers import Trigger
from shared.errors import (
    CheckpointError,
    ConfigurationError,
    InvalidInputError,
    LostRaceError,
    NotFoundError,
    PermanentError,
    TooLargeError,
)
from tests.tables import TableFake

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Death(BaseException):
    """The process dies: nothing can catch this."""


class ClockFake:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


class Fate:
    """Kills the process around the n-th step (0, 1, …) of all fakes that share it: before or after it took effect."""

    def __init__(self, deadly: int | None = None, *, after: bool = False) -> None:
        self.deadly = deadly
        self.after = after
        self.steps = 0

    async def step[T](self, effect: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        mine, self.steps = self.steps, self.steps + 1
        if mine == self.deadly and not self.after:
            raise Death
        result = effect()
        if mine == self.deadly:
            raise Death
        return result


class InsightsFake:
    """A tenant. `failures` maps a method's name to errors that its next calls raise; `calls` is what was asked.

    None among the failures lets a call succeed. `in_any_case` lets a measure be found whatever the case of its name;
    `times` are what an instance's clock shows.
    """

    def __init__(self) -> None:
        self.tenant: dict[str, dict[str, Any]] = {}
        self.failures: dict[str, list[Exception | None]] = {}
        self.calls: list[tuple[object, ...]] = []
        self.in_any_case = False
        self.times: dict[str, datetime] = {}

    def show(self, instance_id: str, **resources: Sequence[object] | None) -> None:
        """What the instance shows from now on; None: the API does not offer that feed."""
        self.tenant.setdefault(instance_id, {}).update(resources)

    async def _read(self, what: str, instance_id: str, *more: object) -> Any:  # noqa: ANN401 - any resource
        self.calls.append((what, instance_id, *more))
        await asyncio.sleep(0)
        for key in (what, f"{what} {instance_id}"):
            if self.failures.get(key) and (failure := self.failures[key].pop(0)):
                raise failure
        found = self.tenant.get(instance_id, {}).get(what, ())
        if found is None:
            raise NotFoundError(f"no {what}")
        return found

    async def instances(self) -> Sequence[Instance]:
        self.calls.append(("instances",))
        if self.failures.get("instances") and (failure := self.failures["instances"].pop(0)):
            raise failure
        return [Instance(instance_id) for instance_id in self.tenant]

    async def data_sources(self, instance_id: str) -> Sequence[DataSource]:
        return list(await self._read("data_sources", instance_id))

    async def nodes(self, instance_id: str) -> Sequence[Node]:
        return list(await self._read("nodes", instance_id))

    async def jobs(self, instance_id: str, top: int) -> Sequence[Job]:
        return list(await self._read("jobs", instance_id, top))[:top]

    async def job(self, instance_id: str, job_id: str) -> Job:
        found: Sequence[Job] = await self._read("jobs", instance_id, job_id)
        for job in found:
            if ids.key(job.id) == job_id:
                return job
        raise NotFoundError(f"no job {job_id}")

    async def segments(self, instance_id: str, history_days: int | None = None) -> Sequence[Segment]:
        found: Sequence[Segment] = await self._read("segments", instance_id, history_days)
        if history_days is None:
            return [replace(segment, history=()) for segment in found]
        return list(found)

    async def measures(self, instance_id: str) -> Sequence[Measure]:
        found: Sequence[Measure] = await self._read("measures", instance_id)
        return [replace(measure, evaluations=(), outputs=()) for measure in found]

    async def measure(self, instance_id: str, name: str, history_days: int | None = None) -> Measure:
        found: Sequence[Measure] = await self._read("measures", instance_id, name, history_days)
        for measure in found:
            if measure.name == name or (self.in_any_case and measure.name.casefold() == name.casefold()):
                return measure
        raise NotFoundError(f"no measure {name}")

    async def rows_of_measure(self, instance_id: str, name: str, combinations: Sequence[Combination]) -> Sequence[Row]:
        found: Mapping[str, Sequence[Row]] = await self._read("rows", instance_id, name, *combinations) or {}
        return [row for row in found.get(name, ()) if any(dict(one).items() <= row.items() for one in combinations)]

    def told_time(self, instance_id: str) -> datetime | None:
        return self.times.get(instance_id)


class CheckpointStoreFake:
    """Checkpoints as bytes, each with a version; `writes` counts, `before_save` runs as somebody else might."""

    def __init__(self, fate: Fate | None = None) -> None:
        self.stored: dict[tuple[str, Family], tuple[bytes, str]] = {}
        self.writes = 0
        self.before_save: Callable[[], Awaitable[None]] | None = None
        self._versions = itertools.count(1)
        self._fate = fate or Fate()

    async def load(self, instance_id: str, family: Family) -> tuple[Checkpoint, str | None]:
        await asyncio.sleep(0)
        found = self.stored.get((instance_id, family))
        if found is None:
            return Checkpoint(), None
        try:
            return await checkpoint_bytes.read(family, found[0]), found[1]
        except ValueError as error:
            raise CheckpointError(f"checkpoint {instance_id} {family}: {error}") from None

    async def save(self, instance_id: str, family: Family, checkpoint: Checkpoint, version: str | None) -> str:
        if (intruder := self.before_save) is not None:
            self.before_save = None
            await intruder()
        content = await checkpoint_bytes.written(family, checkpoint)

        def write() -> str:
            found = self.stored.get((instance_id, family))
            if (found[1] if found else None) != version:
                raise LostRaceError("the checkpoint was written by another")
            self.writes += 1
            self.stored[(instance_id, family)] = content, f"v{next(self._versions)}"
            return self.stored[(instance_id, family)][1]

        return await self._fate.step(write)


class PollStoreFake:
    """How polls go; `writes` counts, `failures` are raised by the next calls."""

    def __init__(self, fate: Fate | None = None) -> None:
        self.rows: dict[tuple[str, Family], Polled] = {}
        self.failures: list[Exception] = []
        self.writes = self.reads = 0
        self._fate = fate or Fate()
        self._numbers = itertools.count(1)
        self._versions: dict[tuple[str, Family], str] = {}

    async def get(self, instance_id: str, family: Family) -> tuple[Polled, str] | None:
        self.reads += 1
        if self.failures:
            raise self.failures.pop(0)
        await asyncio.sleep(0)
        key = ids.key(instance_id), family
        return (self.rows[key], self._versions[key]) if key in self.rows else None

    async def put(self, polled: Polled, version: str | None) -> str:
        self.writes += 1
        if self.failures:
            raise self.failures.pop(0)
        key = ids.key(polled.instance_id), polled.family

        def write() -> str:
            if self._versions.get(key) != version:
                raise LostRaceError("the row was written by another")
            self.rows[key], self._versions[key] = polled, f"v{next(self._numbers)}"
            return self._versions[key]

        return await self._fate.step(write)

    async def remove(self, polled: Polled) -> None:
        key = ids.key(polled.instance_id), polled.family
        await self._fate.step(lambda: (self.rows.pop(key, None), self._versions.pop(key, None)))

    async def all(self) -> AsyncIterator[Polled]:
        for _, polled in sorted(self.rows.items()):
            await asyncio.sleep(0)
            yield polled


class TimerStoreFake:
    """When the timers ran; `failures` are raised by the next calls."""

    def __init__(self) -> None:
        self.rows: dict[str, Ticked] = {}
        self.failures: list[Exception] = []

    async def all(self) -> Sequence[Ticked]:
        if self.failures:
            raise self.failures.pop(0)
        await asyncio.sleep(0)
        return list(self.rows.values())

    async def put(self, ticked: Ticked) -> None:
        if self.failures:
            raise self.failures.pop(0)
        await asyncio.sleep(0)
        self.rows[ticked.name] = ticked


class BudgetFake:
    """An API that takes so many polls at once, and no more than `left`; `most` is how many there were at once."""

    def __init__(self, left: int | None = None) -> None:
        self.left = left
        self.under_way = self.most = 0

    def begin(self) -> float:
        if self.left == 0:
            return 1.0
        if self.left is not None:
            self.left -= 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        return 0.0

    def end(self) -> None:
        self.under_way -= 1


class PublisherFake:
    """A topic; `failures` are raised by the next calls, and events on `refused` subjects are refused for good."""

    def __init__(self, fate: Fate | None = None) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.failures: list[Exception] = []
        self.refused: set[object] = set()
        self._fate = fate or Fate()

    async def publish(self, events: Sequence[Mapping[str, Any]]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if self.refused & {event["subject"] for event in events}:
            raise PermanentError("the topic answers 413")
        await self._fate.step(lambda: self.events.extend(events))


class SubscriptionRows(MutableMapping[str, tuple[Subscription, str]]):
    """The subscriptions of a table, seen and changed behind the back of whoever uses it, with what leads to them."""

    def __init__(self, table: TableFake) -> None:
        self._table = table

    def __getitem__(self, subscription_id: str) -> tuple[Subscription, str]:
        row = self._table.rows[subscription_key(subscription_id)]
        return subscription_of(row), str(row.metadata["etag"])

    def __setitem__(self, subscription_id: str, stands: tuple[Subscription, str]) -> None:
        del self[subscription_id]
        for row in (*signposts(stands[0]), subscription_row(stands[0])):
            self._table.write(row)

    def __delitem__(self, subscription_id: str) -> None:
        found = self._table.rows.pop(subscription_key(subscription_id), None)
        for row in signposts(subscription_of(found)) if found is not None else ():
            self._table.rows.pop((row["PartitionKey"], row["RowKey"]), None)

    def __iter__(self) -> Iterator[str]:
        first, last = SUBSCRIPTIONS["first"], SUBSCRIPTIONS["last"]
        return iter([row["id"] for (partition, _), row in self._table.rows.items() if first <= partition < last])

    def __len__(self) -> int:
        return len(list(iter(self)))


class SubscriptionStoreFake(SubscriptionTable):
    """The real store over a table in memory; `before_write` runs as somebody else might."""

    def __init__(self, *subscriptions: Subscription, fate: Fate | None = None, clock: ClockFake | None = None) -> None:
        self.table = TableFake((fate or Fate()).step, clock or ClockFake())
        self._table: Any = self.table
        self.rows = SubscriptionRows(self.table)
        for subscription in subscriptions:
            self.rows[subscription.id] = subscription, ""
        self.before_write: Callable[[], Awaitable[None]] | None = None
        self.reads = self.writes = 0

    async def _interrupted(self) -> None:
        if (intruder := self.before_write) is not None:
            self.before_write = None
            await intruder()

    async def get(self, subscription_id: str) -> tuple[Subscription, str] | None:
        self.reads += 1
        return await super().get(subscription_id)

    async def put(self, subscription: Subscription, version: str | None, replaced: Subscription | None = None) -> str:
        self.writes += 1
        await self._interrupted()
        return await super().put(subscription, version, replaced)

    async def delete(self, subscription: Subscription, version: str) -> None:
        await self._interrupted()
        await super().delete(subscription, version)

    async def rules(self, trigger: Trigger, instance_id: str) -> Sequence[AnyRule]:
        self.reads += 1
        return await super().rules(trigger, instance_id)


def _written(message: New | Look | Release | Shard | Beat) -> str:
    match message:
        case New():
            return encode_new(message)
        case Shard():
            return encode_shard(message)
    return message.encode()


class QueueFake[M: (New | Look, Release, Shard | Beat)]:
    """A queue on a virtual clock: text in, text out, each message from its time on; `taken` is by whoever is quick."""

    def __init__(self, clock: ClockFake, fate: Fate | None = None) -> None:
        self.taken: Callable[[], Awaitable[None]] | None = None
        self._clock = clock
        self._fate = fate or Fate()
        self.failures: list[Exception] = []
        self.messages: list[tuple[datetime, str]] = []
        self.sent = 0
        self.max_bytes = 49_152

    async def send(self, message: M, delay: timedelta = timedelta(0)) -> None:
        if self.failures:
            raise self.failures.pop(0)
        text = _written(message)
        if len(text.encode()) > self.max_bytes:
            raise TooLargeError("too large for a message")
        at = self._clock() + max(delay, timedelta(0))
        self.sent += 1
        await self._fate.step(lambda: self.messages.append((at, text)))
        if self.taken is not None:
            await self.taken()

    async def add(self, text: str, delay: timedelta) -> None:
        self.messages.append((self._clock() + delay, text))

    async def oldest(self) -> datetime | None:
        at = self.next_at()
        return at if at is not None and at <= self._clock() else None

    def due(self) -> list[str]:
        """The messages that show now, oldest first."""
        return [text for at, text in sorted(self.messages) if at <= self._clock()]

    def remove(self, text: str) -> None:
        self.messages.remove(next(message for message in sorted(self.messages) if message[1] == text))

    def next_at(self) -> datetime | None:
        return min((at for at, _ in self.messages), default=None)


class WaitingFake:
    """A queue of which only the length is known."""

    def __init__(self, length: int = 0) -> None:
        self.length = length

    async def oldest(self) -> datetime | None:
        return None

    async def count(self) -> int:
        await asyncio.sleep(0)
        return self.length


class DueStoreFake:
    """What is due, by its time."""

    def __init__(self, fate: Fate | None = None) -> None:
        self._fate = fate or Fate()
        self.rows: dict[tuple[datetime, str], tuple[Look | Release, str]] = {}
        self.added = 0
        self._versions = itertools.count(1)

    async def add(self, at: datetime, what: Look | Release) -> None:
        self.added += 1
        await self._fate.step(lambda: self.rows.update({(at, what.encode()): (what, f"v{next(self._versions)}")}))

    async def remove(self, at: datetime, what: Look | Release, version: str | None = None) -> None:
        def effect() -> None:
            place = at, what.encode()
            if place in self.rows and version in {None, self.rows[place][1]}:
                del self.rows[place]

        await self._fate.step(effect)

    async def until(self, at: datetime) -> AsyncIterator[tuple[datetime, Look | Release, str]]:
        for (due_at, _), due in sorted(self.rows.items(), key=lambda row: row[0]):
            if due_at < at:
                await asyncio.sleep(0)
                yield due_at, *due


class DeliveryStoreFake:
    """Deliveries with versions; the lines are read from the records, as they are written at once with them."""

    def __init__(self, fate: Fate | None = None) -> None:
        self._fate = fate or Fate()
        self._versions = itertools.count(1)
        self.rows: dict[tuple[str, EventKey], tuple[Delivery, str]] = {}
        self.reads = self.writes = 0
        self.slowness: Callable[[], None] = lambda: None

    async def get(self, subscription_id: str, key: EventKey) -> tuple[Delivery, str] | None:
        self.reads += 1
        return await self._fate.step(lambda: self.rows.get((subscription_id, key)))

    async def find(self, subscription_id: str, event_id: str, time: datetime | None) -> tuple[Delivery, str] | None:
        del time
        found = [row for (id_, key), row in self.rows.items() if (id_, key.id) == (subscription_id, event_id)]
        return found[0] if found else None

    async def put(self, delivery: Delivery, version: str | None = None, was: Delivery | None = None) -> str:
        place = (delivery.subscription_id, delivery.key)
        self.writes += 1
        self.slowness()

        def write() -> str:
            found = self.rows.get(place)
            if (found[1] if found else None) != version:
                raise LostRaceError("the delivery was written by another")
            assert found is None or found[0] == was, "what is replaced is not what stands there"
            self.rows[place] = delivery, f"v{next(self._versions)}"
            return self.rows[place][1]

        return await self._fate.step(write)

    async def remove(self, delivery: Delivery, version: str) -> None:
        place = (delivery.subscription_id, delivery.key)

        def write() -> None:
            if place not in self.rows or self.rows[place][1] != version:
                raise LostRaceError("the delivery was written by another")
            del self.rows[place]

        await self._fate.step(write)

    def _in_line(self, subscription_id: str) -> list[Delivery]:
        mine = [delivery for (id_, _), (delivery, _) in self.rows.items() if id_ == subscription_id and delivery.line]
        return sorted(mine, key=lambda delivery: (delivery.line, delivery.key))

    async def line(self, subscription_id: str, most: int) -> Sequence[EventKey]:
        self.reads += 1
        return await self._fate.step(lambda: [delivery.key for delivery in self._in_line(subscription_id)[:most]])

    async def held(self, subscription_id: str, most: int) -> int:
        mine = (delivery for (id_, _), (delivery, _) in self.rows.items() if id_ == subscription_id and delivery.line)
        return min(most, sum(delivery.stage is Stage.HELD for delivery in mine))

    async def drop(self, subscription_id: str, before: datetime) -> None:
        for delivery in [each for each in self._in_line(subscription_id) if each.dispatched_at < before]:
            await self._fate.step(lambda place=(subscription_id, delivery.key): self.rows.pop(place))

    async def page(
        self, subscription_id: str, part: Slice, *, stage: Stage | None = None, between: Between = ALWAYS
    ) -> Page[Delivery]:
        mine = [delivery for (id_, _), (delivery, _) in self.rows.items() if id_ == subscription_id]
        wanted = [each for each in mine if stage in {None, each.stage} and is_in(each.key.time, between)]
        return page_of({latest_first(each.key): each for each in wanted}, part)


def is_in(at: datetime, between: Between) -> bool:
    since, until = between
    return (since is None or since <= at) and (until is None or at < until)


def latest_first(key: EventKey) -> str:
    """The key as text that sorts the latest first."""
    return f"{(datetime.max.replace(tzinfo=UTC) - key.time) // timedelta(microseconds=1):018d} {key.id}"


def page_of[T](items: Mapping[str, T], part: Slice) -> Page[T]:
    """A page of what goes by a key; the cursor is the last key given."""
    if part.cursor is not None and not re.fullmatch(r"\d{1,18}[ -].+", part.cursor):
        raise InvalidInputError({"cursor": "is none"})
    rest = [key for key in sorted(items) if key > (part.cursor or "")]
    given = rest[: part.limit]
    return Page([items[key] for key in given], given[-1] if len(rest) > len(given) else None)


class EventLogFake:
    """Events with when they were recorded."""

    def __init__(self, fate: Fate | None = None, clock: ClockFake | None = None) -> None:
        self._fate = fate or Fate()
        self._clock = clock or ClockFake()
        self.events: dict[str, LoggedEvent] = {}

    async def record(self, event: Event, subscription_ids: Sequence[str], published_at: datetime | None = None) -> None:
        logged = LoggedEvent(event, tuple(subscription_ids), self._clock(), published_at)
        await self._fate.step(lambda: self.events.setdefault(event.id, logged))

    async def get(self, event_id: str) -> LoggedEvent | None:
        return await self._fate.step(lambda: self.events.get(event_id))

    async def page(
        self, part: Slice, *, instance_id: str | None = None, event_type: str | None = None, between: Between = ALWAYS
    ) -> Page[LoggedEvent]:
        wanted = {
            latest_first(EventKey(it.event.time, it.event.id)): it
            for it in self.events.values()
            if (instance_id is None or ids.key(instance_id) == ids.key(it.event.instance_id))
            and event_type in {None, it.event.type}
            and is_in(it.event.time, between)
        }
        return await self._fate.step(lambda: page_of(wanted, part))

    async def between(self, instance_id: str, event_type: str, between: Between) -> AsyncIterator[Event]:
        for logged in sorted(self.events.values(), key=lambda it: it.event.time):
            event = logged.event
            if (
                (instance_id == "*" or ids.key(instance_id) == ids.key(event.instance_id))
                and event.type == event_type
                and is_in(event.time, between)
            ):
                await asyncio.sleep(0)
                yield event

    async def purge(self, before: datetime, until: datetime) -> Purged:
        del until
        old = [id_ for id_, it in self.events.items() if max(it.event.time, it.recorded_at) < before]
        for id_ in old:
            await self._fate.step(lambda gone=id_: self.events.pop(gone))
        return Purged(len(old), is_done=True)


class DeadLetterLogFake:
    """Dead letters; `failures` are raised by the next records."""

    def __init__(self, fate: Fate | None = None) -> None:
        self._fate = fate or Fate()
        self.letters: dict[str, DeadLetter] = {}
        self.failures: list[Exception] = []

    async def record(self, letter: DeadLetter) -> None:
        if self.failures:
            raise self.failures.pop(0)
        await self._fate.step(lambda: self.letters.update({letter.id: letter}))

    async def get(self, letter_id: str) -> DeadLetter | None:
        return await self._fate.step(lambda: self.letters.get(letter_id))

    async def remove(self, letter_id: str, recorded_at: datetime | None = None) -> bool:
        found = self.letters.get(letter_id)
        if found is None or recorded_at not in {None, found.recorded_at}:
            return await self._fate.step(lambda: False)
        return await self._fate.step(lambda: self.letters.pop(letter_id, None)) is not None

    async def page(
        self,
        part: Slice,
        *,
        subscription_id: str | None = None,
        kind: LetterKind | None = None,
        between: Between = ALWAYS,
    ) -> Page[DeadLetter]:
        wanted = {
            id_: it
            for id_, it in self.letters.items()
            if subscription_id in {None, it.subscription_id}
            and kind in {None, it.kind}
            and is_in(it.recorded_at, between)
        }
        return await self._fate.step(lambda: page_of(wanted, part))

    async def count(self, most: int) -> int:
        return await self._fate.step(lambda: min(most, len(self.letters)))


class CallbacksFake:
    """The flows: each URL answers its answers one after the other, the last for ever; `requests` is what came."""

    def __init__(self, fate: Fate | None = None) -> None:
        self._fate = fate or Fate()
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.refused: dict[str, str] = {}
        self.on_call: Callable[[], None] = lambda: None
        self.during: Callable[[], Awaitable[None]] | None = None

    async def admit(self, url: str) -> str:
        if url in self.refused:
            raise InvalidInputError({"callbackUrl": self.refused[url]})
        return url.split("/")[2]

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if (meanwhile := self.during) is not None:
            self.during = None
            await meanwhile()

        def call() -> None:
            self.on_call()
            self.requests.append((url, body, dict(headers)))

        await self._fate.step(call)
        answers = self.answers.get(url) or [Answer(202)]
        return answers.pop(0) if len(answers) > 1 else answers[0]


class CipherFake:
    """Turns text around, bound to its context; `broken` has no fitting key."""

    def __init__(self) -> None:
        self.broken = False

    def seal(self, plaintext: str, *, context: str) -> bytes:
        return f"{context}|{plaintext[::-1]}".encode()

    def open(self, sealed: bytes, *, context: str) -> str:
        owner, _, text = sealed.decode().partition("|")
        if self.broken or owner != context:
            raise ConfigurationError("no key fits the callback")
        return text[::-1]
