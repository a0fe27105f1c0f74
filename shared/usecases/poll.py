"""Poll: which instances are polled, how many at once, and what is told of all of them at the end.

An instance that fails holds up no other.
"""

import asyncio
import logging
from collections.abc import Sequence
from itertools import batched

from shared.domain.checkpoints import Family
from shared.domain.polls import EVERY_INSTANCE
from shared.domain.resources import Instance
from shared.ports import Insights
from shared.telemetry import SILENCE, Telemetry
from shared.usecases.poll_instance import PollInstance
from shared.usecases.poll_outcomes import PollOutcomes

# The data sources come first: what their `refreshState` tells, the nodes and jobs that are read after it show as well.
REFRESHES = (Family.DATA_SOURCES, Family.JOBS)
THRESHOLDS = (Family.SEGMENTS, Family.MEASURES)

INSTANCES_AT_ONCE = 8
# Azure Monitor cuts a line at 32,768 characters; an id has 36.
INSTANCES_PER_LINE = 500

log = logging.getLogger("bridge.poll")


class PollFailedError(ExceptionGroup[Exception]):
    """Some families of some instances could not be polled; the others were."""


class Poll:
    """Polls instances for changes; `instances` empty means all that the API lists."""

    def __init__(
        self,
        *,
        insights: Insights,
        poll_instance: PollInstance,
        outcomes: PollOutcomes,
        instances: Sequence[str] = (),
        telemetry: Telemetry = SILENCE,
    ) -> None:
        self._insights = insights
        self._poll_instance = poll_instance
        self._outcomes = outcomes
        self._instances = instances
        self._telemetry = telemetry

    async def __call__(self, families: Sequence[Family]) -> None:
        """Poll these families of all instances. Raises `PollFailedError` at the end when some could not be polled."""
        at_once = asyncio.Semaphore(INSTANCES_AT_ONCE)

        async def poll(instance: Instance) -> list[Exception]:
            async with at_once:
                return await self._poll_instance(instance, families)

        instances = await self._polled(families)
        failures = await asyncio.gather(*(poll(instance) for instance in instances))
        self._tell_successes(families, [one.id for one, found in zip(instances, failures, strict=True) if not found])
        if errors := [error for found in failures for error in found]:
            raise PollFailedError(f"{len(errors)} failures while polling", errors)

    async def _polled(self, families: Sequence[Family]) -> Sequence[Instance]:
        if self._instances:
            return [Instance(instance_id) for instance_id in self._instances]
        failures: Sequence[Exception] = ()
        try:
            return await self._insights.instances()
        except Exception as error:
            failures = [error]
            raise
        finally:
            for family in families:
                await self._outcomes.tell(Instance(EVERY_INSTANCE), family, failures)

    def _tell_successes(self, families: Sequence[Family], instance_ids: Sequence[str]) -> None:
        """Say which instances were polled with success: at every tick, so in few lines, and where anybody listens."""
        if self._telemetry.is_on:
            for some in batched(instance_ids, INSTANCES_PER_LINE, strict=False):
                log.info("poll.succeeded families=%s instances=%s", ",".join(families), ",".join(some))
