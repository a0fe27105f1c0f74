"""A real browser before the real console: one stack for all tests here, and a fresh page for each."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from local.install_azurite import install
from tests.console.world import World, a_retailer, after_a_bad_night, stack_of

# Debian's name and others'; CHROMIUM in the environment names another.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WITHIN = 20_000  # milliseconds: a busy machine is no fault of the page
expect.set_options(timeout=WITHIN)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the browser have the machine for itself: many processes, and waits that other tests would stretch."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker("alone")


def chromium() -> str:
    """The machine's browser. Without one the tests are skipped, but not where everything is to be checked."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing = "There is no Chromium to look at the console with; on Debian: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@dataclass
class Console:
    """A page of the console, and all that it asked for."""

    page: Page
    world: World
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def calls(self) -> list[str]:
        """The calls of the API, as `GET status`."""
        paths = [request.replace(self.world.stack.url + "/", "") for request in self.requests]
        return [path for path in paths if not path.partition(" ")[2].startswith("console")]

    async def open(self, view: str = "", key: str | None = None) -> "Console":
        """Enter with the key, at a view."""
        await self.page.goto(self.world.address + (f"#/{view}" if view else ""))
        await self.page.get_by_label("Host key").fill(self.world.key if key is None else key)
        await self.page.keyboard.press("Enter")
        return self

    async def go(self, view: str) -> None:
        await self.page.evaluate("view => { location.hash = '#/' + view; }", view)

    async def choose(self, menu: str, item: str) -> None:
        """Open a row's menu and choose from it."""
        await self.page.get_by_role("button", name=menu, exact=True).click()
        listed = self.page.locator(".menu").get_by_text(item, exact=True)
        await listed.click()

    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    async def confirm(self, name: str) -> None:
        await self.dialog().get_by_role("button", name=name, exact=True).click()
        await self.dialog().wait_for(state="detached")

    def heading(self, text: str) -> Locator:
        return self.page.get_by_role("heading", name=text)

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    executable = chromium()
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield launched
        await launched.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(browser: Browser) -> AsyncIterator[World]:
    del browser  # without one, nothing has to be started
    install()
    tenant = a_retailer()
    async with stack_of(tenant) as stack:
        await stack.start_host()
        yield await after_a_bad_night(stack, tenant)


@pytest_asyncio.fixture(loop_scope="session")
async def console(browser: Browser, world: World) -> AsyncIterator[Console]:
    """A page that has not entered yet. After each test: it asked nobody but the bridge, and nothing went wrong."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(WITHIN)
    page = await context.new_page()
    opened = Console(page, world)
    page.on("request", lambda request: opened.requests.append(f"{request.method} {request.url}"))
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    yield opened
    await context.close()
    hosts = {urlsplit(one.partition(" ")[2]).netloc for one in opened.requests}
    assert hosts <= {urlsplit(world.stack.url).netloc, ""}  # a download of the page's own has no host
    assert opened.errors == []
    assert not [one for one in opened.requests if world.key in one]
