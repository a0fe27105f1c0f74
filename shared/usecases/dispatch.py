"""Dispatch: an event from the topic becomes one delivery for each subscription that wants it.

It may run twice for one event: the deliveries it sends again are recognised when they are made.
"""

import logging

from shared.domain.deliveries import Delivery, parse
from shared.domain.events import Event
from shared.domain.subscriptions import routes_of
from shared.errors import TooLargeError
from shared.ports import Clock, DeliveryQueue, EventLog, SubscriptionStore
from shared.telemetry import DISPATCH, SILENCE, Telemetry
from shared.usecases.bury import Bury

log = logging.getLogger("bridge.dispatch")


def read_event(message: str) -> Event:
    """The event in a message, base64 or plain; raises ValueError saying what is wrong with it."""
    event = Event.parse(parse(message))
    if not routes_of(event):
        raise ValueError(f"no trigger brings events of type {event.type}")
    return event


class Dispatch:
    """Sends events on to the subscriptions that want them."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        subscriptions: SubscriptionStore,
        events: EventLog,
        queue: DeliveryQueue,
        bury: Bury,
        clock: Clock,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._subscriptions = subscriptions
        self._events = events
        self._queue = queue
        self._bury = bury
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self, message: str) -> None:
        """Dispatch the event in a message of the queue `events`; one that cannot be read becomes a dead letter."""
        try:
            event = read_event(message)
        except ValueError as error:
            await self._bury.message("events", message, f"unreadable: {error}")
            return
        with self._telemetry.span(
            DISPATCH, parent=event.traceparent, event=event.id, type=event.type, instance=event.instance_id
        ) as span:
            count = await self._dispatch(event, span.traceparent or event.traceparent)
            span.note(deliveries=count)
            log.info("event.dispatched id=%s type=%s deliveries=%d", event.id, event.type, count)

    async def _dispatch(self, event: Event, traceparent: str | None) -> int:
        await self._events.record(event)
        count = 0
        for route in routes_of(event):
            async for subscription_id in self._subscriptions.matching(route):
                count += 1
                await self._send(Delivery(subscription_id, event, self._clock(), traceparent=traceparent))
        return count

    async def _send(self, delivery: Delivery) -> None:
        try:
            await self._queue.send(delivery)
        except TooLargeError as error:
            await self._bury.delivery(delivery, str(error))
