"""The status: what stands still, told by counts that nobody has to finish."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.checkpoints import Family
from shared.domain.deliveries import Delivery, New
from shared.domain.ids import EVERY_INSTANCE
from shared.domain.letters import DeadLetter, letter_id
from shared.domain.polls import Polled
from shared.usecases.status import MOST, Count, ReadStatus, counted
from tests.fakes import (
    NOON,
    DeadLetterLogFake,
    DeliveryStoreFake,
    PollStoreFake,
    SubscriptionStoreFake,
    TimerStoreFake,
    WaitingFake,
)
from tests.usecases.world import event_of, subscription


class World:
    def __init__(self) -> None:
        self.polls = PollStoreFake()
        self.subscriptions = SubscriptionStoreFake()
        self.deliveries = DeliveryStoreFake()
        self.letters = DeadLetterLogFake()
        self.timers = TimerStoreFake()
        self.queues = {"events": WaitingFake(), "deliveries": WaitingFake()}
        self.status = ReadStatus(
            polls=self.polls,
            subscriptions=self.subscriptions,
            deliveries=self.deliveries,
            letters=self.letters,
            timers=self.timers,
            queues=self.queues,
        )

    async def hold(self, id_: str, count: int, **of: object) -> None:
        row = replace(subscription(id_=id_), **of)  # type: ignore[arg-type]
        self.subscriptions.rows[id_] = row, "v"
        for number in range(count):
            await self.deliveries.put(Delivery.held(New(id_, event_of(number), NOON), NOON))


@given(st.integers(0, 3 * MOST))
def test_a_count_is_exact_or_says_that_there_are_more(number: int) -> None:
    count = counted(number)
    assert count.more == (number > MOST)
    assert count.count == (MOST if count.more else number)


async def test_what_is_held_is_counted_where_something_can_be() -> None:
    world = World()
    await world.hold("paused", 3, status="paused")
    await world.hold("failing", 4, status="failing")
    await world.hold("being let out", 5, release_at=NOON)
    await world.hold("active", 0)
    status = await world.status()
    assert status.held == Count(12)
    assert {name: status.subscriptions[name] for name in ("active", "failing", "paused", "suspended")} == {
        "active": 2,
        "failing": 1,
        "paused": 1,
        "suspended": 0,
    }


async def test_nobody_counts_on_where_there_are_many() -> None:
    world = World()
    for number in range(100):
        await world.hold(f"s{number}", 40, status="suspended")
    read: list[str] = []
    counting = world.deliveries.held

    async def held(subscription_id: str, most: int) -> int:
        read.append(subscription_id)
        return await counting(subscription_id, most)

    world.deliveries.held = held  # type: ignore[method-assign]
    assert (await world.status()).held == Count(MOST, more=True)
    assert len(read) < 100


@pytest.mark.parametrize(("length", "count"), [(0, Count(0)), (1_000, Count(1_000)), (1_001, Count(1_000, more=True))])
async def test_queues_and_dead_letters_are_counted(length: int, count: Count) -> None:
    world = World()
    world.queues["deliveries"].length = length
    for number in range(length):
        id_ = letter_id(NOON, str(number))
        await world.letters.record(DeadLetter(id_, "message", "unreadable", NOON, "{"))
    status = await world.status()
    assert status.queues == {"events": Count(0), "deliveries": count}
    assert status.dead_letters == count


def show(world: World, polled: Polled) -> None:
    world.polls.rows[polled.instance_id, polled.family] = polled


async def test_that_nothing_could_be_listed_is_told_until_something_was_polled() -> None:
    world = World()
    for family in (Family.JOBS, Family.SEGMENTS):
        show(world, Polled("i1", family, NOON))
        show(world, Polled(EVERY_INSTANCE, family, NOON + timedelta(minutes=1)).failed("no access"))
    show(world, Polled("i1", Family.JOBS, NOON + timedelta(minutes=2)))
    told = [(polled.instance_id, polled.family) for polled in (await world.status()).polls]
    assert told == [("*", Family.SEGMENTS), ("i1", Family.JOBS), ("i1", Family.SEGMENTS)]
    show(world, Polled(EVERY_INSTANCE, Family.SEGMENTS, NOON + timedelta(minutes=3)))
    assert {polled.instance_id for polled in (await world.status()).polls} == {"i1"}
