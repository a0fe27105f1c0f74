"""Polling composed: the use case `Poll` over ports, as `shared.wiring` puts it together."""

from collections.abc import Sequence

from shared.ports import CheckpointStore, Clock, DeadLetterLog, Insights, PollStore, Publisher, SubscriptionStore
from shared.telemetry import SILENCE, Telemetry
from shared.usecases.bury import Bury
from shared.usecases.poll import Poll
from shared.usecases.poll_instance import PollInstance
from shared.usecases.poll_outcomes import PollOutcomes
from shared.usecases.poll_report import PollReport
from tests.fakes import DeadLetterLogFake


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
    outcomes = PollOutcomes(report=PollReport(polls=polls, clock=clock), telemetry=telemetry)
    poll_instance = PollInstance(
        insights=insights,
        checkpoints=checkpoints,
        subscriptions=subscriptions,
        publisher=publisher,
        bury=Bury(letters=letters or DeadLetterLogFake(), clock=clock, telemetry=telemetry),
        outcomes=outcomes,
        clock=clock,
        telemetry=telemetry,
    )
    return Poll(
        insights=insights,
        poll_instance=poll_instance,
        outcomes=outcomes,
        instances=instances,
        telemetry=telemetry,
    )
