"""The queues on real storage: base64 messages, shown after their delay, kept for ever."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.queues import MAX_BYTES, DeliveryMessages, Queue, ReleaseMessages
from shared.domain.deliveries import New
from shared.domain.messages import Look, Release, decode_delivery, encode_new
from shared.errors import TooLargeError
from tests.adapters.conftest import NOW, Opened, Storage, made_event, made_new

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOK = Look("søme-id", made_new().key, "request")
RELEASE = Release("søme-id", NOW, is_careful=True)


@pytest.fixture
def queue(storage: Storage, opened: Opened[DeliveryMessages]) -> DeliveryMessages:
    return opened(DeliveryMessages(storage.account))


@pytest.fixture
def releases(storage: Storage, opened: Opened[ReleaseMessages]) -> ReleaseMessages:
    return opened(ReleaseMessages(storage.account))


@pytest.mark.parametrize(
    ("name", "sent", "read"),
    [
        ("deliveries", New("søme-id", made_event("1", name="Größe 日本"), NOW), decode_delivery),
        ("deliveries", New("søme-id", made_event("1", name="half a character: \ud83d"), NOW), decode_delivery),
        ("deliveries", LOOK, decode_delivery),
        ("releases", RELEASE, Release.decode),
    ],
    ids=["new", "half a character", "look", "release"],
)
async def test_what_is_sent_is_one_base64_message(  # noqa: PLR0913, PLR0917 - fixtures and a row of the table
    queue: DeliveryMessages,
    releases: ReleaseMessages,
    storage: Storage,
    name: str,
    sent: Any,  # noqa: ANN401 - any message
    read: Callable[[str], object],
) -> None:
    await (releases if name == "releases" else queue).send(sent)
    assert await storage.names() == {f"queue {name}"}
    [message] = [each async for each in storage.queues.get_queue_client(name).receive_messages()]
    content = base64.b64decode(message.content, validate=True)
    assert json.loads(content)["subscriptionId"] == "søme-id"
    assert read(message.content) == read(content.decode()) == sent


async def test_a_message_never_expires(queue: DeliveryMessages, storage: Storage) -> None:
    await queue.send(LOOK)
    [message] = [each async for each in storage.queues.get_queue_client("deliveries").receive_messages()]
    assert message.expires_on > datetime.now(UTC) + timedelta(days=3650)


async def test_a_delayed_message_shows_after_whole_seconds(releases: ReleaseMessages, storage: Storage) -> None:
    started = time.monotonic()
    await releases.send(RELEASE, timedelta(milliseconds=1100))
    messages = storage.queues.get_queue_client("releases")
    while not await messages.peek_messages():
        assert time.monotonic() - started < 4
        await asyncio.sleep(0.05)
    assert time.monotonic() - started >= 1.1


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(seconds=-3)])
async def test_without_a_delay_it_shows_at_once(queue: DeliveryMessages, storage: Storage, delay: timedelta) -> None:
    await queue.send(LOOK, delay)
    assert len(await storage.queues.get_queue_client("deliveries").peek_messages()) == 1


async def test_the_largest_message_fits_and_a_larger_one_is_refused_for_good(
    queue: DeliveryMessages, storage: Storage
) -> None:
    room = MAX_BYTES - len(encode_new(made_new(name="")))
    await queue.send(made_new(name="x" * room))
    assert len(await storage.queues.get_queue_client("deliveries").peek_messages()) == 1
    with pytest.raises(TooLargeError):
        await queue.send(made_new(name="x" * (room + 1)))


async def test_the_queue_is_created_when_missing(queue: DeliveryMessages, storage: Storage) -> None:
    await queue.check()
    assert await storage.names() == {"queue deliveries"}
    await storage.clear()
    await asyncio.gather(*(queue.send(LOOK) for _ in range(5)))
    assert await storage.names() == {"queue deliveries"}
    assert await queue.count() == 5


async def test_the_oldest_message_is_the_first_added_of_those_that_show(
    queue: DeliveryMessages, storage: Storage
) -> None:
    assert await queue.oldest() is None  # there is no such queue yet
    await queue.send(LOOK, timedelta(minutes=5))
    assert await queue.oldest() is None
    before = datetime.now(UTC) - timedelta(seconds=1)
    for _ in range(2):
        await queue.send(LOOK)
        await asyncio.sleep(1.1)
    first, _ = await storage.queues.get_queue_client("deliveries").peek_messages(2)
    assert before <= first.inserted_on == await queue.oldest()


async def test_what_does_not_show_yet_is_counted(storage: Storage, opened: Opened[Queue]) -> None:
    queue = opened(Queue(storage.account, "deliveries-poison"))
    assert await queue.count() == 0  # there is no such queue yet
    assert await storage.names() == set()
    await queue.check()
    assert await queue.count() == 0
    for number in range(40):
        await queue.add(LOOK.encode(), timedelta(minutes=number))
    assert await queue.count() == 40
