"""Publish: send events to the topic. What it refuses for good is put aside, and the rest goes on."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.errors import PermanentError
from shared.ports.clock import Clock
from shared.ports.polling import Publisher
from shared.telemetry import EVENTS_PUBLISHED, POLL_LAG, SILENCE, Telemetry
from shared.usecases.bury import Bury

log = logging.getLogger("bridge.poll")


class Publish:
    """Publishes events."""

    def __init__(self, *, publisher: Publisher, bury: Bury, clock: Clock, telemetry: Telemetry = SILENCE) -> None:
        self._publisher = publisher
        self._bury = bury
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Publish events. Raises `TransientError` and `ConfigurationError`; those already taken may come again."""
        published = await self._all(events)
        now = self._clock()
        for event in published:
            self._telemetry.measure(EVENTS_PUBLISHED, type=event["type"])
            lag = (now - datetime.fromisoformat(event["time"])).total_seconds()
            self._telemetry.measure(POLL_LAG, max(0.0, lag), type=event["type"])
            log.info("event.published type=%s id=%s subject=%s", event["type"], event["id"], event.get("subject"))

    async def _all(self, events: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Publish events; gives those that were taken. What was taken may be sent again on the way."""
        try:
            await self._publisher.publish(events)
        except PermanentError as error:
            # Which one it is shows when they are sent in ever smaller parts.
            if len(events) == 1:
                await self._bury.event(events[0], str(error))
                return []
            middle = len(events) // 2
            return [*await self._all(events[:middle]), *await self._all(events[middle:])]
        return events
