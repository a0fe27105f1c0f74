"""Large and slow bodies: each is refused with 4xx, and meanwhile others are answered.

The host that takes them in here is the local one. That Azure's does so, too, is said by its makers, and tried nowhere.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import pytest

from local.host.web import BODY_LIMIT
from tests.integration.conftest import DATA_SOURCE_FAILED, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = f"/triggers/{DATA_SOURCE_FAILED}/subscriptions"
BODY = b'{"callbackUrl": 1}'
SLOW = 40  # senders at once
PAUSE = 0.1  # seconds from byte to byte
MB = 1_000_000
LARGE = {
    "one text": json.dumps({"callbackUrl": "a" * 8 * MB}),
    "many numbers": json.dumps({"callbackUrl": [1] * MB}),
    "many keys": json.dumps({f"key{number}": None for number in range(50_000)}),
    "many levels": "[" * 4 * MB,
}


async def drip(world: World, body: bytes) -> int:
    """Send a body byte by byte; gives the status of the answer."""
    url = urlsplit(world.stack.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = {"Host": url.netloc, "x-functions-key": world.stack.settings["FUNCTIONS_KEY"], "Content-Length": len(body)}
    lines = [f"POST {url.path}{PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    try:
        for byte in body:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(PAUSE)
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


async def post(world: World, body: str | AsyncIterator[bytes], *, key: bool = True) -> int:
    """Send a body at once, or as it comes; gives the status of the answer."""
    headers = {"x-functions-key": world.stack.settings["FUNCTIONS_KEY"]} if key else {}
    async with (
        aiohttp.ClientSession() as session,
        session.post(world.stack.url + PATH, data=body, headers=headers) as answer,
    ):
        return answer.status


async def endless(megabytes: int) -> AsyncIterator[bytes]:
    for _ in range(megabytes):
        yield b" " * MB


def invocations(world: World, since: int) -> int:
    """How often a subscription was asked for since a line of the log."""
    return sum(bool(re.search(r"\bsubscribe (succeeded|failed)", line)) for line in world.lines[since:])


async def test_slow_senders_hold_up_nobody_and_reach_the_app_when_all_has_come(world: World) -> None:
    since = len(world.lines)
    slow = [asyncio.create_task(drip(world, BODY)) for _ in range(SLOW)]
    took, end = [], time.monotonic() + len(BODY) * PAUSE / 2
    while (began := time.monotonic()) < end:
        assert (await world.stack.call("GET", "/subscriptions")).status == HTTPStatus.OK
        assert (await world.stack.call("GET", "/health", key=False)).status == HTTPStatus.OK
        took.append(time.monotonic() - began)
    assert invocations(world, since) == 0
    assert max(took) < len(BODY) * PAUSE / 2
    assert await asyncio.gather(*slow) == [HTTPStatus.BAD_REQUEST] * SLOW


async def test_who_goes_away_in_the_middle_of_a_body_has_not_reached_the_app(world: World) -> None:
    since = len(world.lines)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(drip(world, BODY), PAUSE * 5)
    assert (await world.stack.call("GET", "/subscriptions")).status == HTTPStatus.OK
    assert invocations(world, since) == 0


@pytest.mark.parametrize("kind", LARGE)
async def test_some_megabytes_are_refused(world: World, kind: str) -> None:
    assert await post(world, LARGE[kind]) == HTTPStatus.BAD_REQUEST


async def test_more_than_the_host_takes_is_refused_and_the_app_goes_on(world: World) -> None:
    since = len(world.lines)
    assert await post(world, endless(BODY_LIMIT // MB + 1)) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert await post(world, endless(BODY_LIMIT // MB + 1), key=False) == HTTPStatus.UNAUTHORIZED
    assert invocations(world, since) == 0
    assert (await world.stack.call("GET", "/subscriptions")).status == HTTPStatus.OK
