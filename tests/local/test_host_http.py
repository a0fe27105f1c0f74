"""HTTP triggers of the local host: routes, keys, conversions, failures."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import pytest

from local.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_request_reaches_its_function_as_the_real_host_passes_it_on(host: Stack) -> None:
    async with aiohttp.ClientSession() as session:
        answer = await session.post(
            f"{host.url}/things/a%20b?x=1&x=2&empty=&code={host.settings['FUNCTIONS_KEY']}",
            headers=[("X-Twice", "one"), ("X-Twice", "two")],
            data="hello",
        )
        facts = await answer.json()
    assert answer.status == 201
    assert answer.headers["Set-Cookie"] == "a=b; Path=/"
    assert facts["route"] == {"name": "a b"}
    assert facts["params"] == {"x": "1,2", "code": host.settings["FUNCTIONS_KEY"]}
    assert facts["header"] == "one,two"
    assert facts["body"] == "hello"
    assert facts["url"].startswith(f"{host.url}/things/a%20b?x=1&x=2")


async def test_the_app_folder_is_the_last_place_to_import_from(host: Stack) -> None:
    facts = (await host.call("GET", "/things/one")).json()
    assert facts["last_import_path"].endswith("sample_app")


async def test_without_the_key_a_function_does_not_answer(host: Stack) -> None:
    answer = await host.call("GET", "/things/one", key=False)
    assert (answer.status, answer.body) == (401, b"")


async def test_a_key_of_bytes_that_are_no_text_opens_nothing(host: Stack) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(host.url).port)
    writer.write(b"GET /api/things/one HTTP/1.1\r\nHost: a\r\nx-functions-key: \xff\xfe\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 401 Unauthorized\r\n"
    writer.close()


async def test_literal_text_wins_over_a_parameter_and_an_open_function_needs_no_key(host: Stack) -> None:
    answer = await host.call("GET", "/things/all", key=False)
    assert (answer.status, answer.body) == (200, b"all")


async def test_a_value_in_a_path_may_hold_a_line_feed(host: Stack) -> None:
    answer = await host.call("GET", "/things/one%0Atwo")
    assert answer.json()["route"] == {"name": "one\ntwo"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("DELETE", "/things/one"), ("GET", "/things/one/two"), ("GET", "/../things/one")],
)
async def test_what_no_route_takes_is_not_found(host: Stack, method: str, path: str) -> None:
    answer = await host.call(method, path, key=False)
    assert answer.status == 404


async def test_a_failure_is_an_empty_500_and_is_logged_with_its_trace(host: Stack) -> None:
    answer = await host.call("GET", "/broken")
    assert (answer.status, answer.body) == (500, b"")
    await host.host.wait_for_line("broken failed after .*broken on purpose", within=10)
    await host.host.wait_for_line("function_app.py.* in broken", within=10)


async def test_a_log_line_of_the_app_names_its_function(host: Stack) -> None:
    await host.call("GET", "/things/all")
    await host.host.wait_for_line(r"INFO +\[all_things\] sample: all things listed", within=10)


async def test_admin_routes_tell_the_state_and_keep_to_the_key(host: Stack) -> None:
    async with aiohttp.ClientSession(host.url.removesuffix("/api")) as session:
        ping = await session.get("/admin/host/ping")
        closed = await session.get("/admin/host/status")
        status = await session.get("/admin/host/status", headers={"x-functions-key": host.settings["FUNCTIONS_KEY"]})
        assert (ping.status, closed.status) == (200, 401)
        assert (await status.json())["state"] == "Running"
