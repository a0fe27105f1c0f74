"""Evaluations: how often was a segment or measure evaluated between two looks? The jobs tell.

Its list shows the latest evaluation only. Where one job can have made it, nothing has been missed, and the history,
which costs a call for each measure, need not be read.

For example, a nightly refresh evaluated a measure at 03:10, which was seen, in a job from 03:00 to 04:00. The next
night's job began at 03:00 as well, and the measure now shows 03:12. The first job covers 03:10: it made that
evaluation. One job is left that can have made another, so 03:12 is the only one since.
"""

from collections.abc import Sequence
from datetime import datetime

from shared.domain import resources
from shared.domain.resources import Job

# What evaluates them; a job of the type `all` evaluates everything.
SEGMENTS = frozenset({resources.ALL, "segmentation", "segmentMembership"})
MEASURES = frozenset({resources.ALL, "measures", "entityMeasures", "attributeMeasures"})


def reaches(jobs: Sequence[Job], since: datetime) -> bool:
    """Whether this list of the latest jobs, newest first, goes back to a time."""
    return any(job.submitted_at is not None and job.submitted_at <= since for job in jobs)


class Evaluating:
    """The jobs that can have evaluated resources of a kind, among the latest jobs."""

    def __init__(self, jobs: Sequence[Job], operations: frozenset[str]) -> None:
        self._jobs = jobs
        self._mine = [job for job in jobs if _can_evaluate(job, operations)]

    def once(self, since: datetime | None, until: datetime | None) -> bool:
        """Whether the evaluation that ended at `until` is surely the only one after that which ended at `since`."""
        if since is None or until is None or not reaches(self._jobs, since):
            return False
        begun = [job for job in self._mine if job.submitted_at is None or job.submitted_at <= since]
        covering = [job for job in begun if _goes_on(job, since)]
        later = [job for job in self._mine if job.submitted_at is not None and since < job.submitted_at <= until]
        if max(len(covering) - 1, 0) + len(later) != 1:
            return False
        # Where the one job that is left had ended before, something else has evaluated, and who knows how often.
        return any(_goes_on(job, until) for job in later or covering)


def _goes_on(job: Job, at: datetime) -> bool:
    return job.ended_at is None or job.ended_at >= at


def _can_evaluate(job: Job, operations: frozenset[str]) -> bool:
    return (
        job.operation_type in operations
        or job.tasks is None
        or any(task.operation_type in operations for task in job.tasks)
    )
