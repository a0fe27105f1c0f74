"""What a soak measures again and again, and the rule by which it stays level.

Rows and messages are counted by the storage's API: Azurite keeps for a while what was deleted, which nobody sees there.
"""

import asyncio
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Self

from local.child import Child
from tests.storage import Storage

LOGS = {"events", "deliveries", "deadletters"}
# A place in a backlog has a row of its own beside the record of the delivery.
PLACES = "places in backlogs"
FIRST, SECOND = "first", "second"
# What a series may grow by from the beginning to the end of what is judged: this part of its median.
TOLERANCE = 0.1
# What comes before is warming up: this part of the time that a series is judged in.
WARMING_UP = 0.2


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: seconds since the beginning, MB of each host that runs, rows, messages, bytes, events published."""

    at: float
    memory: Mapping[str, float]
    rows: Mapping[str, int]
    messages: Mapping[str, int]
    checkpoints: int
    events: int

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """One as it was kept."""
        return cls(**found)

    def kept(self) -> Mapping[str, Any]:
        """It as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Series:
    """Something that has to stay level; it may also grow by `slack`, for what comes and goes in ones."""

    name: str
    unit: str
    value: Callable[[Sample], float | None]
    slack: float = 0.0


@dataclass(frozen=True, slots=True)
class Trend:
    """How a series went from a time on: its median, and what it grew by until the end."""

    series: str
    unit: str
    since: float
    median: float
    growth: float
    allowed: float

    @property
    def is_level(self) -> bool:
        """Whether it did not grow by more than it may."""
        return self.growth <= self.allowed


def _others(sample: Sample) -> float:
    return sum(count for table, count in sample.rows.items() if table not in LOGS | {PLACES})


def _in_logs(sample: Sample) -> float | None:
    return (
        sum(count for table, count in sample.rows.items() if table in LOGS) / sample.events if sample.events else None
    )


def memory_of(host: str) -> Series:
    """The memory of a host."""
    return Series(f"Memory of the {host} host", "MB", lambda sample: sample.memory.get(host))


CHECKPOINTS = Series("Checkpoints", "KB", lambda sample: sample.checkpoints / 1_000)
ROWS = Series("Rows beside logs and backlogs", "", _others, slack=20)
# As many as are held: what the account says of that is exact, and they are many where a flow is off for long.
BACKLOGS = Series("Places in backlogs", "", lambda sample: sample.rows.get(PLACES, 0))
MESSAGES = Series("Messages in queues", "", lambda sample: sum(sample.messages.values()), slack=20)
LOG_ROWS = Series("Rows in the logs for each event", "", _in_logs)


def trend(series: Series, samples: Sequence[Sample], since: float) -> Trend:
    """How a series went after it had warmed up: the median of the slopes between any two samples, over that time."""
    end = samples[-1].at
    since += WARMING_UP * (end - since)
    points = [(each.at, value) for each in samples if each.at >= since and (value := series.value(each)) is not None]
    median = statistics.median(value for _, value in points)
    slopes = [(two[1] - one[1]) / (two[0] - one[0]) for one, two in combinations(points, 2)]
    growth = statistics.median(slopes) * (end - since)
    return Trend(series.name, series.unit, since, median, growth, max(TOLERANCE * median, series.slack))


def trends(samples: Sequence[Sample], alone_since: float) -> list[Trend]:
    """How all went; the first host is left alone from a time on, and what it takes is judged then."""
    return [
        trend(memory_of(FIRST), samples, alone_since),
        *(trend(series, samples, 0.0) for series in (CHECKPOINTS, ROWS, MESSAGES, LOG_ROWS)),
    ]


@dataclass(frozen=True, slots=True)
class Looker:
    """Takes samples of a storage account and of hosts."""

    storage: Storage

    async def look(self, at: float, hosts: Mapping[str, Child], events: int) -> Sample:
        """Take one."""
        running = {name: host.pid for name, host in hosts.items() if host.is_running}
        memory = {name: size for name, pid in running.items() if (size := await resident(pid)) is not None}
        blobs = self.storage.blobs.get_container_client("checkpoints").list_blobs()
        checkpoints = sum([blob.size async for blob in blobs])
        return Sample(round(at, 1), memory, await self.rows(), await self._messages(), checkpoints, events)

    async def rows(self) -> Mapping[str, int]:
        """How many rows each table has."""
        counts: Counter[str] = Counter()
        async for table in self.storage.tables.list_tables():
            async for row in self.storage.tables.get_table_client(table.name).list_entities(select=["RowKey"]):
                is_place = table.name == "deliveries" and not row["RowKey"].startswith("d|")
                counts[PLACES if is_place else table.name] += 1
        return dict(counts)

    async def _messages(self) -> Mapping[str, int]:
        counts = {}
        async for queue in self.storage.queues.list_queues():
            properties = await self.storage.queues.get_queue_client(queue.name).get_queue_properties()
            counts[queue.name] = properties.approximate_message_count or 0
        return counts


async def resident(pid: int) -> float | None:
    """How many MB of memory a process has; None where it has ended."""
    asked = await asyncio.create_subprocess_exec("ps", "-o", "rss=", "-p", str(pid), stdout=asyncio.subprocess.PIPE)
    told, _ = await asked.communicate()
    return round(int(told) / 1_024, 1) if told.strip() else None


def runs(samples: Sequence[Sample], series: Series) -> Iterator[list[tuple[float, float]]]:
    """The points of a series; a new list begins where it was missing in between."""
    run: list[tuple[float, float]] = []
    for sample in samples:
        value = series.value(sample)
        if value is not None:
            run.append((sample.at, value))
        elif run:
            yield run
            run = []
    if run:
        yield run
