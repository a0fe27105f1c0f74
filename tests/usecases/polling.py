"""Polling over fakes, wired as the bridge wires it."""

from collections.abc import Sequence
from datetime import timedelta

from shared.domain.messages import Beat
from shared.domain.slots import Shard
from shared.ports.clock import Clock
from shared.ports.logs import DeadLetterLog
from shared.ports.polling import Budget, CheckpointStore, Insights, PollStore, Publisher, TimerStore
from shared.ports.queues import PollQueue
from shared.ports.subscriptions import SubscriptionStore
from shared.schedules import read_schedule
from shared.telemetry import SILENCE, Telemetry
from shared.usecases.bury import Bury
from shared.usecases.poll import REFRESHES, THRESHOLDS, Poll
from shared.usecases.publish import Publish
from shared.usecases.served import Served
from shared.wiring_polling import Polling, wire_polling
from tests.fakes import BudgetFake, ClockFake, DeadLetterLogFake, QueueFake, TimerStoreFake

TICKS = dict.fromkeys(REFRESHES, read_schedule("0 * * * * *").after) | dict.fromkeys(
    THRESHOLDS, read_schedule("30 */5 * * * *").after
)

FAILED_AFTER = timedelta(seconds=600)


def worker_of(  # noqa: PLR0913 - the ports it needs, by name
    *,
    insights: Insights,
    checkpoints: CheckpointStore,
    subscriptions: SubscriptionStore,
    publisher: Publisher,
    polls: PollStore,
    clock: Clock,
    instances: Sequence[str] = (),
    inline_max: int = 20,
    queue: PollQueue | None = None,
    timers: TimerStore | None = None,
    budget: Budget | None = None,
    letters: DeadLetterLog | None = None,
    telemetry: Telemetry = SILENCE,
) -> Polling:
    """A worker over these ports; what is not given is a fake."""
    bury = Bury(letters=letters or DeadLetterLogFake(), clock=clock, telemetry=telemetry)
    return wire_polling(
        insights=insights,
        served=Served(instances),
        checkpoints=checkpoints,
        subscriptions=subscriptions,
        publish=Publish(publisher=publisher, bury=bury, clock=clock, telemetry=telemetry),
        polls=polls,
        timers=timers or TimerStoreFake(),
        queue=queue or QueueFake[Shard | Beat](ClockFake()),
        budget=budget or BudgetFake(),
        bury=bury,
        ticks=TICKS,
        inline_max=inline_max,
        failed_after=FAILED_AFTER,
        clock=clock,
        telemetry=telemetry,
    )


def poll_of(  # noqa: PLR0913 - the ports it needs, by name
    *,
    insights: Insights,
    checkpoints: CheckpointStore,
    subscriptions: SubscriptionStore,
    publisher: Publisher,
    polls: PollStore,
    clock: Clock,
    letters: DeadLetterLog | None = None,
    instances: Sequence[str] = (),
    telemetry: Telemetry = SILENCE,
) -> Poll:
    """A poll over these ports."""
    return worker_of(
        insights=insights,
        checkpoints=checkpoints,
        subscriptions=subscriptions,
        publisher=publisher,
        polls=polls,
        letters=letters,
        clock=clock,
        instances=instances,
        telemetry=telemetry,
    ).poll
