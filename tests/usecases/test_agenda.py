"""Agenda: looks that fall due at one time are spread, and none comes early."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.deliveries import EventKey, New
from shared.domain.messages import Look, Release
from shared.usecases.agenda import EVERY, PER_SECOND, SOON, Agenda, Calendar
from tests.fakes import NOON, ClockFake, DueStoreFake, QueueFake
from tests.usecases.world import EVENT

KEY = EventKey(NOON, "e1")
WAITS = st.integers(1, 5).map(lambda tenths: timedelta(seconds=tenths / 10))


def agenda_of(queue: QueueFake[New | Look], clock: ClockFake) -> Agenda:
    return Agenda(deliveries=queue, releases=QueueFake[Release](clock), due=DueStoreFake(), clock=clock)


@given(st.lists(st.tuples(WAITS, st.integers(0, 2)), min_size=1, max_size=400))
def test_no_second_takes_more_than_its_share_and_nothing_comes_early(looks: list[tuple[timedelta, int]]) -> None:
    calendar, now, booked = Calendar(), NOON, []
    for wait, passed in looks:
        now += timedelta(milliseconds=passed)
        at = calendar.book(now + wait, now)
        assert at >= now + wait
        assert (at - now - wait) % timedelta(seconds=1) == timedelta(0)
        booked.append((now + wait, at))
    seconds = Counter(at.replace(microsecond=0) for _, at in booked)
    assert max(seconds.values()) <= PER_SECOND
    for wanted, at in booked:  # no second before it was left free
        between = (at - wanted) // timedelta(seconds=1)
        assert all(
            seconds[(wanted + timedelta(seconds=n)).replace(microsecond=0)] == PER_SECOND for n in range(between)
        )


async def test_a_thousand_looks_at_one_time_take_turns_and_one_alone_comes_when_it_was_asked_for() -> None:
    clock = ClockFake()
    queue = QueueFake[New | Look](clock)
    agenda = agenda_of(queue, clock)
    for number in range(1_000):
        await agenda.look(Look(f"s{number}", KEY), NOON + timedelta(seconds=10))
    at = sorted(at for at, _ in queue.messages)
    assert (at[0], at[-1]) == (NOON + timedelta(seconds=10), NOON + timedelta(seconds=10 + 999 // PER_SECOND))
    assert max(two - one for one, two in pairwise(at)) == timedelta(seconds=1)
    clock.advance(SOON)
    await agenda.look(Look("s", KEY), clock() + timedelta(seconds=10))
    assert max(at for at, _ in queue.messages) == clock() + timedelta(seconds=10)


async def test_further_attempts_wait_for_seconds_in_which_few_deliveries_begin() -> None:
    clock = ClockFake()
    queue = QueueFake[New | Look](clock)
    agenda = agenda_of(queue, clock)
    for number in range(10 * PER_SECOND):
        await agenda.begin(New(f"s{number}", EVENT, NOON), timedelta(seconds=number // PER_SECOND))
    begun = len(queue.messages)
    for wait in (3, 5):
        await agenda.look(Look(f"s{wait}", KEY), NOON + timedelta(seconds=wait))
    assert {at for at, _ in queue.messages[begun:]} == {NOON + timedelta(seconds=10)}


async def test_what_is_asked_for_now_comes_now() -> None:
    clock = ClockFake()
    queue = QueueFake[New | Look](clock)
    agenda = agenda_of(queue, clock)
    for number in range(1_000):
        await agenda.look(Look(f"s{number}", KEY), NOON)
    assert {at for at, _ in queue.messages} == {NOON}


async def test_what_a_process_that_is_behind_puts_in_again_while_it_is_moved_stays() -> None:
    ahead, behind = ClockFake(), ClockFake(NOON - timedelta(minutes=5))
    queue, due, look = QueueFake[New | Look](ahead), DueStoreFake(), Look("s1", KEY)

    def agenda(clock: ClockFake) -> Agenda:
        return Agenda(deliveries=queue, releases=QueueFake[Release](clock), due=due, clock=clock)

    queue.taken = lambda: agenda(behind).look(look, NOON)
    await agenda(behind).look(look, NOON)
    assert (await agenda(ahead).advance(), [what async for _, what, _ in due.until(NOON + EVERY)]) == (1, [look])
    behind.advance(timedelta(minutes=5))
    queue.taken = None
    assert (await agenda(behind).advance(), due.rows, len(queue.messages)) == (1, {}, 2)
