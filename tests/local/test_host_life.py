"""The local host's start and stop."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

from local.child import Child, ChildError
from local.stack import PROJECT, Stack
from tests.local.conftest import SAMPLE_APP, Journal, Until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def refusal(folder: Path) -> str:
    """Start a host that cannot serve and return its log."""
    command = [sys.executable, "-m", "local.host", "--app", str(folder), "--port", "0"]
    child = await Child.start(*command, cwd=PROJECT)
    with pytest.raises(ChildError):
        await child.wait_for_line("^READY", within=20)
    assert await child.kill() == 1
    return "\n".join(child.lines)


def app(folder: Path, code: str) -> Path:
    (folder / "host.json").write_text("{}")
    (folder / "function_app.py").write_text("import azure.functions as func\napp = func.FunctionApp()\n" + code)
    return folder


async def test_a_stop_waits_for_the_running_invocation_and_exits_with_zero(
    host: Stack, journal: Journal, until: Until
) -> None:
    before = len(journal.of("slow started"))
    request = asyncio.create_task(host.call("GET", "/slow"))
    await until(lambda: len(journal.of("slow started")) > before)
    assert await host.stop_host() == 0
    assert (await request).body == b"slow"


async def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    code = (
        "import time\n@app.route('stuck', auth_level=func.AuthLevel.ANONYMOUS)\n"
        "def stuck(req: func.HttpRequest) -> str:\n    print('stuck', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-m", "local.host", "--app", str(app(tmp_path, code)), "--port", "0", "--grace", "0.2"]
    child = await Child.start(*command, cwd=PROJECT)
    address = (await child.wait_for_line("^READY (.*)", within=20))[1]
    async with aiohttp.ClientSession(address) as session:
        request = asyncio.create_task(session.get("/api/stuck"))
        await child.wait_for_line("^stuck", within=10)
        assert await child.stop(within=5) == 0
        with pytest.raises(aiohttp.ClientError):
            await request


async def test_one_bad_function_and_none_is_served(tmp_path: Path) -> None:
    code = "@app.route('x')\ndef bad(req: func.HttpRequest) -> dict: ...\n"
    log = await refusal(app(tmp_path, code))
    assert "Indexing failed, so no function is served: cannot load the bad function" in log


async def test_what_the_host_does_not_serve_is_refused_at_the_start(tmp_path: Path) -> None:
    code = "@app.blob_trigger('b', path='c/{n}', connection='C')\ndef blob(b: func.InputStream) -> None: ...\n"
    log = await refusal(app(tmp_path, code))
    assert "blob: this host serves HTTP, timer and queue triggers only, not: blobTrigger" in log


async def test_a_missing_setting_is_named() -> None:
    assert "every_second: '%EVERY_SECOND%' names a setting that is missing: EVERY_SECOND" in await refusal(SAMPLE_APP)


async def test_the_stack_does_not_start_a_second_host(host: Stack) -> None:
    with pytest.raises(RuntimeError):
        await host.start_host()
