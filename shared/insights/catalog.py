"""What the bridge shows of Customer Insights: the lists and items that people and pick-lists ask for."""

from collections.abc import Sequence
from typing import Final

from shared.domain.catalog import DataSource, Instance, Job, Measure, Node, Segment, Table, TableDetail
from shared.errors import NotFoundError
from shared.insights import catalog_wire as wire
from shared.insights import paths
from shared.insights.calls import Calls, source_of
from shared.insights.paths import quoted
from shared.insights.transport import Call

HISTORY: Final = {"includeHistoricStats": "true", "historicStatsDays": "30"}


class CatalogClient:
    """Reads one tenant's Customer Insights for people. What it raises, see `Calls`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def instances(self) -> Sequence[Instance]:
        """All instances the bridge's identity can see."""
        return await self._calls.run(lambda: self._calls.all(wire.INSTANCES, "/instances", "the list of instances"))

    async def data_sources(self, instance_id: str) -> Sequence[DataSource]:
        """All data sources."""
        return await self._calls.run(
            lambda: self._calls.all_in_either(wire.DATA_SOURCES, instance_id, paths.DATA_SOURCES)
        )

    async def segments(self, instance_id: str) -> Sequence[Segment]:
        """All segments."""
        return await self._calls.run(lambda: self._calls.all_of_instance(wire.SEGMENTS, instance_id, "manage/segments"))

    async def segment(self, instance_id: str, name: str) -> Segment:
        """One segment with its history; the API only lists them."""
        segments = await self._calls.run(
            lambda: self._calls.all_of_instance(wire.SEGMENTS, instance_id, "manage/segments", HISTORY)
        )
        segment = next((one for one in segments if one.name == name), None)
        if segment is None:
            raise NotFoundError(f"Customer Insights knows no segment {name!r} in {source_of(instance_id)}.")
        return segment

    async def measures(self, instance_id: str) -> Sequence[Measure]:
        """All measures."""
        return await self._calls.run(lambda: self._calls.all_of_instance(wire.MEASURES, instance_id, "manage/measures"))

    async def measure(self, instance_id: str, name: str) -> Measure:
        """One measure with its history."""
        what, path = f"measure {name!r}", f"manage/measures/{quoted(name)}"
        return await self._calls.found(
            what, instance_id, lambda: self._calls.one(wire.MEASURES, instance_id, path, HISTORY)
        )

    async def tables(self, instance_id: str) -> Sequence[Table]:
        """All tables."""
        return [entity.shown() for entity in await self.entities(instance_id)]

    async def table(self, instance_id: str, name: str) -> TableDetail:
        """One table with its columns."""
        return (await self.entity(instance_id, name)).detailed()

    async def entities(self, instance_id: str) -> Sequence[wire.EntityMetadata]:
        """All tables as the API tells of them."""
        return await self._calls.found(
            "list of tables", instance_id, lambda: self._calls.one(wire.TABLES, instance_id, "manage/entities")
        )

    async def entity(self, instance_id: str, name: str) -> wire.EntityMetadata:
        """One table as the API tells of it; `name` is its own or its qualified one.

        The API documents no rule for which of the two a path takes, so a name that it does not find is looked for: the
        qualified one first, which no two tables share.
        """
        what, path = f"table {name!r}", f"manage/entities/{quoted(name)}"
        try:
            return await self._calls.found(what, instance_id, lambda: self._calls.one(wire.TABLE, instance_id, path))
        except NotFoundError as missing:
            entities = await self.entities(instance_id)
            named = [entity for entity in entities if entity.data_name == name]
            named = named or [entity for entity in entities if entity.name == name]
            if len(named) != 1:
                raise missing from None
            return named[0]

    async def jobs(self, instance_id: str, top: int, *, with_tasks: bool = False) -> Sequence[Job]:
        """The latest `top` jobs, newest first."""
        query = {"top": str(top), **({"includeTasks": "true"} if with_tasks else {})}
        return await self._calls.run(lambda: self._calls.all_of_workflow(wire.JOBS, instance_id, "jobs", query))

    async def job(self, instance_id: str, job_id: str) -> Job:
        """One job with its tasks."""
        call = Call("GET", f"jobs/{quoted(job_id)}", {"includeTasks": "true"})
        what = f"job {job_id!r}"
        return await self._calls.found(
            what, instance_id, lambda: self._calls.one_of_workflow(wire.JOBS, instance_id, call)
        )

    async def nodes(self, instance_id: str) -> Sequence[Node]:
        """The state of every workflow node."""
        return await self._calls.run(lambda: self._calls.all_of_workflow(wire.NODES, instance_id, "status"))
