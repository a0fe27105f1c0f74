"""For everybody: axe, both themes, the keyboard alone, narrow screens, and many rows."""

from collections.abc import Sequence
from importlib.resources import files

import pytest
from playwright.async_api import expect

from tests.console.conftest import Console
from tests.console.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = (files("axe_core_python") / "axe.min.js").read_text("utf-8")
EVENT = "CustomerInsights.DataSource.RefreshFailed"
VIEWS = (
    "status",
    "flows",
    "letters",
    "events",
    "bridge",
    "create?group=segments&segmentName=Gold_customers&threshold=1",
)


async def violations(console: Console, *rules: str) -> list[str]:
    """What axe finds, by these rules or by all."""
    if not await console.page.evaluate("'axe' in window"):
        await console.page.evaluate(AXE)
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = await console.page.evaluate("options => axe.run(options)", options)
    return [
        f"{one['id']}: {node['html']} {node['failureSummary']}" for one in found["violations"] for node in one["nodes"]
    ]


async def settled(console: Console) -> None:
    await expect(console.page.get_by_text("Loading …")).to_have_count(0)
    await expect(console.page.locator("h1")).to_be_visible()


async def views(world: World) -> Sequence[str]:
    """The screens, and what their rows lead to."""
    [event] = (await world.call("GET", f"/events?limit=1&type={EVENT}"))["value"]
    nodes = (await world.call("GET", f"/instances/{world.instance_id}/status"))["value"]
    [job] = [node["jobIds"][0] for node in nodes if node["status"] == "failed"]
    flow = f"flows/{world.ids['data-team']}"
    return (*VIEWS, "search?q=gold", flow, f"{flow}/{event['id']}", f"events/{event['id']}", f"jobs/{job}")


async def test_axe_finds_nothing_on_any_screen_in_either_theme(console: Console) -> None:
    page, world = console.page, console.world
    await page.goto(world.address)
    assert await violations(console) == []
    await console.open()
    for view in await views(world):
        await console.go(view)
        await settled(console)
        await page.emulate_media(color_scheme="light")
        assert await violations(console) == [], view
        await page.emulate_media(color_scheme="dark")
        assert await violations(console, "color-contrast") == [], view
    await console.go("flows")
    await console.choose("Actions: Wake somebody up", "Resume")
    assert await violations(console) == []


async def tab_to(console: Console, name: str) -> None:
    """Press Tab until something of this name, once it is there, has the focus."""
    await expect(console.page.get_by_label(name).or_(console.page.get_by_text(name, exact=True)).first).to_be_visible()
    for _ in range(80):
        await console.page.keyboard.press("Tab")
        focused = await console.page.evaluate(
            "() => { const it = document.activeElement; return it.ariaLabel ?? it.textContent.trim(); }"
        )
        if focused == name:
            return
    pytest.fail(f"{name} cannot be reached")


async def test_create_a_flow_with_the_keyboard_alone(console: Console) -> None:
    page = (await console.open()).page
    await expect(console.row("Web shop")).to_be_visible()
    await tab_to(console, "Flows: Web shop")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Create a flow")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(console.heading("Create a flow")).to_be_visible()
    await tab_to(console, "Copy: Subscribe - Body")


async def test_pause_a_flow_with_the_keyboard_alone_and_change_one_s_mind(console: Console) -> None:
    page = (await console.open("flows")).page
    await expect(console.row("Tell the data team")).to_be_visible()
    await tab_to(console, "Actions: Tell the data team")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await expect(console.dialog()).to_contain_text("Tell the data team gets nothing")
    await page.keyboard.press("Escape")
    await expect(console.dialog()).to_have_count(0)
    await expect(page.get_by_role("button", name="Actions: Tell the data team")).to_be_focused()


async def test_redeliver_with_the_keyboard_alone(console: Console) -> None:
    page = (await console.open("letters")).page
    await expect(console.row("File a claim")).to_be_visible()
    await tab_to(console, "Redeliver 3 dead letters")
    await page.keyboard.press("Enter")
    await page.route("**/redeliver", lambda route: route.fulfill(status=202, json={"eventId": "x"}))
    await tab_to(console, "Redeliver")
    await page.keyboard.press("Enter")
    await expect(page.locator(".notice")).to_have_text("3 on the way.")


async def test_nothing_is_lost_on_a_narrow_screen(console: Console) -> None:
    await console.page.set_viewport_size({"width": 320, "height": 640})
    await console.open()
    for view in await views(console.world):
        await console.go(view)
        await settled(console)
        cut = await console.page.evaluate(
            "() => [...document.querySelectorAll('html, .scroll')].filter((one) => one.scrollWidth > one.clientWidth)"
            ".map((one) => one.textContent)"
        )
        assert cut == [], view


@pytest.mark.alone
async def test_a_thousand_rows_are_there_at_once(console: Console) -> None:
    node = {
        "operationType": "segmentation",
        "status": "successful",
        "jobIds": [],
        "completedAt": "2026-11-20T03:00:00Z",
    }
    rows = [node | {"identifier": f"s{number}", "name": f"Segment {number}"} for number in range(1_000)]
    page = console.page
    await page.route("**/instances/*/status", lambda route: route.fulfill(json={"value": rows}))
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    await console.open("bridge")

    async def script_seconds() -> float:
        metrics = (await session.send("Performance.getMetrics"))["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "ScriptDuration")

    took = [1.0]
    while len(took) <= 10 and min(took) >= 0.3:  # the best of ten: what else the machine does is not the page's doing
        await console.go("bridge")
        await expect(console.heading("Polls")).to_be_visible()
        before = await script_seconds()
        await console.go("status")
        await expect(page.locator("tbody tr")).to_have_count(1_000)
        took.append(await script_seconds() - before)
    assert min(took) < 0.3, took
