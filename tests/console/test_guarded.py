"""What the console guards: the key, and the page against whatever is put into it."""

import asyncio
import json

import pytest
from playwright.async_api import Page, Route, expect

from tests.console.conftest import Console

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def places(page: Page) -> str:
    """All that a page, or another one of its origin, could read: address, storage, cookies, and its document."""
    found = await page.evaluate(
        "() => JSON.stringify([location.href, {...localStorage}, {...sessionStorage}, document.cookie, "
        "document.documentElement.outerHTML, [...document.querySelectorAll('input')].map((one) => one.value)])"
    )
    return json.dumps([found, await page.context.cookies()])


async def test_the_key_is_nowhere_but_in_memory(console: Console) -> None:
    page = (await console.open()).page
    await expect(console.heading("Data sources")).to_be_visible()
    for view in ("flows", "letters", "events", "bridge", "create"):
        await console.go(view)
        await expect(page.locator("h1")).to_be_visible()
        assert console.world.key not in await places(page)
    await page.reload()
    await expect(page.get_by_label("Host key")).to_be_focused()


async def test_who_ticks_it_keeps_the_key_for_the_tab(console: Console) -> None:
    page = console.page
    await page.goto(console.world.address)
    await page.get_by_label("Keep it until this tab is closed").check()
    await page.get_by_label("Host key").fill(console.world.key)
    await page.keyboard.press("Enter")
    await expect(console.heading("Data sources")).to_be_visible()
    await page.reload()
    await expect(console.heading("Data sources")).to_be_visible()
    assert await page.evaluate("localStorage.length") == 0
    await page.get_by_role("button", name="Leave").click()
    await expect(page.get_by_label("Host key")).to_be_visible()
    assert console.world.key not in await places(page)


async def test_a_wrong_key_is_refused_and_forgotten(console: Console) -> None:
    page = (await console.open(key="wrong")).page
    await expect(page.get_by_role("alert")).to_contain_text("does not take this key")
    await expect(page.get_by_label("Host key")).to_have_value("")
    await page.get_by_label("Host key").fill(console.world.key)
    await page.keyboard.press("Enter")
    await expect(console.heading("Data sources")).to_be_visible()


async def test_what_was_open_goes_with_the_screen_or_the_key(console: Console) -> None:
    page, is_late = console.page, asyncio.Event()

    async def refuse_late(route: Route) -> None:
        await is_late.wait()
        await route.fulfill(status=401)

    await page.route("**/deliveries?*", refuse_late)
    await console.open()
    await expect(console.heading("Data sources")).to_be_visible()
    await page.get_by_role("link", name="Flows", exact=True).click()
    await console.choose("Actions: Tell the data team", "Pause")
    await expect(console.dialog()).to_be_visible()
    await page.go_back()
    await expect(console.dialog()).to_have_count(0)
    await page.go_forward()
    await console.choose("Actions: Tell the data team", "Pause")
    await page.route("**/api/subscriptions/*", lambda route: route.fulfill(status=401))
    await console.dialog().get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("alert")).to_contain_text("does not take this key")
    await page.unroute("**/deliveries?*")
    await page.get_by_label("Host key").fill(console.world.key)
    await page.keyboard.press("Enter")
    await expect(console.row("Tell the data team")).to_be_visible()
    is_late.set()
    await expect(console.row("Tell the data team")).to_contain_text("Delivered")
    await expect(page.locator("dialog, .menu:popover-open")).to_have_count(0)


async def test_the_key_is_forgotten_when_nobody_uses_it(console: Console) -> None:
    page = console.page
    await page.clock.install()
    await console.open()
    await expect(console.heading("Data sources")).to_be_visible()
    await page.clock.fast_forward("29:00")
    await expect(console.heading("Data sources")).to_be_visible()
    await page.clock.fast_forward("02:00")
    await expect(page.get_by_role("alert")).to_contain_text("forgotten after 30 minutes")


async def test_a_token_goes_beside_the_key_where_the_bridge_wants_one(console: Console) -> None:
    page = console.page
    headers = []
    page.on("request", lambda request: headers.append(request.headers))
    await page.goto(console.world.address)
    await page.get_by_text("The bridge asks for sign-in, too").click()
    await page.get_by_label("Access token").fill("a.b.c")
    await page.get_by_label("Host key").fill(console.world.key)
    await page.keyboard.press("Enter")
    await expect(console.heading("Data sources")).to_be_visible()
    assert {one["authorization"] for one in headers if "x-functions-key" in one} == {"Bearer a.b.c"}


async def test_injected_scripts_and_handlers_do_not_run(console: Console) -> None:
    page = (await console.open()).page
    await expect(console.heading("Data sources")).to_be_visible()
    ran = await page.evaluate(
        """async () => {
            const refused = [];
            addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
            const script = document.createElement("script");
            try { script.textContent = "window.stolen = 1"; } catch { refused.push("trusted types"); }
            document.body.append(script);
            try { document.body.setAttribute("onclick", "window.stolen = 2"); document.body.click(); } catch { }
            try { document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.stolen = 3'>"); } catch { }
            const elsewhere = Object.assign(new Image(), { src: "https://elsewhere.example/x.png" });
            document.body.append(elsewhere);
            await fetch("https://elsewhere.example/").catch(() => refused.push("fetch"));
            await new Promise((done) => setTimeout(done, 200));
            return { stolen: window.stolen, refused };
        }"""
    )
    assert ran["stolen"] is None
    assert {"trusted types", "fetch", "img-src", "connect-src"} <= set(ran["refused"])
    # What was tried here is known to the browser as a request, and was not sent.
    console.requests[:] = [one for one in console.requests if "elsewhere.example" not in one]
