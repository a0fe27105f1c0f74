"""Ends: what the end of a job, of its unification or of a stage of it tells, each as one event."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from shared.domain import ids, resources, stages
from shared.domain.events.envelope import Event
from shared.domain.events.jobs import (
    MAX_FAILED_TASKS_BYTES,
    FailedTask,
    Outcome,
    StageRefreshCompleted,
    SystemRefreshCompleted,
    UnificationRefreshCompleted,
    UnificationStep,
)
from shared.domain.events.wire import Warned
from shared.domain.faults import error_of, fitting, warned_of
from shared.domain.resources import Job, Task

OUTCOMES: dict[str, Outcome] = {
    resources.SUCCESSFUL: "succeeded",
    resources.FAILED: "failed",
    resources.TIMED_OUT: "timedOut",
    resources.ABORTED: "canceled",
    resources.SKIPPED: "skipped",
}
MAX_STEPS = 50
UNIFICATION = (resources.MAP, resources.MATCH, resources.MERGE)


def stages_over(job: Job) -> Mapping[str, Sequence[Task]]:
    """The stages of a job that are over, by key, each with its tasks. A deleted task is none any more."""
    found: dict[str, list[Task]] = {}
    for task in job.tasks or ():
        if task.operation_type != resources.UNKNOWN and task.status != resources.DELETED:
            found.setdefault(stages.key(stages.stage_of(task.operation_type)), []).append(task)
    return {name: tasks for name, tasks in found.items() if all(task.status in OUTCOMES for task in tasks)}


def _together(outcomes: set[Outcome]) -> Outcome:
    """How tasks ended together."""
    if outcomes & {"failed", "timedOut"}:
        return "failed"
    if "canceled" in outcomes:
        return "canceled"
    return "skipped" if outcomes == {"skipped"} else "succeeded"


def _merges(job: Job) -> list[Task]:
    return [task for task in job.tasks or () if task.operation_type == resources.MERGE]


def merge_ended(job: Job) -> bool:
    """Whether the unification of a job is over."""
    merges = _merges(job)
    return bool(merges) and all(task.status in OUTCOMES for task in merges)


def merge_time(job: Job) -> datetime | None:
    """When the unification of a job was over."""
    return max((task.ended_at for task in _merges(job) if task.ended_at), default=None) if merge_ended(job) else None


def unification(job: Job, instance_id: str, now: datetime) -> Event:
    """The event of a unification that is over; `now` is its time only where the API gives none."""
    merges = _merges(job)
    last = max(merges, key=lambda task: task.ended_at.timestamp() if task.ended_at else 0.0)
    completed_at = last.ended_at or job.ended_at
    steps = [
        UnificationStep(
            operation_type=task.operation_type,
            outcome=OUTCOMES.get(task.status, task.status),
            completed_at=task.ended_at,
        )
        for task in job.tasks or ()
        if task.operation_type in UNIFICATION
    ]
    data = UnificationRefreshCompleted(
        instance_id=instance_id,
        job_id=job.id,
        outcome=OUTCOMES[last.status],
        submission_kind=job.submission_kind,
        mode=job.mode,
        completed_at=completed_at,
        warnings=_warnings(task for task in job.tasks or () if task.operation_type in UNIFICATION),
        steps=sorted(steps, key=lambda step: UNIFICATION.index(step.operation_type))[:MAX_STEPS],
    )
    return Event.of(data, time=completed_at or now, occurrence=[ids.key(job.id)])


def system_refresh(job: Job, instance_id: str, now: datetime) -> Event:
    """The event of a full refresh that is over; `now` is its time only where the API gives none."""
    completed_at = ended_at(job)
    duration = (completed_at - job.submitted_at).total_seconds() if completed_at and job.submitted_at else None
    data = SystemRefreshCompleted(
        instance_id=instance_id,
        job_id=job.id,
        outcome=OUTCOMES[job.status],
        submission_kind=job.submission_kind,
        mode=job.mode,
        submitted_at=job.submitted_at,
        completed_at=completed_at,
        duration_seconds=duration,
        task_counts=_counts(job.tasks) if job.tasks is not None else None,
        failed_tasks=_failed(job.tasks) if job.tasks is not None else None,
        warnings=_warnings(job.tasks or ()),
    )
    return Event.of(data, time=completed_at or now, occurrence=[ids.key(job.id)])


def stage(job: Job, name: str, tasks: Sequence[Task], instance_id: str, now: datetime) -> Event:
    """The event of a stage that is over, with its key and its tasks; `now` as above."""
    completed_at = max((task.ended_at for task in tasks if task.ended_at), default=job.ended_at)
    data = StageRefreshCompleted(
        instance_id=instance_id,
        job_id=job.id,
        stage=stages.stage_of(tasks[0].operation_type),
        outcome=_together({OUTCOMES[task.status] for task in tasks}),
        submission_kind=job.submission_kind,
        mode=job.mode,
        completed_at=completed_at,
        task_counts=_counts(tasks),
        failed_tasks=_failed(tasks),
        warnings=_warnings(tasks),
    )
    return Event.of(data, time=completed_at or now, occurrence=[ids.key(job.id), name])


def _warnings(tasks: Iterable[Task]) -> Sequence[Warned] | None:
    return warned_of(error for task in tasks if task.status == resources.SUCCESSFUL for error in task.errors)


def ended_at(job: Job) -> datetime | None:
    """When a job ended, or its last task did, where known."""
    return job.ended_at or max((task.ended_at for task in job.tasks or () if task.ended_at), default=None)


def _counts(tasks: Sequence[Task]) -> dict[str, int]:
    counts = Counter(OUTCOMES.get(task.status, task.status) for task in tasks)
    return {"succeeded": 0, "failed": 0, "skipped": 0, **counts}


def _failed(tasks: Sequence[Task]) -> list[FailedTask]:
    failed = (
        FailedTask(operation_type=task.operation_type, name=task.friendly_name, error=error_of(task.error))
        for task in tasks
        if task.status in (resources.FAILED, resources.TIMED_OUT)
    )
    return fitting(failed, MAX_FAILED_TASKS_BYTES)
