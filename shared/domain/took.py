"""Took: how long did the latest run of each node of the refresh workflow take?

A node has no start, and a task names no object but by what people call it; so a run is timed where exactly one task of
its job bears the node's operation and name.
"""

from collections.abc import Sequence

from shared.domain import ids
from shared.domain.catalog import Job, Node


def timed(nodes: Sequence[Node], jobs: Sequence[Job]) -> Sequence[Node]:
    """The nodes, each with how long its latest run took since it was submitted, where one of the jobs tells."""
    by_id = {ids.key(job.job_id): job for job in jobs}
    return [node.model_copy(update={"duration_seconds": _seconds(node, by_id)}) for node in nodes]


def _seconds(node: Node, jobs: dict[ids.Key, Job]) -> float | None:
    tasks = [
        task
        for job in filter(None, (jobs.get(ids.key(job_id)) for job_id in node.job_ids))
        for task in job.tasks or ()
        if (task.operation_type, task.name, task.completed_at) == (node.operation_type, node.name, node.completed_at)
    ]
    if len(tasks) != 1 or tasks[0].completed_at is None or tasks[0].submitted_at is None:
        return None
    return max((tasks[0].completed_at - tasks[0].submitted_at).total_seconds(), 0)
