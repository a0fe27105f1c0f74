"""What the three feeds of data source refreshes show: a poll's snapshot, sorted by data source, as sightings.

The feeds are the ingestion tasks of the jobs, the ingestion nodes of the workflow, and the data source's own account.
What else has nodes and tasks of its own, such as an export, is sorted in the same way.
A sighting is one completion that one feed shows. What sightings mean together is `refreshes`' to say.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain import ids, resources
from shared.domain.jobs import SKEW, has_ended
from shared.domain.refresh_marks import DataSourceMark, Feed, Outcome, short
from shared.domain.resources import DataSource, Fault, Job, Node, Task

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

    def listed(self, operation_type: str = resources.INGESTION) -> Sequence[DataSource]:
        """All data sources; where their own feed is missing, those that nodes of this operation type name."""
        if self.data_sources is not None:
            return self.data_sources
        nodes = {ids.key(n.identifier): n for n in self.nodes or () if n.operation_type == operation_type}
        return [DataSource(id=n.identifier, friendly_name=n.friendly_name) for n in nodes.values()]


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
    errors: Sequence[Fault] = ()
    has_timed_out: bool = False
    remembered: frozenset[str] = frozenset()

    @property
    def links(self) -> frozenset[str]:
        """Its jobs as they are remembered, hashed."""
        return self.remembered or frozenset(map(short, self.jobs))


@dataclass(frozen=True, slots=True)
class Feeds:
    """A snapshot sorted by data source; all ids are keys."""

    data_sources: Mapping[str, DataSource]
    nodes: Mapping[str, Node]
    tasks: Mapping[str, Sequence[Sighting]]
    jobs: Mapping[str, Job]
    names: Mapping[str, str]
    horizon: datetime | None
    now: datetime

    def node_of(self, ds: DataSource) -> Node | None:
        """The node of a data source."""
        return self.nodes.get(ids.key(ds.id))

    def sightings_of(self, ds: DataSource) -> Sequence[Sequence[Sighting]]:
        """What each feed shows of a data source, oldest first; the feed that knows most comes first."""
        feeds = (self.tasks.get(ids.key(ds.id), ()), _node_sightings(self.node_of(ds)), _own_sighting(ds))
        # What lies in the future has not happened: whoever says so errs, and is not believed until then.
        return [[s for s in sightings if s.at <= self.now + SKEW] for sightings in feeds]

    def name_of(self, ds: DataSource) -> str:
        """The hash of the name that a data source bears alone, or nothing."""
        return self.names.get(ids.key(ds.id), "")


def sort(
    snapshot: Snapshot, marks: Mapping[str, DataSourceMark], now: datetime, operation_type: str = resources.INGESTION
) -> Feeds:
    """Sort a snapshot by data source; the marks say which names they bore when they were last seen.

    `operation_type` is that of the nodes and tasks to sort.
    """
    nodes = {ids.key(n.identifier): n for n in snapshot.nodes or () if n.operation_type == operation_type}
    data_sources = snapshot.listed(operation_type)
    jobs = {ids.key(job.id): job for job in snapshot.jobs or ()}
    times = [
        at
        for seen in (
            *((ds.last_refresh,) for ds in data_sources),
            *((n.ended_at, n.succeeded_at) for n in nodes.values()),
            *((job.submitted_at, job.ended_at) for job in jobs.values()),
        )
        for at in seen
        if at is not None and at <= now + SKEW
    ]
    names = _own_names(data_sources)
    return Feeds(
        data_sources={ids.key(ds.id): ds for ds in data_sources},
        nodes=nodes,
        tasks=_tasks_by_data_source(_owners(names, marks, now), jobs.values(), operation_type),
        jobs=jobs,
        names=names,
        horizon=max(times, default=None),
        now=now,
    )


def _own_names(data_sources: Sequence[DataSource]) -> Mapping[str, str]:
    """The names that data sources bear alone, hashed, by data source."""
    count = Counter(_shown_name(ds) for ds in data_sources)
    return {ids.key(ds.id): short(name) for ds in data_sources if (name := _shown_name(ds)) and count[name] == 1}


def _owners(
    names: Mapping[str, str], marks: Mapping[str, DataSourceMark], now: datetime
) -> Mapping[str, tuple[str, datetime | None]]:
    """Whose tasks bear a name, and since when: a task has no other tie to its data source, which may be renamed.

    A name is its data source's from when it was first seen to be; the name before, as long as nobody else has it.
    """
    owners = dict[str, tuple[str, datetime | None]]()
    for ds_id, name in names.items():
        mark = marks.get(ds_id)
        owners[name] = ds_id, _since(mark, name, now)
    borne = Counter(mark.name for mark in marks.values())
    for ds_id, mark in marks.items():
        if mark.name and mark.name not in owners and borne[mark.name] == 1:
            owners[mark.name] = ds_id, mark.named_at
    return owners


def _since(mark: DataSourceMark | None, name: str, now: datetime) -> datetime | None:
    if mark is None or mark.name is None:
        return None
    return mark.named_at if mark.name == name else now


def _tasks_by_data_source(
    owners: Mapping[str, tuple[str, datetime | None]], jobs: Iterable[Job], operation_type: str
) -> Mapping[str, Sequence[Sighting]]:
    found: dict[str, dict[object, Sighting]] = defaultdict(dict)
    for job in jobs:
        for position, task in enumerate(job.tasks or ()):
            if task.operation_type != operation_type or not task.friendly_name:
                continue
            ds_id, since = owners.get(short(task.friendly_name), (None, None))
            sighting = _task_sighting(task, job)
            if ds_id is not None and sighting is not None and (since is None or sighting.at > since):
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
    return Sighting(
        "task",
        at,
        outcome,
        _keys(job.id, *task.job_ids),
        job,
        task_id,
        task.error,
        task.errors,
        has_timed_out=task.status == resources.TIMED_OUT,
    )


def _node_sightings(node: Node | None) -> list[Sighting]:
    if node is None:
        return []
    found = []
    outcome = OUTCOMES.get(node.status or "")
    if outcome is not None and node.ended_at is not None:
        found.append(
            Sighting(
                "node",
                node.ended_at,
                outcome,
                _keys(*node.job_ids),
                fault=node.error,
                errors=node.errors,
                has_timed_out=node.status == resources.TIMED_OUT,
            )
        )
    if node.succeeded_at is not None and not (found and outcome == "succeeded"):
        found.append(Sighting("node", node.succeeded_at, "succeeded", _keys(*node.success_job_ids)))
    return sorted(found, key=lambda s: s.at)


def _own_sighting(ds: DataSource) -> list[Sighting]:
    if ds.last_refresh is None:
        return []
    return [Sighting("own", ds.last_refresh, OWN_OUTCOMES.get(ds.refresh_state or ""))]


def _keys(*spelled: str) -> frozenset[str]:
    return frozenset(map(ids.key, spelled))
