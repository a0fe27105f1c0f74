"""A maker: from a failed row to a flow that has subscribed and been tried."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import expect

from tests.console.conftest import Console
from tests.console.world import FAILED

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def copied(console: Console, label: str) -> str:
    """What stands in a field to copy."""
    return await console.page.get_by_role("region", name=label, exact=True).inner_text()


async def test_from_a_failed_row_to_the_test_event(console: Console) -> None:
    page, world = (await console.open()).page, console.world
    await console.choose("Flows: Web shop", "Create a flow")
    await expect(page.get_by_role("button", name="When a data source refresh fails")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert await page.get_by_role("group").get_by_role("button").count() < len(
        (await world.call("GET", "/event-types"))["value"]
    )
    await expect(page.get_by_text("Waiting for the flow to subscribe")).to_be_visible()
    body = json.loads(
        (await copied(console, "Subscribe - Body")).replace("@{listCallbackUrl()}", world.stack.flows.url("made"))
    )
    source = world.contoso.instance.data_source("Web shop").id
    assert (body["instanceId"], body["dataSourceId"]) == (world.instance_id, source)
    assert await copied(console, "Subscribe - Headers") == (
        "x-functions-key: <your team's host key>\nContent-Type: application/json"
    )
    # What Power Automate does once the flow is turned on.
    uri, method = await copied(console, "Subscribe - URI"), await copied(console, "Subscribe - Method")
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, uri, json=body, headers={"x-functions-key": world.key}) as answer,
    ):
        assert answer.status == 201
    await expect(page.get_by_text("Your flow has subscribed.")).to_be_visible()
    await page.get_by_role("button", name="Send a test event").click()
    await expect(page.locator("dl")).to_contain_text("202")
    await expect(page.locator("dl")).to_contain_text("Delivered")
    await expect(page.locator("dl a")).to_have_count(0)  # what was only a test is not in the log of events
    assert [call.event["data"]["test"] for call in world.stack.flows.of("made")] == [True]
    await world.call("DELETE", f"/subscriptions/{uri.rpartition('/')[2]}")


async def test_a_flow_with_an_id_of_its_own_is_seen_whatever_time_the_browser_has(console: Console) -> None:
    world = console.world
    await console.page.clock.set_fixed_time(datetime.now(UTC) + timedelta(hours=1))
    page = console.page
    async with page.expect_response("**/api/subscriptions?*"):
        await console.open("create?group=dataSources")
    await world.subscribe(FAILED, "connected", "Made with the connector")
    await expect(page.get_by_text("Your flow has subscribed.")).to_be_visible()
    await expect(page.locator(".good")).to_contain_text("Made with the connector")
    await expect(page.locator(".truth")).to_contain_text(re.compile(r"Polled .*(now|second|minute)"))
    await world.unsubscribe("connected")


async def test_a_threshold_is_drawn_among_the_latest_values(console: Console) -> None:
    page = (await console.open()).page
    await console.choose("Flows: Gold customers", "Create a flow")
    await expect(page.get_by_role("status").filter(has_text="Still to be filled in: Threshold")).to_be_visible()
    await page.get_by_label("Threshold").fill("9500")
    await expect(page.locator("figure")).to_contain_text("9,460")
    await expect(page.locator("svg text")).to_have_text("9,500")
    assert await page.locator("svg circle").count() > 1
    assert json.loads(await copied(console, "Subscribe - Body"))["threshold"] == 9500
    await expect(page).to_have_url(re.compile("threshold=9500"))


async def test_the_definition_subscribes_as_the_page_says_and_holds_no_key(console: Console, tmp_path: Path) -> None:
    page = (await console.open()).page
    await console.choose("Flows: Web shop", "Create a flow")
    async with page.expect_download() as started:
        await page.get_by_role("button", name="Download").click()
    await (await started.value).save_as(tmp_path / "flow.json")
    text = (tmp_path / "flow.json").read_text("utf-8")
    assert console.world.key not in text
    definition = json.loads(text)
    trigger = definition["triggers"]["When_a_data_source_refresh_fails"]
    assert trigger["inputs"]["subscribe"]["body"] == json.loads(await copied(console, "Subscribe - Body"))
    uri = trigger["inputs"]["subscribe"]["uri"]
    for name, value in definition["parameters"].items():
        uri = uri.replace(f"@{{parameters('{name}')}}", value.get("defaultValue", ""))
        uri = uri.replace(f"@{{encodeUriComponent(parameters('{name}'))}}", value.get("defaultValue", ""))
    assert uri == (await copied(console, "Subscribe - URI")).replace("http://", "https://")
    assert trigger["runtimeConfiguration"] == {"secureData": {"properties": ["inputs"]}}


async def test_a_field_is_copied(console: Console) -> None:
    page = (await console.open()).page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await console.choose("Flows: Web shop", "Create a flow")
    await page.get_by_role("button", name="Copy: Subscribe - URI").click()
    await expect(page.locator(".notice")).to_have_text("Copied: Subscribe - URI")
    assert await page.evaluate("navigator.clipboard.readText()") == await copied(console, "Subscribe - URI")


async def test_any_trigger_can_be_had_from_nothing(console: Console) -> None:
    page = (await console.open("create")).page
    types = (await console.world.call("GET", "/event-types"))["value"]
    for one in types:
        await page.get_by_role("button", name=one["title"], exact=True).click()
        filled = await page.locator(".form input").evaluate_all("all => all.map((one) => one.value)")
        assert {"null", "undefined"}.isdisjoint(filled), one["type"]
        await expect(page.locator("main")).to_contain_text(one["description"])
        await expect(page.get_by_role("region", name="What the flow gets")).to_contain_text(one["type"])
