"""Whole runs of the workflow: a full refresh and a unification, with the tasks that a real run has.

A run here has ended when it appears: its stages share its duration, and each stage ends before the next one. A run
changes an instance through the verbs of `model` alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from local.tenant.model import EVALUATION_TOOK, Instance, step_of
from local.tenant.records import (
    ABORTED,
    ALL,
    FAILED,
    INGESTION,
    MAP,
    MATCH,
    MEASURES,
    MERGE,
    SEGMENTATION,
    SKIPPED,
    SUCCESSFUL,
    Failure,
    Job,
    Step,
    Task,
)

FULL_TOOK = timedelta(minutes=25)
UNIFICATION_TOOK = timedelta(minutes=12)
UNIFICATION_STEPS = (MAP, MATCH, MERGE)
_UPSTREAM = frozenset({INGESTION, *UNIFICATION_STEPS})

type StepKey = tuple[str, str]
"""(operation, identifier); the unification's steps have their operation as identifier."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run goes.

    `outcome` None means what the tasks make of it. `failed` names the steps that fail; what depends on them is skipped.
    `counts` and `values` are what segments and measures come to; those not named keep their last value.
    """

    outcome: str | None = None
    kind: str = "scheduled"
    mode: str = "full"
    job_id: str | None = None
    failed: Mapping[StepKey, Failure] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, Decimal] = field(default_factory=dict)


def run_full_refresh(instance: Instance, at: datetime, plan: Plan | None = None, *, took: timedelta = FULL_TOOK) -> Job:
    """Run everything, ended at `at`: ingestion, map, match, merge, then segments and measures."""
    chosen = plan or Plan()
    job = instance.workflow.submit(ALL, at - took, kind=chosen.kind, mode=chosen.mode, job_id=chosen.job_id)
    ingestion = [step_of(source) for source in instance.data_sources.values()]
    segments = [step_of(segment) for segment in instance.segments.values()]
    measures = [step_of(measure) for measure in instance.measures.values()]
    _run(instance, job, [ingestion, *_unification(), [*segments, *measures]], at, chosen)
    return job


def run_unification(
    instance: Instance, at: datetime, plan: Plan | None = None, *, took: timedelta = UNIFICATION_TOOK
) -> Job:
    """Unify profiles without what depends on them, ended at `at`: map, match, merge."""
    chosen = plan or Plan()
    job = instance.workflow.submit(
        MERGE, at - took, kind=chosen.kind, mode=chosen.mode, job_id=chosen.job_id, run_downstream=False
    )
    _run(instance, job, _unification(), at, chosen)
    return job


def _unification() -> list[list[Step]]:
    return [[Step(operation, operation, operation.capitalize())] for operation in UNIFICATION_STEPS]


def _run(instance: Instance, job: Job, stages: list[list[Step]], at: datetime, plan: Plan) -> None:
    """Run the stages one after the other; once an upstream task fails, what follows is skipped."""
    stages = [stage for stage in stages if stage]
    blocked = False
    upstream: tuple[str, ...] = ()
    for number, stage in enumerate(stages, 1):
        ended_at = job.submitted_at + (at - job.submitted_at) * number / len(stages)
        tasks = [instance.workflow.add_task(job, step, job.submitted_at, waits_for=upstream) for step in stage]
        for task in tasks:
            failure = plan.failed.get((task.step.operation, task.step.identifier))
            instance.workflow.end_task(job, task, _status(plan, failure, blocked=blocked), ended_at, failure)
            _settle(instance, job, task, ended_at, plan)
        blocked = blocked or any(task.status == FAILED and task.step.operation in _UPSTREAM for task in tasks)
        upstream = tuple(task.id for task in tasks)
    job.status, job.ended_at = plan.outcome or _outcome(job), at


def _status(plan: Plan, failure: Failure | None, *, blocked: bool) -> str:
    if blocked:
        return SKIPPED
    if failure is not None:
        return FAILED
    return ABORTED if plan.outcome == ABORTED else SUCCESSFUL


def _settle(instance: Instance, job: Job, task: Task, at: datetime, plan: Plan) -> None:
    """Let the task's object show what the task did to it; a skipped or stopped task evaluated nothing."""
    name, ok = task.step.identifier, task.status == SUCCESSFUL
    if task.step.operation == INGESTION:
        instance.settle_data_source(task)
    elif task.status not in {SUCCESSFUL, FAILED}:
        return
    elif task.step.operation == SEGMENTATION:
        count = plan.counts.get(name, instance.count(name))
        instance.evaluate_segment(name, count, at, "CompletedSuccess" if ok else "CompletedFailure", within_run=True)
    elif task.step.operation == MEASURES:
        value = plan.values.get(name, instance.value(name))
        took = min(EVALUATION_TOOK, (at - job.submitted_at) / 10)
        instance.evaluate_measure(name, value, at, "completed" if ok else FAILED, took=took, within_run=True)


def _outcome(job: Job) -> str:
    return FAILED if any(task.status == FAILED for task in job.tasks) else SUCCESSFUL
