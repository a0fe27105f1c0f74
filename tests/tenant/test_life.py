import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from local.tenant.life import Contoso, Ended, Evaluated, LivelyTenant, Occurrence, a_day, contoso, live
from local.tenant.life.occurrences import (
    MEASURE_FAILED,
    SEGMENT_FAILED,
    SOURCE_OVERDUE,
    STAGE_ENDED,
    SYSTEM_REFRESHED,
    UNIFIED,
)
from local.tenant.model import Instance
from local.tenant.records import ALL, INGESTION, MERGE
from tests.tenant.conftest import NOW

OUTCOMES = {"successful": "succeeded", "failed": "failed"}


def told(instance: Instance, since: datetime) -> Counter[Occurrence]:
    """What the tenant's own feeds tell of the time after `since`, read without the declarations."""
    return Counter([*told_by_jobs(instance, since), *told_by_evaluations(instance, since)])


def told_by_jobs(instance: Instance, since: datetime) -> list[Occurrence]:
    seen: list[Occurrence] = []
    for job in instance.workflow.jobs:
        if job.ended_at is None or job.ended_at <= since or job.status not in OUTCOMES:
            continue
        if job.operation == ALL:
            seen.append(Ended(SYSTEM_REFRESHED, f"jobs/{job.id}", OUTCOMES[job.status], job.kind))
        for task in job.tasks:
            if task.step.operation == MERGE:
                seen.append(Ended(UNIFIED, f"jobs/{job.id}", OUTCOMES[task.status], job.kind))
            if task.step.operation == INGESTION:
                outcome = OUTCOMES[task.status]
                event_type = f"CustomerInsights.DataSource.Refresh{outcome.capitalize()}"
                seen.append(Ended(event_type, f"data-sources/{task.step.identifier}", outcome))
    return seen


def told_by_evaluations(instance: Instance, since: datetime) -> list[Occurrence]:
    segments = {f"segments/{name}": segment.evaluations for name, segment in instance.segments.items()}
    series = {
        name: [(each.at, each.count) for each in past if each.count is not None] for name, past in segments.items()
    }
    for name, measure in instance.measures.items():
        series[f"measures/{name}"] = [
            (each.ended_at, each.values[measure.alias]) for each in measure.evaluations if each.values
        ]
    seen: list[Occurrence] = []
    for subject, points in series.items():
        event_type = f"CustomerInsights.{subject.partition('s/')[0].capitalize()}.ThresholdCrossed"
        for (_, previous), (at, value) in itertools.pairwise(points):
            if at > since:
                seen.append(Evaluated(event_type, subject, Decimal(previous), Decimal(value)))
    return seen


def test_contoso_has_a_past_and_nothing_under_way(world: Contoso) -> None:
    jobs = world.instance.workflow.jobs
    assert Counter(job.operation for job in jobs)[ALL] == 3
    assert {job.status for job in jobs} == {"successful", "failed"}
    assert all(job.ended_at is not None and job.ended_at < NOW for job in jobs)
    assert {source.refresh_state for source in world.instance.data_sources.values()} == {"updated"}
    assert all(len(segment.evaluations) == 4 for segment in world.instance.segments.values())


# What a demo's account checks against the bridge: `told` does not read it off the tenant.
FOR_THE_ACCOUNT = {STAGE_ENDED, SEGMENT_FAILED, MEASURE_FAILED, SOURCE_OVERDUE}


def shown(makes: Iterable[Occurrence]) -> Counter[Occurrence]:
    """Of what is declared, what can be read off the tenant."""
    return Counter(each for each in makes if each.event_type not in FOR_THE_ACCOUNT)


def test_a_day_makes_what_it_declares_step_by_step(world: Contoso) -> None:
    before = NOW
    for step in a_day(world):
        at = NOW + timedelta(seconds=step.offset)
        step.action(at)
        # What the bridge tells of itself stands nowhere in the tenant.
        made = Counter({each: n for each, n in shown(step.makes).items() if ".Bridge." not in each.event_type})
        assert told(world.instance, before) == made, step.sentence
        before = at


def test_a_day_is_short_and_has_something_of_everything(world: Contoso) -> None:
    steps = a_day(world)
    offsets = [step.offset for step in steps]
    assert offsets == sorted(set(offsets))
    assert offsets[-1] < 30
    made = Counter((each.event_type, getattr(each, "outcome", None)) for step in steps for each in step.makes)
    assert made[SYSTEM_REFRESHED, "succeeded"] == made[SYSTEM_REFRESHED, "failed"] == 1
    assert made[UNIFIED, "succeeded"] == 3
    assert made["CustomerInsights.DataSource.RefreshFailed", "failed"] == 3


def test_times_in_a_day_only_grow(world: Contoso) -> None:
    for step in a_day(world):
        step.action(NOW + timedelta(seconds=step.offset))
    for segment in world.instance.segments.values():
        dates = [each.at for each in segment.evaluations]
        assert dates == sorted(set(dates))
    submitted = [job.submitted_at for job in reversed(world.instance.workflow.jobs) if job.submitted_at >= NOW]
    assert submitted == sorted(submitted)


@pytest.mark.parametrize("seed", range(5))
def test_a_random_life_makes_what_it_declares(seed: int) -> None:
    instance = contoso(NOW).instance
    lively = LivelyTenant(instance, random.Random(seed))  # noqa: S311 - a story, not a secret
    happenings = [lively.happen(NOW + timedelta(seconds=3 * number)) for number in range(1, 200)]
    declared = shown(each for happening in happenings for each in happening.makes)
    assert told(instance, NOW) == declared
    assert len({happening.sentence for happening in happenings}) > 50


@pytest.mark.parametrize("seed", range(5))
def test_there_is_always_a_failed_data_source_or_the_next_refresh_fails(seed: int) -> None:
    instance = contoso(NOW).instance
    lively = LivelyTenant(instance, random.Random(seed))  # noqa: S311 - a story, not a secret
    found = []
    for number in range(200):
        lively.happen(NOW + timedelta(seconds=3 * number))
        found.append(any(source.refresh_state == "updateFailed" for source in instance.data_sources.values()))
    assert found[0]
    assert all(now or then for now, then in itertools.pairwise(found))


def test_the_same_seed_makes_the_same_life() -> None:
    lives = [LivelyTenant(contoso(NOW).instance, random.Random(7)) for _ in range(2)]  # noqa: S311 - not a secret
    first, second = ([each.happen(NOW + timedelta(seconds=n)) for n in range(100)] for each in lives)
    assert first == second
    assert lives[0].instance == lives[1].instance


def test_a_clock_that_stands_still_does_not_stop_time() -> None:
    lively = LivelyTenant(contoso(NOW).instance, random.Random(1))  # noqa: S311 - not a secret
    times = [lively.happen(NOW).at for _ in range(5)]
    assert times == sorted(set(times))


async def test_life_goes_on_until_it_is_cancelled() -> None:
    waits: list[float] = []
    sentences: list[str] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 20:
            raise asyncio.CancelledError

    rng = random.Random(3)  # noqa: S311 - not a secret
    with pytest.raises(asyncio.CancelledError):
        await live(contoso(NOW).instance, rng, lambda: NOW, sentences.append, sleep=sleep)
    assert len(sentences) == 20
    assert all(2 <= wait <= 6 for wait in waits)
