"""Deliver: what each answer of a flow leads to, and that no message is delivered twice."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Delivery, Stage
from shared.errors import TransientError
from tests.fakes import Death
from tests.usecases.world import EVENT, URL, World, subscription

WAITS = (10, 30, 60)
DEAD = ("WorkflowTriggerIsNotEnabled", "WorkflowNotFound")


async def test_a_flow_is_called_with_the_event() -> None:
    world = World()
    await world.deliver_all()
    ((url, body, headers),) = world.callbacks.requests
    assert url == URL
    assert json.loads(body) == EVENT.raw
    assert headers == {
        "Content-Type": "application/json",
        "User-Agent": "bridge/1",
        "webhook-id": EVENT.id,
        "webhook-timestamp": str(int(world.started.timestamp())),
    }
    assert world.stage() is Stage.DELIVERED


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_success_is_delivered_once(status: int) -> None:
    world = World(Answer(status))
    await world.deliver_all()
    assert (world.calls(), world.stage(), world.letters()) == (1, Stage.DELIVERED, [])


@pytest.mark.parametrize(
    "answer",
    [*(Answer(status) for status in (408, 425, 429, 500, 502, 503, 504, 599)), Answer(failure="timeout")],
)
async def test_what_may_pass_is_tried_again_later(answer: Answer) -> None:
    world = World(answer, answer, answer, answer, Answer(202))
    await world.deliver_all()
    assert world.called_after() == [0, 10, 40, 100, 160]
    assert (world.stage(), world.status(), world.letters()) == (Stage.DELIVERED, "active", [])
    bodies = {body for _, body, _ in world.callbacks.requests}
    ids = {headers["webhook-id"] for _, _, headers in world.callbacks.requests}
    assert (len(bodies), len(ids)) == (1, 1)


@pytest.mark.parametrize(("asked", "waited"), [(3, 10), (500, 500), (10**9, 12 * 3600)])
async def test_a_longer_wait_that_the_flow_asks_for_is_kept(asked: float, waited: float) -> None:
    world = World(Answer(429, retry_after=asked), Answer(202))
    await world.deliver_all()
    assert world.called_after() == [0, waited]


@pytest.mark.parametrize("answer", [Answer(503), Answer(failure="connection refused")])
async def test_what_never_passes_is_a_dead_letter_at_the_maximum_age(answer: Answer) -> None:
    world = World(answer, max_age=timedelta(seconds=200))
    await world.deliver_all()
    assert world.called_after() == [0, 10, 40, 100, 160]
    assert (world.stage(), world.status(), len(world.letters())) == (Stage.DEAD, "active", 1)
    assert world.letters()[0].attempts == 5


@pytest.mark.parametrize("status", [401, 403])
async def test_a_flow_that_denies_until_the_maximum_age_is_suspended(status: int) -> None:
    world = World(Answer(status), max_age=timedelta(seconds=200))
    await world.deliver_all()
    assert world.called_after() == [0, 10, 40, 100, 160]
    assert (world.stage(), world.status(), len(world.letters())) == (Stage.DEAD, "suspended", 1)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_flow_that_denies_for_a_while_stays_active(status: int) -> None:
    world = World(Answer(status), Answer(202))
    await world.deliver_all()
    assert (world.stage(), world.status(), world.letters()) == (Stage.DELIVERED, "active", [])


@pytest.mark.parametrize(
    "answer",
    [Answer(404), Answer(410), *(Answer(s, body=f'{{"code":"{n}"}}') for s in (400, 401, 403, 409, 429) for n in DEAD)],
)
async def test_a_flow_that_is_gone_is_suspended(answer: Answer) -> None:
    world = World(answer)
    await world.deliver_all()
    assert (world.calls(), world.stage(), world.status(), len(world.letters())) == (1, Stage.DEAD, "suspended", 1)
    reason = world.subscriptions.rows["s1"][0].status_reason
    assert reason is not None
    assert str(answer.status) in reason
    assert world.letters()[0].status == answer.status


@pytest.mark.parametrize("answer", [Answer(s) for s in (301, 302, 307, 308, 304, 400, 402, 409, 413, 422)])
async def test_what_the_flow_rejects_is_a_dead_letter_at_once(answer: Answer) -> None:
    world = World(answer)
    await world.deliver_all()
    assert (world.calls(), world.stage(), world.status(), len(world.letters())) == (1, Stage.DEAD, "active", 1)
    assert json.loads(world.letters()[0].body) == EVENT.raw


async def test_a_callback_that_the_policy_refuses_is_a_dead_letter() -> None:
    world = World(Answer(failure="must be on an allowed host", refused=True))
    await world.deliver_all()
    assert (world.stage(), world.status(), len(world.letters())) == (Stage.DEAD, "active", 1)


async def test_a_delivery_older_than_the_maximum_age_is_not_made() -> None:
    world = World()
    world.clock.advance(timedelta(hours=77))
    await world.deliver_all()
    assert (world.calls(), world.stage(), len(world.letters())) == (0, Stage.DEAD, 1)


@pytest.mark.parametrize("status", ["suspended", "paused"])
async def test_a_subscription_that_is_not_active_is_not_called(status: str) -> None:
    world = World(of=subscription(status=status))
    await world.deliver_all()
    assert (world.calls(), len(world.letters())) == (0, 1)


async def test_a_subscription_that_is_gone_or_wants_something_else_is_not_called() -> None:
    gone = World()
    gone.subscriptions.rows.clear()
    await gone.deliver_all()
    other = World(of=subscription(dataSourceId="other"))
    await other.deliver_all()
    assert (gone.calls(), other.calls(), gone.letters(), other.letters()) == (0, 0, [], [])


async def test_a_subscription_changed_during_the_call_is_not_suspended_for_what_it_was() -> None:
    world = World(Answer(404))

    async def subscribe_again() -> None:
        old, version = world.subscriptions.rows["s1"]
        await world.subscriptions.put(old, version, old)

    world.callbacks.during = subscribe_again
    await world.deliver_all()
    assert (world.status(), len(world.letters())) == ("active", 1)


async def test_a_repeated_message_is_not_delivered_again() -> None:
    world = World()
    message = world.queue.due()[0]
    await world.deliver_all()
    await world.deliver(message)
    await world.deliver(message)
    await world.deliver_all()
    assert (world.calls(), world.stage(), world.letters()) == (1, Stage.DELIVERED, [])


@pytest.mark.parametrize("copies", [2, 5])
async def test_repeated_messages_at_once_are_delivered_once(copies: int) -> None:
    world = World()
    message = world.queue.due()[0]
    await asyncio.gather(*(world.deliver(message) for _ in range(copies)))
    world.queue.remove(message)
    await world.deliver_all()
    assert (world.calls(), world.stage()) == (1, Stage.DELIVERED)


async def test_a_repeated_message_during_the_retries_changes_nothing() -> None:
    world = World(Answer(503), Answer(503), Answer(202))
    message = world.queue.due()[0]
    await world.deliver(message)
    await world.deliver(message)
    await world.deliver_all(but=[message])
    await world.deliver(message)
    assert (world.called_after(), world.stage()) == ([0, 10, 40], Stage.DELIVERED)


async def test_an_event_dispatched_twice_is_delivered_once() -> None:
    world = World()
    await world.queue.send(Delivery("s1", EVENT, world.clock() + timedelta(seconds=1)))
    await world.deliver_all()
    assert world.calls() == 1


@pytest.mark.parametrize("message", ["", "garbage", "{}", "[]", "e30=", '{"subscriptionId":1}', "{" * 20])
async def test_an_unreadable_message_is_a_dead_letter(message: str) -> None:
    world = World()
    await world.deliver(message)
    (letter,) = world.letters()
    assert (letter.kind, letter.body) == ("message", message)
    assert "deliveries" in letter.reason


async def test_a_message_that_kept_failing_is_a_dead_letter() -> None:
    world = World()
    await world.bury.poison("deliveries", world.queue.due()[0])
    await world.bury.poison("deliveries", "garbage")
    assert sorted(letter.kind for letter in world.letters()) == ["delivery", "message"]


async def test_a_key_that_does_not_fit_is_tried_again_until_it_does() -> None:
    world = World()
    world.cipher.broken = True
    await world.deliver(world.take())
    assert (world.calls(), world.stage()) == (0, Stage.WAITING)
    world.cipher.broken = False
    await world.deliver_all()
    assert (world.calls(), world.stage()) == (1, Stage.DELIVERED)


async def test_a_queue_that_fails_leaves_the_message_to_be_run_again() -> None:
    world = World(Answer(503), Answer(202))
    message = world.queue.due()[0]
    world.queue.failures.append(TransientError("busy"))
    with pytest.raises(TransientError):
        await world.deliver(message)
    await world.deliver_all()
    assert world.stage() is Stage.DELIVERED


ENDINGS: Sequence[tuple[list[Answer], Stage, str]] = [
    ([Answer(202)], Stage.DELIVERED, "active"),
    ([Answer(503), Answer(202)], Stage.DELIVERED, "active"),
    ([Answer(404)], Stage.DEAD, "suspended"),
    ([Answer(400)], Stage.DEAD, "active"),
    ([Answer(401)], Stage.DEAD, "suspended"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("answers", "stage", "status"), ENDINGS)
async def test_death_between_any_two_steps_loses_nothing(
    answers: list[Answer], stage: Stage, status: str, *, after: bool
) -> None:
    steps = World(*answers, max_age=timedelta(seconds=200))
    await steps.deliver_all()
    for deadly in range(steps.fate.steps):
        world = World(*answers, max_age=timedelta(seconds=200), deadly=deadly, after=after)
        deaths = await world.deliver_all(deaths=(Death,))
        assert deaths == 1
        assert world.calls() <= steps.calls() + 1
        assert {letter.event_id for letter in world.letters()} <= {EVENT.id}
        assert (world.stage(), bool(world.letters())) == (stage, stage is Stage.DEAD)
        assert world.status() == status
        assert world.queue.messages == []


async def test_a_slow_flow_holds_up_no_other() -> None:
    slow, quick = subscription(id_="slow", url="https://slow/x"), subscription(id_="quick", url="https://quick/x")
    world = World(of=slow)
    world.subscriptions.rows["quick"] = (quick, "v9")
    release = asyncio.Event()

    async def hang() -> None:
        await release.wait()

    world.callbacks.during = hang
    hanging = asyncio.create_task(world.deliver(world.take()))
    await asyncio.sleep(0.01)
    await world.deliver(Delivery("quick", EVENT, world.clock()).encode())
    assert [url for url, _, _ in world.callbacks.requests] == ["https://quick/x"]
    release.set()
    await hanging
    assert world.calls() == 2


async def test_no_more_than_the_permitted_rate_begins_at_once() -> None:
    world = World(rate=3)
    world.queue.messages.clear()
    for n in range(10):
        await world.deliver(Delivery("s1", world.event(n), world.clock()).encode())
    assert world.calls() == 3
    waits = sorted(at - world.clock() for at, _ in world.queue.messages)
    assert len(waits) == 7
    assert waits[0] > timedelta(seconds=1)
    assert waits[-1] - waits[0] > timedelta(seconds=1.9)
