"""A simulation: many instances and subscriptions on virtual time, with the real use cases, and every call counted.

Polls are counted as the use cases make them. Deliveries are reckoned: finding the flows of an event costs the same
however many subscriptions there are.
"""

import math
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.polls import Polled
from shared.usecases.poll import REFRESHES, ROUNDS, THRESHOLDS
from tests.fakes import CheckpointStoreFake, PollStoreFake
from tests.usecases.crowd import Crowd, CrowdInsights
from tests.virtual_time import run

# Assumed: one full refresh a day of each instance; so many flows want each instance's events, each of two of them.
REFRESHES_A_DAY = 1
EVENTS_OF_A_REFRESH = 12
FLOWS_OF_AN_EVENT = 2
# Assumed: the event, the record and its end; and for a message: add, get, remove, a look for more.
TABLE_OPERATIONS_OF_A_DELIVERY = 3
QUEUE_OPERATIONS_OF_A_DELIVERY = 4
# Assumed, with room: the seconds of one core that the poll of an idle instance costs (three calls, two checkpoints and
# four rows), and a delivery.
CPU_OF_A_POLL = 0.012
CPU_OF_A_DELIVERY = 0.003
# Seconds that a call takes.
API_SECONDS = 0.05
MINUTES_A_MONTH = 30 * 24 * 60
# US dollars: for 10,000 operations of storage, and for a GB second of Flex Consumption.
PRICE_OF_TABLES = 0.00036
PRICE_OF_QUEUES = 0.0004
PRICE_OF_BLOB_READS = 0.0044
PRICE_OF_BLOB_WRITES = 0.055
PRICE_OF_A_GB_SECOND = 0.000026
MEMORY_GB = 2.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was counted in the minutes that were simulated, after the first polls."""

    instances: int
    subscriptions: int
    minutes: int
    calls: int
    operations: Mapping[str, int]
    most_messages: int
    lags: Mapping[str, float]
    busiest_slot: float

    def a_minute(self, count: float) -> float:
        """A count for one minute."""
        return count / self.minutes


class CountedCheckpoints(CheckpointStoreFake):
    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self._counts = counts

    async def load(self, instance_id: str, family: Family) -> tuple[Checkpoint, str | None]:
        self._counts["blob reads"] += 1
        return await super().load(instance_id, family)

    async def save(self, instance_id: str, family: Family, checkpoint: Checkpoint, version: str | None) -> str:
        self._counts["blob writes"] += 1
        return await super().save(instance_id, family, checkpoint, version)


class CountedPolls(PollStoreFake):
    def __init__(self, counts: Counter[str]) -> None:
        super().__init__()
        self._counts = counts

    async def get(self, instance_id: str, family: Family) -> tuple[Polled, str] | None:
        self._counts["table operations"] += 1
        return await super().get(instance_id, family)

    async def put(self, polled: Polled, version: str | None) -> str:
        self._counts["table operations"] += 1
        return await super().put(polled, version)

    async def all(self) -> AsyncIterator[Polled]:
        self._counts["table operations"] += math.ceil(len(self.rows) / 1_000) or 1
        for polled in list(self.rows.values()):
            yield polled


def simulate(instances: int, subscriptions: int, minutes: int) -> Outcome:
    """Let a bridge poll for so long."""
    return run(_simulate(instances, subscriptions, minutes))


async def _simulate(instances: int, subscriptions: int, minutes: int) -> Outcome:
    counts: Counter[str] = Counter()
    insights = CrowdInsights([f"i{number:05}" for number in range(instances)], seconds=API_SECONDS)
    crowd = Crowd(insights, checkpoints=CountedCheckpoints(counts), polls=CountedPolls(counts))
    for families in ROUNDS:
        await crowd.tick(families)
    await crowd.until_minute(10)
    # What the first polls found is long ago.
    for key, polled in crowd.polls.rows.items():
        crowd.polls.rows[key] = replace(polled, changed_at=None, last_poll_at=crowd.clock() - timedelta(minutes=1))
    counts.clear()
    insights.polled.clear()
    before, sent, began, most = insights.calls, len(crowd.queue.sent), crowd.clock.monotonic(), 0
    for minute in range(minutes):
        await crowd.until_minute(10 + minute)
        messages = len(crowd.queue.sent)
        await crowd.tick(REFRESHES)
        if minute % 5 == 0:
            await crowd.tick(THRESHOLDS)
        most = max(most, len(crowd.queue.sent) - messages)
    await crowd.until_minute(10 + minutes)
    crowd.queue.stop()
    end = crowd.clock.monotonic()
    counts["queue operations"] = 4 * (len(crowd.queue.sent) - sent)  # add, get, remove, and the look for more
    counts["table operations"] += 3 * minutes  # the timers' rows
    waits = sorted(
        later - earlier
        for times in insights.polled.values()
        for earlier, later in zip([began, *times], [*times, end], strict=True)
    )
    lags = {"p50": waits[len(waits) // 2], "p99": waits[int(len(waits) * 0.99)], "most": waits[-1]}
    slot = max(time % 60 for times in insights.polled.values() for time in times)
    return Outcome(instances, subscriptions, minutes, insights.calls - before, counts, most, lags, slot)


def sums(outcome: Outcome) -> dict[str, tuple[str, float]]:
    """The figures of the page: what each is, and how it is reckoned."""
    month = MINUTES_A_MONTH / outcome.minutes
    polls = outcome.operations["blob reads"] / 2 / outcome.minutes
    deliveries = outcome.instances * REFRESHES_A_DAY * EVENTS_OF_A_REFRESH * FLOWS_OF_AN_EVENT * 30
    cpu_a_minute = polls * CPU_OF_A_POLL + deliveries * CPU_OF_A_DELIVERY / MINUTES_A_MONTH
    tables = outcome.operations["table operations"] * month + deliveries * TABLE_OPERATIONS_OF_A_DELIVERY
    queues = outcome.operations["queue operations"] * month + deliveries * QUEUE_OPERATIONS_OF_A_DELIVERY
    reads, writes = outcome.operations["blob reads"] * month, outcome.operations["blob writes"] * month
    seconds = max(cpu_a_minute, outcome.busiest_slot) * MINUTES_A_MONTH
    costs = {
        "tables": tables / 10_000 * PRICE_OF_TABLES,
        "queues": queues / 10_000 * PRICE_OF_QUEUES,
        "blobs": reads / 10_000 * PRICE_OF_BLOB_READS + writes / 10_000 * PRICE_OF_BLOB_WRITES,
        "compute": seconds * math.ceil(cpu_a_minute / 60) * MEMORY_GB * PRICE_OF_A_GB_SECOND,
    }
    return {
        "Environments": ("", outcome.instances),
        "Subscriptions": ("", outcome.subscriptions),
        "Calls to Customer Insights a minute": ("counted", outcome.a_minute(outcome.calls)),
        "Polls a minute": ("counted", polls),
        "Messages of one slot": ("counted, at most", outcome.most_messages),
        "Last poll of a slot, seconds after its beginning": ("counted, at most", outcome.busiest_slot),
        "Seconds between two polls of an environment, median": ("counted", outcome.lags["p50"]),
        "the same, p99": ("counted", outcome.lags["p99"]),
        "the same, at most": ("counted", outcome.lags["most"]),
        "Table operations a month": ("counted, and 3 a delivery", tables),
        "Queue operations a month": ("counted, and 4 a delivery", queues),
        "Blob reads a month": ("counted", reads),
        "Blob writes a month": ("counted", writes),
        "Deliveries a month": (
            f"{REFRESHES_A_DAY} refresh a day x {EVENTS_OF_A_REFRESH} events x {FLOWS_OF_AN_EVENT} flows x 30",
            deliveries,
        ),
        "Processor seconds a minute": (f"{CPU_OF_A_POLL} a poll, {CPU_OF_A_DELIVERY} a delivery", cpu_a_minute),
        "Instances of the app for it": ("processor seconds a minute / 60, rounded up", math.ceil(cpu_a_minute / 60)),
        "USD a month: tables": (f"{PRICE_OF_TABLES} for 10,000", costs["tables"]),
        "USD a month: queues": (f"{PRICE_OF_QUEUES} for 10,000", costs["queues"]),
        "USD a month: blobs": (f"{PRICE_OF_BLOB_READS} and {PRICE_OF_BLOB_WRITES} for 10,000", costs["blobs"]),
        "USD a month: compute": (
            f"the busy seconds x {MEMORY_GB:.0f} GB x {PRICE_OF_A_GB_SECOND} x instances",
            costs["compute"],
        ),
        "USD a month: all of these": ("their sum", sum(costs.values())),
    }
