"""Dispatch: an event from the topic becomes one delivery for each subscription that wants it.

It may run twice for one event: the deliveries it begins again are recognised when they are made.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.domain.deliveries import Delivery, New
from shared.domain.events.envelope import Event
from shared.domain.messages import parse
from shared.domain.routes import Route, routes_of
from shared.errors import LostRaceError, TooLargeError
from shared.ports.clock import Clock
from shared.ports.logs import EventLog
from shared.ports.subscriptions import SubscriptionStore
from shared.telemetry import DISPATCH, SILENCE, Telemetry
from shared.usecases.agenda import Agenda
from shared.usecases.backlog import Backlog
from shared.usecases.bury import Bury
from shared.usecases.shared_calls import SharedCalls

# So many messages are written at a time.
AT_ONCE = 32
# So many of an event's deliveries are begun in a second, at least: those of other events come between them.
PER_SECOND = 50
# Within this all are begun, however many there are.
SPREAD = timedelta(minutes=1)

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
        agenda: Agenda,
        backlog: Backlog,
        bury: Bury,
        clock: Clock,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._subscriptions = subscriptions
        # Of what happens at once, much has the same routes.
        self._standing_at = SharedCalls(self._read)
        self._events = events
        self._agenda = agenda
        self._backlog = backlog
        self._bury = bury
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self, message: str, published_at: datetime | None = None) -> None:
        """Dispatch the event in a message that is in the queue `events` since then (None: not known).

        One that cannot be read becomes a dead letter.
        """
        try:
            event = read_event(message)
        except ValueError as error:
            await self._bury.message("events", message, f"unreadable: {error}")
            return
        with self._telemetry.span(
            DISPATCH, parent=event.traceparent, event=event.id, type=event.type, instance=event.instance_id
        ) as span:
            count = await self._dispatch(event, published_at, span.traceparent or event.traceparent)
            span.note(deliveries=count)
            log.info("event.dispatched id=%s type=%s deliveries=%d", event.id, event.type, count)

    async def _dispatch(self, event: Event, published_at: datetime | None, traceparent: str | None) -> int:
        at_routes = await asyncio.gather(*map(self._standing_at, routes_of(event)))
        found = [subscription_id for some in at_routes for subscription_id in some]
        await self._events.record(event, found, published_at)
        await self._send(event, found, traceparent)
        return len(found)

    async def _read(self, route: Route) -> list[str]:
        return [subscription_id async for subscription_id in self._subscriptions.matching(route)]

    async def _send(self, event: Event, to: Sequence[str], traceparent: str | None) -> None:
        per_second = max(PER_SECOND, len(to) / SPREAD.total_seconds())
        for start in range(0, len(to), AT_ONCE):
            some, wait = to[start : start + AT_ONCE], timedelta(seconds=int(start / per_second))
            begun = (self._begin(New(id_, event, self._clock(), None, traceparent), wait) for id_ in some)
            await asyncio.gather(*begun)

    async def _begin(self, new: New, wait: timedelta) -> None:
        try:
            await self._agenda.begin(new, wait)
        except TooLargeError:
            # A record holds what a message does not, and what stands in the backlog is let out without one.
            try:
                await self._backlog.add(Delivery.held(new, self._clock()))
            except LostRaceError:
                await self._backlog.start(new.subscription_id)
