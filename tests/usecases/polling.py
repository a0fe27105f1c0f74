"""Polling composed: its use cases over ports, as `shared.wiring` puts them together."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from shared.usecases.leave import Leave
from shared.usecases.poll import REFRESHES, THRESHOLDS, Poll
from shared.usecases.poll_instance import PollInstance
from shared.usecases.poll_many import PollMany
from shared.usecases.poll_message import PollMessage
from shared.usecases.poll_outcomes import PollOutcomes
from shared.usecases.poll_report import PollReport
from shared.usecases.publish import Publish
from shared.usecases.served import Served
from shared.usecases.timers import Timers
from tests.fakes import BudgetFake, ClockFake, DeadLetterLogFake, QueueFake, TimerStoreFake

TICKS = dict.fromkeys(REFRESHES, read_schedule("0 * * * * *").after) | dict.fromkeys(
    THRESHOLDS, read_schedule("30 */5 * * * *").after
)

FAILED_AFTER = timedelta(seconds=600)


@dataclass
class Worker:
    """What one worker has for polling."""

    poll: Poll
    message: PollMessage
    timers: Timers


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
) -> Worker:
    """A worker over these ports."""
    queue = queue or QueueFake[Shard | Beat](ClockFake())
    bury = Bury(letters=letters or DeadLetterLogFake(), clock=clock, telemetry=telemetry)
    publish = Publish(publisher=publisher, bury=bury, clock=clock, telemetry=telemetry)
    report = PollReport(polls=polls, publish=publish, clock=clock, failed_after=FAILED_AFTER)
    outcomes = PollOutcomes(report=report, telemetry=telemetry)
    poll_instance = PollInstance(
        insights=insights,
        checkpoints=checkpoints,
        subscriptions=subscriptions,
        publish=publish,
        outcomes=outcomes,
        clock=clock,
        telemetry=telemetry,
    )
    poll_many = PollMany(
        poll_instance=poll_instance,
        outcomes=outcomes,
        budget=budget or BudgetFake(),
        clock=clock,
        telemetry=telemetry,
    )
    leave = Leave(
        polls=polls, report=report, subscriptions=subscriptions, poll_instance=poll_instance, telemetry=telemetry
    )
    poll = Poll(
        insights=insights,
        served=Served(instances),
        polls=polls,
        poll_many=poll_many,
        queue=queue,
        leave=leave,
        outcomes=outcomes,
        ticks=TICKS,
        inline_max=inline_max,
        clock=clock,
        telemetry=telemetry,
    )
    ticking = Timers(
        poll=poll, timers=timers or TimerStoreFake(), queue=queue, ticks=TICKS, clock=clock, telemetry=telemetry
    )
    message = PollMessage(polls=polls, poll_many=poll_many, report=report, timers=ticking, bury=bury, clock=clock)
    return Worker(poll, message, ticking)


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
