"""What a user may do to an instance: submit a job, cancel one, switch a segment on or off."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from local.tenant.model import Instance, step_of
from local.tenant.records import INGESTION, MEASURES, QUEUED, SEGMENTATION, DataSource, Job, Measure, Segment


def submit_job(  # noqa: PLR0913 - each is a wish of who submits it
    instance: Instance,
    operation: str,
    at: datetime,
    *,
    kind: str = "onDemand",
    mode: str = "full",
    identifiers: Sequence[str] = (),
    run_downstream: bool | None = None,
    forced: bool = False,
) -> Job:
    """Take a job that waits to be run, with a task for each data source, segment or measure that it names."""
    job = instance.workflow.submit(
        operation,
        at,
        kind=kind,
        mode=mode,
        status=QUEUED,
        identifiers=tuple(identifiers),
        run_downstream=run_downstream,
        forced=forced,
    )
    known = _known(instance, operation)
    for resource in [known[each] for each in identifiers if each in known]:
        instance.workflow.add_task(job, step_of(resource), at, status=QUEUED)
        if isinstance(resource, DataSource):
            resource.refresh_state = "updating"
    return job


def cancel_job(instance: Instance, job: Job, at: datetime) -> None:
    """Abort a job; one that has ended stays as it is."""
    for task in instance.workflow.cancel(job, at):
        if task.step.operation == INGESTION:
            instance.settle_data_source(task)


def switch_segment(segment: Segment, state: str, at: datetime) -> None:
    """Make a segment `active` or `inactive`."""
    segment.state = state
    segment.audit.version, segment.audit.updated_at = segment.audit.version + 1, at


def _known(
    instance: Instance, operation: str
) -> Mapping[str, DataSource] | Mapping[str, Segment] | Mapping[str, Measure]:
    """Give the objects that an operation's identifiers may name."""
    if operation == INGESTION:
        return instance.data_sources
    if operation == SEGMENTATION:
        return instance.segments
    return instance.measures if operation == MEASURES else {}
