"""Poll one instance: read its resources, compare them with the checkpoint, save, publish, clear.

State and outbox are saved in one conditional write first, the outbox is published second, and cleared third: whoever
loses the race for the write throws its result away unpublished, and a poll that dies after the write is finished by
the next. A family that fails holds up no other.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.resources import Instance
from shared.errors import BridgeError, LostRaceError
from shared.ports.clock import Clock
from shared.ports.polling import CheckpointStore, Insights
from shared.ports.subscriptions import SubscriptionStore
from shared.telemetry import POLL, POLL_DURATION, PUBLISH, SILENCE, Span, Telemetry
from shared.usecases.families import FAMILIES
from shared.usecases.families.feeds import Feeds
from shared.usecases.poll_outcomes import PollOutcomes, text_of
from shared.usecases.poll_report import Seen
from shared.usecases.publish import Publish

log = logging.getLogger("bridge.poll")


class PollInstance:
    """Polls families of one instance for changes."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        insights: Insights,
        checkpoints: CheckpointStore,
        subscriptions: SubscriptionStore,
        publish: Publish,
        outcomes: PollOutcomes,
        clock: Clock,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._insights = insights
        self._checkpoints = checkpoints
        self._subscriptions = subscriptions
        self._publish = publish
        self._outcomes = outcomes
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self, instance: Instance, families: Sequence[Family]) -> list[Exception]:
        """Poll these families of an instance; gives what could not be done."""
        instance_id = instance.id
        feeds = Feeds(instance_id, self._insights, self._subscriptions, self._clock)
        failures: list[Exception] = []
        for family in families:
            began = self._clock()
            with self._telemetry.span(POLL, instance=instance_id, family=family.value) as span:
                found = await self._try_family(instance_id, family, feeds, span)
                if found:
                    span.fail(text_of(found))
            outcome = "failed" if found else "succeeded"
            seconds = max(0.0, (self._clock() - began).total_seconds())
            self._telemetry.measure(POLL_DURATION, seconds, family=family.value, outcome=outcome)
            await self._outcomes.tell(instance, family, found)
            failures += found
        return failures

    async def publish(self, instance: Instance, family: Family) -> list[Exception]:
        """Publish what earlier polls of a family found, and ask nothing; gives what could not be done."""
        try:
            checkpoint, version = await self._checkpoints.load(instance.id, family)
            if checkpoint.outbox:
                await self._empty(instance.id, family, checkpoint, version)
        except Exception as error:  # noqa: BLE001 - raised at the end, when the others have had their turn
            return [error]
        return []

    async def _try_family(self, instance_id: str, family: Family, feeds: Feeds, span: Span) -> Sequence[Exception]:
        try:
            return await self._poll_family(instance_id, family, feeds, span)
        except Exception as error:  # noqa: BLE001 - raised at the end, when the others have had their turn
            return [error]

    async def _poll_family(self, instance_id: str, family: Family, feeds: Feeds, span: Span) -> list[BridgeError]:
        checkpoint, version = await self._checkpoints.load(instance_id, family)
        failures: list[BridgeError] = []
        try:
            compared = await FAMILIES[family](checkpoint.state, feeds)
        except BridgeError as error:
            # What an earlier poll found is published all the same.
            failures.append(error)
        else:
            failures += compared.failures
            has_changed = compared.state is not checkpoint.state
            found = len(checkpoint.outbox) + len(compared.events)
            self._outcomes.saw(instance_id, family, Seen(compared.going_on, found, has_changed))
            if compared.events or has_changed:
                # When it was seen, and the trace, are written down with the event: whoever publishes it, it leaves with
                # the same bytes.
                seen_at = self._clock()
                seen = (event.recorded(seen_at).traced(span.traceparent).raw for event in compared.events)
                outbox = [*checkpoint.outbox, *seen]
                span.note(events=len(compared.events))
                checkpoint = Checkpoint(compared.state, outbox)
                try:
                    version = await self._checkpoints.save(instance_id, family, checkpoint, version)
                except LostRaceError:
                    log.info("poll.superseded instance=%s family=%s", instance_id, family)
                    return failures
        self._outcomes.pending(instance_id, family, len(checkpoint.outbox))
        if checkpoint.outbox:
            await self._empty(instance_id, family, checkpoint, version)
        elif not failures:
            span.discard()  # an idle poll; the metrics have it
        return failures

    async def _empty(self, instance_id: str, family: Family, checkpoint: Checkpoint, version: str | None) -> None:
        """Publish the outbox and clear it."""
        count = len(checkpoint.outbox)
        with self._telemetry.span(PUBLISH, instance=instance_id, family=family.value, events=count):
            await self._publish(checkpoint.outbox)
        self._outcomes.pending(instance_id, family, 0)
        try:
            await self._checkpoints.save(instance_id, family, replace(checkpoint, outbox=()), version)
        except LostRaceError:
            # Another poll has taken the outbox over and publishes it again, under the same ids.
            log.info("poll.superseded instance=%s family=%s", instance_id, family)
