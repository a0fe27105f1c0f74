"""Poll: histories are read only where something can have been missed, and a bounded number of them at a time."""

from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.resources import Job, Measure, MeasureEvaluation, MeasureOutput, Segment, SegmentEvaluation
from shared.errors import TransientError
from shared.usecases.poll import THRESHOLDS
from shared.usecases.poll_many import DEADLINE, PollFailedError
from tests.usecases.test_poll import World, at, segment
from tests.usecases.world import subscription


def night(world: World, day: int, count: int, *values: int, known: bool = True) -> None:
    """One full refresh a night, of three hours; each evaluates all measures and segments within it, one by one."""
    nights = range(day, max(day - 4, -1), -1)
    runs = [
        Job(f"n{n}", "successful", "all", "scheduled", "full", at(n * 1440), at(n * 1440 + 180), []) for n in nights
    ]
    seen = range(len(values))
    names = [f"M{number}" for number in range(count)]
    ends = {name: [at((day - len(values) + 1 + n) * 1440 + 60 + k / 60) for n in seen] for k, name in enumerate(names)}
    world.insights.show(
        "i1",
        jobs=runs if known else None,
        measures=[
            Measure(
                name,
                None,
                True,  # noqa: FBT003 - it is scalar
                MeasureEvaluation("completed", ends[name][-1]),
                MeasureOutput(ends[name][-1], Decimal(values[-1])),
                [MeasureEvaluation("completed", end) for end in ends[name][:-1]],
                [MeasureOutput(ends[name][n], Decimal(values[n])) for n in seen[:-1]],
            )
            for name in names
        ],
        segments=[
            Segment(name, None, found[-1], found[:-1])
            for name in names
            if (found := [SegmentEvaluation("completedSuccess", ends[name][n], values[n]) for n in seen])
        ],
    )
    world.clock.now = at(day * 1440 + 200)


def watching(count: int) -> World:
    return World(
        rules=[
            subscription(
                id_=f"{kind}{n}",
                slug=f"{kind}-threshold-crossed",
                rule_id=f"{kind}{n}",
                threshold=Decimal(10),
                direction="either",
                **{f"{kind}Name": f"M{n}"},
            )
            for kind in ("segment", "measure")
            for n in range(count)
        ]
    )


async def test_a_nightly_refresh_of_a_thousand_measures_costs_few_calls_and_loses_nothing() -> None:
    world = watching(1_000)
    night(world, 5, 1_000, 5)
    await world.poll(THRESHOLDS)
    for day, value in ((6, 20), (7, 5)):
        night(world, day, 1_000, value)
        world.insights.calls.clear()
        await world.poll(THRESHOLDS)
        assert len(world.insights.calls) <= 10
    assert world.told() == ["Measure.ThresholdCrossed"] * 2_000 + ["Segment.ThresholdCrossed"] * 2_000


@pytest.mark.parametrize("known", [True, False])
async def test_what_rose_and_fell_in_a_gap_is_told_a_bounded_number_of_calls_at_a_time(*, known: bool) -> None:
    world = watching(120)
    night(world, 4, 120, 5)
    await world.poll(THRESHOLDS)
    night(world, 6, 120, 5, 20, 5, known=known)
    polls = 0
    while len(world.told()) < 4 * 120:
        world.insights.calls.clear()
        await world.poll(THRESHOLDS)
        assert len(world.insights.calls) <= 60
        polls += 1
        assert polls <= 3
    world.insights.calls.clear()
    await world.poll(THRESHOLDS)
    assert [call[0] for call in world.insights.calls] == ["instances", "segments", "measures"]
    assert len({event["id"] for event in world.publisher.events}) == 4 * 120


@pytest.mark.parametrize(("day", "most"), [(6, 4), (14, 12), (50, 48)])
async def test_a_history_is_as_long_as_the_gap(day: int, most: int) -> None:
    world = watching(1)
    night(world, 4, 1, 5)
    await world.poll(THRESHOLDS)
    night(world, day, 1, 5, 20, known=False)
    world.insights.calls.clear()
    await world.poll(THRESHOLDS)
    asked = [call[-1] for call in world.insights.calls if call[0] in {"segments", "measures"} and len(call) > 2]
    days = [one for one in asked if isinstance(one, int)]
    assert len(days) == 2
    assert all(day - 4 <= one <= most for one in days)


async def test_histories_are_read_only_for_what_is_watched_and_has_moved() -> None:
    world = World()
    await world.poll(THRESHOLDS)
    await world.poll(THRESHOLDS)
    assert {call[0] for call in world.insights.calls} == {"instances", "segments", "measures"}
    world.show("i1", 1, (5, 20, 5), (5, 20, 5))
    world.insights.calls.clear()
    await world.poll(THRESHOLDS)
    details = [call for call in world.insights.calls if call[0] != "jobs" and len(call) > 2 and call[2] is not None]
    assert [call[:3] for call in details if call[0] == "measures"] == [("measures", "i1", "Sum")]
    assert len([call for call in details if call[0] == "segments"]) == 1
    assert world.told() == ["Measure.ThresholdCrossed", "Segment.ThresholdCrossed"]


async def test_segments_whose_history_does_not_come_hold_up_no_others() -> None:
    world = World()
    await world.poll(THRESHOLDS)
    failed = SegmentEvaluation("completedFailure", at(2), None)
    world.insights.show("i1", jobs=None, segments=[segment("Big", 5, 20, 5), Segment("Other", None, failed)])
    world.insights.failures["segments"] = [None, TransientError("it hangs")]
    with pytest.raises(PollFailedError):
        await world.poll(THRESHOLDS)
    assert world.told() == ["Segment.RefreshFailed"]
    await world.poll(THRESHOLDS)
    assert world.told() == ["Segment.RefreshFailed", "Segment.ThresholdCrossed"]


async def test_what_was_read_of_slow_histories_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    world = watching(50)
    night(world, 4, 50, 5)
    await world.poll(THRESHOLDS)
    night(world, 6, 50, 5, 20, 5, known=False)
    read, began = world.insights.measure, world.clock.now

    async def slow(instance_id: str, name: str, history_days: int | None = None) -> Measure:
        world.clock.advance(timedelta(seconds=3))
        assert world.clock.now - began < DEADLINE
        return await read(instance_id, name, history_days)

    monkeypatch.setattr(world.insights, "measure", slow)
    for _ in range(10):
        began = world.clock.now
        await world.poll(THRESHOLDS)
    assert world.told().count("Measure.ThresholdCrossed") == 100
