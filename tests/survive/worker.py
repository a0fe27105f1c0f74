"""A worker: the use cases of one process, wired over the shared storage as the bridge wires them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.deliveries import RetryPolicy
from shared.telemetry import SILENCE
from shared.usecases.agenda import Agenda
from shared.usecases.attempt import Attempt
from shared.usecases.backlog import Backlog
from shared.usecases.bury import Bury
from shared.usecases.deliver import Deliver
from shared.usecases.dispatch import Dispatch
from shared.usecases.edit import Edit
from shared.usecases.expire import Expire
from shared.usecases.follow import Follow
from shared.usecases.gate import Gate
from shared.usecases.notify import Notify
from shared.usecases.patience import Patience
from shared.usecases.publish import Publish
from shared.usecases.purge import Purge
from shared.usecases.redeliver import Redeliver
from shared.usecases.release import WORK, Release
from shared.usecases.replay import Replay
from shared.usecases.served import Served
from shared.usecases.subscribe import Subscribe, Unsubscribe
from shared.wiring import LEASE_MARGIN
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
        self.notify = notify = Notify(subscriptions=subscriptions, publish=publish, bury=bury, clock=clock)
        due = Due(tables["due"])
        self.agenda = agenda = Agenda(deliveries=queue, releases=releases, due=due, clock=clock)
        backlog = Backlog(subscriptions=subscriptions, deliveries=deliveries, agenda=agenda, clock=clock)
        attempt = Attempt(
            subscriptions=subscriptions,
            deliveries=deliveries,
            callbacks=callbacks,
            cipher=cipher,
            agenda=agenda,
            backlog=backlog,
            bury=bury,
            notify=notify,
            clock=clock,
            policy=RetryPolicy(settings.retry_seconds, settings.max_age),
            timeout=timedelta(seconds=TIMEOUT),
            user_agent="bridge/1",
            jitter=lambda: 0.0,
        )
        follow = Follow(subscriptions=subscriptions, deliveries=deliveries, events=events)
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
        self.dispatch = Dispatch(
            subscriptions=subscriptions, events=events, agenda=agenda, backlog=backlog, bury=bury, clock=clock
        )
        self.deliver = Deliver(
            subscriptions=subscriptions,
            deliveries=deliveries,
            agenda=agenda,
            attempt=attempt,
            backlog=backlog,
            bury=bury,
            gate=Gate(settings.rate, seconds),
            clock=clock,
        )
        self.release = Release(
            subscriptions=subscriptions,
            deliveries=deliveries,
            agenda=agenda,
            attempt=attempt,
            backlog=backlog,
            bury=bury,
            clock=clock,
            per_second=settings.rate,
            keep=settings.keep,
            lease=WORK + 2 * timedelta(seconds=TIMEOUT) + LEASE_MARGIN,
            seconds=seconds,
        )
        self.patience = Patience(
            events=incoming,
            queue=queue,
            deliveries=deliveries,
            attempt=attempt,
            bury=bury,
            clock=clock,
            max_age=settings.max_age,
        )
        self.purge = Purge(
            expire=Expire(subscriptions=subscriptions, deliveries=deliveries, attempt=attempt, clock=clock),
            logs=[deliveries, events],
            clock=clock,
            keep=settings.keep,
        )
        self.subscribe = Subscribe(
            subscriptions=subscriptions,
            insights=insights,
            callbacks=callbacks,
            cipher=cipher,
            backlog=backlog,
            notify=notify,
            clock=clock,
            served=Served([INSTANCE]),
        )
        self.unsubscribe = Unsubscribe(subscriptions=subscriptions, deliveries=deliveries, notify=notify, clock=clock)
        self.edit = Edit(
            subscriptions=subscriptions,
            deliveries=deliveries,
            attempt=attempt,
            backlog=backlog,
            notify=notify,
            clock=clock,
        )
        self.redeliver = Redeliver(
            subscriptions=subscriptions,
            deliveries=deliveries,
            letters=letters,
            follow=follow,
            agenda=agenda,
            backlog=backlog,
            clock=clock,
        )
        self.replay = Replay(
            subscriptions=subscriptions,
            deliveries=deliveries,
            events=events,
            letters=letters,
            backlog=backlog,
            clock=clock,
        )
