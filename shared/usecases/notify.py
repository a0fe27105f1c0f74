"""Notify: tell what the bridge owes to say of subscriptions.

Who changes a subscription leaves the notice in it and tells it afterwards, when all else is done. What a process that
died has left, or the topic did not take, a timer finds.
"""

import logging
from datetime import datetime

from shared.domain.notices import warned, without
from shared.domain.subscriptions import Subscription
from shared.errors import BridgeError
from shared.ports.clock import Clock
from shared.ports.subscriptions import SubscriptionStore
from shared.usecases.bury import Bury
from shared.usecases.change import change
from shared.usecases.publish import Publish

log = logging.getLogger("bridge.notices")


class Notify:
    """Tells notices about subscriptions."""

    def __init__(self, *, subscriptions: SubscriptionStore, publish: Publish, bury: Bury, clock: Clock) -> None:
        self._subscriptions = subscriptions
        self._publish = publish
        self._bury = bury
        self._clock = clock

    async def __call__(self, subscription: Subscription | None) -> None:
        """Tell what a subscription owes, as it was just written (None: it is gone); what fails is left to the timer."""
        if subscription is None or not subscription.owed:
            return
        try:
            await self._tell(subscription)
        except BridgeError:
            # Deliveries go their way whether or not the topic takes events.
            log.warning("notice.left subscription=%s", subscription.id, exc_info=True)

    async def before_the_end(self, subscription: Subscription) -> None:
        """Tell what a subscription owes that is about to be removed; what the topic does not take is a dead letter."""
        try:
            if subscription.owed:
                await self._publish(subscription.owed)
        except BridgeError as error:
            for notice in subscription.owed:
                await self._bury.event(notice, str(error))

    async def sweep(self) -> None:
        """Tell what was left, and warn of flows that may soon be switched off.

        One subscription's trouble keeps no other waiting: raises all of it, as a group, at the end.
        """
        now, troubles = self._clock(), list[Exception]()
        async for subscription in self._subscriptions.noticeable(now):
            try:
                await self._see_to(subscription.id, now)
            except Exception as error:  # noqa: BLE001 - raised at the end, when the others have had their turn
                troubles.append(error)
        if troubles:
            raise ExceptionGroup(f"notices about {len(troubles)} subscriptions could not be told", troubles)

    async def _see_to(self, subscription_id: str, now: datetime) -> None:
        stands = await change(self._subscriptions, subscription_id, lambda it: warned(it, now))
        if stands is not None and stands.owed:
            await self._tell(stands)

    async def _tell(self, subscription: Subscription) -> None:
        told = subscription.owed
        await self._publish(told)
        await change(self._subscriptions, subscription.id, lambda it: without(it, told))
