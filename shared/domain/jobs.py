"""Jobs: which full refreshes and unifications have ended since the checkpoint?

A job is news once, when it (or its merge task) is first seen in a terminal state. What is remembered is a mark per
listed job and per open one, and a floor: what ended up to there and has no mark is old.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from shared.domain import ids, resources
from shared.domain.events.envelope import Event
from shared.domain.events.jobs import (
    MAX_FAILED_TASKS_BYTES,
    FailedTask,
    Outcome,
    SystemRefreshCompleted,
    UnificationRefreshCompleted,
    UnificationStep,
)
from shared.domain.events.wire import Error
from shared.domain.resources import Fault, Job, Task

OUTCOMES: dict[str, Outcome] = {
    resources.SUCCESSFUL: "succeeded",
    resources.FAILED: "failed",
    resources.TIMED_OUT: "timedOut",
    resources.ABORTED: "canceled",
    resources.SKIPPED: "skipped",
}
MAX_STEPS = 50
# A time that lies further in the future is an error of whoever tells it: it makes nothing old, and has not come yet.
SKEW = timedelta(minutes=10)
# Jobs that have not ended and are too old to be listed are asked for, so many in one poll, and not for ever: a job may
# never come to an end that is known.
MAX_ASKED, ASKED_FOR = 2, timedelta(days=7)
UNIFICATION = (resources.MAP, resources.MATCH, resources.MERGE)


class JobMark(BaseModel):
    """What has been told of a job: its end, its merge; `at` is the later of their times.

    `unlisted_at` is when it was first missing in the list, though it had not ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ended: bool = False
    merged: bool = False
    at: datetime | None = None
    unlisted_at: datetime | None = None


class JobsState(BaseModel):
    """What is remembered of an instance's jobs; `behind` counts polls in a row that could not read back to them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    known: dict[ids.Key, JobMark] = {}
    floor: datetime | None = None
    behind: int = 0


def has_ended(job: Job) -> bool:
    """Whether a job will change no more."""
    return job.status in OUTCOMES or job.status == resources.DELETED


def error_of(fault: Fault | None) -> Error | None:
    """A fault as an event tells it."""
    if fault is None:
        return None
    return Error(code=fault.code, message=fault.message, culprit=fault.culprit, severity=fault.severity)


def enough(state: JobsState | None, jobs: Sequence[Job]) -> bool:
    """Whether this list of the latest jobs reaches back to what is known: to a known job, or to the floor."""
    return state is None or any(
        ids.key(job.id) in state.known or _was_before(job.submitted_at or job.ended_at, state.floor) for job in jobs
    )


def to_ask(state: JobsState | None, jobs: Sequence[Job], now: datetime) -> Sequence[str]:
    """The keys of open jobs that are listed no more and worth a call of their own: each minute the next of them."""
    listed = {ids.key(job.id) for job in jobs}
    known = state.known if state is not None else {}
    unlisted = sorted(job_id for job_id, mark in known.items() if not mark.ended and job_id not in listed)
    start = int(now.timestamp() // 60) * MAX_ASKED % max(len(unlisted), 1)
    return (unlisted[start:] + unlisted[:start])[:MAX_ASKED]


def compare(
    state: JobsState | None, jobs: Sequence[Job], instance_id: str, now: datetime, gone: Sequence[str] = ()
) -> tuple[JobsState, list[Event]]:
    """Compare the listed jobs, newest first, with what is remembered; gives what to remember, and the events.

    `now` is an event's time only where the API gives no time at all; `gone` are keys of jobs that are no more. The very
    state comes back where nothing changed.
    """
    if state is None:
        return _baseline(jobs, now), []
    known: dict[str, JobMark] = {}
    events: list[Event] = []
    first_known = next((n for n, job in enumerate(jobs) if ids.key(job.id) in state.known), len(jobs))
    for position, job in reversed(list(enumerate(jobs))):
        mark = state.known.get(ids.key(job.id))
        if mark is None:
            if _is_old(job, state.floor, above_known=position < first_known):
                continue
            mark = JobMark(merged=_was_before(_merge_time(job), state.floor))
        known[ids.key(job.id)], found = _follow(job, mark, instance_id, now)
        events += found
    unlisted = {job_id: mark for job_id, mark in state.known.items() if job_id not in known}
    known |= {job_id: kept for job_id, mark in unlisted.items() if job_id not in gone and (kept := _kept(mark, now))}
    dropped = [mark.at for job_id, mark in unlisted.items() if job_id not in known]
    floor = _latest([*dropped, state.floor], now)
    if known == state.known and floor == state.floor:
        return state, []
    events.sort(key=lambda event: event.time)
    return JobsState(known=known, floor=floor), events


def _baseline(jobs: Sequence[Job], now: datetime) -> JobsState:
    """All that is there is old; so is what shows up later and ended before, or, where nothing is there, before now."""
    times = [at for job in jobs for at in (job.submitted_at, job.ended_at)]
    return JobsState(
        known={
            ids.key(job.id): JobMark(ended=has_ended(job), merged=_merge_ended(job), at=job.ended_at) for job in jobs
        },
        floor=_latest(times, now) or now,
    )


def _latest(times: Iterable[datetime | None], now: datetime) -> datetime | None:
    """The latest of these times that has come."""
    return max((at for at in times if at is not None and at <= now + SKEW), default=None)


def _kept(mark: JobMark, now: datetime) -> JobMark | None:
    """The mark of a job that is not listed, as long as it is worth waiting for its end."""
    if mark.ended:
        return None
    if mark.unlisted_at is None:
        return mark.model_copy(update={"unlisted_at": now})
    return mark if now - mark.unlisted_at < ASKED_FOR else None


def _is_old(job: Job, floor: datetime | None, *, above_known: bool) -> bool:
    if not has_ended(job):
        return False
    at = job.ended_at or job.submitted_at
    return not above_known if at is None else _was_before(at, floor)


def _was_before(at: datetime | None, floor: datetime | None) -> bool:
    return at is not None and floor is not None and at <= floor


def _follow(job: Job, mark: JobMark, instance_id: str, now: datetime) -> tuple[JobMark, list[Event]]:
    events: list[Event] = []
    ends = has_ended(job) and not mark.ended
    merges = _merge_ended(job) and not mark.merged
    if merges and (unification := _unification(job, instance_id, now)):
        events.append(unification)
    if ends and job.operation_type == resources.ALL and job.status in OUTCOMES:
        events.append(_system_refresh(job, instance_id, now))
    if not (ends or merges):
        return mark, []
    at = max((event.time for event in events), default=job.ended_at)
    return JobMark(ended=mark.ended or ends, merged=mark.merged or merges, at=at or mark.at), events


def _merges(job: Job) -> list[Task]:
    return [task for task in job.tasks or () if task.operation_type == resources.MERGE]


def _merge_ended(job: Job) -> bool:
    merges = _merges(job)
    return bool(merges) and all(task.status in OUTCOMES for task in merges)


def _merge_time(job: Job) -> datetime | None:
    return max((task.ended_at for task in _merges(job) if task.ended_at), default=None) if _merge_ended(job) else None


def _unification(job: Job, instance_id: str, now: datetime) -> Event | None:
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
        steps=sorted(steps, key=lambda step: UNIFICATION.index(step.operation_type))[:MAX_STEPS],
    )
    return Event.of(data, time=completed_at or now, occurrence=[ids.key(job.id)])


def _system_refresh(job: Job, instance_id: str, now: datetime) -> Event:
    ends = [task.ended_at for task in job.tasks or () if task.ended_at]
    completed_at = job.ended_at or max(ends, default=None)
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
    )
    return Event.of(data, time=completed_at or now, occurrence=[ids.key(job.id)])


def _counts(tasks: Sequence[Task]) -> dict[str, int]:
    counts = Counter(OUTCOMES.get(task.status, task.status) for task in tasks)
    return {"succeeded": 0, "failed": 0, "skipped": 0, **counts}


def _failed(tasks: Sequence[Task]) -> list[FailedTask]:
    failed = (
        FailedTask(operation_type=task.operation_type, name=task.friendly_name, error=error_of(task.error))
        for task in tasks
        if task.status in (resources.FAILED, resources.TIMED_OUT)
    )
    kept: list[FailedTask] = []
    room = MAX_FAILED_TASKS_BYTES
    for task in failed:
        room -= len(task.model_dump_json(by_alias=True, exclude_none=True).encode())
        if room < 0:
            break
        kept.append(task)
    return kept
