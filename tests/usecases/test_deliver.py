"""Deliver: what each answer of a flow leads to, and that no message is delivered twice."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Stage
from shared.domain.messages import Look
from shared.domain.triggers import TRIGGERS
from shared.domain.wishes import Wish
from shared.errors import FormatError, TransientError
from shared.usecases.crowd import BRISK, PLACES
from tests.fakes import NOON, Death
from tests.usecases.world import EVENT, URL, World, subscription

WAITS = (10, 30, 60)
DEAD = ("WorkflowTriggerIsNotEnabled", "WorkflowNotFound")


async def test_a_flow_is_called_with_the_event() -> None:
    world = World()
    await world.run()
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
    await world.run()
    assert (world.calls(), world.stage(), world.letters()) == (1, Stage.DELIVERED, [])


@pytest.mark.parametrize(
    "answer",
    [*(Answer(status) for status in (408, 425, 429, 500, 502, 503, 504, 599)), Answer(failure="timeout")],
)
async def test_what_may_pass_is_tried_again_later(answer: Answer) -> None:
    world = World(answer, answer, answer, answer, Answer(202))
    await world.run()
    assert world.called == [0, 10, 40, 100, 160]
    assert (world.stage(), world.status(), world.letters()) == (Stage.DELIVERED, "active", [])
    assert world.delivery().attempts == 5
    bodies = {body for _, body, _ in world.callbacks.requests}
    ids = {headers["webhook-id"] for _, _, headers in world.callbacks.requests}
    assert (len(bodies), len(ids)) == (1, 1)


@pytest.mark.parametrize(("asked", "waited"), [(3, 10), (500, 500), (10**9, 12 * 3600)])
async def test_a_longer_wait_that_the_flow_asks_for_is_kept(asked: float, waited: float) -> None:
    world = World(Answer(429, retry_after=asked), Answer(202))
    await world.run()
    assert world.called == [0, waited]


@pytest.mark.parametrize("answer", [Answer(503), Answer(failure="connection refused")])
async def test_what_never_passes_is_a_dead_letter_at_the_maximum_age(answer: Answer) -> None:
    world = World(answer, max_age=timedelta(seconds=200))
    await world.run()
    assert world.called == [0, 10, 40, 100, 160]
    assert (world.stage(), world.status(), len(world.letters())) == (Stage.DEAD, "failing", 1)
    assert world.letters()[0].attempts == 5


@pytest.mark.parametrize("status", [401, 403])
async def test_a_flow_that_denies_until_the_maximum_age_is_suspended(status: int) -> None:
    world = World(Answer(status), max_age=timedelta(seconds=200))
    await world.run()
    assert world.called == [0, 10, 40, 100, 160]
    assert (world.stage(), world.status(), world.letters()) == (Stage.HELD, "suspended", [])


@pytest.mark.parametrize("status", [401, 403])
async def test_a_flow_that_denies_for_a_while_stays_active(status: int) -> None:
    world = World(Answer(status), Answer(202))
    await world.run()
    assert (world.stage(), world.status(), world.letters()) == (Stage.DELIVERED, "active", [])


@pytest.mark.parametrize(
    "answer",
    [Answer(404), Answer(410), *(Answer(s, body=f'{{"code":"{n}"}}') for s in (400, 401, 403, 409, 429) for n in DEAD)],
)
async def test_a_flow_that_is_gone_is_suspended_and_its_event_held(answer: Answer) -> None:
    world = World(answer)
    await world.run()
    assert (world.calls(), world.stage(), world.status(), world.letters()) == (1, Stage.HELD, "suspended", [])
    reason = world.subscriptions.rows["s1"][0].status_reason
    assert reason is not None
    assert str(answer.status) in reason
    assert world.delivery().status == answer.status


@pytest.mark.parametrize("answer", [Answer(s) for s in (301, 302, 307, 308, 304, 400, 402, 409, 413, 422)])
async def test_what_the_flow_rejects_is_a_dead_letter_at_once(answer: Answer) -> None:
    world = World(answer)
    await world.run()
    assert (world.calls(), world.stage(), world.status(), len(world.letters())) == (1, Stage.DEAD, "active", 1)
    assert json.loads(world.letters()[0].body) == EVENT.raw


async def test_a_callback_that_the_policy_refuses_is_a_dead_letter() -> None:
    world = World(Answer(failure="must be on an allowed host", refused=True))
    await world.run()
    assert (world.stage(), world.status(), len(world.letters())) == (Stage.DEAD, "active", 1)


async def test_a_delivery_older_than_the_maximum_age_is_not_made() -> None:
    world = World()
    world.clock.advance(timedelta(hours=77))
    await world.run()
    assert (world.calls(), world.stage(), len(world.letters())) == (0, Stage.DEAD, 1)


@pytest.mark.parametrize("is_anew", [False, True], ids=["as it was", "subscribed anew"])
async def test_only_the_callback_that_denied_an_event_has_its_subscription_suspended(*, is_anew: bool) -> None:
    world = World(Answer(401, retry_after=6_000), max_age=timedelta(hours=2))
    await world.run(until=timedelta(seconds=5))
    if is_anew:
        trigger, new = TRIGGERS["data-source-refresh-succeeded"], "https://prod-2.logic.azure.com/workflows/x?sig=new"
        await world.subscribe(Wish(trigger, "i1", trigger.filters(), new), "s1")
    world.clock.advance(timedelta(hours=2, seconds=1))  # the app stood still
    await world.run()
    called, stage, status = (2, Stage.DELIVERED, "active") if is_anew else (1, Stage.HELD, "suspended")
    assert (world.calls(), world.stage(), world.status(), world.letters()) == (called, stage, status, [])


@pytest.mark.parametrize("answer", [503, 404])
async def test_nothing_is_left_of_what_is_answered_when_its_subscription_has_ended(answer: int) -> None:
    world = World(Answer(answer))

    def end() -> None:
        world.subscriptions.rows.clear()
        world.clock.advance(timedelta(seconds=1))

    world.callbacks.on_call = end
    await world.run()
    assert world.deliveries.rows == {}


@pytest.mark.parametrize("status", ["suspended", "paused", "failing"])
async def test_what_waits_for_another_attempt_is_held_once_its_subscription_is_not_active(status: str) -> None:
    world = World(Answer(503), Answer(202))
    await world.run(until=timedelta(seconds=5))
    # The next look at what is held is for later than the attempt that waits.
    world.subscriptions.rows["s1"] = replace(subscription(status=status), release_at=NOON + timedelta(hours=1)), ""
    await world.run(until=timedelta(seconds=20))
    assert (world.calls(), world.stage()) == (1, Stage.HELD)


async def test_an_attempt_whose_process_died_is_made_again_though_other_events_are_wanted_by_now() -> None:
    world = World(deadly=2)  # after the subscription and the record, before the call
    with pytest.raises(Death):
        await world.run()
    world.begin()
    world.clock.advance(timedelta(minutes=10))  # so long a message is hidden whose process died
    world.subscriptions.rows["s1"] = subscription(dataSourceId="d2"), ""
    await world.run()
    assert (world.calls(), world.stage()) == (1, Stage.DELIVERED)


async def test_what_waited_longer_than_the_maximum_age_is_not_attempted_again() -> None:
    world = World(Answer(503), Answer(202), max_age=timedelta(seconds=15))
    await world.run(until=timedelta(seconds=5))
    world.clock.advance(timedelta(minutes=1))
    await world.run()
    assert (world.calls(), world.stage(), len(world.letters())) == (1, Stage.DEAD, 1)


@pytest.mark.parametrize("status", ["suspended", "paused"])
async def test_a_subscription_that_is_not_active_is_not_called(status: str) -> None:
    world = World(of=subscription(status=status))
    await world.run()
    assert (world.calls(), world.stage(), world.letters(), world.is_quiet()) == (0, Stage.HELD, [], True)


async def test_a_subscription_that_is_gone_or_wants_something_else_is_not_called() -> None:
    gone = World()
    gone.subscriptions.rows.clear()
    await gone.run()
    other = World(of=subscription(dataSourceId="other"))
    await other.run()
    assert (gone.calls(), other.calls(), gone.letters(), other.letters()) == (0, 0, [], [])


async def test_what_waits_for_a_subscription_that_has_ended_is_forgotten() -> None:
    world = World(Answer(503), Answer(202))
    await world.run(until=timedelta(seconds=1))
    assert world.stage() is Stage.WAITING
    world.subscriptions.rows.clear()
    await world.run()
    assert (world.calls(), world.deliveries.rows, world.is_quiet()) == (1, {}, True)


async def test_an_event_goes_to_the_callback_that_was_stored_while_the_old_one_said_that_its_flow_is_gone() -> None:
    world = World(Answer(404))
    new = subscription(url="https://prod-1.logic.azure.com/workflows/new")

    async def subscribe_again() -> None:
        old, version = world.subscriptions.rows["s1"]
        await world.subscriptions.put(new, version, old)

    world.callbacks.during = subscribe_again
    await world.run()
    assert [url for url, _, _ in world.callbacks.requests] == [URL, "https://prod-1.logic.azure.com/workflows/new"]
    assert (world.stage(), world.status(), world.letters()) == (Stage.DELIVERED, "active", [])


async def test_a_repeated_message_is_not_delivered_again() -> None:
    world = World()
    message = world.queue.due()[0]
    await world.run()
    await world.deliver(message)
    await world.deliver(message)
    await world.run()
    assert (world.calls(), world.stage(), world.letters()) == (1, Stage.DELIVERED, [])


@pytest.mark.parametrize("copies", [2, 5])
async def test_repeated_messages_at_once_are_delivered_once(copies: int) -> None:
    world = World()
    message = world.queue.due()[0]
    await asyncio.gather(*(world.deliver(message) for _ in range(copies)))
    world.queue.remove(message)
    await world.run()
    assert (world.calls(), world.stage()) == (1, Stage.DELIVERED)


async def test_a_repeated_message_during_the_retries_changes_nothing() -> None:
    world = World(Answer(503), Answer(503), Answer(202))
    message = world.take()
    await world.deliver(message)
    await world.deliver(message)
    await world.run()
    await world.deliver(message)
    assert (world.called, world.stage(), world.is_quiet()) == ([0, 10, 40], Stage.DELIVERED, True)


async def test_an_event_dispatched_twice_is_delivered_once() -> None:
    world = World(events=[EVENT, EVENT])
    await world.run()
    assert world.calls() == 1


@pytest.mark.parametrize("message", ["", "garbage", "{}", "[]", "e30=", '{"subscriptionId":1}', "{" * 20])
async def test_an_unreadable_message_is_a_dead_letter(message: str) -> None:
    world = World()
    await world.deliver(message)
    (letter,) = world.letters()
    assert (letter.kind, letter.body) == ("message", message)
    assert "deliveries" in letter.reason


async def test_a_message_of_another_version_of_the_bridge_is_left_where_it_is() -> None:
    world = World()
    with pytest.raises(FormatError, match="form 2"):
        await world.deliver(json.dumps({**json.loads(world.take()), "v": 2}))
    assert (world.calls(), world.letters()) == (0, [])


async def test_a_key_that_does_not_fit_is_tried_again_until_it_does() -> None:
    world = World()
    world.cipher.broken = True
    await world.deliver(world.take())
    assert (world.calls(), world.stage()) == (0, Stage.WAITING)
    world.cipher.broken = False
    await world.run()
    assert (world.calls(), world.stage()) == (1, Stage.DELIVERED)


async def test_a_queue_that_fails_leaves_the_message_to_be_run_again() -> None:
    world = World(Answer(503), Answer(202))
    message = world.queue.due()[0]
    world.queue.failures.append(TransientError("busy"))
    with pytest.raises(TransientError):
        await world.deliver(message)
    await world.run()
    assert world.stage() is Stage.DELIVERED


ENDINGS: Sequence[tuple[list[Answer], Stage, str]] = [
    ([Answer(202)], Stage.DELIVERED, "active"),
    ([Answer(503), Answer(202)], Stage.DELIVERED, "active"),
    ([Answer(503)] * 5 + [Answer(202)], Stage.DELIVERED, "active"),
    ([Answer(404)], Stage.HELD, "suspended"),
    ([Answer(400)], Stage.DEAD, "active"),
    ([Answer(401)], Stage.HELD, "suspended"),
    ([Answer(503)], Stage.DEAD, "failing"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("answers", "stage", "status"), ENDINGS)
async def test_death_between_any_two_steps_loses_nothing(
    answers: list[Answer], stage: Stage, status: str, *, after: bool
) -> None:
    steps = World(*answers, max_age=timedelta(seconds=400))
    await steps.run()
    for deadly in range(steps.fate.steps):
        world = World(*answers, max_age=timedelta(seconds=400), deadly=deadly, after=after)
        deaths = await world.run(deaths=(Death,))
        assert deaths == 1
        assert world.calls() <= steps.calls() + 1
        assert {letter.event_id for letter in world.letters()} <= {EVENT.id}
        assert (world.stage(), bool(world.letters())) == (stage, stage is Stage.DEAD)
        assert world.status() == status
        assert world.is_quiet()


async def test_a_letter_that_cannot_be_written_costs_no_second_call() -> None:
    world = World(Answer(400))
    world.graveyard.failures = [TransientError("busy")] * 3
    await world.run(deaths=(TransientError,))
    assert (world.calls(), world.stage(), len(world.letters())) == (1, Stage.DEAD, 1)


@pytest.mark.parametrize("seconds", [[11, 11], [1], [1.5, 3.5], [1.5] * 99])
async def test_a_slow_claim_never_lets_an_attempt_outlast_it(seconds: list[float]) -> None:
    world = World()
    slow = iter(seconds)

    def slowness() -> None:
        world.clock.advance(timedelta(seconds=next(slow, 0)))

    world.deliveries.slowness = slowness

    async def claimed_long_enough() -> None:
        until = world.delivery().claimed_until
        assert until is not None
        assert until - world.clock() > timedelta(seconds=30 + 5)  # what comes of it has to be written, too

    world.callbacks.during = claimed_long_enough
    await world.run()
    assert (world.calls(), world.stage()) == (1, Stage.DELIVERED)


async def test_a_call_that_a_process_died_in_is_made_again_soon_after_its_time_limit() -> None:
    world = World()
    began = world.clock()

    async def die() -> None:
        raise Death

    world.callbacks.during = die
    assert await world.run(deaths=(Death,)) == 1
    assert world.stage() is Stage.DELIVERED
    assert world.clock() - began <= timedelta(seconds=30 + 6)


async def test_a_slow_flow_holds_up_no_other() -> None:
    slow, quick = subscription(id_="slow", url="https://slow/x"), subscription(id_="quick", url="https://quick/x")
    world = World(of=slow)
    world.subscriptions.rows["quick"] = (quick, "v9")
    answer = asyncio.Event()

    async def hang() -> None:
        await answer.wait()

    world.callbacks.during = hang
    hanging = asyncio.create_task(world.deliver(world.take()))
    await asyncio.sleep(0.01)
    world.dispatch(EVENT, "quick")
    await world.deliver(world.take())
    assert [url for url, _, _ in world.callbacks.requests] == ["https://quick/x"]
    answer.set()
    await hanging
    assert world.calls() == 2


class Crowd:
    """Many slow flows, each with a delivery under way; `waiting` are the functions that wait for one."""

    def __init__(self, count: int) -> None:
        self.world = World(events=[])
        self.answer = asyncio.Event()
        for number in range(count):
            slow = subscription(id_=f"slow{number}", url=f"https://slow{number}/x")
            self.world.subscriptions.rows[slow.id] = (slow, "v9")
            self.world.dispatch(EVENT, slow.id)
        self.world.callbacks.during = self._hang
        self.waiting = [asyncio.create_task(self.world.deliver(self.world.take())) for _ in range(count)]

    async def _hang(self) -> None:
        self.world.callbacks.during = self._hang
        await self.answer.wait()

    async def gather(self) -> int:
        """Wait until the flows have shown to be slow; how many functions still wait."""
        await asyncio.sleep(BRISK + 0.2)
        return sum(not task.done() for task in self.waiting)

    async def die(self) -> None:
        mine = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not mine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.world.callbacks.during = None
        self.world.begin()


async def test_however_many_flows_are_slow_few_functions_wait_for_them() -> None:
    crowd = Crowd(30)
    assert await crowd.gather() == PLACES
    assert crowd.world.stages() == [Stage.ATTEMPTING] * 30
    crowd.answer.set()
    await asyncio.gather(*crowd.waiting)
    await asyncio.sleep(0.01)
    assert (crowd.world.calls(), crowd.world.stages()) == (30, [Stage.DELIVERED] * 30)
    assert crowd.world.is_quiet()


async def test_an_attempt_that_goes_on_alone_is_made_again_after_a_death() -> None:
    crowd = Crowd(PLACES + 3)
    await crowd.gather()
    await crowd.die()
    began = crowd.world.clock()
    await crowd.world.run()
    assert crowd.world.stages().count(Stage.DELIVERED) == 3  # the messages of the others come again by themselves
    assert crowd.world.is_quiet()
    assert crowd.world.clock() - began < timedelta(minutes=3)


async def test_an_attempt_that_goes_on_alone_and_fails_over_storage_is_made_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crowd = Crowd(PLACES + 1)
    await crowd.gather()

    def busy() -> None:
        crowd.world.deliveries.slowness = lambda: None
        raise TransientError("busy")

    crowd.world.deliveries.slowness = busy
    crowd.answer.set()
    await asyncio.gather(*crowd.waiting)
    await asyncio.sleep(0.01)
    assert sorted(crowd.world.stages()) == [Stage.ATTEMPTING, *[Stage.DELIVERED] * PLACES]
    await crowd.world.run()
    assert crowd.world.stages() == [Stage.DELIVERED] * (PLACES + 1)
    assert crowd.world.is_quiet()
    assert "busy" in caplog.text


async def test_an_attempt_that_goes_on_alone_and_cannot_be_buried_is_buried_later() -> None:
    crowd = Crowd(PLACES + 1)
    crowd.world.callbacks.answers["https://slow0/x"] = [Answer(400)]
    await crowd.gather()
    crowd.world.graveyard.failures.append(TransientError("busy"))
    crowd.answer.set()
    await asyncio.gather(*crowd.waiting)
    await asyncio.sleep(0.01)
    assert crowd.world.letters() == []
    await crowd.world.run()
    assert [letter.subscription_id for letter in crowd.world.letters()] == ["slow0"]
    assert crowd.world.is_quiet()


async def test_a_look_that_comes_late_does_not_bring_back_a_letter_that_is_gone() -> None:
    world = World(events=[])
    world.callbacks.answers[URL] = [Answer(400)]
    world.dispatch(EVENT)
    await world.run()
    [letter] = world.letters()
    await world.graveyard.remove(letter.id)
    await world.deliver(Look("s1", world.delivery().key).encode())
    assert world.letters() == []
    await world.deliver(Look("s1", world.delivery().key, is_insurance=True).encode())
    assert [each.id for each in world.letters()] == [letter.id]


async def test_what_goes_straight_through_costs_one_read_and_two_writes() -> None:
    world = World()
    await world.run()
    assert (world.subscriptions.reads, world.subscriptions.writes) == (1, 0)
    assert (world.deliveries.reads, world.deliveries.writes) == (0, 2)
    assert (world.queue.sent, world.releases.sent, world.due.rows) == (0, 0, {})
