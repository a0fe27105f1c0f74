"""Attempt: call a flow with an event once, and see to it that what must follow will.

Before the call the delivery's record is claimed, so that nobody else makes the same. After it, the next look is
arranged before the record says that it waits: a process that dies in between repeats a step, and never skips one.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain import signatures
from shared.domain.callbacks import Answer
from shared.domain.deliveries import Delivery, RetryPolicy, Stage
from shared.domain.events.envelope import Event
from shared.domain.messages import Look
from shared.domain.settling import Settled, Terms, settle
from shared.domain.subscriptions import Status, Subscription
from shared.domain.verdicts import DENIED_STATUSES, Verdict, judge
from shared.errors import BridgeError, ConfigurationError, LostRaceError
from shared.ports.clock import Clock
from shared.ports.deliveries import DeliveryStore
from shared.ports.subscriptions import Callbacks, Cipher, SubscriptionStore
from shared.telemetry import ATTEMPT_DURATION, DELIVER, DELIVERIES, DELIVERY_LATENCY, SILENCE, Span, Telemetry
from shared.usecases.agenda import Agenda
from shared.usecases.backlog import Backlog
from shared.usecases.bury import Bury
from shared.usecases.change import change
from shared.usecases.notify import Notify

# An attempt is taken to be under way for as long as its time limit and the writes before and after it take. Nobody goes
# on with what a process that died has claimed before that, so it is no longer than it has to be.
CLAIMING = timedelta(seconds=1)
SETTLING = timedelta(seconds=5)  # with all retries of the storage SDK

TOO_OLD = "older than DELIVERY_MAX_AGE_HOURS"

# What a delivery is with an attempt under way, from a time until its claim ends.
type Begin = Callable[[datetime, datetime], Delivery]

log = logging.getLogger("bridge.deliver")


@dataclass(frozen=True, slots=True)
class Stored:
    """A delivery as the store has it, in that version."""

    delivery: Delivery
    version: str


class Attempt:
    """Makes attempts; `timeout` is the time limit of one."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        subscriptions: SubscriptionStore,
        deliveries: DeliveryStore,
        callbacks: Callbacks,
        cipher: Cipher,
        agenda: Agenda,
        backlog: Backlog,
        bury: Bury,
        notify: Notify,
        clock: Clock,
        policy: RetryPolicy,
        timeout: timedelta,
        user_agent: str,
        jitter: Callable[[], float],
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._callbacks = callbacks
        self._cipher = cipher
        self._agenda = agenda
        self._backlog = backlog
        self._bury = bury
        self._notify = notify
        self._clock = clock
        self.policy = policy
        self._timeout = timeout
        self._user_agent = user_agent
        self._jitter = jitter
        self._telemetry = telemetry

    async def claim(self, begin: Begin, stored: Stored | None) -> Stored:
        """Claim a delivery (None: one without a record), as `begin` has it from now until the claim's end.

        Raises `LostRaceError` when others were quicker.
        """
        claiming = CLAIMING
        while True:
            now = self._clock()
            until = now + claiming + self._timeout + SETTLING
            was, version = (stored.delivery, stored.version) if stored is not None else (None, None)
            delivery = begin(now, until)
            stored = Stored(delivery, await self._deliveries.put(delivery, version, was))
            if self._clock() < now + claiming:
                return stored
            # The write took so long that the attempt could outlast the claim.
            begin, claiming = delivery.attempt, 2 * claiming

    async def __call__(self, claimed: Stored, subscription: Subscription, *, is_probe: bool = False) -> Status | None:
        """Call the flow, and settle what comes of it; gives the subscription's status then (None: it is gone)."""
        delivery = claimed.delivery
        event, began = delivery.event, self._clock()
        with self._telemetry.span(
            DELIVER,
            parent=delivery.traceparent,
            event=event.id,
            type=event.type,
            instance=event.instance_id,
            subscription=subscription.id,
            label=subscription.label,
            attempt=delivery.attempts + 1,
            age=max(0.0, (began - delivery.dispatched_at).total_seconds()),
        ) as span:
            answer = await self._call(delivery, subscription, span.traceparent or delivery.traceparent)
            answer = replace(answer, took=max(timedelta(0), self._clock() - began))
            self._measure(span, event, answer)
            stands = await self._settle(claimed, subscription, answer, span, is_probe=is_probe)
        if stands is not subscription:
            # Last: whatever the topic makes of it, nothing waits for that.
            await self._notify(stands)
        return stands.status if stands is not None else None

    async def _call(self, delivery: Delivery, subscription: Subscription, traceparent: str | None) -> Answer:
        now = self._clock()
        try:
            url = self._cipher.open(subscription.callback, context=subscription.id)
            bound = signatures.context(subscription.id)
            secrets = [self._cipher.open(secret, context=bound) for secret in subscription.secrets(now)]
        except ConfigurationError as error:
            log.exception("callback.unreadable subscription=%s", subscription.id)
            return Answer(failure=str(error))  # tried again until somebody has mended the key
        body, timestamp = delivery.event.encode().encode(), int(now.timestamp())
        headers = self._headers(delivery.event.id, timestamp)
        if secrets:
            headers["webhook-signature"] = signatures.sign(secrets, delivery.event.id, timestamp, body)
        if traceparent:
            headers["traceparent"] = traceparent
        return await self._callbacks.post(url, body, headers)

    def _headers(self, event_id: str, timestamp: int) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
        }

    def _measure(self, span: Span, event: Event, answer: Answer) -> None:
        verdict = judge(answer)
        self._telemetry.measure(ATTEMPT_DURATION, answer.took.total_seconds(), outcome=verdict.value)
        span.note(outcome=verdict.value, status=answer.status)
        if verdict is Verdict.DELIVERED:
            latency = max(0.0, (self._clock() - event.time).total_seconds())
            self._telemetry.measure(DELIVERY_LATENCY, latency, type=event.type)
            span.note(latency=latency)

    async def _settle(
        self, claimed: Stored, subscription: Subscription, answer: Answer, span: Span, *, is_probe: bool
    ) -> Subscription | None:
        """Settle what comes of an answer; gives the subscription as it then stands (None: it is gone)."""
        verdict, before = judge(answer), claimed.delivery
        stands: Subscription | None = subscription
        if verdict in {Verdict.RETRY, Verdict.DENIED} and not before.is_by_hand:
            stands = await self._failed(subscription)
        elif verdict is Verdict.DELIVERED and subscription.status != "active":
            # First, for nobody would do it after a death: nothing else may be waiting that could succeed.
            stands = await self._recover(subscription, by_hand=before.is_by_hand)
        is_active = stands is not None and stands.status == "active"
        terms = Terms(is_active=is_active, is_probe=is_probe, jitter=self._jitter())
        settled = settle(before, answer, self._clock(), self.policy, terms)
        try:
            await self.conclude(settled.delivery, claimed)
        except LostRaceError:
            # The claim ended before the attempt did, and what others have made of the delivery stands there.
            log.warning("delivery.superseded event=%s subscription=%s", before.event.id, subscription.id)
            return stands
        self._tell(settled, span)
        if settled.suspends is not None:
            return await self._suspend(subscription, settled.suspends)
        if verdict is Verdict.DELIVERED and subscription.status == "active":
            return await self._recover(subscription, by_hand=before.is_by_hand)
        if settled.delivery.stage is Stage.HELD:
            await self._backlog.start(subscription.id)
        return stands

    async def conclude(self, ended: Delivery, stored: Stored | None) -> None:
        """Write what a delivery has become (None: it has no record yet), and see to what follows from it.

        Raises `LostRaceError` when its record has changed.
        """
        was, version = (stored.delivery, stored.version) if stored is not None else (None, None)
        line = was.line if was is not None else None
        if ended.stage is Stage.WAITING and ended.line is None and ended.next_attempt_at is not None:
            try:
                await self._agenda.look(Look(ended.subscription_id, ended.key), ended.next_attempt_at)
            except BridgeError:
                if line is None:  # the message that led here comes again, finds this, and arranges the look
                    await self._deliveries.put(ended, version, was)
                raise
        if ended.stage is not Stage.DEAD:
            await self._deliveries.put(ended, version, was)
            return
        # It leaves its line last: who finds it there buries it once more.
        in_line = ended._replace(line=line)
        version = await self._deliveries.put(in_line, version, was)
        if not ended.is_test:
            await self._bury.delivery(ended)
        if line is not None:
            await self._deliveries.put(ended, version, in_line)

    async def give_up(self, stored: Stored, subscription: Subscription) -> None:
        """Give up a delivery that is too old; a flow that denied it until then has its subscription suspended."""
        delivery, now = stored.delivery, self._clock()
        if delivery.status not in DENIED_STATUSES:
            await self.conclude(delivery.give_up(now, TOO_OLD), stored)
            return
        why = f"HTTP {delivery.status}, until DELIVERY_MAX_AGE_HOURS"
        await self.conclude(delivery.hold(now, why), stored)
        if subscription.updated_at > delivery.updated_at:  # its callback may have changed since it was denied
            await self._backlog.start(subscription.id)
        else:
            await self._notify(await self._suspend(subscription, why))

    async def end(self, stored: Stored, why: str) -> None:
        """Give a delivery up for this reason; what is dead already is buried again."""
        if stored.delivery.stage is Stage.DEAD:
            await self.bury_again(stored)
        else:
            await self.conclude(stored.delivery.give_up(self._clock(), why), stored)

    async def bury_again(self, stored: Stored) -> None:
        """Finish what who failed or died has left of a dead delivery: its letter, and its place in the line."""
        if not stored.delivery.is_test:
            await self._bury.delivery(stored.delivery)
        if stored.delivery.line is not None:
            await self._deliveries.put(stored.delivery._replace(line=None), stored.version, stored.delivery)

    def _tell(self, settled: Settled, span: Span) -> None:
        delivery = settled.delivery
        span.note(stage=delivery.stage.value)
        if delivery.reason is not None:
            span.fail(delivery.reason)
        if delivery.has_ended:
            self._telemetry.measure(DELIVERIES, outcome=delivery.stage.value, type=delivery.event.type)
        if delivery.stage is Stage.DELIVERED and delivery.reason is None:
            log.info("delivery.delivered event=%s subscription=%s", delivery.event.id, delivery.subscription_id)

    async def _failed(self, subscription: Subscription) -> Subscription | None:
        counted = await change(self._subscriptions, subscription.id, lambda it: it.failed(self._clock()))
        if counted is not None and counted.status == "failing" and subscription.status != "failing":
            log.warning("subscription.failing id=%s trigger=%s", counted.id, counted.trigger.slug)
        return counted

    async def _recover(self, subscription: Subscription, *, by_hand: bool) -> Subscription | None:
        if subscription.status == "active" and not subscription.failures:
            return subscription

        def recovered(it: Subscription) -> Subscription | None:
            better = it.recovered(self._clock(), by_hand=by_hand)
            return better if better != it else None

        def calmed(it: Subscription) -> Subscription | None:
            return recovered(it) if it.status == "active" else None

        found: Subscription | None = subscription
        if subscription.status == "active":
            found = await change(self._subscriptions, subscription.id, calmed)
        if found is None or found.status == "active":
            return found
        found = await self._backlog.open(subscription.id, recovered)
        if found is not None and found.status == "active":
            log.info("subscription.resumed id=%s trigger=%s", found.id, found.trigger.slug)
        return found

    async def _suspend(self, subscription: Subscription, why: str) -> Subscription | None:
        """Suspend it, unless its callback has changed: what the old one said is not about what stands there now."""

        def suspended(it: Subscription) -> Subscription | None:
            is_same = it.callback == subscription.callback and it.status in {"active", "failing"}
            return it.suspended(why, self._clock()) if is_same else None

        found = await change(self._subscriptions, subscription.id, suspended)
        if found is not None and found.status == "suspended":
            log.warning("subscription.suspended id=%s trigger=%s: %s", found.id, found.trigger.slug, why)
        await self._backlog.start(subscription.id)
        return found
