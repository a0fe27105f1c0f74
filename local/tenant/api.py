"""The HTTP face of a simulated tenant: Customer Insights' API under `/v1`.

The API is known under two families of paths, Microsoft's client's and its documentation's; a tenant speaks one and
answers 404 to the other. The calls of the workflow and of tables are in `api_workflow` and `api_data`.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Literal

from aiohttp import hdrs, web

from local.tenant import wire, wire_workflow
from local.tenant.actions import switch_segment
from local.tenant.answers import RefusalError, answer, flag, number
from local.tenant.api_data import FILES, PAGE_LIMIT, DataApi
from local.tenant.api_workflow import WorkflowApi
from local.tenant.model import Instance, Tenant

type Family = Literal["client", "docs"]
type Clock = Callable[[], datetime]
type Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]

PREFIX = "/v1"
KEY_HEADER = "Ocp-Apim-Subscription-Key"
_SEGMENT_HISTORY_DAYS = 10
_MEASURE_HISTORY_DAYS = 30


class TenantApi:
    """The API of one tenant, for callers that have the token and the subscription key.

    `calls` counts the calls by path below `/v1`, and `calls_by_method` by method and path; `faults` takes what shall go
    wrong. `clock` says how old history is and when something was changed; a page of rows holds at most `page_limit`,
    which `data` lets change.
    """

    def __init__(  # noqa: PLR0913 - independent choices, most with a default
        self,
        tenant: Tenant,
        *,
        token: str,
        key: str,
        family: Family = "client",
        clock: Clock | None = None,
        page_limit: int = PAGE_LIMIT,
    ) -> None:
        self.tenant = tenant
        self.calls: Counter[str] = Counter()
        self.calls_by_method: Counter[tuple[str, str]] = Counter()
        self.faults = tenant.faults
        self._token, self._key = token, key
        self._family: Family = family
        self._clock = clock or (lambda: datetime.now(UTC))
        self.data = DataApi(self._find, page_limit)
        self._workflow = WorkflowApi(self._find, self._clock)

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
        segment = f"{instance}/manage/segments/{{segment}}"
        return [
            web.get(f"{PREFIX}/instances", self._instances),
            web.get(instance, self._instance),
            web.get(sources, self._data_sources),
            web.get(f"{sources}/{{source}}", self._data_source),
            web.get(f"{instance}/manage/segments", self._segments),
            web.get(f"{instance}/manage/measures", self._measures),
            web.get(f"{instance}/manage/measures/{{measure}}", self._measure),
            web.put(f"{segment}/activate", self._activate),
            web.put(f"{segment}/deactivate", self._deactivate),
            *self._workflow.routes(workflow),
            *self.data.routes(instance),
        ]

    # -- what every call passes

    @web.middleware
    async def _count_and_fail(self, request: web.Request, handler: Endpoint) -> web.StreamResponse:
        path = request.path.removeprefix(PREFIX)
        self.calls[path] += 1
        self.calls_by_method[request.method, path] += 1
        fault = self.faults.take(path)
        instead = None if fault is None else await fault.strike(request)
        return await handler(request) if instead is None else instead

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Endpoint) -> web.StreamResponse:
        """Check the token and the key; a 401 has no body, as the client declares none. Files ask for neither."""
        if request.path.startswith(f"{FILES}/"):
            return await handler(request)
        if request.headers.get(hdrs.AUTHORIZATION) != f"Bearer {self._token}":
            return _unauthorized('Bearer error="invalid_token"')
        if request.headers.get(KEY_HEADER) != self._key:
            return _unauthorized(f'AzureApiManagementKey name="{KEY_HEADER}",type="header"')
        return await handler(request)

    # -- one method for each call

    async def _instances(self, request: web.Request) -> web.Response:
        return answer(request, [wire.instance_item(each) for each in self.tenant.instances.values()])

    async def _instance(self, request: web.Request) -> web.Response:
        return answer(request, wire.instance_metadata(self._find(request)))

    async def _data_sources(self, request: web.Request) -> web.Response:
        instance = self._find(request)
        items = [wire.data_source_item(source) for source in instance.data_sources.values()]
        return answer(request, [*items, *instance.stray.get("datasources", [])])

    async def _data_source(self, request: web.Request) -> web.Response:
        source = self._find(request).data_sources.get(request.match_info["source"])
        if source is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The data source was not found.")
        return answer(request, wire.data_source_item(source, with_model=flag(request, "includeModel", default=True)))

    async def _segments(self, request: web.Request) -> web.Response:
        instance, since = self._find(request), self._history_start(request, _SEGMENT_HISTORY_DAYS)
        items = [wire.segment_item(each, each.history(since)) for each in instance.segments.values()]
        shown = [*items, *instance.stray.get("segments", [])]
        return answer(request, shown[: number(request, "numberOfSegments", len(shown))])

    async def _measures(self, request: web.Request) -> web.Response:
        instance = self._find(request)
        items = [wire.measure_item(measure, None) for measure in instance.measures.values()]
        return answer(request, [*items, *instance.stray.get("measures", [])])

    async def _measure(self, request: web.Request) -> web.Response:
        measure = self._find(request).measures.get(request.match_info["measure"])
        if measure is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The measure was not found.")
        since = self._history_start(request, _MEASURE_HISTORY_DAYS)
        return answer(request, wire.measure_item(measure, measure.history(since)))

    async def _activate(self, request: web.Request) -> web.Response:
        return self._switch_segment(request, "active")

    async def _deactivate(self, request: web.Request) -> web.Response:
        return self._switch_segment(request, "inactive")

    # -- what calls share

    def _find(self, request: web.Request) -> Instance:
        instance = self.tenant.instances.get(request.match_info["instance"])
        if instance is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The instance was not found.")
        return instance

    def _switch_segment(self, request: web.Request, state: str) -> web.Response:
        segment = self._find(request).segments.get(request.match_info["segment"])
        if segment is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "The segment was not found.")
        switch_segment(segment, state, self._clock())
        return answer(request, body=True)

    def _history_start(self, request: web.Request, days: int) -> datetime | None:
        """Say from when on history is wanted; None where it is not."""
        if not flag(request, "includeHistoricStats", default=False):
            return None
        return self._clock() - timedelta(days=number(request, "historicStatsDays", days))


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
        return answer(request, wire_workflow.error_result(refusal.status, refusal.message), refusal.status)
    except web.HTTPException as missing:
        return answer(request, wire_workflow.error_result(missing.status, missing.reason), missing.status)


def _unauthorized(challenge: str) -> web.Response:
    return web.Response(status=HTTPStatus.UNAUTHORIZED, headers={hdrs.WWW_AUTHENTICATE: challenge})
