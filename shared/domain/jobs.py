"""Jobs: which full refreshes, unifications and stages have ended since the checkpoint?

A job is news once, when it (or its merge task, or a stage of it) is first seen in a terminal state. What is
remembered is a mark per listed job and per open one, and a floor: what ended up to there and has no mark is old.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from shared.domain import ends, ids, resources
from shared.domain.ends import OUTCOMES
from shared.domain.events.envelope import Event
from shared.domain.lapses import Lapse
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.resources import Job

# A time that lies further in the future is an error of whoever tells it: it makes nothing old, and has not come yet.
SKEW = timedelta(minutes=10)
# Jobs that have not ended and are too old to be listed are asked for, so many in one poll, and not for ever: a job may
# never come to an end that is known.
MAX_ASKED, ASKED_FOR = 2, timedelta(days=7)


class JobMark(BaseModel):
    """What has been told of a job: its end, its merge, its stages (None: nobody has looked yet).

    `at` is the latest of their times, `unlisted_at` when it was first missing in the list, though it had not ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ended: bool = False
    merged: bool = False
    at: datetime | None = None
    unlisted_at: datetime | None = None
    stages: tuple[str, ...] | None = None


class JobsState(BaseModel):
    """What is remembered of an instance's jobs; `behind` counts polls in a row that could not read back to them.

    `full_at` is when the latest full refresh succeeded, `lapses` what is known of the rules on its age. `exports` are
    remembered as data sources are (None: nobody has looked yet).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    known: dict[ids.Key, JobMark] = {}
    floor: datetime | None = None
    behind: int = 0
    full_at: datetime | None = None
    lapses: dict[str, Lapse] = {}
    exports: DataSourcesState | None = None


def has_ended(job: Job) -> bool:
    """Whether a job will change no more."""
    return job.status in OUTCOMES or job.status == resources.DELETED


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
            merged = _was_before(ends.merge_time(job), state.floor)
            mark = JobMark(merged=merged, stages=_stages_before(job, state.floor))
        known[ids.key(job.id)], found = _follow(job, mark, instance_id, now)
        events += found
    unlisted = {job_id: mark for job_id, mark in state.known.items() if job_id not in known}
    known |= {job_id: kept for job_id, mark in unlisted.items() if job_id not in gone and (kept := _kept(mark, now))}
    dropped = [mark.at for job_id, mark in unlisted.items() if job_id not in known]
    floor = _latest([*dropped, state.floor], now)
    full_at = _full_at(jobs, now, state.full_at)
    if known == state.known and floor == state.floor and full_at == state.full_at:
        return state, []
    events.sort(key=lambda event: event.time)
    return state.model_copy(update={"known": known, "floor": floor, "full_at": full_at}), events


def _baseline(jobs: Sequence[Job], now: datetime) -> JobsState:
    """All that is there is old; so is what shows up later and ended before, or, where nothing is there, before now."""
    times = [at for job in jobs for at in (job.submitted_at, job.ended_at)]
    return JobsState(
        known={
            ids.key(job.id): JobMark(
                ended=has_ended(job),
                merged=ends.merge_ended(job),
                at=job.ended_at,
                stages=tuple(sorted(ends.stages_over(job))),
            )
            for job in jobs
        },
        floor=_latest(times, now) or now,
        full_at=_full_at(jobs, now),
    )


def _latest(times: Iterable[datetime | None], now: datetime) -> datetime | None:
    """The latest of these times that has come."""
    return max((at for at in times if at is not None and at <= now + SKEW), default=None)


def _full_at(jobs: Sequence[Job], now: datetime, before: datetime | None = None) -> datetime | None:
    """When the latest full refresh succeeded."""
    full = (job for job in jobs if job.operation_type == resources.ALL and job.status == resources.SUCCESSFUL)
    return _latest([before, *map(ends.ended_at, full)], now)


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
    is_over = has_ended(job) and not mark.ended
    merges = ends.merge_ended(job) and not mark.merged
    if merges:
        events.append(ends.unification(job, instance_id, now))
    if is_over and job.operation_type == resources.ALL and job.status in OUTCOMES:
        events.append(ends.system_refresh(job, instance_id, now))
    over = ends.stages_over(job)
    if mark.stages is not None:
        events += [ends.stage(job, name, over[name], instance_id, now) for name in over if name not in mark.stages]
    told = tuple(sorted({*(mark.stages or ()), *over}))
    if not (is_over or merges) and told == mark.stages:
        return mark, []
    times = [event.time for event in events] or ([job.ended_at] if job.ended_at else [])
    at = max((*times, *([mark.at] if mark.at else [])), default=None)
    return JobMark(ended=mark.ended or is_over, merged=mark.merged or merges, at=at, stages=told), events


def _stages_before(job: Job, floor: datetime | None) -> tuple[str, ...]:
    """The stages of a job that were over before, and have just come to sight."""
    over = ends.stages_over(job).items()
    return tuple(sorted(name for name, tasks in over if all(_was_before(task.ended_at, floor) for task in tasks)))
