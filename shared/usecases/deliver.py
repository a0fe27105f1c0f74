"""Deliver: make one attempt to call a flow with an event, and settle what comes of it.

Before an attempt the delivery's record is claimed, so that a repeated message makes no second call. After it, what
must happen next (the next attempt, a dead letter, a suspension) is made sure of before the record says so: a process
that dies in between repeats a step, and never skips one.
"""

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.callbacks import Answer
from shared.domain.deliveries import (
    DENIED_STATUSES,
    Delivery,
    DeliveryRecord,
    Stage,
    Verdict,
    judge,
    reason,
    wait_after,
)
from shared.domain.events import Event
from shared.domain.subscriptions import Subscription
from shared.errors import ConfigurationError, LostRaceError
from shared.ports import Callbacks, Cipher, Clock, DeliveryLog, DeliveryQueue, SubscriptionStore
from shared.telemetry import ATTEMPT_DURATION, DELIVER, DELIVERIES, DELIVERY_LATENCY, SILENCE, Telemetry
from shared.usecases.bury import Bury
from shared.usecases.pace import Pace

# How much longer than its time limit an attempt is taken to be under way.
CLAIM_MARGIN = timedelta(seconds=1)

log = logging.getLogger("bridge.deliver")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again: the waits after attempt 1, 2, … in seconds, and the age at which a delivery is given up."""

    schedule: Sequence[float]
    max_age: timedelta
    attempt_timeout: timedelta


class Deliver:
    """Makes deliveries."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        subscriptions: SubscriptionStore,
        records: DeliveryLog,
        queue: DeliveryQueue,
        callbacks: Callbacks,
        cipher: Cipher,
        bury: Bury,
        pace: Pace,
        clock: Clock,
        policy: RetryPolicy,
        user_agent: str,
        jitter: Callable[[], float] = lambda: random.uniform(-1, 1),  # noqa: S311 - spreads load, guards nothing
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._subscriptions = subscriptions
        self._records = records
        self._queue = queue
        self._callbacks = callbacks
        self._cipher = cipher
        self._bury = bury
        self._pace = pace
        self._clock = clock
        self._policy = policy
        self._user_agent = user_agent
        self._jitter = jitter
        self._telemetry = telemetry

    async def __call__(self, message: str) -> None:
        """Make the delivery in a message of the queue `deliveries`; an unreadable one becomes a dead letter."""
        try:
            delivery = Delivery.decode(message)
        except ValueError as error:
            await self._bury.message("deliveries", message, f"unreadable: {error}")
            return
        found = await self._subscriptions.get(delivery.subscription_id)
        if found is None or not found[0].wants(delivery.event):
            # A row left behind by a process that died has led the event here.
            await self._subscriptions.prune(delivery.subscription_id, delivery.event)
            log.info("delivery.unwanted event=%s subscription=%s", delivery.event.id, delivery.subscription_id)
            return
        subscription, version = found
        token = object()
        delay = await self._pace.enter(subscription.id, token)
        if delay is not None:
            await self._queue.send(delivery, delay)
            return
        try:
            await self._make(delivery, subscription, version)
        finally:
            self._pace.leave(subscription.id, token)

    async def _make(self, delivery: Delivery, subscription: Subscription, version: str) -> None:
        claimed = await self._claim(delivery)
        if claimed is None:
            return
        record, record_version = claimed
        if why := self._hopeless(delivery, subscription):
            if record.status in DENIED_STATUSES and subscription.status == "active":
                await self._suspend(subscription, version, f"HTTP {record.status}, until DELIVERY_MAX_AGE_HOURS")
            await self._bury.delivery(replace(delivery, attempt=record.attempts), why)
            ended = record.end(Stage.DEAD, record.attempts, None, why, self._clock())
        else:
            ended = await self._attempt(delivery, subscription, version, record)
        if ended.stage in {Stage.DELIVERED, Stage.DEAD}:
            self._telemetry.measure(DELIVERIES, outcome=ended.stage.value, type=delivery.event.type)
        await self._records.put(ended, record_version)

    async def _attempt(
        self, delivery: Delivery, subscription: Subscription, version: str, record: DeliveryRecord
    ) -> DeliveryRecord:
        event, began = delivery.event, self._clock()
        with self._telemetry.span(
            DELIVER,
            parent=delivery.traceparent,
            event=event.id,
            type=event.type,
            instance=event.instance_id,
            subscription=subscription.id,
            label=subscription.label,
            attempt=delivery.attempt,
            age=(began - delivery.dispatched_at).total_seconds(),
        ) as span:
            answer = await self._call(delivery, subscription, span.traceparent or delivery.traceparent)
            now, verdict = self._clock(), judge(answer)
            self._telemetry.measure(ATTEMPT_DURATION, max(0.0, (now - began).total_seconds()), outcome=verdict.value)
            span.note(outcome=verdict.value, status=answer.status)
            if verdict is Verdict.DELIVERED:
                latency = max(0.0, (now - event.time).total_seconds())
                self._telemetry.measure(DELIVERY_LATENCY, latency, type=event.type)
                span.note(latency=latency)
            stage, why = await self._settle(delivery, subscription, version, answer)
            span.note(stage=stage.value)
            if why is not None:
                span.fail(why)
        return record.end(stage, delivery.attempt, answer, why, self._clock())

    def _hopeless(self, delivery: Delivery, subscription: Subscription) -> str | None:
        if subscription.status != "active":
            return f"the subscription is {subscription.status}"
        if self._clock() > delivery.dispatched_at + self._policy.max_age:
            return "older than DELIVERY_MAX_AGE_HOURS"
        return None

    async def _claim(self, delivery: Delivery) -> tuple[DeliveryRecord, str] | None:
        """Claim the attempt; None when it is done already, or another has it (then it is looked at again later)."""
        now = self._clock()
        until = now + self._policy.attempt_timeout + CLAIM_MARGIN
        try:
            if delivery.attempt == 1:
                record = DeliveryRecord.start(delivery, now, until)
                return record, await self._records.put(record, None)
        except LostRaceError:
            pass  # somebody has begun this delivery: look at how far it is
        found = await self._records.get(delivery)
        record, version = found or (DeliveryRecord.start(delivery, now, until), None)
        if found is not None and record.has_done(delivery.attempt):
            return None
        if found is not None and record.is_claimed(now):
            await self._look_again(delivery, record, now)
            return None
        record = record.claim(now, until)
        try:
            return record, await self._records.put(record, version)
        except LostRaceError:
            await self._look_again(delivery, record, now)
            return None

    async def _look_again(self, delivery: Delivery, record: DeliveryRecord, now: datetime) -> None:
        await self._queue.send(delivery, (record.claimed_until or now) - now)

    async def _call(self, delivery: Delivery, subscription: Subscription, traceparent: str | None) -> Answer:
        try:
            url = self._cipher.open(subscription.callback, context=subscription.id)
        except ConfigurationError as error:
            log.exception("callback.unreadable subscription=%s", subscription.id)
            return Answer(failure=str(error))  # tried again until somebody has mended the key
        event = delivery.event
        return await self._callbacks.post(url, event.encode().encode(), self._headers(event, traceparent))

    def _headers(self, event: Event, traceparent: str | None) -> Mapping[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "webhook-id": event.id,
            "webhook-timestamp": str(int(self._clock().timestamp())),
        }
        return {**headers, "traceparent": traceparent} if traceparent else headers

    async def _settle(
        self, delivery: Delivery, subscription: Subscription, version: str, answer: Answer
    ) -> tuple[Stage, str | None]:
        """Make sure of what comes next; gives where the delivery then stands, and why."""
        verdict = judge(answer)
        why = reason(answer)
        if verdict is Verdict.DELIVERED:
            log.info("delivery.delivered event=%s subscription=%s", delivery.event.id, subscription.id)
            return Stage.DELIVERED, None
        if verdict in {Verdict.RETRY, Verdict.DENIED}:
            wait = wait_after(delivery.attempt, self._policy.schedule, answer.retry_after, self._jitter())
            if self._clock() + wait <= delivery.dispatched_at + self._policy.max_age:
                await self._queue.send(delivery.next(), wait)
                return Stage.WAITING, why
            why = f"{why}, until DELIVERY_MAX_AGE_HOURS"
        if verdict in {Verdict.GONE, Verdict.DENIED}:
            await self._suspend(subscription, version, why)
        await self._bury.delivery(delivery, why, status=answer.status)
        return Stage.DEAD, why

    async def _suspend(self, subscription: Subscription, version: str, why: str) -> None:
        suspended = replace(subscription, status="suspended", status_reason=why, updated_at=self._clock())
        try:
            await self._subscriptions.put(suspended, version, subscription)
        except LostRaceError:
            # It was changed while the flow was called: what the flow said is not about what stands there now.
            return
        log.warning("subscription.suspended id=%s trigger=%s: %s", subscription.id, subscription.trigger.slug, why)
