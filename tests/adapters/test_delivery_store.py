"""The store of deliveries, as a table and as the tests' fake: both do the same."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.delivery_table import DeliveryTable
from shared.domain.callbacks import Answer
from shared.domain.deliveries import Delivery, EventKey, Line, Stage
from shared.domain.logs import ALWAYS, Between
from shared.domain.pages import Slice
from shared.errors import InvalidInputError, LostRaceError
from shared.ports.deliveries import DeliveryStore
from tests.adapters.conftest import NOW, ODD_IDS, Opened, Storage, made_event, made_new
from tests.fakes import ClockFake, DeliveryStoreFake

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATER = NOW + timedelta(seconds=40)


@pytest.fixture(params=["fake", "table"])
def store(request: pytest.FixtureRequest) -> DeliveryStore:
    if request.param == "fake":
        return DeliveryStoreFake()
    storage: Storage = request.getfixturevalue("storage")
    opened: Opened[Any] = request.getfixturevalue("opened")
    table: DeliveryTable = opened(DeliveryTable(storage.account, ClockFake(NOW)))
    return table


def held(number: int = 0, line: Line = Line.HELD, of: str = "s") -> Delivery:
    return Delivery.held(made_new(number, of), NOW, line)


def attempted(number: int = 0) -> Delivery:
    return Delivery.attempted(made_new(number), NOW, LATER)


def delivered(number: int = 0) -> Delivery:
    return attempted(number).end_attempt(Answer(202, run_id="08584"), LATER).succeed()


type Move = Callable[[Delivery], Delivery]


def attempt(it: Delivery) -> Delivery:
    return it.attempt(LATER, LATER + timedelta(seconds=40), is_let_out=True)


def by_hand(it: Delivery) -> Delivery:
    return it.attempt(LATER, LATER + timedelta(seconds=40), by_hand="request")


def failed(it: Delivery) -> Delivery:
    return it.end_attempt(Answer(503), LATER)


def hold(it: Delivery) -> Delivery:
    return it.hold(LATER, "off")


def succeed(it: Delivery) -> Delivery:
    return it.end_attempt(Answer(202, run_id="08584"), LATER).succeed()


def retry(it: Delivery) -> Delivery:
    return failed(it).retry(LATER + timedelta(minutes=1), None)


def retry_in_line(it: Delivery) -> Delivery:
    return failed(it).retry(LATER + timedelta(minutes=1), it.line)


def give_up(it: Delivery) -> Delivery:
    return it.give_up(LATER, "too old")


def give_up_in_line(it: Delivery) -> Delivery:
    return replace(it.give_up(LATER, "too old"), line=it.line)


def leave(it: Delivery) -> Delivery:
    return replace(it, line=None)


def replay(it: Delivery) -> Delivery:
    return it.replay(LATER, NOW)


def put_back(it: Delivery) -> Delivery:
    return failed(it).put_back()


WALKS: Mapping[str, tuple[Delivery, Sequence[Move]]] = {
    "straight through": (attempted(), [succeed]),
    "after a while": (attempted(), [retry, attempt, retry, attempt, succeed]),
    "held and let out": (held(), [attempt, succeed]),
    "held after an attempt": (attempted(), [failed, hold, attempt, succeed]),
    "a probe": (held(), [attempt, retry_in_line, attempt, retry_in_line, attempt, succeed]),
    "a probe that is put back": (held(), [attempt, retry_in_line, hold, attempt, failed, hold]),
    "given up while it is held": (held(), [give_up_in_line, leave]),
    "given up while it waits": (attempted(), [retry, give_up]),
    "replayed": (delivered(), [replay, attempt, retry_in_line, attempt, succeed]),
    "replayed while it stands in line": (held(), [give_up_in_line, replay, attempt, succeed]),
    "sent by hand while it is held": (held(), [by_hand, failed, hold]),
    "sent by hand in vain": (delivered(), [by_hand, put_back]),
}


@pytest.mark.parametrize(("first", "moves"), WALKS.values(), ids=WALKS)
async def test_a_delivery_stands_in_its_line_wherever_it_goes(
    store: DeliveryStore, first: Delivery, moves: Sequence[Move]
) -> None:
    stages, version, was = [first], None, None
    for move in moves:
        stages.append(move(stages[-1]))
    for delivery in stages:
        version = await store.put(delivery, version, was)
        was = delivery
        assert await store.get("s", delivery.key) == (delivery, version)
        assert await store.line("s", 10) == ([delivery.key] if delivery.line is not None else [])
        if delivery.stage not in {Stage.ATTEMPTING, Stage.DEAD}:
            assert await store.held("s", 10) == (delivery.stage is Stage.HELD)


async def test_there_is_nothing_before_the_first(store: DeliveryStore) -> None:
    assert await store.get("s", held().key) is None
    assert await store.line("s", 10) == []
    assert await store.held("s", 10) == 0
    assert (await store.page("s", Slice())).items == []
    await store.drop("s", NOW + timedelta(days=1))


async def test_the_backlog_is_the_held_before_the_replayed_and_each_by_the_events_times(store: DeliveryStore) -> None:
    times = [datetime(1, 1, 1, tzinfo=UTC), datetime(1600, 2, 29, tzinfo=UTC), NOW - timedelta(microseconds=1), NOW]
    times += [NOW + timedelta(days=400), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)]
    news = [made_new(number, at=at) for number, at in enumerate([*times, *times])]
    waiting = [
        Delivery.held(new, NOW, line) for new, line in zip(news, [Line.HELD] * 6 + [Line.REPLAYED] * 6, strict=True)
    ]
    for delivery in reversed(waiting):
        await store.put(delivery)
    assert await store.line("s", 100) == [delivery.key for delivery in waiting]
    assert await store.line("s", 3) == [delivery.key for delivery in waiting[:3]]
    assert await store.held("s", 100) == 12
    assert await store.held("s", 5) == 5


async def test_those_of_one_time_go_by_their_ids(store: DeliveryStore) -> None:
    waiting = [Delivery.held(made_new(number, at=NOW), NOW) for number in range(12)]
    for delivery in waiting:
        await store.put(delivery)
    assert await store.line("s", 100) == sorted(delivery.key for delivery in waiting)


async def test_each_subscription_has_its_own(store: DeliveryStore) -> None:
    for odd in ODD_IDS:
        await store.put(held(of=odd))
    for odd in ODD_IDS:
        found = await store.get(odd, held().key)
        assert found is not None
        assert found[0].subscription_id == odd
        assert await store.line(odd, 10) == [held().key]
        assert [each.subscription_id for each in (await store.page(odd, Slice())).items] == [odd]
    await store.drop(ODD_IDS[0], NOW + timedelta(days=1))
    assert [len(await store.line(odd, 10)) for odd in ODD_IDS] == [0] + [1] * (len(ODD_IDS) - 1)


@pytest.mark.parametrize("first", [attempted(), held()], ids=["in no line", "in a line"])
async def test_one_of_many_begins_a_delivery(store: DeliveryStore, first: Delivery) -> None:
    outcomes = await asyncio.gather(*(store.put(first) for _ in range(8)), return_exceptions=True)
    assert len([each for each in outcomes if isinstance(each, str)]) == 1
    assert len([each for each in outcomes if isinstance(each, LostRaceError)]) == 7


@pytest.mark.parametrize(
    "moves",
    [[retry], [failed, hold], [replay], [by_hand]],
)
async def test_a_version_is_replaced_once(store: DeliveryStore, moves: Sequence[Move]) -> None:
    first = attempted() if moves[0] in {retry, failed} else delivered()
    version = await store.put(first)
    stands = first
    for move in moves:
        stands = move(stands)
    newer = await store.put(stands, version, first)
    line = await store.line("s", 10)
    for late in (hold(attempt(first)), give_up(hold(attempt(first))), succeed(attempt(first))):
        with pytest.raises(LostRaceError):
            await store.put(late, version, first)
    assert await store.get("s", first.key) == (stands, newer)
    assert await store.line("s", 10) == line


async def test_what_is_removed_is_gone_from_its_line(store: DeliveryStore) -> None:
    for delivery in (held(1), held(2, Line.REPLAYED), attempted(3)):
        version = await store.put(delivery)
        await store.remove(delivery, version)
        assert await store.get("s", delivery.key) is None
        with pytest.raises(LostRaceError):
            await store.remove(delivery, version)
    assert await store.line("s", 10) == []


async def test_what_has_changed_is_not_removed(store: DeliveryStore) -> None:
    first = held()
    version = await store.put(first)
    newer = await store.put(attempt(first), version, first)
    with pytest.raises(LostRaceError):
        await store.remove(first, version)
    assert await store.get("s", first.key) == (attempt(first), newer)
    assert await store.line("s", 10) == [first.key]


async def test_a_backlog_is_dropped_and_nothing_else(store: DeliveryStore) -> None:
    for number in range(60):
        await store.put(held(number, Line.REPLAYED if number % 3 else Line.HELD))
    others = [attempted(100), delivered(101), retry(attempted(102))]
    for delivery in others:
        await store.put(delivery)
    await store.drop("s", NOW + timedelta(days=1))
    assert await store.line("s", 100) == []
    assert await store.held("s", 100) == 0
    assert (await store.page("s", Slice(100))).items == others[::-1]


async def all_of(store: DeliveryStore, limit: int, **wanted: Any) -> list[EventKey]:  # noqa: ANN401 - as `page` takes
    keys: list[EventKey] = []
    part = Slice(limit)
    while True:
        page = await store.page("s", part, **wanted)
        assert len(page.items) == limit or (page.cursor is None and len(page.items) < limit)
        keys += [delivery.key for delivery in page.items]
        if page.cursor is None:
            return keys
        part = Slice(limit, page.cursor)


@pytest.mark.parametrize("limit", [1, 4, 12, 13, 500])
async def test_pages_are_the_whole_list_the_newest_events_first(store: DeliveryStore, limit: int) -> None:
    made = [delivered(number) if number % 3 else held(number) for number in range(12)]
    for delivery in made:
        await store.put(delivery)
    newest_first = [delivery.key for delivery in reversed(made)]
    assert await all_of(store, limit) == newest_first
    held_ones = [key for number, key in enumerate(newest_first) if (11 - number) % 3 == 0]
    assert await all_of(store, limit, stage=Stage.HELD) == held_ones
    assert await all_of(store, limit, stage=Stage.DEAD) == []


@pytest.mark.parametrize(
    ("between", "numbers"),
    [
        (ALWAYS, [3, 2, 1, 0]),
        (Between(since=made_event("1").time), [3, 2, 1, 0]),
        (Between(since=NOW + timedelta(minutes=1)), [3, 2, 1]),
        (Between(since=NOW + timedelta(minutes=1, microseconds=1)), [3, 2]),
        (Between(until=NOW + timedelta(minutes=2)), [1, 0]),
        (Between(until=NOW + timedelta(minutes=2, microseconds=1)), [2, 1, 0]),
        (Between(NOW + timedelta(minutes=1), NOW + timedelta(minutes=3)), [2, 1]),
        (Between(NOW + timedelta(minutes=1), NOW + timedelta(minutes=1)), []),
        (Between(NOW + timedelta(minutes=3), NOW), []),
        (Between(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)), [3, 2, 1, 0]),
    ],
)
async def test_a_time_is_about_the_events_and_holds_its_beginning(
    store: DeliveryStore, between: Between, numbers: Sequence[int]
) -> None:
    for number in range(4):
        await store.put(delivered(number))
    assert await all_of(store, 3, between=between) == [delivered(number).key for number in numbers]


async def test_what_comes_and_goes_between_two_pages_moves_nothing(store: DeliveryStore) -> None:
    versions = [await store.put(delivered(number)) for number in range(5)]
    first = await store.page("s", Slice(2))
    await store.remove(delivered(3), versions[3])  # the last that was given
    await store.put(delivered(9))
    rest = await store.page("s", Slice(10, first.cursor))
    assert [each.key for each in rest.items] == [delivered(number).key for number in (2, 1, 0)]
    assert rest.cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "x" * 5_000, "eyJhIjoxfQ=="])
async def test_a_cursor_that_is_none_is_said_to_be(store: DeliveryStore, cursor: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await store.page("s", Slice(2, cursor))
    assert list(refused.value.fields) == ["cursor"]
