"""What the app serves under the real worker, to whom, and what it says when it is not set up."""

import asyncio
import json
import sys

import pytest
import pytest_asyncio

from local.stack import PROJECT
from tests.integration.conftest import World, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBSCRIPTIONS = "triggers/{trigger}/subscriptions"
EXPECTED = {
    "poll_refreshes": "timerTrigger 0 * * * * *",
    "poll_thresholds": "timerTrigger 30 */5 * * * *",
    "observe": "timerTrigger 0 */5 * * * *",
    "advance": "timerTrigger 0 * * * * *",
    "purge_logs": "timerTrigger 0 30 * * * *",
    "dispatch": "queueTrigger events",
    "deliver": "queueTrigger deliveries",
    "release": "queueTrigger releases",
    "retry_event": "queueTrigger events-poison",
    "retry_delivery": "queueTrigger deliveries-poison",
    "subscribe": f"httpTrigger POST {SUBSCRIPTIONS}",
    "subscribe_as": f"httpTrigger PUT {SUBSCRIPTIONS}/{{id}}",
    "get_subscription": f"httpTrigger GET {SUBSCRIPTIONS}/{{id}}",
    "unsubscribe_by_id": f"httpTrigger DELETE {SUBSCRIPTIONS}/{{id}}",
    "unsubscribe": "httpTrigger DELETE unsubscribe/{token}",
    "list_subscriptions": "httpTrigger GET subscriptions",
    "health": "httpTrigger GET health",
}
# One process can load one app.
INDEX = """
import json, pathlib
from local.host.worker import Worker
print(json.dumps({f.name: f.trigger for f in Worker.load(pathlib.Path.cwd()).functions}, default=str))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def triggers() -> dict[str, dict[str, object]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", INDEX, cwd=PROJECT, stdout=asyncio.subprocess.PIPE, env={}
    )
    output, _ = await process.communicate()
    return dict(json.loads(output.splitlines()[-1]))


def described(trigger: dict[str, object]) -> str:
    kind = trigger["type"]
    if kind == "httpTrigger":
        methods = trigger["methods"]
        assert isinstance(methods, list)
        return f"{kind} {','.join(str(method) for method in methods)} {trigger['route']}"
    return f"{kind} {trigger.get('schedule') or trigger.get('queueName')}"


async def test_every_function_is_indexed_without_any_setting(triggers: dict[str, dict[str, object]]) -> None:
    found = {name: described(trigger) for name, trigger in triggers.items()}
    assert {name: found.get(name) for name in EXPECTED} == EXPECTED


async def test_all_routes_but_those_open_to_everybody_want_a_key(triggers: dict[str, dict[str, object]]) -> None:
    routes = {name: trigger for name, trigger in triggers.items() if trigger["type"] == "httpTrigger"}
    levels = {name: str(trigger["authLevel"]).upper() for name, trigger in routes.items()}
    anonymous = {"health", "unsubscribe", "open_console", "load_console"}  # the console's files hold no data
    assert {name for name, level in levels.items() if level == "ANONYMOUS"} == anonymous
    assert {level for name, level in levels.items() if name not in anonymous} == {"FUNCTION"}


async def test_queues_are_read_over_the_storage_setting(triggers: dict[str, dict[str, object]]) -> None:
    connections = {trigger["connection"] for trigger in triggers.values() if trigger["type"] == "queueTrigger"}
    assert connections == {"AzureWebJobsStorage"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/subscriptions"),
        ("POST", "/triggers/data-source-refresh-failed/subscriptions"),
        ("PUT", "/triggers/data-source-refresh-failed/subscriptions/a"),
        ("GET", "/triggers/data-source-refresh-failed/subscriptions/a"),
        ("DELETE", "/triggers/data-source-refresh-failed/subscriptions/a"),
    ],
)
async def test_without_a_key_nothing_is_answered(world: World, method: str, path: str) -> None:
    assert (await world.stack.call(method, path, key=False)).status == 401


async def test_health_says_nothing_but_healthy(world: World) -> None:
    answer = await world.stack.call("GET", "/health", key=False)
    assert (answer.status, answer.json()) == (200, {"status": "healthy"})


async def test_missing_settings_are_all_named_and_the_app_is_unhealthy(world: World) -> None:
    missing = ["CALLBACK_ENCRYPTION_KEY", "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY", "EVENT_GRID_TOPIC_ENDPOINT"]
    await world.restart(**dict.fromkeys(missing, ""), DELIVERY_MAX_AGE_HOURS="soon")
    try:
        start = len(world.lines)
        health = await world.stack.call("GET", "/health", key=False)
        assert (health.status, health.json()) == (503, {"status": "unhealthy"})
        assert not await world.stack.run_timer("poll_refreshes")

        async def failures() -> list[str]:
            return [line for line in world.lines[start:] if "poll_refreshes" in line and "failed after" in line]

        failure = (await until(failures, within=5))[0]  # the host's log comes through a pipe
        for name in [*missing, "DELIVERY_MAX_AGE_HOURS"]:
            assert name in failure
        answer = await world.stack.call("GET", "/subscriptions")
        assert answer.status == 503
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert {error["field"] for error in answer.json()["errors"]} == {*missing, "DELIVERY_MAX_AGE_HOURS"}
        assert b"soon" not in answer.body
    finally:
        await world.restart()
