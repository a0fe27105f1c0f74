"""The pictures of the pages: `make pictures` takes them anew."""

import os
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from local.stack import PROJECT
from tests.console.conftest import Console
from tests.console.world import EVIL
from tests.pages import PAGES, links

PICTURES = {"console-status.png": "status", "console-flows.png": "flows"}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("name", PICTURES)
async def test_a_picture_of_each_screen_that_a_page_shows(console: Console, name: str, tmp_path: Path) -> None:
    async def without_evil(route: Route) -> None:
        answer = await route.fetch()
        nodes = (await answer.json())["value"]
        await route.fulfill(response=answer, json={"value": [node for node in nodes if node["name"] != EVIL]})

    await console.page.route("**/instances/*/status", without_evil)
    page = (await console.open(PICTURES[name])).page
    await expect(console.row("Web shop").first).to_be_visible()
    await expect(page.locator("tr:nth-child(-n + 4)").get_by_text("…", exact=True)).to_have_count(0)
    folder = PROJECT / "docs" if os.environ.get("PICTURES") else tmp_path
    await page.screenshot(path=folder / name)
    assert (folder / name).stat().st_size > 10_000


def test_the_pages_show_no_other_pictures() -> None:
    shown = {link.rpartition("/")[2] for page in PAGES.values() for link in links(page) if "console-" in link}
    assert {name for name in shown if name.endswith(".png")} == set(PICTURES)
    assert all((PROJECT / "docs" / name).is_file() for name in PICTURES)
