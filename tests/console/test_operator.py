"""An operator at night: what was not delivered, why, and how it is delivered all the same."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Route, expect

from local.flows import Healthy
from local.tenant.life import retailer
from shared.errors import SettingsError
from shared.settings import Settings
from tests.console.conftest import Console
from tests.console.world import FAILED, Refusing, World
from triggers.answers import of_error

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def flow(world: World) -> AsyncIterator[str]:
    """A flow of the test's own, by its label."""
    await world.subscribe(FAILED, "own", "A flow of our own")
    yield "A flow of our own"
    await world.unsubscribe("own")
    await world.refresh(retailer.STORES, ok=True)
    for letter in (await world.call("GET", "/dead-letters"))["value"]:
        if letter["subscriptionId"] not in world.ids.values():
            await world.call("DELETE", f"/dead-letters/{letter['id']}")


async def test_pause_hold_and_resume(console: Console, flow: str) -> None:
    page, world = (await console.open("flows")).page, console.world
    await console.choose(f"Actions: {flow}", "Pause")
    await expect(console.dialog()).to_contain_text("Its events are held.")
    await console.confirm("Pause")
    await expect(console.row(flow)).to_contain_text("Paused")
    await world.refresh(retailer.STORES, ok=False)
    await world.until(f"/subscriptions/{world.ids['own']}", lambda one: one["held"] == 1)
    await page.get_by_role("button", name="Refresh", exact=True).click()
    await expect(console.row(flow).locator("[data-name=Backlog]")).to_have_text("1")
    await console.choose(f"Actions: {flow}", "Resume")
    await expect(console.dialog()).to_contain_text("1 event waits for it")
    await console.confirm("Resume")
    await console.row(flow).get_by_role("link", name=flow).click()
    await world.until(f"/subscriptions/{world.ids['own']}/deliveries?stage=delivered", lambda page: page["value"])
    await page.get_by_role("button", name="Refresh", exact=True).click()
    await expect(page.locator("tbody [data-name=Stage]")).to_contain_text("Delivered")


async def test_redeliver_a_group_of_dead_letters(console: Console, flow: str) -> None:
    page, world = console.page, console.world
    world.stack.flows.behave("own", Refusing())
    await world.refresh(retailer.STORES, ok=False, times=2)
    letters = f"/dead-letters?subscriptionId={world.ids['own']}"
    found = await world.until(letters, lambda page: len(page["value"]) == 2)
    ids = {letter["eventId"] for letter in found["value"]}
    world.stack.flows.behave("own", Healthy())
    await console.open("letters")
    await expect(console.row(flow)).to_contain_text("HTTP 400")
    await expect(console.row(flow).locator("[data-name=Count]")).to_have_text("2")
    await console.choose(f"Actions: {flow}, HTTP 400", "Redeliver 2 dead letters")
    await expect(console.dialog()).to_contain_text("2 events will be sent to 1 flow.")
    await console.confirm("Redeliver")
    await expect(page.locator(".notice")).to_have_text("2 on the way.")
    await expect(console.row(flow)).to_have_count(0)
    delivered = f"/subscriptions/{world.ids['own']}/deliveries?stage=delivered"
    await world.until(delivered, lambda page: ids <= {one["eventId"] for one in page["value"]})


async def test_look_at_one_dead_letter_and_give_it_up(console: Console, flow: str) -> None:
    page, world = console.page, console.world
    world.stack.flows.behave("own", Refusing())
    await world.refresh(retailer.STORES, ok=False)
    letters = f"/dead-letters?subscriptionId={world.ids['own']}"
    await world.until(letters, lambda page: page["value"])
    await console.open("letters")
    await console.row(flow).get_by_role("link").click()
    await expect(page).to_have_url(re.compile("reason="))
    await page.get_by_role("link", name="Data source refresh failed").click()
    await expect(page.locator("pre")).to_contain_text(retailer.STORES)
    await page.get_by_role("button", name="Give up").click()
    await console.confirm("Give up")
    await expect(page.locator(".notice")).to_have_text("1 given up.")
    assert (await world.call("GET", letters))["value"] == []


async def test_what_cannot_be_redelivered_stays_and_says_why(console: Console) -> None:
    page = (await console.open("letters")).page
    await page.route(
        "**/dead-letters/*/redeliver", lambda route: route.fulfill(status=409, json={"detail": "It is gone."})
    )
    await page.get_by_role("button", name="Redeliver 3 dead letters").click()
    await console.dialog().get_by_role("button", name="Redeliver").click()
    await expect(console.dialog().get_by_role("alert")).to_contain_text("0 of 3 … It is gone.")


async def test_replay_says_first_how_many(console: Console, flow: str) -> None:
    world = console.world
    count = (
        await world.call(
            "POST", f"/subscriptions/{world.ids['own']}/replay", {"since": "2020-01-01T00:00:00Z", "dryRun": True}
        )
    )["count"]
    await console.open(f"flows/{world.ids['own']}")
    await expect(console.heading(flow)).to_be_visible()
    await console.page.get_by_role("button", name="Replay").click()
    await console.dialog().get_by_label("Since").fill("2020-01-01T00:00")
    await expect(console.dialog()).to_contain_text(f"That would be {count}.")
    await console.confirm("Replay")
    await expect(console.page.locator(".notice")).to_have_text(f"{count} joined the backlog.")


async def test_edit_a_threshold_and_delete_the_flow(console: Console) -> None:
    world = console.world
    id_ = await world.subscribe(
        "segment-threshold-crossed", "edited", "To be edited", segmentName=retailer.CHURN, threshold=5
    )
    page = (await console.open(f"flows/{id_}")).page
    await page.get_by_role("button", name="Edit").click()
    await console.dialog().get_by_label("Threshold").fill("many")
    await console.dialog().get_by_role("button", name="Save").click()
    await expect(console.dialog().get_by_role("alert")).to_contain_text("threshold Input should be a number")
    await console.dialog().get_by_label("Threshold").fill("1200.5")
    await console.dialog().get_by_label("Label").fill("Edited")
    await console.confirm("Save")
    await expect(console.heading("Edited")).to_be_visible()
    assert (await world.call("GET", f"/subscriptions/{id_}"))["threshold"] == 1200.5
    await page.get_by_role("button", name="Delete").click()
    await console.confirm("Delete")
    await expect(console.heading("Flows")).to_be_visible()
    await world.until("/subscriptions", lambda page: id_ not in {one["id"] for one in page["value"]})


async def test_send_a_delivery_again(console: Console) -> None:
    world = console.world
    before = len(world.stack.flows.of("data-team"))
    page = (await console.open(f"flows/{world.ids['data-team']}?stage=delivered")).page
    await page.get_by_role("button", name="Send now").first.click()
    await expect(console.dialog()).to_contain_text("once more, with the same id")
    await console.confirm("Send now")
    await world.stack.flows.wait_until(lambda _: len(world.stack.flows.of("data-team")) > before, within=10)


async def test_refresh_now_and_cancel_the_job(console: Console) -> None:
    page = (await console.open()).page
    await console.choose("Flows: Support cases", "Refresh now")
    await console.confirm("Refresh now")
    await expect(console.heading("Progress details")).to_be_visible()
    await expect(page.locator("dl")).to_contain_text("On demand")
    await page.get_by_role("button", name="Cancel job").click()
    await console.confirm("Cancel job")
    await expect(page.locator("dl")).to_contain_text("Canceled")


async def test_everything_is_loaded_anew_but_not_while_paused_or_in_a_dialog(console: Console) -> None:
    page = console.page
    await page.clock.install()
    await console.open("flows")
    await expect(console.row("Tell the data team")).to_be_visible()

    async def after_a_minute() -> int:
        before = console.calls.count("GET status")
        await page.clock.run_for(61_000)
        return console.calls.count("GET status") - before

    assert await after_a_minute() == 2
    await page.get_by_role("button", name="Pause refreshing").click()
    assert await after_a_minute() == 0
    await page.get_by_role("button", name="Pause refreshing").click()
    await console.choose("Actions: Tell the data team", "Pause")
    assert await after_a_minute() == 0


async def test_wrong_settings_are_named_with_what_is_wrong_with_each(console: Console) -> None:
    with pytest.raises(SettingsError) as wrong:
        Settings.load({"EVENT_GRID_TOPIC_ENDPOINT": "https://topic.example"})
    answer = of_error(wrong.value)
    said = {"status": answer.status_code, "content_type": answer.mimetype, "body": answer.get_body()}
    page = console.page
    await page.route("**/api/status", lambda route: route.fulfill(**said))
    await page.set_viewport_size({"width": 320, "height": 640})
    await console.open("flows")
    await expect(page.locator(".truth")).to_contain_text("Settings of the bridge are missing or malformed.")
    await page.locator(".truth").get_by_role("link").click()
    await expect(console.heading("Bridge")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    named = page.get_by_role("alert").get_by_role("listitem")
    await expect(named).to_have_text([f"{name} {message}" for name, message in wrong.value.fields.items()])
    await page.unroute("**/api/status")
    await page.get_by_role("button", name="Try again").click()
    await expect(console.heading("Polls")).to_be_visible()


async def test_polls_that_fail_are_told_in_words(console: Console) -> None:
    async def failing(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        body["instances"][0]["families"][0] |= {
            "failingSince": body["instances"][0]["families"][0]["lastPollAt"],
            "error": "The key is refused.",
        }
        body["timers"]["heartbeatAt"] = "2026-11-20T03:00:00Z"
        await route.fulfill(response=answer, json=body)

    await console.page.route("**/api/status", failing)
    await console.open("bridge")
    await expect(console.page.locator(".truth")).to_contain_text("1 poll fails")
    await expect(console.row("The key is refused.")).to_contain_text("Failing since")
    await expect(console.page.locator("main")).to_contain_text("make doctor")
    await expect(console.page.locator("dl")).to_contain_text("Heartbeat at")
