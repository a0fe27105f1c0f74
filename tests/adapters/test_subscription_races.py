"""What becomes of a subscription when others write between any two calls to the storage, or the process dies there."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.subscription_rows import signposts, subscription_key
from shared.domain.subscriptions import Subscription, derived_id
from shared.errors import LostRaceError
from tests.fakes import ClockFake, SubscriptionStoreFake
from tests.tables import key
from tests.usecases.world import subscription

RULES, SOURCES = "segment-threshold-crossed", "data-source-refresh-failed"
SETTLED = timedelta(minutes=16)
FINGERPRINT = "f" * 64
MINE = derived_id(FINGERPRINT)


class Pause:
    def __await__(self) -> Iterator[None]:
        yield


class Turns:
    """Has whoever calls the storage wait for a turn; `seen` is all that each has been told by it."""

    def __init__(self) -> None:
        self.whose: int | None = None
        self.seen: dict[int | None, list[str]] = defaultdict(list)

    async def step[T](self, effect: Callable[[], T]) -> T:
        await Pause()
        try:
            told: object = None
            told = effect()
        except LostRaceError as error:
            told = error
            raise
        finally:
            self.seen[self.whose].append(repr(told))
        return told  # type: ignore[return-value]


class Races:
    """One table, and operations that take turns at it; `chosen`: the subscription's id is a caller's."""

    def __init__(self, slug: str, *, chosen: bool, present: bool) -> None:
        self.clock = ClockFake()
        self.turns = Turns()
        self.store = SubscriptionStoreFake(fate=self.turns, clock=self.clock)  # type: ignore[arg-type]
        self.slug = slug
        self.id = "mine" if chosen else MINE
        self.rules: Counter[int | None] = Counter()
        if present:
            self.store.rows[self.id] = self.wanted("a", "0"), ""
        self.clock.advance(timedelta(hours=1))
        self.running: dict[int, Coroutine[Any, Any, object]] = {}
        self.steps: list[int] = []

    def wanted(self, where: str, callback: str) -> Subscription:
        self.rules[self.turns.whose] += 1
        rule_id = f"rule {self.rules[self.turns.whose]} of {self.turns.whose}"
        filters = {"segmentName": where, "threshold": Decimal(1)} if self.slug == RULES else {"dataSourceId": where}
        return replace(
            subscription(id_=self.id, slug=self.slug, rule_id=rule_id, **filters),
            fingerprint=callback * 64 if self.id == "mine" else FINGERPRINT,
            created_at=self.clock(),
        )

    async def subscribe(self, where: str, callback: str = "0") -> None:
        while True:
            found = await self.store.get(self.id)
            new = self.wanted(where, callback)
            old, version = found or (None, None)
            if old is not None and old.filters == new.filters:
                new = replace(new, rule_id=old.rule_id)
            try:
                await self.store.put(new, version, old)
            except LostRaceError:
                continue
            return

    async def suspend(self) -> None:
        while (found := await self.store.get(self.id)) is not None:
            try:
                await self.store.put(found[0].suspended("gone", self.clock()), found[1], found[0])
            except LostRaceError:
                continue
            return

    async def end(self) -> None:
        while (found := await self.store.get(self.id)) is not None:
            try:
                await self.store.delete(found[0], found[1])
            except LostRaceError:
                continue
            return

    async def sweep(self) -> None:
        await self.store.tidy(self.clock())

    def start(self, names: Sequence[str]) -> None:
        for number, name in enumerate(names):
            what, *arguments = name.split()
            self.running[number] = getattr(self, what)(*arguments)
            self.running[number].send(None)  # up to its first call

    def advance(self, number: int) -> None:
        """Let an operation go on until its next call to the storage, or its end."""
        self.steps.append(number)
        self.turns.whose = number
        try:
            self.running[number].send(None)
        except StopIteration:
            del self.running[number]
        self.turns.whose = None

    def state(self) -> object:
        """All that what follows depends on."""
        told = [(number, tuple(self.turns.seen[number])) for number in range(3)]
        rows = [(at, row.metadata["etag"], repr(row)) for at, row in sorted(self.store.table.rows.items())]
        return tuple(told), tuple(rows), tuple(self.running)

    def check(self) -> None:
        """At any time each subscription that is shown is found; once all has settled, there is nothing else."""
        for shown, _ in self.store.rows.values():
            assert shown.id in finish(found_by(self.store, shown)), f"not found after {self.steps}"
            if shown.has_chosen_id:
                assert finish(self.store.id_of(shown.fingerprint)) == shown.id, f"not found again after {self.steps}"
        settled = self.copy()
        finish(settled.tidy(self.clock() + SETTLED))
        expected = {
            at for each, _ in settled.rows.values() for at in (subscription_key(each.id), *map(key, signposts(each)))
        }
        assert set(settled.table.rows) == expected, f"after {self.steps}"
        assert finish(settled.tidy(self.clock() + SETTLED)) == 0

    def copy(self) -> SubscriptionStoreFake:
        copy = SubscriptionStoreFake(fate=Turns(), clock=self.clock)  # type: ignore[arg-type]
        copy.table.rows.update(self.store.table.rows)
        return copy


def finish[T](running: Coroutine[Any, Any, T]) -> T:
    try:
        while True:
            running.send(None)
    except StopIteration as done:
        return done.value


async def found_by(store: SubscriptionStoreFake, shown: Subscription) -> list[str]:
    return [each async for each in store.matching(shown.route)]


def play_all(begin: Callable[[], Races], names: Sequence[str]) -> int:
    """Play every order of the operations' calls, and check after each call; gives how many states there are.

    An operation that is not gone on with stands for a process that died there. What follows from a state that another
    order has led to is not played again.
    """
    known: set[object] = set()
    open_ends: list[list[int]] = [[]]
    while open_ends:
        races = begin()
        races.start(names)
        for turn in open_ends.pop():
            races.advance(turn)
        while races.running and (state := races.state()) not in known:
            known.add(state)
            races.check()
            first, *others = races.running
            open_ends.extend([*races.steps, other] for other in others)
            races.advance(first)
        races.check()
        for left in races.running.values():
            left.close()
    return len(known)


CHANGES = ["subscribe a", "subscribe b", "subscribe c", "suspend", "end", "sweep"]
PAIRS = [
    *((True, pair) for pair in itertools.combinations_with_replacement(CHANGES, 2)),
    *((False, ("subscribe a", other)) for other in ("subscribe a", "subscribe b", "end", "sweep")),
]


@pytest.mark.parametrize(
    ("present", "pair"), PAIRS, ids=lambda value: " and ".join(value) if isinstance(value, tuple) else ""
)
@pytest.mark.parametrize("slug", [RULES, SOURCES])
def test_two_at_once_leave_it_found_by_its_events_and_once(slug: str, pair: tuple[str, str], *, present: bool) -> None:
    assert play_all(lambda: Races(slug, chosen=False, present=present), pair) > 1


@pytest.mark.parametrize("other", ["subscribe a 0", "subscribe a 2", "subscribe b 0", "suspend", "end", "sweep"])
def test_two_at_once_leave_a_chosen_id_found_by_its_wish(other: str) -> None:
    assert play_all(lambda: Races(SOURCES, chosen=True, present=True), ["subscribe a 1", other]) > 1


@pytest.mark.parametrize("other", ["subscribe a 1", "subscribe a 2", "end", "sweep"])
def test_what_a_death_has_left_is_swept_unless_somebody_wants_it_now(other: str) -> None:
    def begin() -> Races:
        races = Races(SOURCES, chosen=True, present=True)
        races.clock.advance(-timedelta(hours=1))
        for left in signposts(replace(races.store.rows["mine"][0], fingerprint="1" * 64)):
            races.store.table.write(left)
        races.clock.advance(timedelta(hours=1))
        return races

    assert play_all(begin, ["sweep", other]) > 1


@pytest.mark.parametrize("others", [("subscribe a", "end"), ("subscribe b", "end"), ("end", "sweep")])
def test_three_at_once_leave_a_new_one_found_by_its_events(others: tuple[str, str]) -> None:
    # One that has looked, and found none, writes when another's has come and gone.
    assert play_all(lambda: Races(SOURCES, chosen=False, present=False), ["subscribe a", *others]) > 1


@settings(max_examples=300, deadline=None)
@given(
    st.booleans(),
    st.lists(
        st.sampled_from(["subscribe a 0", "subscribe a 1", "subscribe b 0", "suspend", "end", "sweep"]),
        min_size=3,
        max_size=4,
    ),
    st.lists(st.integers(0, 3), min_size=20, max_size=40),
)
def test_any_number_at_once_leave_it_found(present: bool, names: list[str], order: list[int]) -> None:  # noqa: FBT001 - drawn
    races = Races(SOURCES, chosen=True, present=present)
    races.start(names)
    for turn in order:
        if not races.running:
            break
        races.advance(list(races.running)[turn % len(races.running)])
        races.check()
