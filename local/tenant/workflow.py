"""The workflow of one instance: its jobs with their tasks, and the nodes that tell how each step last went.

It keeps tasks and nodes in agreement. It knows no data sources, segments or measures: they are `model`'s.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from local.tenant.records import ABORTED, FAILED, RUNNING, SUCCESSFUL, UNDER_WAY, Failure, Job, Node, Step, Task

_NAMESPACE = uuid.UUID("6f1d3c52-8a0e-4d6c-9d27-3b1f5a0c7e44")


def derived_id(*parts: object) -> str:
    """Make a UUID that is the same for the same parts, in every process."""
    return str(uuid.uuid5(_NAMESPACE, "|".join(str(part) for part in parts)))


@dataclass(slots=True)
class Workflow:
    """The jobs, newest first, and the nodes by (operation, identifier)."""

    instance_id: str
    jobs: list[Job] = field(default_factory=list)
    nodes: dict[tuple[str, str], Node] = field(default_factory=dict)

    def submit(  # noqa: PLR0913 - each names one field of the record
        self,
        operation: str,
        at: datetime,
        *,
        kind: str = "scheduled",
        mode: str = "full",
        job_id: str | None = None,
        status: str = RUNNING,
        identifiers: tuple[str, ...] = (),
        run_downstream: bool | None = None,
        forced: bool = False,
    ) -> Job:
        """Take a job; it stands first in the list from now on."""
        known_id = job_id or derived_id(self.instance_id, "job", len(self.jobs))
        job = Job(known_id, operation, status, kind, mode, at, None, [], identifiers, run_downstream, forced)
        self.jobs.insert(0, job)
        return job

    def add_task(
        self, job: Job, step: Step, at: datetime, *, status: str = RUNNING, waits_for: tuple[str, ...] = ()
    ) -> Task:
        """Add a task to a job; its node shows that it is under way."""
        task = Task(derived_id(job.id, "task", len(job.tasks)), step, status, at, waits_for=waits_for)
        job.tasks.append(task)
        node = self.node(step)
        node.status, node.job_ids, node.failure = status, (job.id,), None
        return task

    def end_task(self, job: Job, task: Task, status: str, at: datetime, failure: Failure | None = None) -> None:
        """End a task; its node tells the same. The failure counts only for a failed task."""
        task.status, task.ended_at = status, at
        task.failure = failure if status == FAILED else None
        node = self.node(task.step)
        node.status, node.ended_at, node.failure, node.job_ids = status, at, task.failure, (job.id,)
        if status == SUCCESSFUL:
            node.succeeded_at, node.success_job_ids = at, (job.id,)

    def begin(self, step: Step, at: datetime, *, kind: str = "scheduled", status: str = RUNNING) -> Job:
        """Take a job of one task, `queued` or `running`."""
        job = self.submit(step.operation, at, kind=kind, status=status, identifiers=(step.identifier,))
        self.add_task(job, step, at, status=status)
        return job

    def end(self, step: Step, status: str, at: datetime, failure: Failure | None = None) -> Job:
        """End a step that is under way, and with its last step the job; LookupError when there is none."""
        job = self.under_way(step)
        self.end_task(job, job.task(step), status, at, failure)
        if not any(task.status in UNDER_WAY for task in job.tasks):
            failed = any(task.status == FAILED for task in job.tasks)
            job.status, job.ended_at = FAILED if failed else status, at
        return job

    def cancel(self, job: Job, at: datetime) -> list[Task]:
        """Abort a job and what of it has not ended, and give these tasks; a job that has ended stays as it is."""
        if job.status not in UNDER_WAY:
            return []
        stopped = [task for task in job.tasks if task.status in UNDER_WAY]
        for task in stopped:
            self.end_task(job, task, ABORTED, at)
        job.status, job.ended_at = ABORTED, at
        return stopped

    def under_way(self, step: Step) -> Job:
        """Find the job of this operation whose step is queued, running or may yet heal; LookupError without one."""
        for job in self.jobs:
            open_steps = [task.step for task in job.tasks if task.status in {*UNDER_WAY, FAILED}]
            if job.status in UNDER_WAY and job.operation == step.operation and step in open_steps:
                return job
        raise LookupError(f"No {step.operation} of {step.friendly_name} is under way.")

    def note(self, step: Step, status: str, at: datetime, failure: Failure | None = None) -> None:
        """Bring the job of one task to `status`, taking one first where none is under way."""
        try:
            self.under_way(step)
        except LookupError:
            self.begin(step, at, kind="onDemand", status=status if status in UNDER_WAY else RUNNING)
        if status not in UNDER_WAY:
            self.end(step, status, at, failure)

    def job(self, job_id: str) -> Job | None:
        """Find a job by its id."""
        return next((job for job in self.jobs if job.id == job_id), None)

    def node(self, step: Step) -> Node:
        """Find the node of one step; it is made on first use."""
        return self.nodes.setdefault((step.operation, step.identifier), Node(step))
