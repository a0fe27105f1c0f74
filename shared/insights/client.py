"""What the bridge polls of the Customer Insights API: one method for each thing it asks.

Knows which path and query belong to which resource, and nothing of HTTP or of the wire.
"""

from collections.abc import Sequence
from datetime import datetime

from shared.domain.resources import DataSource, Instance, Job, Measure, Node, Segment
from shared.domain.rows import Row
from shared.domain.rules import Combination
from shared.insights import paths, wire
from shared.insights.calls import Calls, Query
from shared.insights.paths import quoted
from shared.insights.slices import Slices
from shared.insights.transport import Call


class InsightsClient:
    """Reads one tenant's Customer Insights; implements the port `Insights`. What it raises, see `Calls`.

    Sources: the paths are those of Microsoft's client (PyPI customerinsights 1.0.8) and of its documentation.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._slices = Slices(calls)

    async def instances(self) -> Sequence[Instance]:
        """All instances the bridge's identity can see."""
        return await self._calls.run(lambda: self._calls.all(wire.INSTANCES, "/instances", "the list of instances"))

    async def data_sources(self, instance_id: str) -> Sequence[DataSource]:
        """All data sources."""
        return await self._calls.run(
            lambda: self._calls.all_in_either(wire.DATA_SOURCES, instance_id, paths.DATA_SOURCES)
        )

    async def nodes(self, instance_id: str) -> Sequence[Node]:
        """The state of every workflow node that names its object."""
        return await self._calls.run(lambda: self._calls.all_of_workflow(wire.NODES, instance_id, "status"))

    async def jobs(self, instance_id: str, top: int) -> Sequence[Job]:
        """The latest `top` jobs with their tasks, in the API's order: newest first."""
        query = {"top": str(top), "includeTasks": "true"}
        return await self._calls.run(lambda: self._calls.all_of_workflow(wire.JOBS, instance_id, "jobs", query))

    async def job(self, instance_id: str, job_id: str) -> Job:
        """One job with its tasks. Raises `PermanentError` where the job is unreadable."""
        call = Call("GET", f"jobs/{quoted(job_id)}", {"includeTasks": "true"})
        return await self._calls.found(
            f"job {job_id!r}", instance_id, lambda: self._calls.one_of_workflow(wire.JOBS, instance_id, call)
        )

    async def segments(self, instance_id: str, history_days: int | None = None) -> Sequence[Segment]:
        """All segments; with `history_days`, each with its evaluations of so many days."""
        query = None if history_days is None else _history(history_days)
        return await self._calls.run(
            lambda: self._calls.all_of_instance(wire.SEGMENTS, instance_id, "manage/segments", query)
        )

    async def measures(self, instance_id: str) -> Sequence[Measure]:
        """All measures, without history."""
        return await self._calls.run(lambda: self._calls.all_of_instance(wire.MEASURES, instance_id, "manage/measures"))

    async def measure(self, instance_id: str, name: str, history_days: int | None = None) -> Measure:
        """One measure, with `history_days` that of so many days. Raises `PermanentError` where it is unreadable."""
        path, history = f"manage/measures/{quoted(name)}", None if history_days is None else _history(history_days)
        return await self._calls.found(
            f"measure {name!r}",
            instance_id,
            lambda: self._calls.one(wire.MEASURES, instance_id, path, history),
        )

    async def rows_of_measure(self, instance_id: str, name: str, combinations: Sequence[Combination]) -> Sequence[Row]:
        """The rows of a measure's own table for these combinations; none for what the API does not know or take."""
        return await self._calls.run(lambda: self._slices.rows(instance_id, name, combinations))

    def told_time(self, instance_id: str) -> datetime | None:
        """What time it was by the tenant's own clock when it last answered about an instance, where it told."""
        return self._calls.dates.latest(instance_id)


def _history(days: int) -> Query:
    return {"includeHistoricStats": "true", "historicStatsDays": str(days)}
