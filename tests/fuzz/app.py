"""The app in this process: Microsoft's worker runtime in front, stores in memory and a simulated tenant behind.

A request takes the local host's way through routes, key and worker, only without a socket.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from local.host.routes import Route, RouteTable
from local.host.web import HttpTriggers
from local.host.worker import Worker
from local.stack import PROJECT
from local.tenant.api import TenantApi, serving
from local.tenant.model import Instance, Tenant
from local.tenant.tables import DECIMAL, INTEGER, STRING
from shared.adapters.callbacks import CallbackClient
from shared.composition import STAND_IN
from shared.domain.callbacks import Answer, CallbackPolicy
from shared.insights.actions import ActionsClient
from shared.insights.auth import FixedToken
from shared.insights.calls import Calls
from shared.insights.catalog import CatalogClient
from shared.insights.client import InsightsClient
from shared.insights.files import FileClient
from shared.insights.partitions import PartitionsClient
from shared.insights.rows import RowsClient
from shared.insights.sessions import new_session
from shared.settings import DEFAULTS
from shared.usecases.served import Served
from shared.usecases.subscribe import Subscribe
from shared.usecases.watched import Watched
from tests.adapters.scripted_flow import PUBLIC, Resolver
from tests.fakes import PollStoreFake, TimerStoreFake, WaitingFake
from tests.triggers.bridge import QUEUES, over
from tests.usecases.world import World, event_of

FUNCTION_KEY, SUBSCRIPTION_KEY, TOKEN = "canary-function-key", "canary-subscription-key", "canary-token"
SIGNATURE = "canary-signature"
CALLBACK = f"https://prod-01.westeurope.logic.azure.com/workflows/x?sp=%2Ftriggers&sig={SIGNATURE}"
SECRETS = (FUNCTION_KEY, SUBSCRIPTION_KEY, TOKEN, SIGNATURE)
HOST = "bridge.test"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Request:
    """A request: its target as it stands in the first line, and the bytes of its body."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Arrived:
    """A request as the host's server has parsed it."""

    scheme = "http"

    def __init__(self, request: Request) -> None:
        self.method = request.method
        self.raw_path = request.target
        self.headers = CIMultiDict({"Host": HOST, **request.headers})
        self.query = URL(f"http://{HOST}{request.target}", encoded=True).query
        self.host = self.headers["Host"]
        self._body = request.body

    async def read(self) -> bytes:
        return self._body


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and what Customer Insights was asked for it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    upstream: list[str]


class App:
    """The app; `known` are values that exist, by the names that parameters and keys of bodies have."""

    def __init__(self, tenant: TenantApi, endpoint: str, upstream: list[str]) -> None:
        self.known: dict[str, list[str]] = {}
        self._tenant = tenant
        self._upstream = upstream
        worker = Worker.load(PROJECT)
        routes = [Route.of(one) for one in worker.functions if one.trigger["type"] == "httpTrigger"]
        self._triggers = HttpTriggers(worker, RouteTable(routes), prefix="api", key=FUNCTION_KEY)
        self._calls = Calls(
            endpoint=endpoint, workflow="main", subscription_key=SUBSCRIPTION_KEY, tokens=FixedToken(TOKEN)
        )
        self._files = FileClient(new_session(), endpoint)
        policy = CallbackPolicy(tuple(DEFAULTS["CALLBACK_ALLOWED_HOSTS"].split(",")))
        self._callbacks = CallbackClient(policy, 1, resolve=Resolver([PUBLIC]))

    async def renew(self) -> None:
        """A tenant and stores as they are at the beginning."""
        instance = self._instance()
        world = World(Answer(400), Answer(202), events=[event_of(number) for number in range(4)])
        await world.run()
        queues = {name: WaitingFake() for name in QUEUES}
        bridge = over(world, PollStoreFake(), TimerStoreFake(), queues)
        calls = self._calls.hurried(timedelta(seconds=20))
        bridge.served, bridge.watched, bridge.checks = (
            Served([instance.id]),
            Watched(subscriptions=world.subscriptions),
            [],
        )
        bridge.catalog, bridge.rows, bridge.actions = CatalogClient(calls), RowsClient(calls), ActionsClient(calls)
        bridge.partitions = PartitionsClient(calls, self._files)
        bridge.subscribe = Subscribe(
            subscriptions=world.subscriptions,
            insights=InsightsClient(calls),
            callbacks=self._callbacks,
            cipher=world.cipher,
            backlog=world.backlog,
            notify=world.notify,
            clock=world.clock,
            served=bridge.served,
        )
        STAND_IN.set(bridge)
        for number in range(4):
            await world.events.record(event_of(number), ["s1"])
        self.known = {
            "instanceId": [instance.id, instance.id.upper()],
            "name": ["Big_Spenders", "Revenue"],
            "table": list(instance.tables),
            "itemId": ["C1", "C2", "O 1/2"],
            "partition": [one.name for one in instance.tables["Customer"].partitions],
            "jobId": [instance.start_refresh(next(iter(instance.data_sources)), NOW).id],
            "id": ["s1", "s1", "my-flow", "my.other_flow"],
            "dead-letters.id": list(world.graveyard.letters),
            "eventId": [event_of(number).id for number in range(4)],
            "eventType": ["CustomerInsights.Segment.ThresholdCrossed"],
            "filter": ["Points gt 1", "Name eq 'Name 1'", "Nothing eq 1"],
            "select": ["CustomerId,Points", "Nothing"],
            "orderBy": ["Points desc"],
            "callbackUrl": [CALLBACK],
            "dataSourceId": list(instance.data_sources),
            "segmentName": ["Big_Spenders"],
            "measureName": ["Revenue"],
            "file": ["index.html", "app.js", "style.css"],
            "since": ["2026-11-20T00:00:00Z"],
            "until": ["2026-11-21T00:00:00Z"],
        }

    async def send(self, request: Request) -> Answered:
        """What the host would answer."""
        self._upstream.clear()
        answer = await self._triggers.answer(Arrived(request))  # type: ignore[arg-type]  # as much of one as is read
        body = answer.body if isinstance(answer.body, bytes) else b""
        return Answered(answer.status, CIMultiDict(answer.headers), body, list(self._upstream))

    def close(self) -> None:
        self._calls.close()
        self._files.close()

    def _instance(self) -> Instance:
        self._tenant.tenant.instances.clear()
        made = self._tenant.tenant.add_instance("fuzzed", NOW - timedelta(days=30))
        before = NOW - timedelta(hours=2)
        for name in ("Sales", "Web"):
            made.add_data_source(name, before)
        made.add_segment("Big_Spenders", 900, before)
        made.add_measure("Revenue", Decimal("900.5"), before)
        people = [{"CustomerId": f"C{number}", "Name": f"Name {number}", "Points": number} for number in range(5)]
        columns = {"CustomerId": STRING, "Name": STRING, "Points": INTEGER, "Spent": DECIMAL}
        made.add_table("Customer", columns, people, partitions=2, header=True)
        made.add_table("Orders", {"OrderId": STRING, "Total": DECIMAL}, [{"OrderId": "O 1/2"}])
        return made


@asynccontextmanager
async def opened() -> AsyncIterator[App]:
    """The app, with its tenant on a loopback port."""
    upstream: list[str] = []

    @web.middleware
    async def note(request: web.Request, handler: Any) -> web.StreamResponse:  # noqa: ANN401 - a handler of aiohttp
        upstream.append(f"{request.method} {request.raw_path}")
        answer: web.StreamResponse = await handler(request)
        return answer

    class Noted(TenantApi):
        def app(self) -> web.Application:
            app = super().app()
            app.middlewares.insert(0, note)
            return app

    tenant = Noted(Tenant(), token=TOKEN, key=SUBSCRIPTION_KEY, clock=lambda: NOW)
    async with serving(tenant) as endpoint:
        app = App(tenant, endpoint, upstream)
        try:
            await app.renew()
            yield app
        finally:
            app.close()
