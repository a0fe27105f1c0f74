"""The stand-in for Event Grid: what it refuses, and what it puts on the queue."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from azure.storage.queue.aio import QueueClient

from local.loopback import serve
from local.stack import Stack
from local.topic import EVENTS_LIMIT, REQUEST_LIMIT, Topic

pytestmark = pytest.mark.asyncio(loop_scope="session")

BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"


def event(**changes: object) -> dict[str, Any]:
    return {"id": "1", "source": "/s", "specversion": "1.0", "type": "T", **changes}


class Bench:
    """A topic of its own, its address and its queue."""

    def __init__(self, topic: Topic, session: aiohttp.ClientSession, queue: QueueClient) -> None:
        self.topic = topic
        self._session = session
        self._queue = queue

    async def post(self, document: object, content_type: str = BATCH, key: str = "k") -> int:
        data = document if isinstance(document, str) else json.dumps(document)
        headers = {"aeg-sas-key": key, "Content-Type": content_type}
        return (await self._session.post("/api/events?api-version=2018-01-01", data=data, headers=headers)).status

    async def queued(self) -> list[dict[str, Any]]:
        messages = [message async for message in self._queue.receive_messages()]
        return [json.loads(base64.b64decode(message.content)) for message in messages]


@pytest_asyncio.fixture(loop_scope="session")
async def bench(stack: Stack) -> AsyncIterator[Bench]:
    connection = stack.settings["AzureWebJobsStorage"]
    queue = QueueClient.from_connection_string(connection, "topic-test", api_version="2025-11-05")
    topic = Topic(key="k", connection_string=connection, queue="topic-test")
    async with queue, topic, serve(topic.app) as address, aiohttp.ClientSession(address) as session:
        await queue.clear_messages()
        yield Bench(topic, session, queue)


async def test_each_event_becomes_one_message(bench: Bench) -> None:
    assert await bench.post([event(id="1"), event(id="2", data={"ä": 1})]) == 200
    assert await bench.post(event(id="3"), SINGLE) == 200
    assert sorted(await bench.queued(), key=lambda e: e["id"]) == [
        event(id="1"),
        event(id="2", data={"ä": 1}),
        event(id="3"),
    ]
    assert len(bench.topic.published) == 3


async def test_the_key_is_checked(bench: Bench) -> None:
    assert await bench.post([event()], key="wrong") == 401
    assert bench.topic.refused == 1


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        ("{", BATCH),
        (event(), BATCH),
        ([event()], SINGLE),
        ([event()], "application/json"),
        (["text"], BATCH),
        ([event(id="")], BATCH),
        ([event(source=1)], BATCH),
        ([event(specversion="0.3")], BATCH),
        ([event(TraceParent="00")], BATCH),
    ],
)
async def test_what_is_no_cloud_event_is_refused(bench: Bench, document: object, content_type: str) -> None:
    assert await bench.post(document, content_type) == 400


async def test_a_batch_with_one_bad_event_is_refused_whole(bench: Bench) -> None:
    assert await bench.post([event(), event(type=None)]) == 400
    assert await bench.queued() == []


async def test_a_request_has_limits(bench: Bench) -> None:
    assert await bench.post("[" + " " * (REQUEST_LIMIT - 2) + "]") == 200
    assert await bench.post("[" + " " * (REQUEST_LIMIT - 1) + "]") == 413
    assert await bench.post([event()] * (EVENTS_LIMIT + 1)) == 413


async def test_an_event_too_large_for_the_queue_is_a_dead_letter(bench: Bench) -> None:
    fits = 49_152 - len(json.dumps(event(data=""), separators=(",", ":")))
    assert await bench.post([event(data="x" * fits), event(id="2", data="x" * (fits + 1))]) == 200
    assert [found["id"] for found in await bench.queued()] == ["1"]
    assert [letter.event["id"] for letter in bench.topic.dead_letters] == ["2"]


async def test_faults(bench: Bench) -> None:
    bench.topic.fail_next(2, 429)
    assert [await bench.post([event()]) for _ in range(3)] == [429, 429, 200]
    bench.topic.repeat_next(1)
    assert await bench.post([event(id="2")]) == 200
    assert [found["id"] for found in await bench.queued()] == ["1", "2", "2"]
