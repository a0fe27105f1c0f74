"""Wire managing: the use cases over ports with which people look after their subscriptions and deliveries."""

from dataclasses import dataclass

from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.logs import DeadLetterLog, EventLog
from shared.ports.polling import Insights
from shared.ports.subscriptions import Callbacks, Cipher, SubscriptionStore
from shared.usecases.edit import Edit
from shared.usecases.follow import Follow
from shared.usecases.redeliver import Redeliver
from shared.usecases.replay import Replay
from shared.usecases.rotate import RotateSecret
from shared.usecases.served import Served
from shared.usecases.subscribe import Subscribe, Unsubscribe
from shared.wiring_delivering import Delivering


@dataclass(frozen=True)
class Managing:
    """What a worker has for people."""

    subscribe: Subscribe
    unsubscribe: Unsubscribe
    edit: Edit
    rotate_secret: RotateSecret
    follow: Follow
    redeliver: Redeliver
    replay: Replay


def wire_managing(  # noqa: PLR0913 - the ports it needs, by name
    *,
    subscriptions: SubscriptionStore,
    deliveries: DeliveryStore,
    events: EventLog,
    letters: DeadLetterLog,
    insights: Insights,
    served: Served,
    callbacks: Callbacks,
    cipher: Cipher,
    delivering: Delivering,
    clock: Clock,
) -> Managing:
    """Wire managing over these ports and what delivers."""
    agenda, backlog, notify = delivering.agenda, delivering.backlog, delivering.notify
    subscribe = Subscribe(
        subscriptions=subscriptions,
        insights=insights,
        callbacks=callbacks,
        cipher=cipher,
        backlog=backlog,
        notify=notify,
        clock=clock,
        served=served,
    )
    unsubscribe = Unsubscribe(subscriptions=subscriptions, deliveries=deliveries, notify=notify, clock=clock)
    edit = Edit(
        subscriptions=subscriptions,
        deliveries=deliveries,
        attempt=delivering.attempt,
        backlog=backlog,
        notify=notify,
        clock=clock,
    )
    follow = Follow(subscriptions=subscriptions, deliveries=deliveries, events=events)
    redeliver = Redeliver(
        subscriptions=subscriptions,
        deliveries=deliveries,
        letters=letters,
        follow=follow,
        agenda=agenda,
        backlog=backlog,
        clock=clock,
    )
    replay = Replay(
        subscriptions=subscriptions,
        deliveries=deliveries,
        events=events,
        letters=letters,
        backlog=backlog,
        clock=clock,
    )
    rotate_secret = RotateSecret(subscriptions=subscriptions, cipher=cipher, clock=clock)
    return Managing(subscribe, unsubscribe, edit, rotate_secret, follow, redeliver, replay)
