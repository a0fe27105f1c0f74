"""The HTTP face of a simulated tenant: Customer Insights' management and workflow reads under `/v1`.

The API is known under two families of paths, Microsoft's client's and its documentation's; a tenant speaks one and
answers 404 to the other. It never changes the tenant, and knows no bridge.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Literal

from aiohttp import hdrs, web

from local.tenant import wire, wire_workflow
from local.tenant.faults import Faults
from local.tenant.model import Instance, Tenant

type Family = Literal["client", "docs"]
type Clock = Callable[[], datetime]
type Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]

PREFIX = "/v1"
KEY_HEADER = "Ocp-Apim-Subscription-Key"
WORKFLOW = "main"
_SEGMENT_HISTORY_DAYS = 10
_MEASURE_HISTORY_DAYS = 30
_TOP = 10


class RefusalError(Exception):
    """A call that gets an `ApiErrorResult` instead of an answer."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class TenantApi:
    """The API of one tenant, for callers that have the token and the subscription key.

    `calls` counts the calls by path below `/v1`, `faults` takes what shall go wrong; `clock` says how old history is.
    """

    def __init__(
        self, tenant: Tenant, *, token: str, key: str, family: Family = "client", clock: Clock | None = None
    ) -> None:
        self.tenant = tenant
        self.calls: Counter[str] = Counter()
        self.faults = Faults()
        self._token, self._key = token, key
        self._family: Family = family
        self._clock = clock or (lambda: datetime.now(UTC))

    def app(self) -> web.Application:
        """Make the web application."""
        app = web.Application(middlewares=[self._count_and_fail, _answer_refusals, self._authorize])
        app.add_routes(self._routes())
        return app

    def _routes(self) -> list[web.RouteDef]:
        instance = f"{PREFIX}/instances/{{instance}}"
        docs = self._family == "docs"
        sources = f"{instance}/manage/datasources{'/v2' if docs else ''}"
        workflow = f"{instance}{'/manage' if docs else ''}/workflows/{{workflow}}"
        return [
            web.get(f"{PREFIX}/instances", self._instances),
            web.get(instance, self._instance),
            web.get(sources, self._data_sources),
            web.get(f"{sources}/{{source}}", self._data_source),
            web.get(f"{instance}/manage/segments", self._segments),
            web.get(f"{instance}/manage/measures", self._measures),
            web.get(f"{instance}/manage/measures/{{measure}}", self._measure),
            web.get(f"{workflow}/status", self._status),
            web.get(f"{workflow}/jobs", self._jobs),
            web.get(f"{workflow}/jobs/{{job}}", self._job),
            web.get(f"{workflow}/history", self._history),
        ]

    # -- what every call passes

    @web.middleware
    async def _count_and_fail(self, request: web.Request, handler: Endpoint) -> web.StreamResponse:
        path = request.path.removeprefix(PREFIX)
        self.calls[path] += 1
        fault = self.faults.take(path)
        answer = None if fault is None else await fault.strike(request)
        return await handler(request) if answer is None else answer

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Endpoint) -> web.StreamResponse:
        """Check the token and the key; a 401 has no body, as the client declares none."""
        if request.headers.get(hdrs.AUTHORIZATION) != f"Bearer {self._token}":
            return _unauthorized('Bearer error="invalid_token"')
        if request.headers.get(KEY_HEADER) != self._key:
            return _unauthorized(f'AzureApiManagementKey name="{KEY_HEADER}",type="header"')
        return await handler(request)

    # -- one method for each call

    async def _instances(self, request: web.Request) -> web.Response:
        return _answer(request, [wire.instance_item(each) for each in self.tenant.instances.values()])

    async def _instance(self, request: web.Request) -> web.Response:
        return _answer(request, wire.instance_metadata(self._find(request)))

    async def _data_sources(self, request: web.Request) -> web.Response:
        instance = self._find(request)
        items = [wire.data_source_item(source) for source in instance.data_sources.values()]
        return _answer(request, [*items, *instance.stray.get("datasources", [])])

    async def _data_source(self, request: web.Request) -> web.Response:
        source = self._find(request).data_sources.get(request.match_info["source"])
        if source is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The data source was not found.")
        return _answer(request, wire.data_source_item(source, with_model=_flag(request, "includeModel", default=True)))

    async def _segments(self, request: web.Request) -> web.Response:
        instance, since = self._find(request), self._history_start(request, _SEGMENT_HISTORY_DAYS)
        items = [wire.segment_item(each, each.history(since)) for each in instance.segments.values()]
        shown = [*items, *instance.stray.get("segments", [])]
        return _answer(request, shown[: _number(request, "numberOfSegments", len(shown))])

    async def _measures(self, request: web.Request) -> web.Response:
        instance = self._find(request)
        items = [wire.measure_item(measure, None) for measure in instance.measures.values()]
        return _answer(request, [*items, *instance.stray.get("measures", [])])

    async def _measure(self, request: web.Request) -> web.Response:
        measure = self._find(request).measures.get(request.match_info["measure"])
        if measure is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The measure was not found.")
        since = self._history_start(request, _MEASURE_HISTORY_DAYS)
        return _answer(request, wire.measure_item(measure, measure.history(since)))

    async def _status(self, request: web.Request) -> web.Response:
        instance = self._find_workflow(request)
        items = [wire_workflow.node_item(node) for node in instance.workflow.nodes.values()]
        return _answer(request, [*items, *instance.stray.get("status", [])])

    async def _jobs(self, request: web.Request) -> web.Response:
        instance, with_tasks = self._find_workflow(request), _flag(request, "includeTasks", default=False)
        items = [wire_workflow.job_item(job, with_tasks=with_tasks) for job in instance.workflow.jobs]
        shown = [*instance.stray.get("jobs", []), *items]
        return _answer(request, shown[: _number(request, "top", _TOP)])

    async def _job(self, request: web.Request) -> web.Response:
        job = self._find_workflow(request).workflow.job(request.match_info["job"])
        if job is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The job was not found.")
        return _answer(request, wire_workflow.job_item(job, with_tasks=_flag(request, "includeTasks", default=False)))

    async def _history(self, request: web.Request) -> web.Response:
        jobs = self._find_workflow(request).workflow.jobs
        items = [wire_workflow.task_item(task, job) for job in jobs for task in job.tasks]
        return _answer(request, items[: _number(request, "top", _TOP)])

    # -- what calls share

    def _find(self, request: web.Request) -> Instance:
        instance = self.tenant.instances.get(request.match_info["instance"])
        if instance is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The instance was not found.")
        return instance

    def _find_workflow(self, request: web.Request) -> Instance:
        if request.match_info["workflow"] != WORKFLOW:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The workflow was not found.")
        return self._find(request)

    def _history_start(self, request: web.Request, days: int) -> datetime | None:
        """Say from when on history is wanted; None where it is not."""
        if not _flag(request, "includeHistoricStats", default=False):
            return None
        return self._clock() - timedelta(days=_number(request, "historicStatsDays", days))


@asynccontextmanager
async def serving(api: TenantApi, port: int = 0) -> AsyncIterator[str]:
    """Serve on a loopback port (0: a free one) and give the base URL that clients want."""
    runner = web.AppRunner(api.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{PREFIX}"
    finally:
        await runner.cleanup()


@web.middleware
async def _answer_refusals(request: web.Request, handler: Endpoint) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusalError as refusal:
        return _answer(request, wire_workflow.error_result(refusal.status, refusal.message), refusal.status)
    except web.HTTPException as missing:
        return _answer(request, wire_workflow.error_result(missing.status, missing.reason), missing.status)


def _answer(request: web.Request, body: wire.Json | Sequence[object], status: int = HTTPStatus.OK) -> web.Response:
    """Answer with JSON, in gzip where the caller takes it, as the gateway in front of the API does."""
    response = web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")
    if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        response.enable_compression(web.ContentCoding.gzip)
    return response


def _unauthorized(challenge: str) -> web.Response:
    return web.Response(status=HTTPStatus.UNAUTHORIZED, headers={hdrs.WWW_AUTHENTICATE: challenge})


def _flag(request: web.Request, name: str, *, default: bool) -> bool:
    value = request.query.get(name, str(default)).lower()
    if value not in {"true", "false"}:
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"The value of {name} is not valid.")
    return value == "true"


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, str(default))
    if not value.isascii() or not value.isdigit():
        raise RefusalError(HTTPStatus.BAD_REQUEST, f"The value of {name} is not valid.")
    return int(value)
