"""Redeliver: what a person sends by hand, at once and whatever its stage; and all dead letters of a time.

A request is one message with a name of its own: however often it comes, it is one attempt.
"""

import logging
import uuid

from shared.domain.deliveries import Delivery, Line, New, Stage
from shared.domain.events.envelope import Event
from shared.domain.ids import EVERY_INSTANCE
from shared.domain.letters import DeadLetter
from shared.domain.logs import Between
from shared.domain.messages import Look
from shared.domain.pages import Slice
from shared.domain.subscriptions import Subscription
from shared.errors import ConflictError, LostRaceError, NotFoundError
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.logs import DeadLetterLog
from shared.ports.subscriptions import SubscriptionStore
from shared.usecases.agenda import Agenda
from shared.usecases.backlog import Backlog
from shared.usecases.bury import letter_of
from shared.usecases.follow import Follow

PAGE = 100

log = logging.getLogger("bridge.redeliver")


class Redeliver:
    """Sends deliveries by hand."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        subscriptions: SubscriptionStore,
        deliveries: DeliveryStore,
        letters: DeadLetterLog,
        follow: Follow,
        agenda: Agenda,
        backlog: Backlog,
        clock: Clock,
    ) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._letters = letters
        self._follow = follow
        self._agenda = agenda
        self._backlog = backlog
        self._clock = clock

    async def test(self, subscription_id: str) -> str:
        """Send the trigger's sample to one subscription alone; gives the event's id. Raises `NotFoundError`."""
        subscription = await self._known(subscription_id)
        sample, named = subscription.trigger.data.sample, subscription.instance_id
        instance_id = sample["instanceId"] if named == EVERY_INSTANCE else named
        data = subscription.trigger.data.model_validate({**sample, "instanceId": instance_id, "test": True})
        event = Event.of(data, time=self._clock(), occurrence=["test", uuid.uuid4().hex])
        await self._agenda.begin(New(subscription_id, event, self._clock(), by_hand=event.id))
        return event.id

    async def delivery(self, subscription_id: str, event_id: str) -> None:
        """Attempt a delivery now; one that waits is moved forward. Raises `NotFoundError`."""
        delivery = await self._follow.delivery(subscription_id, event_id)
        letter = await self._letters.get(letter_of(delivery)) if delivery.stage is Stage.DEAD else None
        await self._agenda.look(Look(subscription_id, delivery.key, uuid.uuid4().hex), self._clock())
        if letter is not None:
            await self._forget(letter)

    async def letter(self, letter_id: str) -> str:
        """Deliver a dead letter; it is gone once the delivery waits in the queue. Gives the event's id.

        Raises `NotFoundError`, and `ConflictError` when it is no delivery or its subscription is gone.
        """
        letter = await self._letters.get(letter_id)
        if letter is None:
            raise NotFoundError("There is no such dead letter.")
        if letter.kind != "delivery" or letter.subscription_id is None:
            raise ConflictError("This dead letter is no delivery: it was never for a subscription.")
        if await self._subscriptions.get(letter.subscription_id) is None:
            raise ConflictError(f"Its subscription {letter.subscription_id} is gone.")
        event = Event.decode(letter.body)
        # Asked for twice, it is one attempt; given up once more, it is another letter with the same id.
        request = f"{letter.id} {letter.recorded_at.isoformat()}"
        await self._agenda.begin(New(letter.subscription_id, event, self._clock(), by_hand=request))
        await self._forget(letter)
        return event.id

    async def letters(self, subscription_id: str | None, between: Between) -> int:
        """Put all dead letters of a time back into their subscriptions' backlogs; gives how many.

        Those that are no deliveries, or whose subscription is gone, stay where they are.
        """
        part, count = Slice(PAGE), 0
        while True:
            page = await self._letters.page(part, subscription_id=subscription_id, kind="delivery", between=between)
            concerned = {letter.subscription_id for letter in page.items if letter.subscription_id is not None}
            found = [await self._subscriptions.get(id_) for id_ in concerned]
            known = {one[0].id: one[0] for one in found if one is not None}
            for id_ in known:
                await self._backlog.expect(id_)
            for letter in page.items:
                if letter.subscription_id in known:
                    count += await self._put_back(letter, known[letter.subscription_id])
            for id_ in known:
                await self._backlog.start(id_)
            if page.cursor is None:
                break
            part = Slice(PAGE, page.cursor)
        log.info("deadletters.redelivered count=%d", count)
        return count

    async def _put_back(self, letter: DeadLetter, subscription: Subscription) -> bool:
        now, made_at = self._clock(), subscription.created_at
        new = New(subscription.id, Event.decode(letter.body), now, subscribed_at=made_at)
        found = await self._deliveries.get(subscription.id, new.key)
        is_dead = found is None or found[0].stage is Stage.DEAD
        try:
            if found is None:
                await self._deliveries.put(Delivery.held(new, now, Line.REPLAYED))
            elif is_dead:
                await self._deliveries.put(found[0].replay(now, made_at), found[1], found[0])
        except LostRaceError:
            return False
        await self._forget(letter)
        return is_dead

    async def _forget(self, letter: DeadLetter) -> None:
        """Forget a letter whose delivery goes its way again, unless that has come to nothing by now."""
        await self._letters.remove(letter.id, letter.recorded_at)

    async def _known(self, subscription_id: str) -> Subscription:
        found = await self._subscriptions.get(subscription_id)
        if found is None:
            raise NotFoundError("There is no such subscription.")
        return found[0]
