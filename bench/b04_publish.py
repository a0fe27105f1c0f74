"""B4: how many requests, and how long, until a topic has a thousand events?

Beside it the SDK that sends each event for itself, and the same requests made by bare aiohttp. A topic takes 1 MB in a
request, so the least number of requests is known. This one takes them all, and counts them.
"""

import json
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from time import perf_counter
from typing import Final

import aiohttp
from azure.core.credentials import AzureKeyCredential
from azure.eventgrid.aio import EventGridPublisherClient

from bench.benchmark import Bar, Benchmark, Count, Sides, Took
from bench.delivering import events
from bench.receiver import Receiver, receiving
from shared.adapters.event_grid import MAX_BYTES, CloudEvent, EventGridTopic, chunks

_EVENTS: Final = 1_000
_SHORT: Final = 20
_CREDENTIAL: Final = AzureKeyCredential("not-asked-for")
_HEADERS: Final = {"Content-Type": "application/cloudevents-batch+json"}
# So that a thousand are several requests: a refresh fails with a long message.
_MESSAGE: Final = "The source does not answer. " * 100


class _Work:
    """Events for a topic, and what the least is that publishing them takes."""

    def __init__(self, receiver: Receiver, count: int) -> None:
        self.receiver = receiver
        self.topic = f"{receiver.url}/api/events"
        self.events: Sequence[CloudEvent] = [{**event.raw, "subject": _MESSAGE} for event in events(count)]
        size = sum(len(json.dumps(event)) for event in self.events)
        self.least = math.ceil(size / MAX_BYTES)

    async def ours(self) -> Took:
        """As the bridge publishes."""
        topic, before = EventGridTopic(self.topic, _CREDENTIAL), await self.receiver.count()
        begun = perf_counter()
        await topic.publish(self.events)
        seconds = perf_counter() - begun
        await topic.close()
        return await self._took(seconds, before, self.least)

    async def one_by_one(self) -> Took:
        """With the SDK, each event for itself."""
        before = await self.receiver.count()
        async with EventGridPublisherClient(self.topic, _CREDENTIAL) as client:
            begun = perf_counter()
            for event in self.events:
                await client.send(dict(event))
            seconds = perf_counter() - begun
        return await self._took(seconds, before, len(self.events))

    async def bare(self) -> Took:
        """Nothing but the requests."""
        bodies, before = [json.dumps(chunk).encode() for chunk in chunks(self.events)], await self.receiver.count()
        async with aiohttp.ClientSession(headers=_HEADERS) as session:
            begun = perf_counter()
            for body in bodies:
                async with session.post(self.topic, data=body) as answer:
                    await answer.read()
            seconds = perf_counter() - begun
        return await self._took(seconds, before, self.least)

    async def _took(self, seconds: float, before: int, exact: int) -> Took:
        requests = await self.receiver.count() - before
        return Took({"": seconds, "requests": requests}, {"requests": Count(requests, exact)})


@asynccontextmanager
async def _sides(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
    async with receiving(HTTPStatus.OK) as receiver:
        work = _Work(receiver, _SHORT if short else _EVENTS)
        yield {"ours": work.ours, "one send for each event": work.one_by_one, "limit": work.bare}


BENCHMARK = Benchmark(
    number="B4",
    title="Publish",
    work="1,000 events of 3.6 kB to a topic that takes 1 MB a request",
    unit="s",
    bars=(
        Bar("at least 5 times as fast as one send for each event", "one send for each event", "ours", least=5),
        Bar("as few requests as the bytes need", "ours requests", "limit requests", most=1),
    ),
    sides=_sides,
)
