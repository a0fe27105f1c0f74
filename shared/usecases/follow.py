"""Follow: what has become of an event, for one subscription or for all."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import batched

from shared.domain.deliveries import Delivery, EventKey
from shared.domain.events.envelope import Event
from shared.domain.logs import LoggedEvent
from shared.domain.routes import routes_of
from shared.errors import NotFoundError
from shared.ports.deliveries import DeliveryStore
from shared.ports.logs import EventLog
from shared.ports.subscriptions import SubscriptionStore

# So many deliveries are read at once.
AT_ONCE = 32


class Follow:
    """Follows events to their deliveries."""

    def __init__(self, *, subscriptions: SubscriptionStore, deliveries: DeliveryStore, events: EventLog) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._events = events

    async def delivery(self, subscription_id: str, event_id: str) -> Delivery:
        """A subscription's delivery of an event. Raises `NotFoundError`."""
        if await self._subscriptions.get(subscription_id) is None:
            raise NotFoundError("There is no such subscription.")
        logged = await self._events.get(event_id)
        time = logged.event.time if logged is not None else None
        found = await self._deliveries.find(subscription_id, event_id, time)
        if found is None:
            raise NotFoundError("There is no such delivery.")
        return found[0]

    async def event(self, event_id: str) -> tuple[LoggedEvent, Sequence[Delivery]]:
        """A logged event and its deliveries. Raises `NotFoundError`.

        They are those of the subscriptions that it was dispatched to, and of those that want such events now: a replay
        may have given it to them.
        """
        logged = await self._events.get(event_id)
        if logged is None:
            raise NotFoundError("There is no such event.")
        event = logged.event
        candidates = dict.fromkeys(logged.subscription_ids)
        for route in routes_of(event):
            candidates |= {id_: None async for id_ in self._subscriptions.matching(route)}
        return logged, await self._those_of(event, candidates)

    async def _those_of(self, event: Event, subscription_ids: Iterable[str]) -> Sequence[Delivery]:
        key, deliveries = EventKey(event.time, event.id), list[Delivery]()
        for ids in batched(subscription_ids, AT_ONCE, strict=False):
            found = await asyncio.gather(*(self._deliveries.get(id_, key) for id_ in ids))
            deliveries += [one[0] for one in found if one is not None]
        return deliveries
