"""The storage: the real adapters over tables, queues and blobs that all processes share."""

import asyncio
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from azure.data.tables import TableEntity

from shared.adapters.delivery_table import DeliveryTable
from shared.adapters.due_table import DueTable
from shared.adapters.event_table import EventTable
from shared.adapters.letter_table import DeadLetterTable
from shared.adapters.poll_table import PollTable
from shared.adapters.queues import MAX_BYTES, DeliveryMessages, PollMessages, ReleaseMessages
from shared.adapters.subscription_table import SubscriptionTable
from shared.adapters.timer_table import TimerTable
from shared.domain.checkpoints import Checkpoint, Family, decode, encode
from shared.errors import LostRaceError, TooLargeError
from shared.ports.clock import Clock
from tests.survive.cloud import Cloud, Process, seconds
from tests.tables import Key, Row, TableFake, key

TABLES = ("subscriptions", "deliveries", "due", "events", "deadletters", "polls")
QUEUES = ("events", "deliveries", "releases", "polls")


@dataclass(slots=True)
class Rows:
    """The rows of a table; `on_write` is told what is replaced by what."""

    rows: dict[Key, TableEntity] = field(default_factory=dict)
    versions: Counter[Key] = field(default_factory=Counter)
    on_write: Callable[[Row | None, Row], None] = lambda _before, _after: None


class SharedTable(TableFake):
    """One process's way to a table."""

    def __init__(self, cloud: Cloud, process: Process, name: str, shared: Rows) -> None:
        super().__init__(self._through, cloud.now)
        self.rows, self._versions = shared.rows, shared.versions
        self._cloud, self._process, self._name, self._shared = cloud, process, name, shared
        self._doing = ""

    def write(self, row: Row) -> str:
        before = self.rows.get(key(row))
        version = super().write(row)
        self._shared.on_write(before, self.rows[key(row)])
        return version

    async def _call[T](self, name: str, effect: Callable[[], T]) -> T:
        return await self._cloud.call(self._process, f"{self._name}.{name}", effect)

    async def _through(self, effect: Callable[[], Any]) -> Any:  # noqa: ANN401 - `_call` is all that is used
        raise AssertionError(effect)


class Checkpoints:
    """One process's way to the blobs of checkpoints."""

    def __init__(self, cloud: Cloud, process: Process, storage: "Storage") -> None:
        self._cloud, self._process, self._storage = cloud, process, storage
        self._stored = storage.checkpoints

    async def load(self, instance_id: str, family: Family) -> tuple[Checkpoint, str | None]:
        found = await self._cloud.call(
            self._process, "checkpoints.load", lambda: self._stored.get((instance_id, family))
        )
        return (decode(family, found[0]), found[1]) if found is not None else (Checkpoint(), None)

    async def save(self, instance_id: str, family: Family, checkpoint: Checkpoint, version: str | None) -> str:
        content, at = encode(family, checkpoint), (instance_id, family)

        def write() -> str:
            found = self._stored.get(at)
            if (found[1] if found else None) != version:
                raise LostRaceError("the checkpoint was written by another")
            return self._storage.write_checkpoint(at, content)

        return await self._cloud.call(self._process, "checkpoints.save", write)


@dataclass(slots=True, eq=False)
class Message:
    """A message in a queue: how often it was taken, and whether it is still there."""

    number: int
    text: str
    added_at: datetime
    shows_at: float
    tries: int = 0
    is_gone: bool = False


class SharedQueue:
    """A queue; `on_show` is told of each message when it shows."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.name = name
        self.messages: dict[int, Message] = {}
        self.on_show: Callable[[SharedQueue, Message], None] = lambda _queue, _message: None
        self._cloud = cloud
        self._numbers = itertools.count()

    def put(self, text: str, delay: float = 0.0) -> None:
        """Have a message show after so many seconds."""
        number = next(self._numbers)
        message = Message(number, text, self._cloud.now(), seconds() + delay)
        self.messages[number] = message
        self.hide(message, delay)

    def hide(self, message: Message, delay: float) -> None:
        """Have a message show (again) after so many seconds."""
        message.shows_at = seconds() + delay
        asyncio.get_running_loop().call_later(delay, self._show, message, message.shows_at)

    def remove(self, message: Message) -> None:
        """Have a message gone."""
        message.is_gone = True
        self.messages.pop(message.number, None)

    def _show(self, message: Message, due: float) -> None:
        if not message.is_gone and message.shows_at == due:
            self.on_show(self, message)


class _Sending:
    """One process's way to a queue."""

    def __init__(self, cloud: Cloud, process: Process, queue: SharedQueue) -> None:
        self._cloud, self._process, self._shared = cloud, process, queue

    async def add(self, text: str, delay: timedelta) -> None:
        """As the adapter does it: in whole seconds, rounded up."""
        if len(text.encode()) > MAX_BYTES:
            raise TooLargeError(f"too large for a message of the queue {self._shared.name}")
        wait = float(max(0, math.ceil(delay.total_seconds())))
        await self._cloud.call(self._process, f"queue {self._shared.name}.add", lambda: self._shared.put(text, wait))


class SharedEvents(_Sending):
    """The queue that Event Grid fills, and the bridge when it gives a message back."""


class SharedDeliveries(_Sending, DeliveryMessages):
    """The queue of deliveries."""


class SharedReleases(_Sending, ReleaseMessages):
    """The queue of backlogs to let out."""


class SharedPolls(_Sending, PollMessages):
    """The queue of shards and the heartbeat."""


class _Over:
    """An adapter over a table that all processes share."""

    def __init__(self, table: SharedTable, clock: Clock | None = None) -> None:
        self._table: Any = table
        self._clock: Any = clock
        self._purged = ""


class Subscriptions(_Over, SubscriptionTable):
    pass


class Deliveries(_Over, DeliveryTable):
    pass


class Due(_Over, DueTable):
    def __init__(self, table: SharedTable) -> None:
        super().__init__(table)
        self._group()


class Events(_Over, EventTable):
    pass


class Letters(_Over, DeadLetterTable):
    pass


class Polls(_Over, PollTable):
    pass


class TimerRows(_Over, TimerTable):
    pass


class Storage:
    """All that is stored."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.tables = {name: Rows() for name in TABLES}
        self.queues = {name: SharedQueue(cloud, name) for name in QUEUES}
        self.checkpoints: dict[tuple[str, Family], tuple[bytes, str]] = {}
        self.versions: defaultdict[tuple[str, Family], list[bytes]] = defaultdict(list)

    def write_checkpoint(self, at: tuple[str, Family], content: bytes) -> str:
        """Have a checkpoint stand there; gives its version."""
        self.versions[at].append(content)
        self.checkpoints[at] = content, f"v{len(self.versions[at])}"
        return self.checkpoints[at][1]

    def restore_checkpoint(self, family: Family, back: int) -> None:
        """Do what the operations page has somebody do: put back an earlier version of a blob."""
        for at, versions in self.versions.items():
            if at[1] == family and len(versions) > back:
                self.write_checkpoint(at, versions[-1 - back])

    def table(self, process: Process, name: str) -> SharedTable:
        """A process's way to a table."""
        return SharedTable(self.cloud, process, name, self.tables[name])
