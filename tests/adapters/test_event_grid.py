"""Publishing against a topic on loopback that answers as it is told."""

import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from azure.core.credentials import AzureKeyCredential

from local.loopback import free_port, serve
from shared.adapters.event_grid import MAX_BYTES, MAX_EVENTS, EventGridTopic
from shared.errors import BridgeError, ConfigurationError, PermanentError, TransientError
from tests.adapters.conftest import made_event

KEY = "made-up-key"
LIMIT = 1_048_576

type Reply = int | tuple[int, Mapping[str, str]]


@dataclass
class Grid:
    """A topic that answers with `replies` in turn, then 200, and notes what it was sent."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[list[dict[str, Any]]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    async def post(self, request: web.Request) -> web.Response:
        content = await request.read()
        self.sizes.append(len(content))
        self.requests.append(json.loads(content))
        self.headers.append(dict(request.headers))
        reply = self.replies.pop(0) if self.replies else 200
        status, headers = (reply, {}) if isinstance(reply, int) else reply
        return web.Response(status=status, headers=headers)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @asynccontextmanager
    async def topic(self) -> AsyncIterator[EventGridTopic]:
        app = web.Application(client_max_size=10 * LIMIT)
        app.router.add_post("/api/events", self.post)
        async with serve(app) as address:
            topic = EventGridTopic(f"{address}/api/events", AzureKeyCredential(KEY), sleep=self.sleep)
            try:
                yield topic
            finally:
                await topic.close()

    @property
    def ids(self) -> list[str]:
        return [event["id"] for request in self.requests for event in request]


def events(count: int, **data: str) -> Sequence[Mapping[str, Any]]:
    return [made_event(str(number), **data).raw for number in range(count)]


async def test_an_event_arrives_as_it_is() -> None:
    grid, event = Grid(), {**made_event("1", name="Größe 日本").raw, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    async with grid.topic() as topic:
        await topic.publish([event])
    [[received]] = grid.requests
    assert received == event
    assert list(received["data"]) == list(event["data"])
    assert grid.headers[0]["aeg-sas-key"] == KEY
    assert grid.headers[0]["Content-Type"].startswith("application/cloudevents-batch+json")


async def test_nothing_to_publish_is_no_request() -> None:
    grid = Grid()
    async with grid.topic() as topic:
        await topic.publish([])
    assert grid.requests == []


@pytest.mark.parametrize(("count", "requests"), [(1, 1), (MAX_EVENTS, 1), (MAX_EVENTS + 1, 2), (2 * MAX_EVENTS + 1, 3)])
async def test_requests_are_cut_by_count_and_keep_the_order(count: int, requests: int) -> None:
    small = [
        {"specversion": "1.0", "id": str(n), "source": "/s", "type": "t", "time": "2026-11-20T00:00:00Z", "data": {}}
        for n in range(count)
    ]
    grid = Grid()
    async with grid.topic() as topic:
        await topic.publish(small)
    assert len(grid.requests) == requests
    assert grid.ids == [event["id"] for event in small]
    assert all(size <= LIMIT for size in grid.sizes)


@pytest.mark.parametrize("letter", ["x", "é", '"', "日", "😀"])
async def test_requests_are_cut_by_bytes_and_keep_the_order(letter: str) -> None:
    large = events(60, name=letter * 7_000)
    grid = Grid()
    async with grid.topic() as topic:
        await topic.publish(large)
    assert grid.ids == [event["id"] for event in large]
    assert all(size <= LIMIT for size in grid.sizes)
    # No more requests than needed: any two neighbours would have been too large together.
    assert all(a + b > MAX_BYTES for a, b in zip(grid.sizes, grid.sizes[1:], strict=False))


@pytest.mark.parametrize(
    "replies",
    [
        [408],
        [429],
        [(429, {"Retry-After": "3"})],
        [500],
        [502],
        [503],
        [504],
        [503, 502, 408],
        [(503, {"Retry-After": "2"}), 429],
    ],
    ids=str,
)
async def test_what_passes_is_tried_again_and_succeeds(replies: list[Reply]) -> None:
    grid = Grid(list(replies))
    async with grid.topic() as topic:
        await topic.publish(events(2))
    assert len(grid.requests) == len(replies) + 1
    assert all(request == grid.requests[0] for request in grid.requests)
    for reply, slept in zip(replies, grid.slept, strict=True):
        assert 0 < slept <= 10
        if not isinstance(reply, int):
            assert slept >= float(reply[1]["Retry-After"])


async def test_attempts_are_bounded() -> None:
    grid = Grid([503] * 50)
    async with grid.topic() as topic:
        with pytest.raises(TransientError, match="503"):
            await topic.publish(events(1))
    assert len(grid.requests) == 4
    assert len(grid.slept) == 3


async def test_a_long_wait_is_left_to_the_next_poll() -> None:
    grid = Grid([(429, {"Retry-After": "120"})] * 9)
    async with grid.topic() as topic:
        with pytest.raises(TransientError) as caught:
            await topic.publish(events(1))
    assert caught.value.retry_after == 120
    assert (len(grid.requests), grid.slept) == (1, [])


@pytest.mark.parametrize("after", ["Wed, 21 Oct 2026 07:28:00 GMT", "soon", "", "-1", "1.5"])
async def test_a_wait_in_other_words_is_no_obstacle(after: str) -> None:
    grid = Grid([(429, {"Retry-After": after})])
    async with grid.topic() as topic:
        await topic.publish(events(1))
    assert len(grid.requests) == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, PermanentError), (413, PermanentError)] + [(status, ConfigurationError) for status in (401, 403, 404)],
)
async def test_a_refusal_is_named_and_not_tried_again(status: int, error: type[BridgeError]) -> None:
    grid = Grid([status] * 9)
    async with grid.topic() as topic:
        with pytest.raises(error, match=str(status)) as caught:
            await topic.publish(events(1))
    assert KEY not in str(caught.value)
    assert (len(grid.requests), grid.slept) == (1, [])


async def test_a_topic_that_is_away_is_transient_after_bounded_attempts() -> None:
    grid = Grid()
    topic = EventGridTopic(f"http://127.0.0.1:{free_port()}/api/events", AzureKeyCredential(KEY), sleep=grid.sleep)
    try:
        with pytest.raises(TransientError):
            await topic.publish(events(1))
    finally:
        await topic.close()
    assert len(grid.slept) == 3


async def test_a_failure_in_the_middle_leaves_the_rest_for_later() -> None:
    grid = Grid([200, 400])
    async with grid.topic() as topic:
        with pytest.raises(PermanentError):
            await topic.publish(events(60, name="x" * 30_000))
    assert len(grid.requests) == 2


async def test_publishing_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "azure")
    grid = Grid()
    async with grid.topic() as topic:
        await topic.publish([{**event, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"} for event in events(3)])
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert KEY not in caplog.text
