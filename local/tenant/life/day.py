"""A tenant's day in twenty seconds, as a script: what happens when, in a sentence, and which occurrences that makes.

Time in the tenant is real time. A step is played at the moment it happens, and all it records lies in the second
before (`RUN_TOOK`): a completion dated hours back would be older than the last poll, and rightly no news. Steps lie
more than that second apart, so that times only ever grow. What a step makes is written down before it is played and
never read off the tenant.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from local.tenant.life import retailer
from local.tenant.life.occurrences import (
    Evaluated,
    Occurrence,
    fully_refreshed,
    measure_evaluated,
    measure_failed,
    refreshed,
    segment_evaluated,
    segment_failed,
    source_overdue,
    stage_ended,
    unified,
)
from local.tenant.life.outage import outage
from local.tenant.model import Instance
from local.tenant.records import MEASURES, Failure
from local.tenant.runs import Plan, run_full_refresh, run_unification
from local.tenant.workflow import derived_id

RUN_TOOK = timedelta(seconds=0.8)
EVENING = "evening"
# The support cases are refreshed by the full refreshes alone, which lie closer together than that: they are overdue
# before the first one, and again so long after the last one.
TOO_OLD = timedelta(seconds=9)
_PACE = 1.1
_SCHEDULED, _ON_DEMAND = "scheduled", "onDemand"
_TOO_LONG = Failure("MeasureQueryTimedOut", "The query of the measure ran too long.", "system")
_BROKEN_SEGMENT = {"name": None, "friendlyName": ["not", "a", "name"], "evaluationStatus": "yesterday"}

type Action = Callable[[datetime], object]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens `offset` seconds into the demo, in a part of the day.

    `action` plays it at the time it is given.
    """

    offset: float
    sentence: str
    action: Action
    makes: tuple[Occurrence, ...] = ()
    part: str = ""


@dataclass(slots=True)
class _Script:
    """The steps written so far, and the values that segments and measures have by then."""

    instance: Instance
    counts: dict[str, int]
    values: dict[str, Decimal]
    part: str = ""
    steps: list[Step] = field(default_factory=list)

    def step(self, sentence: str, action: Action, *makes: Occurrence) -> None:
        offset = round(_PACE * (len(self.steps) + 1), 1)
        self.steps.append(Step(offset, sentence, action, makes, self.part))

    def count(self, name: str, count: int) -> Evaluated:
        previous, self.counts[name] = self.counts[name], count
        return segment_evaluated(name, previous, count)

    def value(self, name: str, value: Decimal) -> Evaluated:
        previous, self.values[name] = self.values[name], value
        return measure_evaluated(name, previous, value)

    def source(self, friendly_name: str) -> str:
        return self.instance.data_source(friendly_name).id

    def job(self, label: str) -> str:
        """An id for a job that has not been submitted yet."""
        return derived_id(self.instance.id, "day", label)


def a_day(tenant: retailer.Contoso) -> list[Step]:
    """Write the day of a Contoso in its starting state; the steps are to be played once, in order."""
    instance = tenant.instance
    scalars = {name: instance.value(name) for name, measure in instance.measures.items() if measure.scalar}
    script = _Script(instance, {name: instance.count(name) for name in instance.segments}, scalars)
    faults = tenant.tenant.faults

    def _outage(script: _Script) -> None:
        for sentence, action, makes in outage(faults):
            script.step(sentence, action, *makes)

    parts = {
        "night": (_night, _full_refresh),
        "morning": (_morning, _healing),
        "day": (_partial_refresh, _trouble, _oddities, _outage),
        EVENING: (_evening,),
    }
    for script.part, written in parts.items():
        for write in written:
            write(script)
    return script.steps


def _night(script: _Script) -> None:
    _overdue(script, "Nobody has refreshed the support cases for hours.")
    _refresh(script, retailer.SALES, "The nightly refresh of the sales data succeeds.")
    _refresh(script, retailer.SHOP, "The web shop's nightly refresh fails: its gateway is down.", ok=False)
    _refresh(script, retailer.SHOP, "Somebody restarts the gateway and repeats the web shop's refresh, which succeeds.")


def _full_refresh(script: _Script) -> None:
    plan = Plan(
        job_id=script.job("full refresh"),
        counts={retailer.GOLD: 10_120},
        values={retailer.REVENUE: Decimal("81200.50")},
    )
    _run_all(
        script, plan, "The scheduled full refresh runs; there are more than 10,000 gold customers for the first time."
    )


def _morning(script: _Script) -> None:
    instance = script.instance
    script.step(
        "Points expire, and the gold customers fall back below 10,000.",
        lambda at: instance.evaluate_segment(retailer.GOLD, 9_870, at),
        script.count(retailer.GOLD, 9_870),
        stage_ended("segments", "succeeded", _ON_DEMAND),
    )

    def rise_and_fall(at: datetime) -> None:
        instance.evaluate_segment(retailer.CHURN, 1_620, at - RUN_TOOK / 2)
        instance.evaluate_segment(retailer.CHURN, 1_210, at)

    script.step(
        "Customers at risk rise above 1,500 and fall back before anybody looks.",
        rise_and_fall,
        script.count(retailer.CHURN, 1_620),
        script.count(retailer.CHURN, 1_210),
        *[stage_ended("segments", "succeeded", _ON_DEMAND)] * 2,
    )
    _measure(script, retailer.REVENUE, Decimal("101250.00"), "Today's revenue passes 100,000.")


def _healing(script: _Script) -> None:
    instance, source = script.instance, script.source(retailer.LOYALTY)
    script.step("A refresh of the loyalty programme starts.", lambda at: instance.start_refresh(source, at))
    script.step(
        "Its first attempt fails; the job goes on, so nobody is alarmed.",
        lambda at: instance.fail_attempt(source, at, error=retailer.GATEWAY_DOWN),
        stage_ended("dataSources", "failed", _SCHEDULED),
    )
    script.step(
        "The second attempt of the same refresh succeeds.",
        lambda at: instance.end_refresh(source, ok=True, at=at),
        refreshed(source, ok=True),
    )


def _partial_refresh(script: _Script) -> None:
    plan = Plan(
        kind=_ON_DEMAND,
        job_id=script.job("partial refresh"),
        failed={(MEASURES, retailer.OPEN_CASES): _TOO_LONG},
        counts={retailer.NEWSLETTER: 50_300},
    )
    _run_all(script, plan, "Somebody runs a full refresh by hand; one measure fails, all else succeeds.")


def _trouble(script: _Script) -> None:
    _refresh(script, retailer.STORES, "The refresh of the stores' tills fails.", ok=False)
    _refresh(script, retailer.STORES, "It is repeated and fails again: a second failure, not the same one.", ok=False)
    instance, source = script.instance, script.source(retailer.SUPPORT)

    def cancel(at: datetime) -> None:
        instance.start_refresh(source, at - RUN_TOOK, kind=_ON_DEMAND)
        instance.cancel_refresh(source, at)

    script.step(
        "Somebody starts a refresh of the support cases and cancels it.",
        cancel,
        stage_ended("dataSources", "canceled", _ON_DEMAND),
    )


def _oddities(script: _Script) -> None:
    instance = script.instance

    def appear(at: datetime) -> None:
        lake = instance.add_data_source("Lakehouse", at, kind="oneLakeShortcut", refreshed=False)
        lake.refresh_state = "paused"
        instance.stray.setdefault("segments", []).append(_BROKEN_SEGMENT)

    script.step(
        "A data source of a kind nobody has heard of appears, and a broken segment; nothing comes of it.", appear
    )
    script.step(
        "The evaluation of the newsletter's segment fails; its last size stands.",
        lambda at: instance.evaluate_segment(retailer.NEWSLETTER, None, at, "CompletedFailure"),
        segment_failed(retailer.NEWSLETTER),
        stage_ended("segments", "failed", _ON_DEMAND),
    )


def _evening(script: _Script) -> None:
    plan = Plan(kind=_ON_DEMAND, job_id=script.job("unification"))
    script.step(
        "Somebody changes a match rule and unifies the profiles again.",
        lambda at: run_unification(script.instance, at, plan, took=RUN_TOOK),
        unified(script.job("unification"), "succeeded", _ON_DEMAND),
        stage_ended("unification", "succeeded", _ON_DEMAND),
    )
    _measure(script, retailer.BASKET, Decimal("29.90"), "A sale begins: the average basket drops below 30.")
    _refresh(script, retailer.STORES, "The stores' tills are back; their refresh succeeds.")
    _overdue(script, "Since the full refresh nobody has refreshed the support cases again.")


def _refresh(script: _Script, friendly_name: str, sentence: str, *, ok: bool = True) -> None:
    source = script.source(friendly_name)
    script.step(
        sentence,
        lambda at: script.instance.refresh_data_source(source, ok, at, error=retailer.GATEWAY_DOWN, took=RUN_TOOK),
        refreshed(source, ok=ok),
        stage_ended("dataSources", "succeeded" if ok else "failed", _SCHEDULED),
    )


def _overdue(script: _Script, sentence: str) -> None:
    """Write that time passes, more than a flow allows; see `TOO_OLD`."""
    script.step(sentence, lambda _: None, source_overdue(script.source(retailer.SUPPORT)))


def _measure(script: _Script, name: str, value: Decimal, sentence: str) -> None:
    script.step(
        sentence,
        lambda at: script.instance.evaluate_measure(name, value, at, took=RUN_TOOK),
        script.value(name, value),
        stage_ended("measures", "succeeded", _ON_DEMAND),
    )


def _run_all(script: _Script, plan: Plan, sentence: str) -> None:
    """Write a full refresh; what it evaluates and `plan` does not name comes to the value it had."""
    failed = {name for operation, name in plan.failed if operation == MEASURES}
    counts = [script.count(name, plan.counts.get(name, count)) for name, count in list(script.counts.items())]
    values = [
        script.value(name, plan.values.get(name, value))
        for name, value in list(script.values.items())
        if name not in failed
    ]
    outcome = "failed" if failed else "succeeded"
    ended: list[Occurrence] = [*counts, *values, *(measure_failed(name) for name in sorted(failed))]
    made = fully_refreshed(script.instance.data_sources, plan.job_id or "", outcome, plan.kind, ended)
    script.step(sentence, lambda at: run_full_refresh(script.instance, at, plan, took=RUN_TOOK), *made)
