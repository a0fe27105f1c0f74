"""Bury: record what cannot be delivered, or not even be read, as a dead letter with its reason."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.domain.deliveries import Delivery
from shared.domain.events.wire import json_text
from shared.domain.letters import DeadLetter, letter_id
from shared.ports.clock import Clock
from shared.ports.logs import DeadLetterLog
from shared.telemetry import DEAD_LETTERS, SILENCE, Telemetry

# A storage queue message is never longer than this, in bytes or characters.
MAX_BODY = 65_536

log = logging.getLogger("bridge.deadletters")


class Bury:
    """Keeps dead letters; burying the same thing twice keeps one."""

    def __init__(self, *, letters: DeadLetterLog, clock: Clock, telemetry: Telemetry = SILENCE) -> None:
        self._letters = letters
        self._clock = clock
        self._telemetry = telemetry

    async def delivery(self, delivery: Delivery) -> None:
        """Bury a delivery that was given up."""
        event = delivery.event
        await self._record(
            DeadLetter(
                id=letter_of(delivery),
                kind="delivery",
                reason=delivery.reason or "given up",
                recorded_at=self._clock(),
                body=event.encode(),
                subscription_id=delivery.subscription_id,
                event_id=event.id,
                event_type=event.type,
                attempts=delivery.attempts,
                status=delivery.status,
            )
        )

    async def message(self, queue: str, message: str, reason: str) -> None:
        """Bury a message of a queue that cannot be read, or that kept failing."""
        now = self._clock()
        await self._record(
            DeadLetter(
                id=letter_id(now, queue, message),
                kind="message",
                reason=f"queue {queue}: {reason}",
                recorded_at=now,
                body=message[:MAX_BODY],
            )
        )

    async def event(self, event: Mapping[str, Any], reason: str) -> None:
        """Bury an event that the topic refuses for good."""
        body = json_text(event)
        await self._record(
            DeadLetter(
                id=letter_id(datetime.fromisoformat(event["time"]), "topic", event["id"]),
                kind="message",
                reason=reason,
                recorded_at=self._clock(),
                body=body[:MAX_BODY],
                event_id=event["id"],
                event_type=event["type"],
            )
        )

    async def _record(self, letter: DeadLetter) -> None:
        await self._letters.record(letter)
        self._telemetry.measure(DEAD_LETTERS, kind=letter.kind)
        log.error(
            "deadletter.recorded id=%s kind=%s event=%s subscription=%s reason=%s",
            letter.id,
            letter.kind,
            letter.event_id,
            letter.subscription_id,
            letter.reason,
        )


def letter_of(delivery: Delivery) -> str:
    """The id of a delivery's dead letter."""
    return letter_id(delivery.dispatched_at, delivery.subscription_id, delivery.event.id)
