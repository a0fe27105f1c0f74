"""The cadence: what goes on is looked at in every slot, nobody waits for longer than five, and all get their turn."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.domain import cadence
from shared.domain.cadence import EVERY, LONGEST_JOB, QUIET, Ticks, by_instance, due_at, in_turn, is_running
from shared.domain.checkpoints import Family
from shared.domain.polls import Polled
from shared.domain.resources import Instance, Job
from shared.domain.slots import Slot
from shared.schedules import read_schedule

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MINUTELY = read_schedule("0 * * * * *").after
SCHEDULES = st.sampled_from(
    ["0 * * * * *", "*/15 * * * * *", "30 */5 * * * *", "0 0,1,30 * * * *", "0 */20 8-17 * * MON-FRI", "0 0 6 * * *"]
)
REFRESHES, THRESHOLDS = (Family.DATA_SOURCES, Family.JOBS), (Family.SEGMENTS, Family.MEASURES)
ROUNDS = (REFRESHES, THRESHOLDS)
INSTANCES = [Instance(f"i{n}") for n in range(100)]


def due(of: Slot, instances: Sequence[Instance], polls: Iterable[Polled], ticks: Ticks) -> list[Instance]:
    rows = by_instance(polls)
    return cadence.due(of, in_turn(of, instances, rows), rows, ticks)


def rows(instance: Instance, at: datetime, families: tuple[Family, ...] = REFRESHES) -> list[Polled]:
    return [Polled(instance.id, family, at) for family in families]


def slot(at: datetime, families: tuple[Family, ...] = REFRESHES) -> Slot:
    return Slot(families, at, at + MINUTE)


def job(submitted: datetime, status: str = "successful", ended: datetime | None = None, kind: str = "scheduled") -> Job:
    return Job("j", status, "all", kind, "full", submitted, ended)


def run(
    schedule: str, slots: int, *, busy: set[str], families: tuple[Family, ...], jitter: timedelta
) -> dict[str, list[int]]:
    """The slots in which each instance was polled, with a timer that comes a moment early or late."""
    ticks, polled, found = read_schedule(schedule).after, {}, {one.id: [] for one in INSTANCES}  # type: ignore[var-annotated]
    at = NOON
    for number in range(slots):
        at = ticks(at)
        opened = at + jitter
        for instance in due(
            slot(opened, families), INSTANCES, [row for some in polled.values() for row in some], ticks
        ):
            found[instance.id].append(number)
            # It is polled somewhere in the slot.
            when = opened + (ticks(at) - at) / 2
            polled[instance.id] = [
                replace(row, is_running=instance.id in busy) for row in rows(instance, when, families)
            ]
    return found


@given(
    SCHEDULES, st.sets(st.sampled_from([one.id for one in INSTANCES])), st.sampled_from(ROUNDS), st.integers(-900, 900)
)
def test_the_busy_are_polled_in_every_slot_and_all_others_in_every_fifth_at_least(
    schedule: str, busy: set[str], families: tuple[Family, ...], jitter: int
) -> None:
    found = run(schedule, 31, busy=busy, families=families, jitter=timedelta(milliseconds=jitter))
    for instance_id, slots in found.items():
        gaps = {later - earlier for earlier, later in pairwise(slots)}
        assert slots[0] == 0
        assert gaps == {1} if instance_id in busy else max(gaps) <= EVERY
        assert slots[-1] >= 30 - EVERY + 1


def test_idle_instances_take_turns() -> None:
    found = run("0 * * * * *", 60, busy=set(), families=REFRESHES, jitter=timedelta(0))
    load = Counter(number for slots in found.values() for number in slots)
    assert load[0] == len(INSTANCES)
    assert max(load[number] for number in range(1, 60)) < len(INSTANCES) / 2
    assert sum(load[number] for number in range(10, 60)) == len(INSTANCES) * 10


@given(st.lists(st.integers(1, 10_000), min_size=100, max_size=100))
def test_those_come_first_that_were_not_polled_for_longest(ages: list[int]) -> None:
    polls = [row for one, age in zip(INSTANCES, ages, strict=True) for row in rows(one, NOON - age * MINUTE)]
    waits = {one.id: age for one, age in zip(INSTANCES, ages, strict=True)}
    order = [waits[one.id] for one in due(slot(NOON), INSTANCES, polls, MINUTELY)]
    assert order == sorted(order, reverse=True)
    assert Counter(age for age in ages if age >= EVERY) <= Counter(order)
    new = Instance("new")
    assert due(slot(NOON), [*INSTANCES, new], polls, MINUTELY)[0] == new


@given(st.permutations(INSTANCES[:8]), st.sampled_from(["upper", "braces", "as it is"]))
def test_the_order_of_a_list_and_the_spelling_of_ids_say_nothing(listed: list[Instance], spelling: str) -> None:
    spelled = {"upper": "{0!u}", "braces": "{{{0}}}", "as it is": "{0}"}
    respelled = [
        Instance(one.id.upper() if spelling == "upper" else spelled[spelling].format(one.id)) for one in listed
    ]
    polls = [row for n, one in enumerate(INSTANCES[:8]) for row in rows(one, NOON - (n + 1) * MINUTE)]
    expected = [one.id for one in due(slot(NOON), INSTANCES[:8], polls, MINUTELY)]
    assert [one.id.strip("{}").lower() for one in due(slot(NOON), respelled, polls, MINUTELY)] == expected


def is_polled(*polls: Polled, families: tuple[Family, ...] = REFRESHES) -> bool:
    """Whether an instance that was polled just now is polled in the next slot, though it is not its turn."""
    for n in range(EVERY + 1):
        instance = Instance(f"i{n}")
        idle = rows(instance, NOON, families)
        at = NOON + MINUTE
        if not due(slot(at, families), [instance], idle, MINUTELY):
            found = {row.family: row for row in (*idle, *(replace(row, instance_id=instance.id) for row in polls))}
            return bool(due(slot(at, families), [instance], found.values(), MINUTELY))
    raise AssertionError("each is polled")


JOBS = rows(Instance("i0"), NOON)[1]


@pytest.mark.parametrize("families", ROUNDS)
@pytest.mark.parametrize(
    ("row", "polled"),
    [
        (JOBS, False),
        (replace(JOBS, is_running=True), True),
        (replace(JOBS, changed_at=NOON - QUIET + MINUTE), True),
        (replace(JOBS, changed_at=NOON - QUIET), False),
        (replace(JOBS, due_at=NOON + 3 * MINUTE), True),
        (replace(JOBS, due_at=NOON + timedelta(hours=1)), False),
    ],
)
def test_what_goes_on_in_an_instance_counts_for_all_its_families(
    row: Polled, families: tuple[Family, ...], *, polled: bool
) -> None:
    assert is_polled(row, families=families) == polled


@pytest.mark.parametrize(
    ("one", "runs"),
    [
        (job(NOON, "running"), True),
        (job(NOON, "someNewStatus"), True),
        (job(NOON, "running", NOON), False),
        (job(NOON), False),
        (job(NOON - LONGEST_JOB, "running"), False),
        (replace(job(NOON, "running"), submitted_at=None), True),
    ],
)
def test_a_job_runs_until_it_ends_but_not_for_ever(one: Job, *, runs: bool) -> None:
    assert is_running([job(NOON - timedelta(days=2)), one], NOON) == runs


@given(st.integers(0, 60 * 24 * 20), st.integers(0, 60 * 24 * 3))
def test_a_scheduled_job_is_due_at_the_time_of_day_at_which_it_was_submitted(before: int, later: int) -> None:
    submitted, now = NOON - before * MINUTE, NOON + later * MINUTE
    found = due_at([job(submitted)], now)
    assert found is not None
    assert found.timetz() == submitted.timetz()
    assert now - QUIET <= found < now - QUIET + timedelta(days=1)
    assert due_at([job(submitted, kind="onDemand")], now) is None
    assume(submitted < now - QUIET)
    assert found > submitted


def test_a_timer_that_wavers_does_not_shuffle_the_turns() -> None:
    polled: dict[str, Polled] = {one.id: rows(one, NOON - MINUTE)[0] for one in INSTANCES}
    load = []
    for number in range(60):
        opened = NOON + number * MINUTE + timedelta(milliseconds=number * 7919 % 97)
        turn = due(Slot((Family.DATA_SOURCES,), opened, opened + MINUTE), INSTANCES, polled.values(), MINUTELY)
        polled |= {one.id: replace(polled[one.id], last_poll_at=opened) for one in turn}
        load.append(len(turn))
    assert sum(load[10:]) == len(INSTANCES) * 10
