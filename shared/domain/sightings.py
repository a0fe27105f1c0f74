"""What the three feeds of data source refreshes show: a poll's snapshot, sorted by data source, as sightings.

The feeds are the ingestion tasks of the jobs, the ingestion nodes of the workflow, and the data source's own account.
A sighting is one completion that one feed shows. What sightings mean together is `refreshes`' to say.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain import ids, resources
from shared.domain.jobs import has_ended
from shared.domain.resources import DataSource, Fault, Job, Node, Task

type Feed = Literal["task", "node", "own"]
type Outcome = Literal["succeeded", "failed"]

OUTCOMES: dict[str, Outcome] = {
    resources.SUCCESSFUL: "succeeded",
    resources.FAILED: "failed",
    resources.TIMED_OUT: "failed",
}
OWN_OUTCOMES: dict[str, Outcome] = {resources.UPDATED: "succeeded", resources.UPDATE_FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one poll read; None where the API does not offer that feed."""

    data_sources: Sequence[DataSource] | None
    nodes: Sequence[Node] | None
    jobs: Sequence[Job] | None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A completion as one feed shows it, ids by key; no outcome where the feed does not tell it."""

    feed: Feed
    at: datetime
    outcome: Outcome | None
    jobs: frozenset[str] = frozenset()
    job: Job | None = None
    task_id: str | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Feeds:
    """A snapshot sorted by data source; all ids are keys."""

    data_sources: Mapping[str, DataSource]
    nodes: Mapping[str, Node]
    tasks: Mapping[str, Sequence[Sighting]]
    jobs: Mapping[str, Job]
    horizon: datetime | None

    def node_of(self, ds: DataSource) -> Node | None:
        """The node of a data source."""
        return self.nodes.get(ids.key(ds.id))

    def sightings_of(self, ds: DataSource) -> Sequence[Sequence[Sighting]]:
        """What each feed shows of a data source, oldest first; the feed that knows most comes first."""
        return (self.tasks.get(ids.key(ds.id), ()), _node_sightings(self.node_of(ds)), _own_sighting(ds))


def sort(snapshot: Snapshot) -> Feeds:
    """Sort a snapshot by data source."""
    nodes = {ids.key(n.identifier): n for n in snapshot.nodes or () if n.operation_type == resources.INGESTION}
    data_sources = snapshot.data_sources
    if data_sources is None:
        data_sources = [DataSource(id=n.identifier, friendly_name=n.friendly_name) for n in nodes.values()]
    jobs = {ids.key(job.id): job for job in snapshot.jobs or ()}
    times = [
        at
        for seen in (
            *((ds.last_refresh,) for ds in data_sources),
            *((n.ended_at, n.succeeded_at) for n in nodes.values()),
            *((job.submitted_at, job.ended_at) for job in jobs.values()),
        )
        for at in seen
        if at is not None
    ]
    return Feeds(
        data_sources={ids.key(ds.id): ds for ds in data_sources},
        nodes=nodes,
        tasks=_tasks_by_data_source(data_sources, jobs.values()),
        jobs=jobs,
        horizon=max(times, default=None),
    )


def _tasks_by_data_source(data_sources: Sequence[DataSource], jobs: Iterable[Job]) -> Mapping[str, Sequence[Sighting]]:
    names = Counter(_shown_name(ds) for ds in data_sources)
    owner = {name: ids.key(ds.id) for ds in data_sources if (name := _shown_name(ds)) is not None and names[name] == 1}
    found: dict[str, dict[object, Sighting]] = defaultdict(dict)
    for job in jobs:
        for position, task in enumerate(job.tasks or ()):
            ds_id = owner.get(task.friendly_name or "")
            sighting = _task_sighting(task, job) if task.operation_type == resources.INGESTION else None
            if ds_id is not None and sighting is not None:
                # A task that several jobs share is one task.
                found[ds_id].setdefault(sighting.task_id or (ids.key(job.id), position), sighting)
    return {ds_id: sorted(by_task.values(), key=lambda s: s.at) for ds_id, by_task in found.items()}


def _shown_name(ds: DataSource) -> str | None:
    return ds.friendly_name or ds.name


def _task_sighting(task: Task, job: Job) -> Sighting | None:
    outcome = OUTCOMES.get(task.status)
    at = task.ended_at or (job.ended_at if has_ended(job) else None)
    if outcome is None or at is None:
        return None
    task_id = ids.key(task.id) if task.id else None
    return Sighting("task", at, outcome, _keys(job.id, *task.job_ids), job, task_id, task.error)


def _node_sightings(node: Node | None) -> list[Sighting]:
    if node is None:
        return []
    found = []
    outcome = OUTCOMES.get(node.status or "")
    if outcome is not None and node.ended_at is not None:
        found.append(Sighting("node", node.ended_at, outcome, _keys(*node.job_ids), fault=node.error))
    if node.succeeded_at is not None and not (found and outcome == "succeeded"):
        found.append(Sighting("node", node.succeeded_at, "succeeded", _keys(*node.success_job_ids)))
    return sorted(found, key=lambda s: s.at)


def _own_sighting(ds: DataSource) -> list[Sighting]:
    if ds.last_refresh is None:
        return []
    return [Sighting("own", ds.last_refresh, OWN_OUTCOMES.get(ds.refresh_state or ""))]


def _keys(*spelled: str) -> frozenset[str]:
    return frozenset(map(ids.key, spelled))
