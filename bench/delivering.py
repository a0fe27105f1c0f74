"""Deliveries as they wait in the queue, and the bridge's code that makes them, with storage in memory.

That storage is the tests' fakes; all else is the product's: its messages, its encryption, its connections.
"""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, override

from shared.adapters.callbacks import CallbackClient
from shared.adapters.cipher import CallbackCipher
from shared.domain.callbacks import CallbackPolicy
from shared.domain.deliveries import Delivery, New, RetryPolicy
from shared.domain.events.data_sources import DataSourceRefreshFailed
from shared.domain.events.envelope import Event
from shared.domain.messages import Look, Release, encode_new
from shared.domain.subscriptions import Subscription
from shared.domain.triggers import TRIGGERS
from shared.domain.wishes import Wish
from shared.telemetry import SILENCE
from shared.usecases.bury import Bury
from shared.usecases.deliver import Deliver
from shared.usecases.publish import Publish
from shared.wiring_delivering import wire_delivering
from tests.fakes import (
    DeadLetterLogFake,
    DeliveryStoreFake,
    DueStoreFake,
    EventLogFake,
    PublisherFake,
    QueueFake,
    SubscriptionStoreFake,
)

FLOWS: Final = 20
AT_ONCE: Final = 64
KEY: Final = bytes(32)
HOST: Final = "localhost"
# More than any round comes to: the rate is not what is measured.
RATE: Final = 10_000
INSTANCE: Final = "11111111-1111-4111-8111-111111111111"

_TRIGGER: Final = "data-source-refresh-failed"
_TIMEOUT: Final = timedelta(seconds=30)
_QUERY: Final = "api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=" + 43 * "x"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def events(count: int, instance_id: str = INSTANCE) -> list[Event]:
    """Refreshes of a data source that failed, a second apart."""
    data = DataSourceRefreshFailed.model_validate({**DataSourceRefreshFailed.sample, "instanceId": instance_id})
    since = now() - timedelta(seconds=count)
    return [Event.of(data, time=since + timedelta(seconds=n), occurrence=[str(n)]) for n in range(count)]


def flow_url(receiver: str, number: int) -> str:
    """A callback as long as those of flows are."""
    return f"{receiver}/workflows/{number:032x}/triggers/manual/run?{_QUERY}"


def subscription(id_: str, url: str, **filters: object) -> Subscription:
    """One to the failures of the instance."""
    trigger, at = TRIGGERS[_TRIGGER], now()
    wanted = trigger.filters.model_validate(filters)
    return Subscription(
        id=id_,
        trigger=trigger,
        instance_id=INSTANCE,
        filters=wanted,
        callback=CallbackCipher(KEY).seal(url, context=id_),
        callback_host=HOST,
        fingerprint=Wish(trigger, INSTANCE, wanted, url).fingerprint,
        rule_id="rule",
        created_at=at,
        updated_at=at,
    )


def subscriptions(receiver: str) -> list[Subscription]:
    """One for each flow."""
    return [subscription(f"flow{number}", flow_url(receiver, number)) for number in range(FLOWS)]


def messages(of: Iterable[Event], to: Sequence[Subscription]) -> list[str]:
    """What stands in the queue after these events were dispatched to all."""
    new = (New(subscription.id, event, now()) for event in of for subscription in to)
    return [base64.b64encode(encode_new(one).encode()).decode() for one in new]


async def each[T](work: Callable[[T], Awaitable[object]], of: Iterable[T], at_once: int = AT_ONCE) -> None:
    """Do the work of all, so many at a time."""
    left = iter(of)

    async def go_on() -> None:
        for one in left:
            await work(one)

    await asyncio.gather(*(go_on() for _ in range(at_once)))


class _Nobody(logging.Handler):
    """Takes lines as they are written."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


@asynccontextmanager
async def logged_to_nobody() -> AsyncIterator[None]:
    """The bridge writes its log, as it does in Azure, and nobody reads it."""
    log, was, nobody = logging.getLogger("bridge"), logging.getLogger("bridge").level, _Nobody()
    log.addHandler(nobody)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(nobody)
        log.setLevel(was)


class _Subscriptions(SubscriptionStoreFake):
    """Subscriptions as they are once their rows have come and were read."""

    def __init__(self, subscribed: Sequence[Subscription]) -> None:
        super().__init__(*subscribed)
        self._read = {one.id: (one, "") for one in subscribed}

    @override
    async def get(self, subscription_id: str) -> tuple[Subscription, str] | None:
        return self._read.get(subscription_id)


class Records(DeliveryStoreFake):
    """Records that are kept while they may be asked for, and nothing else: no storage is a part of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = 0

    @override
    async def put(self, delivery: Delivery, version: str | None = None, was: Delivery | None = None) -> str:
        self.writes += 1
        place = delivery.subscription_id, delivery.key
        if delivery.has_ended:
            del self.rows[place]
            self.ended += 1
        else:
            self.rows[place] = delivery, ""
        return ""


@dataclass(frozen=True, slots=True)
class InMemory:
    """The code that delivers, with what it has stored to look at."""

    deliver: Deliver
    deliveries: Records
    queue: QueueFake[New | Look]
    callbacks: CallbackClient

    @classmethod
    def over(cls, subscribed: Sequence[Subscription]) -> "InMemory":
        """A new one, for these subscriptions."""
        store, deliveries = _Subscriptions(subscribed), Records()
        queue, releases = QueueFake[New | Look](now), QueueFake[Release](now)  # type: ignore[arg-type] # any clock will do
        bury = Bury(letters=DeadLetterLogFake(), clock=now)
        callbacks = CallbackClient(CallbackPolicy((HOST,), allow_insecure=True), _TIMEOUT.total_seconds())
        delivering = wire_delivering(
            subscriptions=store,
            deliveries=deliveries,
            events=EventLogFake(),
            logs=[],
            due=DueStoreFake(),
            incoming=queue,
            queue=queue,
            releases=releases,
            callbacks=callbacks,
            cipher=CallbackCipher(KEY),
            publish=Publish(publisher=PublisherFake(), bury=bury, clock=now),
            bury=bury,
            policy=RetryPolicy((10,), timedelta(hours=76)),
            timeout=_TIMEOUT,
            per_second=RATE,
            keep=timedelta(days=30),
            user_agent="customer-insights-event-bridge/0",
            clock=now,
            telemetry=SILENCE,
        )
        return cls(delivering.deliver, deliveries, queue, callbacks)
