"""A tenant that lives on by itself: every few seconds something plausible happens, for as long as it is watched.

All chance comes from the generator it is given and all time from the clock: the same seed and times make the same life.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from local.tenant.life.day import RUN_TOOK
from local.tenant.life.occurrences import (
    Evaluated,
    Occurrence,
    fully_refreshed,
    measure_evaluated,
    refreshed,
    segment_evaluated,
    stage_ended,
    unified,
)
from local.tenant.life.retailer import GATEWAY_DOWN
from local.tenant.model import EXPIRED, Instance
from local.tenant.records import DataSource, Job
from local.tenant.runs import Plan, run_full_refresh, run_unification

PAUSE_SECONDS = (2.0, 6.0)
_ALONE = "onDemand"  # how an evaluation outside a full refresh was started
_KINDS = ("scheduled", _ALONE)
_FAILURE_CHANCE = 0.3
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened, in a sentence and as data."""

    at: datetime
    sentence: str
    makes: tuple[Occurrence, ...] = ()


@dataclass(slots=True)
class LivelyTenant:
    """An instance with data sources, segments and measures, to which things happen one at a time."""

    instance: Instance
    rng: random.Random
    _latest: datetime | None = field(default=None, init=False)

    def happen(self, at: datetime) -> Happening:
        """Let one thing happen at `at`, or just after the one before where the clock stood still or went back."""
        if self._latest is not None:
            at = max(at, self._latest + RUN_TOOK + timedelta(milliseconds=1))
        self._latest = at
        if all(source.refresh_state != "updateFailed" for source in self.instance.data_sources.values()):
            return self._refresh(at, ok=False)  # whoever tries the bridge finds a failure to start from
        likely = {
            self._refresh: 4,
            self._begin_or_end_refresh: 2,
            self._count_members: 4,
            self._measure: 4,
            self._unify: 1,
            self._refresh_everything: 1,
        }
        return self.rng.choices(list(likely), list(likely.values()))[0](at)

    def _refresh(self, at: datetime, *, ok: bool | None = None) -> Happening:
        idle = [source for source in self.instance.data_sources.values() if source.refresh_state != "updating"]
        if not idle:
            return self._begin_or_end_refresh(at)
        source, ok = self.rng.choice(idle), self._well() if ok is None else ok
        error = self.rng.choice((EXPIRED, GATEWAY_DOWN))
        kind = self.rng.choice(_KINDS)
        job = self.instance.refresh_data_source(source.id, ok, at, error=error, kind=kind, took=RUN_TOOK)
        return _ending(source, job, at, ok=ok)

    def _begin_or_end_refresh(self, at: datetime) -> Happening:
        """Start a refresh that takes a while, or end the one that was started; there is one at a time."""
        sources = list(self.instance.data_sources.values())
        running = [source for source in sources if source.refresh_state == "updating"]
        if not running:
            source = self.rng.choice(sources)
            self.instance.start_refresh(source.id, at, kind=self.rng.choice(_KINDS))
            return Happening(at, f"A refresh of {source.friendly_name} starts.")
        source, ok = running[0], self._well()
        return _ending(source, self.instance.end_refresh(source.id, ok, at), at, ok=ok)

    def _count_members(self, at: datetime) -> Happening:
        segment = self.rng.choice(list(self.instance.segments.values()))
        previous = self.instance.count(segment.name)
        count = self._drifted_count(previous)
        self.instance.evaluate_segment(segment.name, count, at)
        sentence = f"{segment.friendly_name} goes from {previous:,} to {count:,} members."
        made = segment_evaluated(segment.name, previous, count), stage_ended("segments", "succeeded", _ALONE)
        return Happening(at, sentence, made)

    def _measure(self, at: datetime) -> Happening:
        measure = self.rng.choice([each for each in self.instance.measures.values() if each.scalar])
        previous = self.instance.value(measure.name)
        value = self._drifted_value(previous)
        self.instance.evaluate_measure(measure.name, value, at, took=RUN_TOOK)
        sentence = f"{measure.display_name} goes from {previous:,} to {value:,}."
        made = measure_evaluated(measure.name, previous, value), stage_ended("measures", "succeeded", _ALONE)
        return Happening(at, sentence, made)

    def _unify(self, at: datetime) -> Happening:
        kind = self.rng.choice(_KINDS)
        job = run_unification(self.instance, at, Plan(kind=kind), took=RUN_TOOK)
        made = unified(job.id, "succeeded", kind), stage_ended("unification", "succeeded", kind)
        return Happening(at, "The profiles are unified again.", made)

    def _refresh_everything(self, at: datetime) -> Happening:
        """Run a full refresh; where a refresh is under way, that one ends first, and a full one may come later."""
        if any(source.refresh_state == "updating" for source in self.instance.data_sources.values()):
            return self._begin_or_end_refresh(at)
        counts = {name: self._drifted_count(self.instance.count(name)) for name in self.instance.segments}
        scalars = [name for name, measure in self.instance.measures.items() if measure.scalar]
        values = {name: self._drifted_value(self.instance.value(name)) for name in scalars}
        plan = Plan(kind=self.rng.choice(_KINDS), counts=counts, values=values)
        evaluations = self._evaluations(counts, values)
        job = run_full_refresh(self.instance, at, plan, took=RUN_TOOK)
        made = fully_refreshed(self.instance.data_sources, job.id, "succeeded", plan.kind, evaluations)
        return Happening(at, "A full refresh runs.", made)

    def _evaluations(self, counts: dict[str, int], values: dict[str, Decimal]) -> list[Evaluated]:
        segments = [segment_evaluated(name, self.instance.count(name), count) for name, count in counts.items()]
        measures = [measure_evaluated(name, self.instance.value(name), value) for name, value in values.items()]
        return [*segments, *measures]

    def _well(self) -> bool:
        return self.rng.random() >= _FAILURE_CHANCE

    def _drifted_count(self, count: int) -> int:
        return max(0, count + self.rng.randint(-count // 10 - 1, count // 10 + 1))

    def _drifted_value(self, value: Decimal) -> Decimal:
        """Move by up to a tenth, in exact hundredths."""
        return (value * self.rng.randint(900, 1100) / 1000 + _CENT).quantize(_CENT, ROUND_HALF_UP)


async def live(  # noqa: PLR0913 - what a life needs from outside; the last two have defaults
    instance: Instance,
    rng: random.Random,
    clock: Callable[[], datetime],
    report: Callable[[str], object],
    *,
    pause_seconds: tuple[float, float] = PAUSE_SECONDS,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Let things happen until cancelled, and report each in a sentence."""
    tenant = LivelyTenant(instance, rng)
    while True:
        await sleep(rng.uniform(*pause_seconds))
        report(tenant.happen(clock()).sentence)


def _ending(source: DataSource, job: Job, at: datetime, *, ok: bool) -> Happening:
    made = refreshed(source.id, ok=ok), stage_ended("dataSources", "succeeded" if ok else "failed", job.kind)
    return Happening(at, f"The refresh of {source.friendly_name} {'succeeds' if ok else 'fails'}.", made)
