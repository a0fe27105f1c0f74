"""Bury: record what cannot be delivered, or not even be read, as a dead letter with its reason."""

import hashlib
import json
import logging
from datetime import datetime

from shared.domain.deliveries import DeadLetter, Delivery
from shared.ports import Clock, DeadLetterLog
from shared.telemetry import DEAD_LETTERS, POISON_MESSAGES, SILENCE, Telemetry

# A storage queue message is never longer than this, in bytes or characters.
MAX_BODY = 65_536

KEPT_FAILING = "its function kept failing; the reason is in the function's log"

log = logging.getLogger("bridge.deadletters")


class Bury:
    """Keeps dead letters; burying the same thing twice keeps one."""

    def __init__(self, *, letters: DeadLetterLog, clock: Clock, telemetry: Telemetry = SILENCE) -> None:
        self._letters = letters
        self._clock = clock
        self._telemetry = telemetry

    async def delivery(self, delivery: Delivery, reason: str, *, status: int | None = None) -> None:
        """Bury a delivery that will not be tried again."""
        event = delivery.event
        await self._record(
            DeadLetter(
                id=_letter_id(delivery.dispatched_at, delivery.subscription_id, event.id),
                kind="delivery",
                reason=reason,
                recorded_at=self._clock(),
                body=event.encode(),
                subscription_id=delivery.subscription_id,
                event_id=event.id,
                event_type=event.type,
                attempts=delivery.attempt,
                status=status,
            )
        )

    async def message(self, queue: str, message: str, reason: str) -> None:
        """Bury a message of a queue that cannot be read, or that kept failing."""
        now = self._clock()
        await self._record(
            DeadLetter(
                id=_letter_id(now, queue, message),
                kind="message",
                reason=f"queue {queue}: {reason}",
                recorded_at=now,
                body=message[:MAX_BODY],
            )
        )

    async def poison(self, queue: str, message: str) -> None:
        """Bury a message that a queue function could not finish, however often it was tried."""
        self._telemetry.measure(POISON_MESSAGES, queue=queue)
        try:
            delivery = Delivery.decode(message)
        except ValueError:
            await self.message(queue, message, KEPT_FAILING)
        else:
            await self.delivery(delivery, KEPT_FAILING)

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


def _letter_id(at: datetime, *what: str) -> str:
    """An id that sorts the latest first."""
    until_the_end = 10**14 - int(at.timestamp() * 1000)
    return f"{until_the_end:014d}-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]}"
