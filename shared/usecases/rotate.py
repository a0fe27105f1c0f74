"""Rotate: give a signed subscription another secret; the one before it signs, too, until receivers know the new one."""

import logging
import secrets
from dataclasses import replace

from shared.domain.signatures import OVERLAP, SECRET_BYTES, context, written
from shared.domain.subscriptions import Subscription
from shared.errors import ConflictError, NotFoundError
from shared.ports.clock import Clock
from shared.ports.subscriptions import Cipher, SubscriptionStore
from shared.usecases.change import change

log = logging.getLogger("bridge.subscribe")


class RotateSecret:
    """Rotates secrets."""

    def __init__(self, *, subscriptions: SubscriptionStore, cipher: Cipher, clock: Clock) -> None:
        self._subscriptions = subscriptions
        self._cipher = cipher
        self._clock = clock

    async def __call__(self, subscription_id: str) -> str:
        """Give a subscription another secret, which nobody is shown again.

        Raises `NotFoundError`, and `ConflictError` for a subscription that is not signed.
        """
        secret = written(secrets.token_bytes(SECRET_BYTES))
        sealed = self._cipher.seal(secret, context=context(subscription_id))

        def rotated(it: Subscription) -> Subscription | None:
            if not it.is_signed:
                raise ConflictError("The subscription is not signed: subscribe again with signed: true.")
            now = self._clock()
            return replace(it, secret=sealed, previous_secret=it.secret, previous_until=now + OVERLAP, updated_at=now)

        found = await change(self._subscriptions, subscription_id, rotated)
        if found is None:
            raise NotFoundError("There is no such subscription.")
        log.info("secret.rotated subscription=%s", subscription_id)
        return secret
