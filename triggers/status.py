"""How the bridge is: its polls, its subscriptions, and what waits."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

from pydantic import AwareDatetime, Field

from shared import __version__
from shared.composition import bridge
from shared.domain.events.wire import Wire
from shared.domain.polls import Polled
from shared.usecases.status import Count
from triggers.operations import Routes

routes = Routes()
blueprint = routes.blueprint


class CountView(Wire):
    """How many there are."""

    count: int = Field(description="How many; at least so many where there are more.")
    more: Literal[True] | None = Field(default=None, description="Set where there are more: nobody counted on.")


class FamilyView(Wire):
    """How the polls of a family of resources go."""

    family: Literal["jobs", "dataSources", "segments", "measures"] = Field(description="The family of resources.")
    last_poll_at: AwareDatetime | None = Field(
        default=None, description="When it was last polled, to the minute or so (UTC)."
    )
    last_success_at: AwareDatetime | None = Field(default=None, description="When a poll last went well (UTC).")
    failing_since: AwareDatetime | None = Field(default=None, description="Since when polls fail (UTC).")
    error: str | None = Field(default=None, description="Why they fail.")
    pending_events: int = Field(description="How many events are found and not known to be published.")


class PolledInstance(Wire):
    """How the polls of an environment go."""

    instance_id: str = Field(
        title="Environment id",
        description="The id of the environment; * for all of them, where they could not even be listed.",
    )
    name: str | None = Field(default=None, description="The name of the environment, where it is known.")
    families: Sequence[FamilyView] = Field(description="The families of resources that are polled.")


class SubscriptionCounts(Wire):
    """How many subscriptions there are, by status."""

    active: int = Field(default=0, description="How many take events.")
    failing: int = Field(default=0, description="How many fail: one delivery at a time is tried.")
    paused: int = Field(default=0, description="How many somebody has paused.")
    suspended: int = Field(default=0, description="How many are suspended, because their flow is off or gone.")


class QueueCounts(Wire):
    """About how many messages wait in each queue."""

    events: CountView = Field(description="Events to be dispatched.")
    deliveries: CountView = Field(description="Deliveries to be looked at soon.")
    releases: CountView = Field(description="Backlogs to be let out.")
    polls: CountView = Field(description="Environments to be polled.")
    events_poison: CountView = Field(description="Events that kept failing.")
    deliveries_poison: CountView = Field(description="Deliveries that kept failing.")


class Timers(Wire):
    """When the timers last ran, and what stands in for them."""

    polled_at: AwareDatetime | None = Field(default=None, description="When a timer last began to poll (UTC).")
    heartbeat_at: AwareDatetime | None = Field(
        default=None,
        description="When it was last looked whether the timers run (UTC): if they do not, polling goes on.",
    )


class BridgeStatusView(Wire):
    """How the bridge is."""

    version: str = Field(description="The version of the bridge.")
    instances: Sequence[PolledInstance] = Field(description="How the polls of each environment go.")
    subscriptions: SubscriptionCounts = Field(description="How many of the subscriptions have which status.")
    queues: QueueCounts = Field(description="How many messages wait in which queue, about.")
    held: CountView = Field(description="How many deliveries are held.")
    dead_letters: CountView = Field(description="How many dead letters there are.")
    timers: Timers = Field(description="The latest runs of timers.")


@routes("GET", "status", summary="Get the status of the bridge", visibility="normal")
async def get_bridge_status() -> BridgeStatusView:
    """How polling goes, how many subscriptions are active, and how much waits, is held or could not be delivered."""
    status = await bridge().status()
    queues = {name.replace("-", "_"): _counted(count) for name, count in status.queues.items()}
    return BridgeStatusView(
        version=__version__,
        instances=list(_instances(status.polls)),
        subscriptions=SubscriptionCounts.model_validate(status.subscriptions),
        queues=QueueCounts(**queues),
        held=_counted(status.held),
        dead_letters=_counted(status.dead_letters),
        timers=Timers(polled_at=status.polled_at, heartbeat_at=status.heartbeat_at),
    )


def _counted(count: Count) -> CountView:
    return CountView(count=count.count, more=True if count.more else None)


def _instances(polls: Sequence[Polled]) -> Iterator[PolledInstance]:
    for instance_id, group in groupby(polls, key=lambda polled: polled.instance_id):
        polled = list(group)
        name = next((one.name for one in polled if one.name is not None), None)
        yield PolledInstance(instance_id=instance_id, name=name, families=[_family(one) for one in polled])


def _family(polled: Polled) -> FamilyView:
    return FamilyView.model_validate(
        {
            "family": polled.family.on_wire,
            "last_poll_at": polled.last_poll_at,
            "last_success_at": polled.last_success_at,
            "failing_since": polled.failing_since,
            "error": polled.error,
            "pending_events": polled.pending_events,
        }
    )
