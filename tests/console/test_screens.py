"""Each screen against the real stack: what it shows, and that the address holds all of its state."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, Route, expect

from tests.console.conftest import Console
from tests.console.world import EVIL, World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_first_screen_shows_all_groups_with_two_requests(console: Console) -> None:
    page = (await console.open()).page
    await expect(console.heading("Data sources")).to_have_text(re.compile("Data sources 6 1 failed"))
    for group in ("Unification 3", "Segments 4", "Measures 4"):
        await expect(console.heading(group)).to_be_visible()
    shop = console.row("Web shop")
    await expect(shop).to_contain_text("Failed")
    await expect(shop).to_contain_text("2 active, 1 failing, 1 paused, 1 suspended")
    await expect(shop).to_contain_text(re.compile(r"\d s"))
    truth = page.locator(".truth")
    await expect(truth).to_contain_text(re.compile("Polled .* ago · 1 flow failing · 1 suspended · 1 paused"))
    await expect(truth).to_contain_text("3 dead letters")
    assert len(console.calls) == 2


async def test_a_filter_is_in_the_address_and_outlives_a_reload(console: Console) -> None:
    page = (await console.open()).page
    await page.get_by_role("button", name="Failed 1").click()
    await expect(page).to_have_url(re.compile("status=failed"))
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.reload()
    await console.page.get_by_label("Host key").fill(console.world.key)
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_progress_details_show_the_job_with_its_errors_in_full(console: Console) -> None:
    page = (await console.open()).page
    await page.get_by_role("link", name="Web shop", exact=True).click()
    await expect(console.heading("Progress details")).to_contain_text("Web shop")
    await expect(page.locator("main")).to_contain_text("IngestionCredentialsExpired")
    await expect(console.row("Web shop")).to_contain_text("The credentials have expired. Sign in again.")


async def test_names_from_the_tenant_stay_text(console: Console) -> None:
    page = (await console.open()).page
    await expect(page.get_by_role("link", name=EVIL)).to_be_visible()
    await console.choose(f"Flows: {EVIL}", "Create a flow")
    await expect(console.heading("Create a flow")).to_contain_text(EVIL)
    assert await page.evaluate("window.stolen") is None
    assert await page.locator("main img").count() == 0


async def test_flows_show_scope_status_last_delivery_and_backlog(console: Console) -> None:
    await console.open("flows")
    await expect(console.row("Tell the data team")).to_contain_text("any data source")
    await console.row("Tell the data team").scroll_into_view_if_needed()
    await expect(console.row("Tell the data team")).to_contain_text("Delivered")
    await expect(console.row("Open a ticket")).to_contain_text("5 failures in a row")
    await expect(console.row("Open a ticket")).to_contain_text("Data source: Web shop")
    await expect(console.row("Note it in the wiki")).to_contain_text("WorkflowTriggerIsNotEnabled")
    await expect(console.row("Wake somebody up")).to_contain_text("3")
    await expect(console.row("10,000 gold customers")).to_contain_text("Threshold: 10000")
    await console.page.get_by_label("Contains").fill("wiki")
    await expect(console.page.locator("tbody tr")).to_have_count(1)


async def test_a_flow_about_to_be_switched_off_says_so(console: Console) -> None:
    left = {"until": timedelta(days=6)}

    async def long_ago(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        [flow] = [one for one in body["value"] if one["label"] == "Open a ticket"]
        since = datetime.fromisoformat(flow["failingSince"])
        assert datetime.fromisoformat(flow["switchOffAt"]) - since == timedelta(days=14)
        flow["switchOffAt"] = (datetime.now(UTC) + left["until"]).isoformat()
        await route.fulfill(response=answer, json=body)

    page = console.page
    await page.route("**/api/subscriptions", long_ago)
    await console.open("flows")
    ticket = console.row("Open a ticket")
    await expect(ticket).to_contain_text("5 failures in a row")
    await expect(ticket).not_to_contain_text("Power Automate")
    for left["until"], said in ((timedelta(days=2), "in 2 days"), (timedelta(0), "today")):
        await page.get_by_role("button", name="Refresh", exact=True).click()
        await expect(ticket).to_contain_text(f"Power Automate switches it off {said}")


async def test_an_event_shows_its_way_and_who_did_not_want_it(console: Console) -> None:
    page = (await console.open("events")).page
    await console.row("Sales (Dynamics 365)").scroll_into_view_if_needed()
    await expect(console.row("Sales (Dynamics 365)")).to_contain_text("nobody wanted it")
    await console.row("Web shop: the refresh failed.").first.get_by_role("link").first.click()
    await expect(console.heading("Web shop: the refresh failed. The credentials have expired.")).to_be_visible()
    await expect(page.locator("main > ol")).to_have_text(
        re.compile(r"Happened.*Seen by the bridge.*\+.*Published.*\+.*Dispatched.*\+", re.DOTALL)
    )
    await expect(console.row("Tell the data team")).to_contain_text(
        re.compile(r"Dispatched.*Attempt 1.*\+.*HTTP 202.*in [\d.]+ s")
    )
    await expect(console.row("File a claim")).to_contain_text(re.compile(r"Attempt 1.*HTTP 400"))
    await expect(page.locator("pre")).to_contain_text('"CustomerInsights.DataSource.RefreshFailed"')


async def test_a_delivery_shows_each_attempt(console: Console) -> None:
    world = console.world
    tried = [one for one in await world.deliveries("tickets", "waiting") if one["attempts"] >= 5]
    page = (await console.open(f"flows/{world.ids['tickets']}/{tried[0]['eventId']}")).page
    attempt = page.get_by_role("listitem").filter(has_text="HTTP 500")
    await expect(attempt).to_have_count(tried[0]["attempts"])
    await expect(attempt.last).to_contain_text(re.compile(r"Attempt 5 .*\+.*HTTP 500 · in [\d.]+ s"))
    await expect(page.get_by_role("listitem").last).to_contain_text("Next attempt")


async def test_the_bridge_s_screen_shows_polls_queues_and_version(console: Console) -> None:
    page = (await console.open("bridge")).page
    await expect(page.get_by_role("row").filter(has_text="Data sources")).to_contain_text("Well")
    await expect(console.row("Events poison")).to_contain_text("0")
    await expect(page.locator("dl")).to_contain_text("Polled at")
    await page.get_by_role("button", name="UTC").click()
    await expect(page.locator("dl time").first).to_have_text(re.compile("UTC$"))


async def test_search_finds_flows_what_is_refreshed_and_events(console: Console) -> None:
    page = (await console.open()).page
    await page.get_by_role("searchbox").fill("gold")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="10,000 gold customers")).to_be_visible()
    await expect(page.get_by_role("link", name="Gold customers", exact=True)).to_be_visible()
    event = (await console.world.call("GET", "/events?limit=1"))["value"][0]["id"]
    await page.get_by_role("searchbox").fill(event)
    await page.keyboard.press("Enter")
    await expect(console.heading(f"Found for “{event}”")).to_be_visible()
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_search_finds_what_the_bridge_has_while_customer_insights_does_not_answer(console: Console) -> None:
    page, world = console.page, console.world
    await page.route("**/instances/*/status", lambda route: route.fulfill(status=504, json={"detail": "No answer."}))
    event = (await world.call("GET", "/events?limit=1"))["value"][0]["id"]
    await console.open(f"search?q={event}")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.get_by_role("alert")).to_contain_text("No answer.")


async def test_more_of_a_list_comes_below_what_is_there(console: Console) -> None:
    page, world = console.page, console.world
    event = (await world.call("GET", "/events?limit=1"))["value"][0]
    first, second = ([{**event, "id": f"{half} {number}"} for number in range(50)] for half in "ab")
    is_due = asyncio.Event()

    async def answer(route: Route) -> None:
        if "cursor=" in route.request.url:
            await is_due.wait()
            await route.fulfill(json={"value": second})
        else:
            await route.fulfill(json={"value": first, "nextLink": f"{route.request.url}&cursor=b"})

    await page.route("**/events?*", answer)
    await console.open("events")
    async with page.expect_request("**/events?*cursor=b"):
        await page.get_by_role("button", name="Show more").click()
    await expect(page.locator("tbody tr")).to_have_count(50)
    is_due.set()
    await expect(page.locator("tbody tr")).to_have_count(100)


async def test_a_time_to_filter_by_is_in_the_zone_that_is_shown(browser: Browser, world: World) -> None:
    context = await browser.new_context(timezone_id="Asia/Kolkata")
    page = (await Console(await context.new_page(), world).open("events")).page
    await page.get_by_role("button", name="UTC").click()
    await page.get_by_label("Since").fill("2026-01-02T03:04")
    await expect(page).to_have_url(re.compile("since=2026-01-02T03%3A04"))
    await page.get_by_role("button", name="UTC").click()
    await expect(page.get_by_label("Since")).to_have_value("2026-01-02T08:34")
    await context.close()


async def test_a_status_that_the_page_does_not_know_stands_as_it_came(console: Console) -> None:
    async def changed(route: Route) -> None:
        answer = await route.fetch()
        body = await answer.json()
        body["value"][0]["status"] = "quantumLeap"
        await route.fulfill(response=answer, json=body)

    await console.page.route("**/instances/*/status", changed)
    await console.open()
    await expect(console.page.get_by_role("button", name="quantumLeap 1")).to_be_visible()


@pytest.mark.parametrize(
    ("view", "path", "next_step"),
    [
        ("status", "**/instances/*/status", "Add a data source"),
        ("create", "**/event-types", "No trigger fits this"),
        ("flows", "**/api/subscriptions", "Create a flow"),
        ("letters", "**/dead-letters*", "Nothing was given up"),
        ("events", "**/events?*", "Nothing has happened"),
        ("bridge", "**/api/status", "The first poll finds them"),
    ],
)
async def test_a_panel_loads_fails_and_can_be_empty(console: Console, view: str, path: str, next_step: str) -> None:
    page = console.page
    nothing = {**await console.world.call("GET", "/status"), "instances": []} if view == "bridge" else {"value": []}
    failing = {"status": 503, "json": {"detail": "The bridge cannot do this just now."}}

    async def answer(route: Route) -> None:
        await expect(page.get_by_text("Loading …").first).to_be_visible()
        await route.fulfill(**failing)

    await page.route(path, answer)
    await console.open(view)
    failure = page.get_by_role("alert")
    await expect(failure).to_contain_text("The bridge cannot do this just now.")
    await expect(failure).not_to_contain_text("make doctor")
    await page.unroute(path)
    await page.route(path, lambda route: route.fulfill(json=nothing))
    await failure.get_by_role("button", name="Try again").click()
    await expect(page.locator(".empty")).to_contain_text(next_step)


@pytest.mark.parametrize(("status", "body"), [(200, "<html>"), (502, "<html>"), (500, "{}")])
async def test_what_answers_in_the_bridge_s_place_is_told_as_that(console: Console, status: int, body: str) -> None:
    await console.page.route("**/api/subscriptions", lambda route: route.fulfill(status=status, body=body))
    await console.open("flows")
    told = console.page.get_by_role("alert")
    await expect(told).to_contain_text(f"HTTP {status}, and nothing from the bridge itself.")


async def test_what_was_there_stays_while_it_cannot_be_loaded_anew(console: Console) -> None:
    page = (await console.open()).page
    await expect(console.row("Web shop")).to_be_visible()
    await page.route("**/instances/*/status", lambda route: route.abort())
    await page.get_by_role("button", name="Refresh", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("The bridge does not answer.")
    await expect(console.row("Web shop")).to_be_visible()
