"""The actions: what flows have Customer Insights do."""

from http import HTTPStatus

from shared.composition import bridge
from shared.domain.actions import Refresh
from shared.domain.catalog import Job
from triggers.catalog import FINDING
from triggers.operations import Reply, Routes
from triggers.parameters import InInstance, JobPath, SegmentPath

routes = Routes()
blueprint = routes.blueprint

ACTING = (*FINDING, HTTPStatus.CONFLICT)


@routes(
    "POST",
    "instances/{instanceId}/refresh",
    summary="Start a refresh",
    visibility="important",
    answers={HTTPStatus.ACCEPTED: Job},
    problems=ACTING,
)
async def start_refresh(path: InInstance, body: Refresh) -> Reply:
    """Starts a job that refreshes the environment, a part of it, or single items."""
    job = await bridge().actions.refresh(bridge().served(path.instance_id), body)
    return Reply(job, HTTPStatus.ACCEPTED)


@routes("POST", "instances/{instanceId}/jobs/{jobId}/cancel", summary="Cancel a job", problems=ACTING)
async def cancel_job(path: JobPath) -> Job:
    """Has Customer Insights stop a job that has not ended."""
    return await bridge().actions.cancel(bridge().served(path.instance_id), path.job_id)


@routes(
    "POST",
    "instances/{instanceId}/segments/{name}/activate",
    summary="Activate a segment",
    visibility="normal",
    problems=ACTING,
)
async def activate_segment(path: SegmentPath) -> None:
    """Activates a segment, so that refreshes evaluate it."""
    await bridge().actions.switch_segment(bridge().served(path.instance_id), path.name, active=True)


@routes(
    "POST",
    "instances/{instanceId}/segments/{name}/deactivate",
    summary="Deactivate a segment",
    visibility="normal",
    problems=ACTING,
)
async def deactivate_segment(path: SegmentPath) -> None:
    """Deactivates a segment, so that refreshes leave it out."""
    await bridge().actions.switch_segment(bridge().served(path.instance_id), path.name, active=False)
