"""Wire polling: its use cases over ports."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.cadence import Ticks
from shared.domain.checkpoints import Family
from shared.ports.clock import Clock
from shared.ports.polling import Budget, CheckpointStore, Insights, PollStore, TimerStore
from shared.ports.queues import PollQueue
from shared.ports.subscriptions import SubscriptionStore
from shared.telemetry import Telemetry
from shared.usecases.bury import Bury
from shared.usecases.leave import Leave
from shared.usecases.poll import Poll
from shared.usecases.poll_instance import PollInstance
from shared.usecases.poll_many import PollMany
from shared.usecases.poll_message import PollMessage
from shared.usecases.poll_outcomes import PollOutcomes
from shared.usecases.poll_report import PollReport
from shared.usecases.publish import Publish
from shared.usecases.served import Served
from shared.usecases.timers import Timers


@dataclass(frozen=True)
class Polling:
    """What a worker has for polling."""

    poll: Poll
    message: PollMessage
    timers: Timers


def wire_polling(  # noqa: PLR0913 - the ports it needs, by name
    *,
    insights: Insights,
    served: Served,
    checkpoints: CheckpointStore,
    subscriptions: SubscriptionStore,
    publish: Publish,
    polls: PollStore,
    timers: TimerStore,
    queue: PollQueue,
    budget: Budget,
    bury: Bury,
    ticks: Mapping[Family, Ticks],
    inline_max: int,
    failed_after: timedelta,
    clock: Clock,
    telemetry: Telemetry,
) -> Polling:
    """Wire polling over these ports."""
    report = PollReport(polls=polls, publish=publish, clock=clock, failed_after=failed_after)
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
        poll_instance=poll_instance, outcomes=outcomes, budget=budget, clock=clock, telemetry=telemetry
    )
    leave = Leave(
        polls=polls, report=report, subscriptions=subscriptions, poll_instance=poll_instance, telemetry=telemetry
    )
    poll = Poll(
        insights=insights,
        served=served,
        polls=polls,
        poll_many=poll_many,
        queue=queue,
        leave=leave,
        outcomes=outcomes,
        ticks=ticks,
        inline_max=inline_max,
        clock=clock,
        telemetry=telemetry,
    )
    ticking = Timers(poll=poll, timers=timers, queue=queue, ticks=ticks, clock=clock, telemetry=telemetry)
    message = PollMessage(polls=polls, poll_many=poll_many, report=report, timers=ticking, bury=bury, clock=clock)
    return Polling(poll, message, ticking)
