"""What the stack hands to the app's process."""

import pytest
from aiohttp import web

from local.stack import Stack
from tests.local.conftest import SAMPLE_APP


@pytest.mark.parametrize(("tenant", "passed_on"), [(None, "real"), (web.Application(), None)])
def test_settings_of_a_real_tenant_reach_the_app_only_without_a_simulated_one(
    monkeypatch: pytest.MonkeyPatch, tenant: web.Application | None, passed_on: str | None
) -> None:
    monkeypatch.setenv("CUSTOMER_INSIGHTS_CLIENT_SECRET", "real")
    environment = Stack(SAMPLE_APP, tenant=tenant)._environment()
    assert environment.get("CUSTOMER_INSIGHTS_CLIENT_SECRET") == passed_on


@pytest.mark.asyncio(loop_scope="session")
async def test_what_the_app_is_given_stays_on_this_machine(stack: Stack) -> None:
    assert stack.settings["EVENT_GRID_TOPIC_ENDPOINT"].startswith("http://127.0.0.1:")
    assert stack.settings["CALLBACK_ALLOWED_HOSTS"] == "127.0.0.1"
    assert stack.flows.url("a").startswith("http://127.0.0.1:")
