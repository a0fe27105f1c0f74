"""A bridge over the real use cases and the fakes of the ports."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from shared.composition import Bridge
from shared.usecases.rotate import RotateSecret
from shared.usecases.status import ReadStatus
from shared.usecases.subscribe import Unsubscribe
from tests.fakes import PollStoreFake, TimerStoreFake, WaitingFake
from tests.usecases.world import World

QUEUES = ("events", "deliveries", "releases", "polls", "events-poison", "deliveries-poison")


def over(world: World, polls: PollStoreFake, timers: TimerStoreFake, queues: Mapping[str, WaitingFake]) -> Bridge:
    """What routes need of a bridge; what concerns Customer Insights is left out."""
    wired: dict[str, Any] = dict.fromkeys(field.name for field in fields(Bridge) if not field.name.startswith("_"))
    wired |= {
        "subscriptions": world.subscriptions,
        "deliveries": world.deliveries,
        "events": world.events,
        "letters": world.graveyard,
        "edit": world.edit,
        "redeliver": world.redeliver,
        "replay": world.replay,
        "follow": world.follow,
        "subscribe": world.subscribe,
        "unsubscribe": Unsubscribe(
            subscriptions=world.subscriptions,
            deliveries=world.deliveries,
            notify=world.notify,
            clock=world.clock,
        ),
        "rotate_secret": RotateSecret(subscriptions=world.subscriptions, cipher=world.cipher, clock=world.clock),
        "status": ReadStatus(
            polls=polls,
            subscriptions=world.subscriptions,
            deliveries=world.deliveries,
            letters=world.graveyard,
            timers=timers,
            queues=queues,
        ),
        "in_azure": False,
    }
    return Bridge(**wired)
