"""The queue of deliveries on real storage: base64 messages, shown after their delay, kept for ever."""

import asyncio
import base64
import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from shared.adapters.delivery_queue import MAX_BYTES, DeliveryMessages
from shared.domain.deliveries import Delivery
from shared.domain.events import Event
from shared.errors import PermanentError
from tests.adapters.conftest import NOW, Opened, Storage, made_event

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def queue(storage: Storage, opened: Opened[DeliveryMessages]) -> DeliveryMessages:
    return opened(DeliveryMessages(storage.account))


async def test_a_delivery_is_one_base64_message(queue: DeliveryMessages, storage: Storage) -> None:
    sent = Delivery("søme-id", made_event("1", name="Größe 日本"), NOW, 7)
    await queue.send(sent)
    [message] = [each async for each in storage.queues.get_queue_client("deliveries").receive_messages()]
    content = base64.b64decode(message.content, validate=True)
    assert json.loads(content)["subscriptionId"] == "søme-id"
    assert Delivery.decode(message.content) == sent
    assert Delivery.decode(content.decode()) == sent


async def test_a_message_never_expires(queue: DeliveryMessages, storage: Storage, event: Event) -> None:
    await queue.send(Delivery("s", event, NOW))
    [message] = [each async for each in storage.queues.get_queue_client("deliveries").receive_messages()]
    assert message.expires_on > datetime.now(UTC) + timedelta(days=3650)


async def test_a_delayed_message_shows_after_whole_seconds(
    queue: DeliveryMessages, storage: Storage, event: Event
) -> None:
    started = time.monotonic()
    await queue.send(Delivery("s", event, NOW), timedelta(milliseconds=1100))
    messages = storage.queues.get_queue_client("deliveries")
    while not await messages.peek_messages():
        assert time.monotonic() - started < 4
        await asyncio.sleep(0.05)
    assert time.monotonic() - started >= 1.1


@pytest.mark.parametrize("delay", [timedelta(0), timedelta(seconds=-3)])
async def test_without_a_delay_it_shows_at_once(
    queue: DeliveryMessages, storage: Storage, event: Event, delay: timedelta
) -> None:
    await queue.send(Delivery("s", event, NOW), delay)
    assert len(await storage.queues.get_queue_client("deliveries").peek_messages()) == 1


async def test_half_a_day_is_a_delay_that_storage_takes(
    queue: DeliveryMessages, storage: Storage, event: Event
) -> None:
    await queue.send(Delivery("s", event, NOW), timedelta(hours=12 * 1.2))
    assert await storage.queues.get_queue_client("deliveries").peek_messages() == []


async def test_the_largest_message_fits_and_a_larger_one_is_refused_for_good(
    queue: DeliveryMessages, storage: Storage
) -> None:
    room = MAX_BYTES - len(Delivery("s", made_event("1", name=""), NOW).encode())
    await queue.send(Delivery("s", made_event("1", name="x" * room), NOW))
    assert len(await storage.queues.get_queue_client("deliveries").peek_messages()) == 1
    with pytest.raises(PermanentError):
        await queue.send(Delivery("s", made_event("1", name="x" * (room + 1)), NOW))


async def test_the_queue_is_created_when_missing(queue: DeliveryMessages, storage: Storage, event: Event) -> None:
    await queue.check()
    assert await storage.names() == {"queue deliveries"}
    await storage.clear()
    await asyncio.gather(*(queue.send(Delivery("s", event, NOW)) for _ in range(5)))
    assert await storage.names() == {"queue deliveries"}
    assert len(await storage.queues.get_queue_client("deliveries").peek_messages(max_messages=32)) == 5


async def test_the_oldest_message_is_the_first_added_of_those_that_show(
    queue: DeliveryMessages, storage: Storage, event: Event
) -> None:
    assert await queue.oldest() is None  # there is no such queue yet
    await queue.send(Delivery("later", event, NOW), timedelta(minutes=5))
    assert await queue.oldest() is None
    before = datetime.now(UTC) - timedelta(seconds=1)
    await queue.send(Delivery("first", event, NOW))
    await asyncio.sleep(1.1)  # storage counts whole seconds
    await queue.send(Delivery("second", event, NOW))
    messages = storage.queues.get_queue_client("deliveries")
    first, _ = await messages.peek_messages(2)
    assert before <= first.inserted_on == await queue.oldest()
