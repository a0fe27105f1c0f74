"""The tenant's workflow over HTTP: how its steps stand, its jobs, and the two ways to act on them."""

import json
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from aiohttp import web

from local.tenant import wire_workflow
from local.tenant.actions import cancel_job, submit_job
from local.tenant.answers import RefusalError, answer, flag, number
from local.tenant.model import Instance
from local.tenant.records import Job
from local.tenant.wire import Json

WORKFLOW = "main"
_TOP = 10
_OPERATIONS = {
    operation.lower(): operation
    for operation in (
        "none",
        "ingestion",
        "derivedEntity",
        "hierarchy",
        "dataPreparation",
        "map",
        "realtimeM3Search",
        "match",
        "merge",
        "profileStore",
        "search",
        "activity",
        "contact",
        "attributeMeasures",
        "entityMeasures",
        "measures",
        "segmentation",
        "segmentMembership",
        "enrichment",
        "preEnrichment",
        "transform",
        "intelligence",
        "aiBuilder",
        "insights",
        "export",
        "modelManagement",
        "relationship",
        "roleAssignment",
        "analysis",
        "semanticEntity",
        "all",
    )
}
_MODES = {"full": "full", "incremental": "incremental"}
_KINDS = {"ondemand": "onDemand", "scheduled": "scheduled"}


class WorkflowApi:
    """The calls that concern the workflow; `clock` says when a job was submitted or stopped."""

    def __init__(self, find: Callable[[web.Request], Instance], clock: Callable[[], datetime]) -> None:
        self._find_instance = find
        self._clock = clock

    def routes(self, workflow: str) -> list[web.RouteDef]:
        """Give the routes below the path of a workflow."""
        return [
            web.get(f"{workflow}/status", self._status),
            web.get(f"{workflow}/jobs", self._jobs),
            web.post(f"{workflow}/jobs", self._submit),
            web.get(f"{workflow}/jobs/{{job}}", self._job),
            web.post(f"{workflow}/jobs/{{job}}/cancel", self._cancel),
            web.get(f"{workflow}/history", self._history),
        ]

    async def _status(self, request: web.Request) -> web.Response:
        instance = self._find(request)
        items = [wire_workflow.node_item(node) for node in instance.workflow.nodes.values()]
        return answer(request, [*items, *instance.stray.get("status", [])])

    async def _jobs(self, request: web.Request) -> web.Response:
        instance, with_tasks = self._find(request), flag(request, "includeTasks", default=False)
        items = [wire_workflow.job_item(job, with_tasks=with_tasks) for job in instance.workflow.jobs]
        shown = [*instance.stray.get("jobs", []), *items]
        return answer(request, shown[: number(request, "top", _TOP)])

    async def _job(self, request: web.Request) -> web.Response:
        _, job = self._find_job(request)
        return answer(request, wire_workflow.job_item(job, with_tasks=flag(request, "includeTasks", default=False)))

    async def _history(self, request: web.Request) -> web.Response:
        jobs = self._find(request).workflow.jobs
        items = [wire_workflow.task_item(task, job) for job in jobs for task in job.tasks]
        return answer(request, items[: number(request, "top", _TOP)])

    async def _submit(self, request: web.Request) -> web.Response:
        """Take a job. What the address says wins over the body, which may be missing."""
        instance, wishes = self._find(request), await _wishes(request)
        operation = request.query.get("operationType", wishes.get("operationType"))
        listed = request.query.get("identifiers")
        options = wishes.get("options")
        downstream = options.get("runDownstreamAfterMerge") if isinstance(options, dict) else None
        forced = wishes.get("forceRunRequested") is True
        job = submit_job(
            instance,
            _known(_OPERATIONS, operation, "operationType"),
            self._clock(),
            kind=_known(_KINDS, wishes.get("submissionKind") or "onDemand", "submissionKind"),
            mode=_known(_MODES, wishes.get("jobType") or "full", "jobType"),
            identifiers=_names(wishes) if listed is None else [each for each in listed.split(",") if each],
            run_downstream=downstream if isinstance(downstream, bool) else None,
            forced=flag(request, "forceRunRequested", default=forced),
        )
        return answer(request, wire_workflow.job_item(job, with_tasks=False))

    async def _cancel(self, request: web.Request) -> web.Response:
        instance, job = self._find_job(request)
        cancel_job(instance, job, self._clock())
        return answer(request, wire_workflow.job_item(job, with_tasks=False))

    def _find(self, request: web.Request) -> Instance:
        if request.match_info["workflow"] != WORKFLOW:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The workflow was not found.")
        return self._find_instance(request)

    def _find_job(self, request: web.Request) -> tuple[Instance, Job]:
        instance = self._find(request)
        job = instance.workflow.job(request.match_info["job"])
        if job is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The job was not found.")
        return instance, job


async def _wishes(request: web.Request) -> Json:
    """Read an `OnDemandJobRequest`."""
    text = await request.text()
    try:
        wishes = json.loads(text) if text else {}
    except ValueError:
        wishes = None
    if not isinstance(wishes, dict):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "The body is no JSON object.")
    return wishes


def _known(values: dict[str, str], value: object, name: str) -> str:
    """Find a value of an enum, in whatever case it came."""
    known = values.get(value.lower()) if isinstance(value, str) else None
    if known is None:
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"{value} is no {name}.", name)
    return known


def _names(wishes: Json) -> list[str]:
    names = wishes.get("identifiers") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RefusalError(HTTPStatus.BAD_REQUEST, "The identifiers are no list of names.", "identifiers")
    return names
