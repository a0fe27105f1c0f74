"""A worker: the use cases of one process, wired over the shared storage as the bridge wires them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.deliveries import RetryPolicy
from shared.telemetry import SILENCE
from shared.usecases.bury import Bury
from shared.usecases.publish import Publish
from shared.usecases.served import Served
from shared.wiring_delivering import wire_delivering
from shared.wiring_managing import wire_managing
from shared.wiring_polling import Polling, wire_polling
from tests.fakes import CipherFake
from tests.survive.cloud import Process, seconds
from tests.survive.outside import TIMEOUT, Callbacks, Flows, Publisher, Topic
from tests.survive.stores import (
    Checkpoints,
    Deliveries,
    Due,
    Events,
    Letters,
    Polls,
    SharedDeliveries,
    SharedEvents,
    SharedPolls,
    SharedReleases,
    Storage,
    Subscriptions,
    TimerRows,
)
from tests.survive.tenant import INSTANCE, AnyBudget, Insights, Tenant
from tests.usecases.polling import FAILED_AFTER, TICKS


@dataclass(frozen=True, slots=True)
class Settings:
    """What the settings of a bridge say; `inline_max` of 0 has polls shared out over the queue."""

    rate: int = 1_000
    retry_seconds: Sequence[float] = (10, 30, 60)
    max_age: timedelta = timedelta(hours=76)
    keep: timedelta = timedelta(days=30)
    inline_max: int = 20


@dataclass(frozen=True, slots=True)
class Outside:
    """What all processes share."""

    storage: Storage
    flows: Flows
    topic: Topic
    tenant: Tenant


class Worker:
    """The use cases of a process."""

    def __init__(self, process: Process, outside: Outside, settings: Settings) -> None:
        self.process = process
        storage = outside.storage
        cloud, clock = storage.cloud, process.clock
        tables = {name: storage.table(process, name) for name in storage.tables}
        queue = SharedDeliveries(cloud, process, storage.queues["deliveries"])
        releases = SharedReleases(cloud, process, storage.queues["releases"])
        incoming = SharedEvents(cloud, process, storage.queues["events"])
        self.subscriptions = subscriptions = Subscriptions(tables["subscriptions"])
        deliveries = Deliveries(tables["deliveries"], clock)
        events, letters = Events(tables["events"], clock), Letters(tables["deadletters"])
        callbacks, cipher = Callbacks(outside.flows, process), CipherFake()
        insights = Insights(outside.tenant, cloud, process)

        bury = Bury(letters=letters, clock=clock)
        publish = Publish(publisher=Publisher(outside.topic, cloud, process), bury=bury, clock=clock)
        self.delivering = wire_delivering(
            subscriptions=subscriptions,
            deliveries=deliveries,
            events=events,
            logs=[deliveries, events],
            due=Due(tables["due"]),
            incoming=incoming,
            queue=queue,
            releases=releases,
            callbacks=callbacks,
            cipher=cipher,
            publish=publish,
            bury=bury,
            policy=RetryPolicy(settings.retry_seconds, settings.max_age),
            timeout=timedelta(seconds=TIMEOUT),
            per_second=settings.rate,
            keep=settings.keep,
            user_agent="bridge/1",
            clock=clock,
            telemetry=SILENCE,
            jitter=lambda: 0.0,
            seconds=seconds,
        )
        self.managing = wire_managing(
            subscriptions=subscriptions,
            deliveries=deliveries,
            events=events,
            letters=letters,
            insights=insights,
            served=Served([INSTANCE]),
            callbacks=callbacks,
            cipher=cipher,
            delivering=self.delivering,
            clock=clock,
        )
        self.polling: Polling = wire_polling(
            insights=insights,
            served=Served([INSTANCE]),
            checkpoints=Checkpoints(cloud, process, storage),
            subscriptions=subscriptions,
            publish=publish,
            polls=Polls(tables["polls"]),
            timers=TimerRows(tables["polls"]),
            queue=SharedPolls(cloud, process, storage.queues["polls"]),
            budget=AnyBudget(),
            bury=bury,
            ticks=TICKS,
            inline_max=settings.inline_max,
            failed_after=FAILED_AFTER,
            clock=clock,
            telemetry=SILENCE,
        )
