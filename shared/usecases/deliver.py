"""Deliver: look at a delivery, and do with it what may be done now."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from shared.domain.deliveries import Delivery, New, Stage
from shared.domain.messages import Look, decode_delivery
from shared.domain.subscriptions import Subscription
from shared.errors import LostRaceError
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.subscriptions import SubscriptionStore
from shared.usecases.agenda import Agenda
from shared.usecases.attempt import TOO_OLD, Attempt, Begin, Stored
from shared.usecases.backlog import LOST_AFTER, Backlog
from shared.usecases.bury import Bury
from shared.usecases.crowd import Crowd
from shared.usecases.gate import Gate
from shared.usecases.shared_calls import SharedCalls

log = logging.getLogger("bridge.deliver")


class Deliver:
    """Makes deliveries: at once, or by way of the backlog."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        subscriptions: SubscriptionStore,
        deliveries: DeliveryStore,
        agenda: Agenda,
        attempt: Attempt,
        backlog: Backlog,
        bury: Bury,
        gate: Gate,
        clock: Clock,
    ) -> None:
        # A burst of events for one flow asks for the same subscription again and again.
        self._subscription = SharedCalls(subscriptions.get)
        self._deliveries = deliveries
        self._agenda = agenda
        self._attempt = attempt
        self._backlog = backlog
        self._bury = bury
        self._gate = gate
        self._clock = clock
        self._crowd = Crowd()
        self._alone: set[asyncio.Task[None]] = set()

    async def __call__(self, message: str, tries: int = 1) -> None:
        """Do what a message of the queue `deliveries` asks for; an unreadable one becomes a dead letter.

        `tries` says how often the message has come: more than once after a failure or a death.
        """
        try:
            asked = decode_delivery(message)
        except ValueError as error:
            await self._bury.message("deliveries", message, f"unreadable: {error}")
            return
        found = await self._subscription(asked.subscription_id)
        if found is None:
            log.info("delivery.unwanted event=%s subscription=%s", asked.key.id, asked.subscription_id)
            await self._forget(asked)
        elif isinstance(asked, New):
            await self._begin(asked, found[0], tries)
        else:
            await self._look(asked, found[0], may_be_unburied=asked.is_insurance or tries > 1)

    async def _forget(self, asked: New | Look) -> None:
        """Forget a delivery that waits, for its subscription has ended."""
        found = await self._deliveries.get(asked.subscription_id, asked.key)
        if found is not None and not found[0].has_ended:
            with suppress(LostRaceError):  # whoever was quicker has ended it, or looks at it next
                await self._deliveries.remove(*found)

    async def _begin(self, new: New, subscription: Subscription, tries: int) -> None:
        """Make a delivery that has no record yet; where it has one, go on with that."""
        if new.by_hand is None and not subscription.wants(new.event):
            # What led the event here is older than the subscription's filters; what was begun before them goes on.
            await self._look(Look(new.subscription_id, new.key), subscription, may_be_unburied=tries > 1)
            return
        now, new = self._clock(), replace(new, subscribed_at=subscription.created_at)
        begin = partial(Delivery.attempted, new)
        begun = begin(now, now)
        try:
            if begun.is_too_old(now, self._attempt.policy):
                await self._attempt.conclude(begun.give_up(now, TOO_OLD), None)
            elif not await self._go(subscription, begin, None, by_hand=new.by_hand is not None):
                await self._backlog.add(Delivery.held(new, now), is_careful=subscription.is_open)
        except LostRaceError:
            await self._look(Look(new.subscription_id, new.key, new.by_hand), subscription, may_be_unburied=tries > 1)

    async def _look(self, look: Look, subscription: Subscription, *, may_be_unburied: bool) -> None:
        """Do what is to be done now; of what is dead, whoever ended it may have failed or died before it was buried."""
        found = await self._deliveries.get(look.subscription_id, look.key)
        if found is None:
            log.info("delivery.unwanted event=%s subscription=%s", look.key.id, look.subscription_id)
            return
        stored, now = Stored(*found), self._clock()
        delivery = stored.delivery
        if delivery.is_claimed(now):
            await self._agenda.look(look, delivery.claimed_until or now)
        elif is_asked_by_hand(look, delivery):
            await self._try(look, stored, subscription, by_hand=look.by_hand)
        elif delivery.has_ended:
            if delivery.stage is Stage.DEAD and may_be_unburied:
                await self._attempt.bury_again(stored)
        elif delivery.line is not None:
            await self._backlog.start(subscription.id, is_careful=subscription.is_open)
        elif delivery.next_attempt_at is not None and delivery.next_attempt_at > now:
            await self._agenda.look(look, delivery.next_attempt_at)
        else:
            await self._try(look, stored, subscription)

    async def _try(self, look: Look, stored: Stored, subscription: Subscription, *, by_hand: str | None = None) -> None:
        """Attempt a delivery that is due, give it up, or put it into the backlog; `by_hand` is a person's request."""
        now, delivery = self._clock(), stored.delivery
        begin = partial(delivery.attempt, by_hand=by_hand)
        try:
            if by_hand is None and delivery.is_too_old(now, self._attempt.policy):
                await self._attempt.give_up(stored, subscription)
            elif not await self._go(subscription, begin, stored, by_hand=by_hand is not None):
                held = delivery.hold(now)
                await self._backlog.add(held, stored.version, delivery, is_careful=subscription.is_open)
        except LostRaceError:
            await self._agenda.look(look, now)

    async def _go(self, subscription: Subscription, begin: Begin, stored: Stored | None, *, by_hand: bool) -> bool:
        """Make an attempt, if one may go out now; whether it has. Raises `LostRaceError` where others were quicker."""
        if by_hand:
            await self._make(await self._attempt.claim(begin, stored), subscription)
            return True
        token = object()
        if not subscription.is_open or not await self._gate.enter(subscription.id, token):
            return False
        try:
            claimed = await self._attempt.claim(begin, stored)
        except BaseException:
            self._gate.leave(subscription.id, token)
            raise
        await self._make(claimed, subscription, lambda: self._gate.leave(subscription.id, token))
        return True

    async def _make(
        self, claimed: Stored, subscription: Subscription, leave: Callable[[], None] = lambda: None
    ) -> None:
        """Make a claimed attempt, and wait until it has ended, unless its place is others'."""
        attempt = asyncio.create_task(self._attempt(claimed, subscription))
        if leave is not None:
            attempt.add_done_callback(lambda _: leave())
        if await self._crowd.wait(attempt):
            attempt.result()
            return
        delivery = claimed.delivery
        look = Look(delivery.subscription_id, delivery.key, delivery.by_hand, is_insurance=True)
        # Nobody looks at it before that as long as this process lives.
        at = (delivery.claimed_until or self._clock()) + LOST_AFTER
        await self._agenda.insure(look, at)
        alone = asyncio.create_task(self._go_on(attempt, look, at))
        self._alone.add(alone)
        alone.add_done_callback(self._alone.discard)

    async def _go_on(self, attempt: asyncio.Task[object], look: Look, at: datetime) -> None:
        """See an attempt to its end that nobody waits for; one that failed is looked at again later."""
        try:
            await attempt
            await self._agenda.waive(look, at)
        except Exception:
            log.exception("delivery.interrupted event=%s subscription=%s", look.key.id, look.subscription_id)


def is_asked_by_hand(look: Look, delivery: Delivery) -> bool:
    """Whether somebody's request is still to be begun, or was begun by a process that died."""
    if look.by_hand is None:
        return False
    return delivery.by_hand != look.by_hand or (delivery.stage is Stage.ATTEMPTING and delivery.is_by_hand)
