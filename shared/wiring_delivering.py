"""Wire delivering: its use cases over ports, from an event in its queue until what a flow made of it is forgotten."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shared.domain.deliveries import RetryPolicy
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore, DueStore
from shared.ports.logs import EventLog, Retention
from shared.ports.queues import DeliveryQueue, ReleaseQueue, TextQueue
from shared.ports.subscriptions import Callbacks, Cipher, SubscriptionStore
from shared.telemetry import Telemetry
from shared.usecases.agenda import Agenda
from shared.usecases.attempt import Attempt
from shared.usecases.backlog import Backlog
from shared.usecases.bury import Bury
from shared.usecases.deliver import Deliver
from shared.usecases.dispatch import Dispatch
from shared.usecases.expire import Expire
from shared.usecases.gate import Gate
from shared.usecases.notify import Notify
from shared.usecases.patience import Patience
from shared.usecases.publish import Publish
from shared.usecases.purge import Purge
from shared.usecases.release import WORK, Release

# How much longer a release is taken to be at work than its work and its last attempts take.
LEASE_MARGIN = timedelta(seconds=20)


class DeliveryMessages(DeliveryQueue, TextQueue, Protocol):
    """The queue of deliveries, to send to and to send back to."""


@dataclass(frozen=True)
class Delivering:
    """What a worker has for delivering."""

    notify: Notify
    agenda: Agenda
    backlog: Backlog
    attempt: Attempt
    dispatch: Dispatch
    deliver: Deliver
    release: Release
    patience: Patience
    purge: Purge


def any_jitter() -> float:
    """A number from -1 to 1: which way and how far a wait strays."""
    return random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing


def wire_delivering(  # noqa: PLR0913 - the ports it needs, by name
    *,
    subscriptions: SubscriptionStore,
    deliveries: DeliveryStore,
    events: EventLog,
    logs: Sequence[Retention],
    due: DueStore,
    incoming: TextQueue,
    queue: DeliveryMessages,
    releases: ReleaseQueue,
    callbacks: Callbacks,
    cipher: Cipher,
    publish: Publish,
    bury: Bury,
    policy: RetryPolicy,
    timeout: timedelta,
    per_second: int,
    keep: timedelta,
    user_agent: str,
    clock: Clock,
    telemetry: Telemetry,
    jitter: Callable[[], float] = any_jitter,
    seconds: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Delivering:
    """Wire delivering over these ports; `per_second` is the rate of a subscription, and `logs` forget after `keep`."""
    notify = Notify(subscriptions=subscriptions, publish=publish, bury=bury, clock=clock)
    agenda = Agenda(deliveries=queue, releases=releases, due=due, clock=clock)
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
        policy=policy,
        timeout=timeout,
        user_agent=user_agent,
        jitter=jitter,
        telemetry=telemetry,
    )
    dispatch = Dispatch(
        subscriptions=subscriptions,
        events=events,
        agenda=agenda,
        backlog=backlog,
        bury=bury,
        clock=clock,
        telemetry=telemetry,
    )
    deliver = Deliver(
        subscriptions=subscriptions,
        deliveries=deliveries,
        agenda=agenda,
        attempt=attempt,
        backlog=backlog,
        bury=bury,
        gate=Gate(per_second, seconds),
        clock=clock,
    )
    release = Release(
        subscriptions=subscriptions,
        deliveries=deliveries,
        agenda=agenda,
        attempt=attempt,
        backlog=backlog,
        bury=bury,
        clock=clock,
        per_second=per_second,
        keep=keep,
        lease=WORK + 2 * timeout + LEASE_MARGIN,
        seconds=seconds,
        sleep=sleep,
    )
    patience = Patience(
        events=incoming,
        queue=queue,
        deliveries=deliveries,
        attempt=attempt,
        bury=bury,
        clock=clock,
        max_age=policy.max_age,
        telemetry=telemetry,
    )
    expire = Expire(subscriptions=subscriptions, deliveries=deliveries, attempt=attempt, clock=clock)
    purge = Purge(expire=expire, logs=logs, clock=clock, keep=keep)
    return Delivering(notify, agenda, backlog, attempt, dispatch, deliver, release, patience, purge)
