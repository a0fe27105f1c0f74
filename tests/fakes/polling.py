"""What polls read, keep and publish."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.adapters import checkpoint_bytes
from shared.domain import ids
from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.polls import Polled
from shared.domain.resources import DataSource, Instance, Job, Measure, Node, Segment
from shared.domain.rows import Row
from shared.domain.rules import Combination
from shared.domain.timers import Ticked
from shared.errors import (
    CheckpointError,
    LostRaceError,
    NotFoundError,
    PermanentError,
)
from tests.fakes.process import Fate


class InsightsFake:
    """A tenant. `failures` maps a method's name to errors that its next calls raise; `calls` is what was asked.

    None among the failures lets a call succeed. `in_any_case` lets a measure be found whatever the case of its name;
    `times` are what an instance's clock shows.
    """

    def __init__(self) -> None:
        self.tenant: dict[str, dict[str, Any]] = {}
        self.failures: dict[str, list[Exception | None]] = {}
        self.calls: list[tuple[object, ...]] = []
        self.in_any_case = False
        self.times: dict[str, datetime] = {}

    def show(self, instance_id: str, **resources: Sequence[object] | None) -> None:
        """What the instance shows from now on; None: the API does not offer that feed."""
        self.tenant.setdefault(instance_id, {}).update(resources)

    async def _read(self, what: str, instance_id: str, *more: object) -> Any:  # noqa: ANN401 - any resource
        self.calls.append((what, instance_id, *more))
        await asyncio.sleep(0)
        for key in (what, f"{what} {instance_id}"):
            if self.failures.get(key) and (failure := self.failures[key].pop(0)):
                raise failure
        found = self.tenant.get(instance_id, {}).get(what, ())
        if found is None:
            raise NotFoundError(f"no {what}")
        return found

    async def instances(self) -> Sequence[Instance]:
        self.calls.append(("instances",))
        if self.failures.get("instances") and (failure := self.failures["instances"].pop(0)):
            raise failure
        return [Instance(instance_id) for instance_id in self.tenant]

    async def data_sources(self, instance_id: str) -> Sequence[DataSource]:
        return list(await self._read("data_sources", instance_id))

    async def nodes(self, instance_id: str) -> Sequence[Node]:
        return list(await self._read("nodes", instance_id))

    async def jobs(self, instance_id: str, top: int) -> Sequence[Job]:
        return list(await self._read("jobs", instance_id, top))[:top]

    async def job(self, instance_id: str, job_id: str) -> Job:
        found: Sequence[Job] = await self._read("jobs", instance_id, job_id)
        for job in found:
            if ids.key(job.id) == job_id:
                return job
        raise NotFoundError(f"no job {job_id}")

    async def segments(self, instance_id: str, history_days: int | None = None) -> Sequence[Segment]:
        found: Sequence[Segment] = await self._read("segments", instance_id, history_days)
        if history_days is None:
            return [replace(segment, history=()) for segment in found]
        return list(found)

    async def measures(self, instance_id: str) -> Sequence[Measure]:
        found: Sequence[Measure] = await self._read("measures", instance_id)
        return [replace(measure, evaluations=(), outputs=()) for measure in found]

    async def measure(self, instance_id: str, name: str, history_days: int | None = None) -> Measure:
        found: Sequence[Measure] = await self._read("measures", instance_id, name, history_days)
        for measure in found:
            if measure.name == name or (self.in_any_case and measure.name.casefold() == name.casefold()):
                return measure
        raise NotFoundError(f"no measure {name}")

    async def rows_of_measure(self, instance_id: str, name: str, combinations: Sequence[Combination]) -> Sequence[Row]:
        found: Mapping[str, Sequence[Row]] = await self._read("rows", instance_id, name, *combinations) or {}
        return [row for row in found.get(name, ()) if any(dict(one).items() <= row.items() for one in combinations)]

    def told_time(self, instance_id: str) -> datetime | None:
        return self.times.get(instance_id)


class CheckpointStoreFake:
    """Checkpoints as bytes, each with a version; `writes` counts, `before_save` runs as somebody else might."""

    def __init__(self, fate: Fate | None = None) -> None:
        self.stored: dict[tuple[str, Family], tuple[bytes, str]] = {}
        self.writes = 0
        self.before_save: Callable[[], Awaitable[None]] | None = None
        self._versions = itertools.count(1)
        self._fate = fate or Fate()

    async def load(self, instance_id: str, family: Family) -> tuple[Checkpoint, str | None]:
        await asyncio.sleep(0)
        found = self.stored.get((instance_id, family))
        if found is None:
            return Checkpoint(), None
        try:
            return await checkpoint_bytes.read(family, found[0]), found[1]
        except ValueError as error:
            raise CheckpointError(f"checkpoint {instance_id} {family}: {error}") from None

    async def save(self, instance_id: str, family: Family, checkpoint: Checkpoint, version: str | None) -> str:
        if (intruder := self.before_save) is not None:
            self.before_save = None
            await intruder()
        content = await checkpoint_bytes.written(family, checkpoint)

        def write() -> str:
            found = self.stored.get((instance_id, family))
            if (found[1] if found else None) != version:
                raise LostRaceError("the checkpoint was written by another")
            self.writes += 1
            self.stored[(instance_id, family)] = content, f"v{next(self._versions)}"
            return self.stored[(instance_id, family)][1]

        return await self._fate.step(write)


class PollStoreFake:
    """How polls go; `writes` counts, `failures` are raised by the next calls."""

    def __init__(self, fate: Fate | None = None) -> None:
        self.rows: dict[tuple[str, Family], Polled] = {}
        self.failures: list[Exception] = []
        self.writes = self.reads = 0
        self._fate = fate or Fate()
        self._numbers = itertools.count(1)
        self._versions: dict[tuple[str, Family], str] = {}

    async def get(self, instance_id: str, family: Family) -> tuple[Polled, str] | None:
        self.reads += 1
        if self.failures:
            raise self.failures.pop(0)
        await asyncio.sleep(0)
        key = ids.key(instance_id), family
        return (self.rows[key], self._versions[key]) if key in self.rows else None

    async def put(self, polled: Polled, version: str | None) -> str:
        self.writes += 1
        if self.failures:
            raise self.failures.pop(0)
        key = ids.key(polled.instance_id), polled.family

        def write() -> str:
            if self._versions.get(key) != version:
                raise LostRaceError("the row was written by another")
            self.rows[key], self._versions[key] = polled, f"v{next(self._numbers)}"
            return self._versions[key]

        return await self._fate.step(write)

    async def remove(self, polled: Polled) -> None:
        key = ids.key(polled.instance_id), polled.family
        await self._fate.step(lambda: (self.rows.pop(key, None), self._versions.pop(key, None)))

    async def all(self) -> AsyncIterator[Polled]:
        for _, polled in sorted(self.rows.items()):
            await asyncio.sleep(0)
            yield polled


class TimerStoreFake:
    """When the timers ran; `failures` are raised by the next calls."""

    def __init__(self) -> None:
        self.rows: dict[str, Ticked] = {}
        self.failures: list[Exception] = []

    async def all(self) -> Sequence[Ticked]:
        if self.failures:
            raise self.failures.pop(0)
        await asyncio.sleep(0)
        return list(self.rows.values())

    async def put(self, ticked: Ticked) -> None:
        if self.failures:
            raise self.failures.pop(0)
        await asyncio.sleep(0)
        self.rows[ticked.name] = ticked


class BudgetFake:
    """An API that takes so many polls at once, and no more than `left`; `most` is how many there were at once."""

    def __init__(self, left: int | None = None) -> None:
        self.left = left
        self.under_way = self.most = 0

    def begin(self) -> float:
        if self.left == 0:
            return 1.0
        if self.left is not None:
            self.left -= 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        return 0.0

    def end(self) -> None:
        self.under_way -= 1


class PublisherFake:
    """A topic; `failures` are raised by the next calls, and events on `refused` subjects are refused for good."""

    def __init__(self, fate: Fate | None = None) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.failures: list[Exception] = []
        self.refused: set[object] = set()
        self._fate = fate or Fate()

    async def publish(self, events: Sequence[Mapping[str, Any]]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if self.refused & {event["subject"] for event in events}:
            raise PermanentError("the topic answers 413")
        await self._fate.step(lambda: self.events.extend(events))
