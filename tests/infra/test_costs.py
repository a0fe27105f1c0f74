"""The costs in docs/operations.md: their inputs are those of code and templates, and their sums are what they say."""

import ast
import json
import operator
import re
from collections.abc import Mapping
from datetime import timedelta

import pytest

from shared.adapters.queues import POLLS
from shared.domain.cadence import EVERY
from shared.domain.callbacks import Answer
from shared.domain.checkpoints import Family
from shared.domain.resources import Job
from shared.domain.slots import SHARD
from shared.settings import DEFAULTS
from shared.telemetry import HELD, INSTANCES_LEFT, POLL_WAIT, SUBSCRIPTIONS
from shared.usecases.edit import Edits
from shared.usecases.observe import STATUSES
from shared.usecases.poll import REFRESHES, THRESHOLDS
from shared.usecases.poll_many import AT_ONCE
from shared.usecases.timers import RARELY
from tests.fakes import (
    NOON,
    CheckpointStoreFake,
    ClockFake,
    InsightsFake,
    PollStoreFake,
    PublisherFake,
    SubscriptionStoreFake,
)
from tests.infra.compiler import PROJECT
from tests.infra.deployment import SITE, STORAGE, Deployment
from tests.infra.test_names import as_azure_gives_them, triggers
from tests.infra.test_watching import minutes
from tests.test_docs import table
from tests.usecases.polling import poll_of
from tests.usecases.world import World, event_of, subscription

PAGE = (PROJECT / "docs" / "operations.md").read_text("utf-8")
ENVIRONMENTS = (1, 10, 1_000)
DAY = timedelta(days=1)
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
INPUTS = ("cost-design", "cost-assumptions", "cost-prices")
COMPUTED = ("cost-quantities", "cost-sums", "cost-looks", "cost-zones")


def number(cell: str) -> float:
    return float(cell.replace(",", ""))


def value(formula: str, known: Mapping[str, float]) -> float:
    """What a formula of numbers, known names, `max` and `min` comes to."""

    def of(node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as figure):
                return figure
            case ast.Name(id=name):
                return known[name]
            case ast.BinOp(left=left, op=op, right=right):
                return OPERATORS[type(op)](of(left), of(right))
            case ast.Call(func=ast.Name(id="max" | "min" as name), args=args):
                return {"max": max, "min": min}[name](map(of, args))
        raise ValueError(ast.unparse(node))

    return of(ast.parse(formula, mode="eval").body)


def inputs() -> dict[str, float]:
    rows = [row for name in INPUTS for row in table(name, PAGE)]
    found = {name: number(cell) for name, cell, _ in rows}
    assert len(found) == len(rows)
    return found


def computed(environments: int) -> dict[str, float]:
    """All inputs, quantities and costs by name, each from those before it."""
    known = {**inputs(), "environments": environments}
    for block in COMPUTED:
        for name, formula, *_ in table(block, PAGE):
            assert name not in known
            known[name] = value(formula, known)
    return known


@pytest.mark.parametrize(("column", "environments"), list(enumerate(ENVIRONMENTS)))
def test_figures_are_what_their_formulas_come_to(column: int, environments: int) -> None:
    known = computed(environments)
    wrong = {}
    for block in COMPUTED:
        for name, _, *cells in table(block, PAGE):
            assert len(cells) == len(ENVIRONMENTS)
            digits = len(cells[column].partition(".")[2])
            if cells[column] != f"{known[name]:,.{digits}f}":
                wrong[name] = (cells[column], known[name])
    assert wrong == {}


def test_every_input_counts() -> None:
    formulas = " ".join(formula for block in COMPUTED for _, formula, *_ in table(block, PAGE))
    assert set(inputs()) - set(re.findall(r"[a-z]\w*", formulas)) == set()


def test_total_is_the_sum_of_all_costs() -> None:
    *costs, (name, formula, *_) = table("cost-sums", PAGE)
    assert name == "total"
    assert formula == " + ".join(cost[0] for cost in costs)


def every_minutes(schedule: str) -> float:
    """The interval of an NCRONTAB expression that fires every minute, every so many, or once an hour."""
    if re.fullmatch(r"\d+ \d+ \* \* \* \*", schedule):
        return 60
    found = re.fullmatch(r"\d+ \*(?:/(\d+))? \* \* \* \*", schedule)
    assert found is not None, schedule
    return float(found[1] or 1)


def test_inputs_are_those_of_code_and_templates(plain: Deployment) -> None:
    given, timers = inputs(), triggers(as_azure_gives_them(plain))
    kinds = {name: trigger["type"] for name, trigger in timers.items()}
    queues = json.loads((PROJECT / "host.json").read_text("utf-8"))["extensions"]["queues"]
    hours, mins, seconds = queues["maxPollingInterval"].split(":")
    interval = timedelta(hours=int(hours), minutes=int(mins), seconds=float(seconds))
    test = plain.properties("Microsoft.Insights/webtests")
    rules = [
        minutes(rule["properties"]["evaluationFrequency"])
        for rule in plain.all("Microsoft.Insights/scheduledQueryRules").values()
    ]
    memory = plain.properties(SITE)["functionAppConfig"]["scaleAndConcurrency"]["instanceMemoryMB"]
    expected = {
        "minutes": 30 * 24 * 60,
        "refresh_minutes": every_minutes(DEFAULTS["POLL_REFRESHES_SCHEDULE"]),
        "threshold_minutes": every_minutes(DEFAULTS["POLL_THRESHOLDS_SCHEDULE"]),
        "observe_minutes": every_minutes(timers["observe"]["schedule"]),
        "advance_minutes": every_minutes(timers["advance"]["schedule"]),
        "purge_minutes": every_minutes(timers["purge_logs"]["schedule"]),
        # What polls have given up is looked at by nobody: the next slot makes up for it.
        "gauges": len(set(plain.all(f"{STORAGE}/queueServices/queues")) - {f"{POLLS}-poison"})
        + len(STATUSES) * len((SUBSCRIPTIONS, HELD))
        + len(Family) * len((POLL_WAIT,))
        + len((INSTANCES_LEFT,)),
        "at_once": AT_ONCE,
        "inline_max": number(DEFAULTS["POLL_INLINE_MAX"]),
        "every": EVERY,
        "shard": SHARD,
        "beat_minutes": RARELY * every_minutes(DEFAULTS["POLL_REFRESHES_SCHEDULE"]),
        "families": len(REFRESHES),
        "polls_per_second": timedelta(seconds=1) / interval,
        "memory_gb": memory / 1024,
        # As Flex Consumption scales: all of HTTP together, each other function alone.
        "scale_groups": len({name if kind != "httpTrigger" else kind for name, kind in kinds.items()}),
        "health_places": len(test["Locations"]),
        "health_minutes": test["Frequency"] / 60,
        "alerts_5_minutes": rules.count(5),
        "alerts_15_minutes": rules.count(15),
        "alerts_on_metrics": len(plain.all("Microsoft.Insights/metricAlerts")),
    }
    assert rules.count(5) + rules.count(15) == len(rules)
    assert len(REFRESHES) == len(THRESHOLDS)
    design = {name for name, *_ in table("cost-design", PAGE)}
    assert {name: given[name] for name in design - {"refresh_calls", "threshold_calls"}} == expected


async def test_a_poll_makes_as_many_calls_as_the_page_says() -> None:
    given, insights = inputs(), InsightsFake()
    ended = Job("j1", "successful", "ingestion", "onDemand", None, NOON - DAY, NOON - DAY, [])
    for environment in ("i1", "i2"):
        insights.show(environment, data_sources=[], nodes=[], jobs=[ended], segments=[], measures=[])
    subscriptions = SubscriptionStoreFake()
    poll = poll_of(
        insights=insights,
        checkpoints=CheckpointStoreFake(),
        subscriptions=subscriptions,
        publisher=PublisherFake(),
        polls=PollStoreFake(),
        clock=ClockFake(),
    )
    for families, name in ((REFRESHES, "refresh_calls"), (THRESHOLDS, "threshold_calls")):
        await poll(families)
        insights.calls.clear()
        before = subscriptions.reads
        await poll(families)
        assert len(insights.calls) == 1 + 2 * given[name]
        assert subscriptions.reads - before == 2 * given["families"]


def counted(world: World) -> list[int]:
    """What the storage has had to do."""
    store, records = world.subscriptions, world.deliveries
    return [store.reads, store.writes, records.reads, records.writes, world.queue.sent + world.releases.sent]


async def test_the_storage_has_to_do_as_much_for_a_delivery_as_the_page_says() -> None:
    rows = {name: [int(cell) for cell in cells] for name, *cells in table("storage-operations", PAGE)}
    found, hundred = {}, [event_of(number) for number in range(100)]
    for name, answers in (
        ("straight through", [Answer(202)]),
        ("tried again once, within two minutes", [Answer(500), Answer(202)]),
    ):
        world = World(*answers)
        await world.run()
        *others, sent = counted(world)
        found[name] = [*others, 1 + sent]  # the world's dispatch is not counted
    world = World(Answer(202), of=subscription(status="paused"), events=hundred)
    await world.run()
    *others, sent = counted(world)
    found["held, while their subscription is not active"] = [each // len(hundred) for each in (*others, sent + 100)]
    before = counted(world)
    await world.edit("s1", Edits(status="active"))
    await world.run()
    found["let out, a hundred at a time"] = [now - then for now, then in zip(counted(world), before, strict=True)]
    assert found == rows
