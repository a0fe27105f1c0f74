"""Poll one instance: read its resources, compare them with the checkpoint, save, publish, clear.

State and outbox are saved in one conditional write first, the outbox is published second, and cleared third: whoever
loses the race for the write throws its result away unpublished, and a poll that dies after the write is finished by
the next. A family that fails holds up no other.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain import jobs, refreshes, thresholds
from shared.domain.checkpoints import Checkpoint, Family, State
from shared.domain.events import Event, MeasureThresholdCrossed, SegmentThresholdCrossed
from shared.domain.jobs import JobsState
from shared.domain.refreshes import DataSourcesState
from shared.domain.resources import Instance, Job, Measure, Segment
from shared.domain.rules import Rule
from shared.domain.sightings import Snapshot
from shared.domain.subscriptions import TRIGGERS_BY_EVENT_TYPE
from shared.domain.thresholds import ValuesState, Watched
from shared.errors import BridgeError, ConfigurationError, LostRaceError, NotFoundError
from shared.ports import CheckpointStore, Clock, Insights, Publisher, SubscriptionStore
from shared.telemetry import (
    EVENTS_PUBLISHED,
    POLL,
    POLL_DURATION,
    POLL_LAG,
    PUBLISH,
    SILENCE,
    Span,
    Telemetry,
)
from shared.usecases.poll_outcomes import PollOutcomes, text_of

# How many of the latest jobs are read at first, by how much more each time, and at most.
FIRST_JOBS, MORE_JOBS, MAX_JOBS = 20, 5, 2_500

log = logging.getLogger("bridge.poll")


@dataclass(frozen=True, slots=True)
class Compared:
    """What to remember after comparing, what is news, and what could not be read meanwhile."""

    state: State
    events: Sequence[Event]
    failures: Sequence[BridgeError] = ()


class JobFeed:
    """The latest jobs of an instance, read once for all families of a poll, and as far back as each needs."""

    def __init__(self, insights: Insights, instance_id: str) -> None:
        self._insights = insights
        self._instance_id = instance_id
        self._top = 0
        self._jobs: Sequence[Job] = ()

    async def read(self, enough: Callable[[Sequence[Job]], bool]) -> Sequence[Job]:
        """The latest jobs, newest first, as many as are `enough`, or all that the API shows."""
        while self._top == 0 or (not enough(self._jobs) and self._top < MAX_JOBS):
            count, top = len(self._jobs), self._top * MORE_JOBS or FIRST_JOBS
            self._jobs = await self._insights.jobs(self._instance_id, top)
            self._top = top
            if len(self._jobs) <= count:
                break
        return self._jobs


class PollInstance:
    """Polls families of one instance for changes."""

    def __init__(  # noqa: PLR0913 - the ports it needs, by name
        self,
        *,
        insights: Insights,
        checkpoints: CheckpointStore,
        subscriptions: SubscriptionStore,
        publisher: Publisher,
        outcomes: PollOutcomes,
        clock: Clock,
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._insights = insights
        self._checkpoints = checkpoints
        self._subscriptions = subscriptions
        self._publisher = publisher
        self._outcomes = outcomes
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self, instance: Instance, families: Sequence[Family]) -> list[Exception]:
        """Poll these families of an instance; gives what could not be done."""
        instance_id, feed = instance.id, JobFeed(self._insights, instance.id)
        failures: list[Exception] = []
        for family in families:
            began = self._clock()
            with self._telemetry.span(POLL, instance=instance_id, family=family.value) as span:
                found = await self._try_family(instance_id, family, feed, span)
                if found:
                    span.fail(text_of(found))
            outcome = "failed" if found else "succeeded"
            seconds = max(0.0, (self._clock() - began).total_seconds())
            self._telemetry.measure(POLL_DURATION, seconds, family=family.value, outcome=outcome)
            await self._outcomes.tell(instance, family, found)
            failures += found
        return failures

    async def _try_family(self, instance_id: str, family: Family, feed: JobFeed, span: Span) -> Sequence[Exception]:
        try:
            return await self._poll_family(instance_id, family, feed, span)
        except Exception as error:  # noqa: BLE001 - raised at the end, when the others have had their turn
            return [error]

    async def _poll_family(self, instance_id: str, family: Family, feed: JobFeed, span: Span) -> list[BridgeError]:
        checkpoint, version = await self._checkpoints.load(instance_id, family)
        failures: list[BridgeError] = []
        try:
            compared = await self._compare(instance_id, family, checkpoint.state, feed)
        except BridgeError as error:
            # What an earlier poll found is published all the same.
            failures.append(error)
        else:
            failures += compared.failures
            if compared.events or compared.state is not checkpoint.state:
                # The trace is written down with the event: whoever publishes it, it leaves with the same bytes.
                outbox = [*checkpoint.outbox, *(event.traced(span.traceparent).raw for event in compared.events)]
                span.note(events=len(compared.events))
                checkpoint = Checkpoint(compared.state, outbox)
                try:
                    version = await self._checkpoints.save(instance_id, family, checkpoint, version)
                except LostRaceError:
                    log.info("poll.superseded instance=%s family=%s", instance_id, family)
                    return failures
        self._outcomes.pending(instance_id, family, len(checkpoint.outbox))
        if checkpoint.outbox:
            await self._publish(instance_id, family, checkpoint, version)
        elif not failures:
            span.discard()  # an idle poll; the metrics have it
        return failures

    async def _publish(self, instance_id: str, family: Family, checkpoint: Checkpoint, version: str | None) -> None:
        count = len(checkpoint.outbox)
        with self._telemetry.span(PUBLISH, instance=instance_id, family=family.value, events=count):
            await self._publisher.publish(checkpoint.outbox)
        now = self._clock()
        for event in checkpoint.outbox:
            self._telemetry.measure(EVENTS_PUBLISHED, type=event["type"])
            lag = (now - datetime.fromisoformat(event["time"])).total_seconds()
            self._telemetry.measure(POLL_LAG, max(0.0, lag), type=event["type"])
            log.info("event.published type=%s id=%s subject=%s", event["type"], event["id"], event.get("subject"))
        self._outcomes.pending(instance_id, family, 0)
        try:
            await self._checkpoints.save(instance_id, family, replace(checkpoint, outbox=()), version)
        except LostRaceError:
            # Another poll has taken the outbox over and publishes it again, under the same ids.
            log.info("poll.superseded instance=%s family=%s", instance_id, family)

    async def _compare(self, instance_id: str, family: Family, state: State | None, feed: JobFeed) -> Compared:
        match family, state:
            case Family.JOBS, JobsState() | None:
                return await self._compare_jobs(instance_id, state, feed)
            case Family.DATA_SOURCES, DataSourcesState() | None:
                return await self._compare_data_sources(instance_id, state, feed)
            case Family.SEGMENTS, ValuesState() | None:
                return await self._compare_segments(instance_id, state)
            case Family.MEASURES, ValuesState() | None:
                return await self._compare_measures(instance_id, state)
        raise TypeError(f"the state of {family} is a {type(state).__name__}")

    async def _compare_jobs(self, instance_id: str, state: JobsState | None, feed: JobFeed) -> Compared:
        listed = await feed.read(lambda found: jobs.enough(state, found))
        return Compared(*jobs.compare(state, listed, instance_id, self._clock()))

    async def _compare_data_sources(self, instance_id: str, state: DataSourcesState | None, feed: JobFeed) -> Compared:
        snapshot = Snapshot(
            data_sources=await _if_offered(self._insights.data_sources(instance_id)),
            nodes=await _if_offered(self._insights.nodes(instance_id)),
            jobs=await _if_offered(feed.read(lambda found: refreshes.enough(state, found))),
        )
        if snapshot.data_sources is None and snapshot.nodes is None:
            raise ConfigurationError(
                f"Customer Insights shows no data sources of instance {instance_id}: "
                "check CUSTOMER_INSIGHTS_INSTANCES and CUSTOMER_INSIGHTS_WORKFLOW"
            )
        return Compared(*refreshes.compare(state, snapshot, instance_id, self._clock()))

    async def _compare_segments(self, instance_id: str, state: ValuesState | None) -> Compared:
        rules = await self._rules(SegmentThresholdCrossed, instance_id)
        segments = await self._insights.segments(instance_id)
        watched = [thresholds.watch_segment(segment) for segment in segments]
        if state is not None and (moved := thresholds.moved(state, watched, rules)):
            days = thresholds.history_days(state, [w.name for w in moved], self._clock())
            segments = await self._insights.segments(instance_id, days)
            watched = [thresholds.watch_segment(segment) for segment in segments]
        return _compared(instance_id, state, watched, rules, [])

    async def _compare_measures(self, instance_id: str, state: ValuesState | None) -> Compared:
        rules = await self._rules(MeasureThresholdCrossed, instance_id)
        watched = {m.name: thresholds.watch_measure(m) for m in await self._insights.measures(instance_id)}
        failures: list[BridgeError] = []
        for moved in thresholds.moved(state, watched.values(), rules):
            try:
                watched[moved.name] = thresholds.watch_measure(await self._insights.measure(instance_id, moved.name))
            except NotFoundError:
                del watched[moved.name]  # deleted since it was listed
            except BridgeError as error:
                del watched[moved.name]  # it stays as remembered, and the next poll catches up
                failures.append(error)
        return _compared(instance_id, state, list(watched.values()), rules, failures)

    async def _rules(
        self, data: type[SegmentThresholdCrossed | MeasureThresholdCrossed], instance_id: str
    ) -> Sequence[Rule]:
        return await self._subscriptions.rules(TRIGGERS_BY_EVENT_TYPE[data.event_type], instance_id)


async def _if_offered[T](call: Awaitable[T]) -> T | None:
    """What a feed shows, or None where the API does not offer it."""
    try:
        return await call
    except NotFoundError:
        return None


def _compared(
    instance_id: str,
    state: ValuesState | None,
    watched: Sequence[Watched],
    rules: Sequence[Rule],
    failures: Sequence[BridgeError],
) -> Compared:
    after, crossings = thresholds.compare(state, watched, rules)
    resources: dict[str, Segment | Measure] = {w.name: w.resource for w in watched}
    events = [thresholds.event(instance_id, crossing, resources[crossing.rule.name]) for crossing in crossings]
    return Compared(after, events, failures)
