"""Exports: which have failed since the checkpoint? They are followed as data sources are, by their nodes and tasks."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.domain import ids, refreshes, resources
from shared.domain.events.envelope import Event
from shared.domain.events.exports import ExportRefreshFailed
from shared.domain.faults import error_of
from shared.domain.refresh_marks import DataSourceMark, DataSourcesState, short
from shared.domain.refreshes import Completion, Kind
from shared.domain.resources import DataSource, Job, Node, Task
from shared.domain.sightings import Snapshot


def compare(
    state: DataSourcesState | None,
    nodes: Sequence[Node] | None,
    jobs: Sequence[Job],
    instance_id: str,
    now: datetime,
) -> tuple[DataSourcesState, list[Event]]:
    """Compare what a poll saw with what is remembered; see `refreshes.compare`."""
    snapshot = Snapshot(_listed(nodes or (), jobs, state.marks if state is not None else {}), nodes, jobs)
    return refreshes.compare(state, snapshot, instance_id, now, EXPORTS)


def _listed(nodes: Sequence[Node], jobs: Sequence[Job], marks: Mapping[str, DataSourceMark]) -> list[DataSource]:
    """All exports that show: the nodes, and those of tasks that are no node's.

    Such a task's export is the one that bore its name when it was last seen; else the name is taken for its id.
    """
    of_nodes = [DataSource(n.identifier, friendly_name=n.friendly_name) for n in nodes if _is_export(n)]
    tasks = (task for job in jobs for task in job.tasks or () if _is_export(task))
    names = {ids.key(task.friendly_name): task.friendly_name for task in tasks if task.friendly_name}
    taken = {short(one.friendly_name) for one in of_nodes if one.friendly_name}
    bearers = {mark.name: export_id for export_id, mark in marks.items() if export_id not in names and mark.name}
    shown = {ids.key(one.id) for one in of_nodes}
    others = ((bearers.get(short(name), name), name) for name in names.values() if short(name) not in taken)
    return of_nodes + [DataSource(one, friendly_name=name) for one, name in others if ids.key(one) not in shown]


def _is_export(one: Node | Task) -> bool:
    return one.operation_type == resources.EXPORT


def _event(instance_id: str, export: DataSource, completion: Completion) -> Event | None:
    if completion.outcome != "failed":
        return None
    data = ExportRefreshFailed(
        instance_id=instance_id,
        export_id=export.id,
        friendly_name=export.friendly_name,
        outcome="timedOut" if completion.has_timed_out else "failed",
        completed_at=completion.at,
        job_id=completion.job_id,
        error=error_of(completion.fault),
    )
    return Event.of(data, time=completion.at, occurrence=completion.occurrence)


EXPORTS = Kind(resources.EXPORT, _event)
