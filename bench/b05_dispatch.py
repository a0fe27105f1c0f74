"""B5: what does it take to find an event's subscribers among all, and to send it on to each?

Subscriptions stand in a table in memory that looks only at the partition that a query names, as Azure's does, and
counts the rows it gives. The sends go over HTTP, through the SDK, to a server that takes every message: Azurite would
be measured otherwise. The limit is the same sends without us, 32 at once.
"""

import base64
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, override

from azure.data.tables import TableEntity
from azure.storage.queue.aio import QueueClient

from bench.benchmark import Bar, Benchmark, Count, Sides, Took
from bench.delivering import INSTANCE, each, events, logged_to_nobody, messages, now, subscription
from bench.receiver import Receiver, receiving
from shared.adapters.queues import DELIVERIES, DeliveryMessages
from shared.adapters.storage import API_VERSION, CONNECTING, Account
from shared.adapters.subscription_rows import signposts
from shared.adapters.subscription_table import SubscriptionTable
from shared.domain.deliveries import New
from shared.domain.events.envelope import Event
from shared.domain.messages import Look, Release
from shared.ports.queues import DeliveryQueue
from shared.usecases.agenda import Agenda
from shared.usecases.backlog import Backlog
from shared.usecases.bury import Bury
from shared.usecases.dispatch import AT_ONCE, Dispatch
from tests.fakes import DeadLetterLogFake, DeliveryStoreFake, DueStoreFake, EventLogFake, QueueFake
from tests.tables import Key, TableFake, key

_MATCHES: Final = 10
_FEW: Final = 1_000
_MANY: Final = 100_000
_SHORT: Final = 5_000
_SUBSCRIBERS: Final = 1_000
_EVENTS: Final = 50  # one alone takes too little time to be measured
_TAKEN: Final = (
    "<?xml version='1.0'?><QueueMessagesList><QueueMessage><MessageId>1</MessageId><PopReceipt>1</PopReceipt>"
    "<InsertionTime>Fri, 20 Nov 2026 12:00:00 GMT</InsertionTime><ExpirationTime>Fri, 20 Nov 2026 12:00:00 GMT"
    "</ExpirationTime><TimeNextVisible>Fri, 20 Nov 2026 12:00:00 GMT</TimeNextVisible></QueueMessage>"
    "</QueueMessagesList>"
)


async def _at_once[T](effect: Callable[[], T]) -> T:
    return effect()


class _Table(TableFake):
    """A table whose queries look at no other partition than theirs."""

    def __init__(self) -> None:
        self.partitions: defaultdict[str, dict[Key, TableEntity]] = defaultdict(dict)
        super().__init__(_at_once, now)

    @override
    def write(self, row: Mapping[str, Any]) -> str:
        written = super().write(row)
        self.partitions[row["PartitionKey"]][key(row)] = self.rows[key(row)]
        return written

    @override
    def _following(self, condition: str, values: Mapping[str, Any], after: Key | None) -> list[TableEntity]:
        whole, self.rows = self.rows, self.partitions[values["partition"]]
        try:
            return super()._following(condition, values, after)
        finally:
            self.rows = whole


class _Subscriptions(SubscriptionTable):
    """The store of subscriptions over such a table: so many of them, of which some match."""

    def __init__(self, count: int, matching: int) -> None:
        self.table = self._table = _Table()  # type: ignore[assignment] # it is used as the real one is
        for number in range(matching):
            for row in signposts(subscription(f"{number:08x}", "localhost")):
                self.table.write(row)
        row, _ = signposts(subscription("another", "localhost", data_source_id="another"))
        for number in range(count - matching):
            instance = INSTANCE if number % 2 else f"{number:08x}{INSTANCE[8:]}"
            partition = str(row["PartitionKey"]).replace(INSTANCE, instance).replace("another", f"another{number}")
            self.table.write({**row, "PartitionKey": partition})


def _dispatch(subscriptions: SubscriptionTable, queue: DeliveryQueue) -> Dispatch:
    deliveries, bury = DeliveryStoreFake(), Bury(letters=DeadLetterLogFake(), clock=now)
    releases = QueueFake[Release](now)  # type: ignore[arg-type] # any clock will do
    agenda = Agenda(deliveries=queue, releases=releases, due=DueStoreFake(), clock=now)
    backlog = Backlog(subscriptions=subscriptions, deliveries=deliveries, agenda=agenda, clock=now)
    return Dispatch(
        subscriptions=subscriptions, events=EventLogFake(), agenda=agenda, backlog=backlog, bury=bury, clock=now
    )


def _message(event: Event) -> str:
    return base64.b64encode(event.encode().encode()).decode()


async def _found(subscriptions: _Subscriptions) -> Took:
    """Dispatch some events of which few of the subscriptions want each."""
    queue = QueueFake[New | Look](now)  # type: ignore[arg-type] # any clock will do
    dispatch, before = _dispatch(subscriptions, queue), subscriptions.table.given
    waiting = [_message(event) for event in events(_EVENTS)]
    begun = perf_counter()
    for message in waiting:
        await dispatch(message)
    seconds = perf_counter() - begun
    matches = _MATCHES * len(waiting)
    reads = Count(subscriptions.table.given - before, matches)
    return Took({"": seconds}, {"row reads": reads, "sends": Count(queue.sent, matches)})


async def _sent(receiver: Receiver, exact: int, work: Callable[[], Awaitable[object]]) -> tuple[float, Count]:
    before = await receiver.count()
    begun = perf_counter()
    await work()
    return perf_counter() - begun, Count(await receiver.count() - before, exact)


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    few, many = _Subscriptions(_FEW, _MATCHES), _Subscriptions(_SHORT if short else _MANY, _MATCHES)
    count, [event] = 100 if short else _SUBSCRIBERS, events(1)
    wanting = _Subscriptions(count, count)
    async with receiving(HTTPStatus.CREATED, _TAKEN) as receiver, logged_to_nobody():
        account = Account(
            f"DefaultEndpointsProtocol=http;AccountName=bench;AccountKey=YmVuY2g=;QueueEndpoint={receiver.url}/bench"
        )

        async def ours() -> Took:
            of_few, of_many = await _found(few), await _found(many)
            queue, before = DeliveryMessages(account), wanting.table.given
            dispatch = _dispatch(wanting, queue)
            seconds, sends = await _sent(receiver, count, lambda: dispatch(_message(event)))
            await queue.close()
            counts = {
                "row reads": Count(wanting.table.given - before, count),
                "sends": sends,
                **{f"{what} among few": found for what, found in of_few.counts.items()},
                **{f"{what} among many": found for what, found in of_many.counts.items()},
            }
            figures = {"": seconds, "among few": of_few.figures[""], "among many": of_many.figures[""]}
            return Took(figures, counts)

        async def limit() -> Took:
            texts = messages([event], [subscription(f"{number:08x}", "localhost") for number in range(count)])
            assert account.connection_string is not None  # noqa: S101 - it was given above
            connection = account.connection_string
            queue = QueueClient.from_connection_string(connection, DELIVERIES, api_version=API_VERSION, **CONNECTING)
            async with queue:
                seconds, sends = await _sent(receiver, count, lambda: each(queue.send_message, texts, AT_ONCE))
            return Took({"": seconds}, {"sends": sends})

        yield {"ours": ours, "limit": limit}


BENCHMARK = Benchmark(
    number="B5",
    title="Dispatch",
    work="one event for 1,000 subscribers; and events that 10 of 100,000 subscriptions want",
    unit="s",
    bars=(
        Bar("at least 0.8 of the rate of the sends alone", "ours", "limit", most=1.25),
        Bar("among 100,000 as quick as among 1,000, but for noise", "ours among many", "ours among few", most=1.25),
    ),
    sides=_sides,
)
