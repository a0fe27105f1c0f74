"""Patience: what becomes of a message whose work keeps failing.

What may leave a queue function, and what it costs:

- nothing: the work is done, or recorded as failed; the message goes
- trouble of our own (settings, storage, a bug): the message comes again after `visibilityTimeout` of host.json,
  for as long as a delivery may take; then it becomes a dead letter
- a form that only another version of the bridge knows: the same
- what cannot be read never leaves: it is a dead letter at once
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from shared.domain.deliveries import Delivery, New, Stage
from shared.domain.messages import decode_delivery
from shared.errors import FormatError, LostRaceError
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.queues import TextQueue
from shared.telemetry import POISON_MESSAGES, SILENCE, Telemetry
from shared.usecases.attempt import Attempt, Stored
from shared.usecases.bury import Bury
from shared.usecases.dispatch import read_event

KEPT_FAILING = "its function kept failing; the reason is in the function's log"
# What comes back from a poison queue waits so long.
REST = timedelta(minutes=2)

log = logging.getLogger("bridge.patience")


class Patience:
    """Decides on messages whose work failed; `max_age` is how long a delivery may take."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        events: TextQueue,
        queue: TextQueue,
        deliveries: DeliveryStore,
        attempt: Attempt,
        bury: Bury,
        clock: Clock,
        max_age: timedelta,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._queues = {"events": events, "deliveries": queue}
        self._deliveries = deliveries
        self._attempt = attempt
        self._bury = bury
        self._clock = clock
        self._max_age = max_age
        self._telemetry = telemetry

    async def __call__(
        self, queue: str, message: str, since: datetime | None, work: Callable[[], Awaitable[None]]
    ) -> None:
        """Do the work of a message that is in its queue `since` then (None: not known). Raises what it raises."""
        try:
            await work()
        except Exception:
            if since is None or self._clock() < since + self._max_age:
                raise
            log.exception("message.given_up queue=%s", queue)
            await self._give_up(queue, message)

    async def poisoned(self, queue: str, message: str) -> None:
        """Send a message that the host has given up back to its queue, or make a dead letter of an old one."""
        self._telemetry.measure(POISON_MESSAGES, queue=queue)
        if queue not in self._queues:  # worth nothing any more
            await self._give_up(queue, message)
            return
        try:
            since = _began(queue, message)
        except FormatError:
            raise
        except ValueError as error:
            await self._bury.message(queue, message, f"unreadable: {error}")
            return
        if since is None or self._clock() < since + self._max_age:
            await self._queues[queue].add(message, REST)
        else:
            await self._give_up(queue, message)

    async def _give_up(self, queue: str, message: str) -> None:
        if queue != "deliveries":
            await self._bury.message(queue, message, KEPT_FAILING)
            return
        asked, now = decode_delivery(message), self._clock()
        found = await self._deliveries.get(asked.subscription_id, asked.key)
        try:
            if found is None:
                if isinstance(asked, New):  # else its subscription has ended
                    given_up = Delivery.attempted(asked, now, now).give_up(now, KEPT_FAILING)
                    await self._attempt.conclude(given_up, None)
            # What failed may be what buries it.
            elif found[0].stage is Stage.DEAD or (not found[0].has_ended and found[0].line is None):
                await self._attempt.end(Stored(*found), KEPT_FAILING)
        except LostRaceError:
            log.info("delivery.superseded event=%s subscription=%s", asked.key.id, asked.subscription_id)


def _began(queue: str, message: str) -> datetime | None:
    """Since when the bridge is at work on a message, as far as it says so."""
    if queue != "deliveries":
        return read_event(message).time
    asked = decode_delivery(message)
    return asked.dispatched_at if isinstance(asked, New) else None
