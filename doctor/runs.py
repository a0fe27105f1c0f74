"""How do refreshes show themselves: full refreshes, unifications, and the refreshes of data sources?

Settles what the bridge assumes of jobs: that a full refresh is one of operationType `all`, however it was started, that
the newest come first, that a unification ends with a merge task, and that the feeds of a data source tell the same.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from doctor.findings import Finding, fine, listed, unseen, wrong
from doctor.probing import Json, values_at
from shared.domain import resources, stages
from shared.domain.gathering import SAME_REFRESH
from shared.domain.jobs import has_ended
from shared.domain.refreshes import FEED_LAG
from shared.domain.resources import DataSource, Job, Node
from shared.domain.sightings import Feeds, Snapshot, sort

_KINDS = {"scheduled": "scheduled", "onDemand": "on-demand"}
# A job that has so many kinds of tasks is a full refresh in all but name.
_MANY_KINDS = 4


def check_jobs(jobs: Sequence[Job], document: Json) -> list[Finding]:
    """Look at the latest jobs, and at the document that lists them."""
    if not jobs:
        return [unseen("The API lists no job.", "Refresh something in Customer Insights, and run this again.")]
    findings = [_order(jobs), _tasks(jobs)]
    findings += [_full_refresh(kind, jobs, document) for kind in _KINDS]
    do = "Have the bridge start one, and look at the tasks of that job: map and match must stand before the merge."
    started = unseen("What a unification runs that the bridge itself starts is not seen without starting one.", do)
    return [*findings, _unification(jobs), _operations(jobs), _scheduled(jobs), started]


def _order(jobs: Sequence[Job]) -> Finding:
    times = [job.submitted_at for job in jobs if job.submitted_at]
    if all(later >= earlier for later, earlier in pairwise(times)):
        return fine(f"The API lists the newest jobs first; {len(times)} of {len(jobs)} have a submittedTimestamp.")
    return wrong("The API does not list the newest jobs first.", "Report this: the bridge relies on that order.")


def _tasks(jobs: Sequence[Job]) -> Finding:
    with_tasks = sum(job.tasks is not None for job in jobs)
    if not with_tasks:
        return wrong("No job shows its tasks, although they are asked for.", "Report this: unifications go unnoticed.")
    return fine(f"{with_tasks} of {len(jobs)} jobs show their tasks.")


def _full_refresh(kind: str, jobs: Sequence[Job], document: Json) -> Finding:
    """Tell how the latest full refresh of that submission kind shows itself."""
    name = f"{_KINDS[kind]} full refresh"
    of_kind = [job for job in jobs if job.submission_kind == kind]
    full = next((job for job in of_kind if job.operation_type == resources.ALL), None)
    if full is not None:
        return fine(f"The latest {name}: {_as_written(full, document)}; {_task_counts(full)}.")
    like = next((job for job in of_kind if len({task.operation_type for task in job.tasks or ()}) >= _MANY_KINDS), None)
    if like is not None:
        return wrong(
            f"No {name} shows itself as operationType all, but this job has the tasks of one: "
            f"{_as_written(like, document)}; {_task_counts(like)}.",
            "If it was a full refresh, report this: the bridge tells of none that shows itself like that.",
        )
    return unseen(
        f"Among the latest {len(jobs)} jobs is no {name} ({len(of_kind)} other {_KINDS[kind]} jobs).",
        "Run one, or wait for it, and run this again: how it shows itself is documented nowhere.",
    )


def _as_written(job: Job, document: Json) -> str:
    """A job's own words, as they came."""
    keys = ("operationType", "jobSubmissionKind", "jobType", "jobStatus")
    written = next(item for item in document if isinstance(item, dict) and item.get("jobId") == job.id)
    words = [f"{key} {', '.join(map(str, values_at(written, key))) or 'left out'}" for key in keys]
    ends = "with" if job.ended_at else "without"
    state = "" if has_ended(job) else ", still under way"
    return f"{', '.join(words)}, {ends} endTimestamp{state}"


def _task_counts(job: Job) -> str:
    counts = Counter(task.operation_type for task in job.tasks or ())
    return "tasks: " + (listed([f"{count} {name}" for name, count in counts.items()], 20) or "none")


def _operations(jobs: Sequence[Job]) -> Finding:
    """List every operation type that the latest jobs and their tasks show, and the stages that they are taken for."""
    found = Counter(task.operation_type for job in jobs for task in job.tasks or ())
    found.update(dict.fromkeys((job.operation_type for job in jobs if job.operation_type), 0))
    own = sorted(name for name in found if stages.stage_of(name) == name and name != resources.ALL)
    text = f"The latest {len(jobs)} jobs show these operation types: {listed(sorted(found), 60)}."
    if not own:
        return fine(f"{text} Each of their tasks belongs to a stage that the bridge knows.")
    return unseen(
        f"{text} The bridge tells of these as stages under their own names: {listed(own, 60)}.",
        "If one of them is the sync to Dataverse, or a part of another stage, report it.",
    )


def _scheduled(jobs: Sequence[Job]) -> Finding:
    """Tell which operation types scheduled jobs bear: one full refresh may be several jobs with narrower scopes."""
    counts = Counter(job.operation_type or "none" for job in jobs if job.submission_kind == resources.SCHEDULED)
    if not counts:
        return unseen(
            f"Among the latest {len(jobs)} jobs none is scheduled.", "Run this again after the next schedule."
        )
    shown = listed([f"{count} {name}" for name, count in counts.most_common()], 60)
    if counts.keys() == {resources.ALL}:
        return fine(f"The scheduled jobs bear: {shown}.")
    return unseen(
        f"The scheduled jobs bear: {shown}.",
        "The bridge takes a job of operationType all for a full refresh, and no other. Where a scheduled refresh shows "
        "itself as several narrower jobs, use the stages, and report it.",
    )


def _unification(jobs: Sequence[Job]) -> Finding:
    merged = [job for job in jobs if any(task.operation_type == resources.MERGE for task in job.tasks or ())]
    if not merged:
        return unseen(
            f"Among the latest {len(jobs)} jobs none has a merge task, by which the bridge knows a unification.",
            "Run a unification, and run this again.",
        )
    steps = dict.fromkeys(task.operation_type for task in merged[0].tasks or ())
    shown = [step for step in steps if step in {resources.MAP, resources.MATCH, resources.MERGE}]
    return fine(f"A unification shows itself by its tasks {listed(shown)}.")


def check_feeds(sources: Sequence[DataSource], nodes: Sequence[Node], jobs: Sequence[Job]) -> list[Finding]:
    """Look whether what tells of the refreshes of a data source can be brought together."""
    if not sources:
        return [unseen("There is no data source.")]
    feeds = sort(Snapshot(sources, nodes, jobs), {}, datetime.now(UTC))
    with_node = [source for source in sources if feeds.node_of(source)]
    with_task = [source for source in sources if feeds.tasks.get(source.id)]
    text = (
        f"Of {len(sources)} data sources, {len(with_node)} have a workflow node by their id, and {len(with_task)} an "
        "ingestion task by their name among the latest jobs"
    )
    if not with_node and not with_task:
        do = "Report this: refreshes are then told by lastRefresh alone, without errors."
        return [unseen(f"{text}.", do), *_lags(sources, feeds)]
    return [fine(f"{text}."), *_lags(sources, feeds)]


def _lags(sources: Sequence[DataSource], feeds: Feeds) -> list[Finding]:
    """Compare when each feed saw the latest completion of a data source."""
    lags = []
    for source in sources:
        latest = [max(sighting.at for sighting in seen) for seen in feeds.sightings_of(source) if seen]
        if len(latest) > 1:
            lags.append(max(latest) - min(latest))
    if not lags:
        return [unseen("No data source shows the same refresh in two places, so their times cannot be compared.")]
    text = f"The latest refresh, told in several places, differs by at most {max(lags).total_seconds():.0f} seconds"
    if max(lags) < SAME_REFRESH:
        return [fine(f"{text}; up to {SAME_REFRESH.total_seconds():.0f} count as one refresh.")]
    return [
        unseen(
            f"{text} (up to {SAME_REFRESH.total_seconds():.0f} count as one refresh).",
            f"Run this again {FEED_LAG.total_seconds() / 60:.0f} minutes after a refresh: by then all should tell the "
            "same. If not, report it, for a refresh may be told twice.",
        )
    ]
