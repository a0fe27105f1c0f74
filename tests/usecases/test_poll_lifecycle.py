"""Poll: failures, ages, credentials and combinations of dimensions, by what the API shows and in few calls."""

from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.resources import DataSource, Fault, Job, Measure, MeasureEvaluation, Node, Task
from shared.domain.subscriptions import Subscription
from shared.errors import TransientError
from shared.usecases.poll import REFRESHES, THRESHOLDS
from shared.usecases.poll_many import PollFailedError
from tests.fakes import SubscriptionStoreFake
from tests.usecases.test_poll import World, at, measure
from tests.usecases.world import subscription


def export(number: int, status: str, *, node: bool = True, job: bool = True) -> dict[str, list[object]]:
    end, fault = at(number * 10), None if status == "successful" else Fault("EX7", "It refused.")
    task = Task("export", status, f"t{number}", "Ads", (f"j{number}",), end, fault)
    shown = Node("export", "{E1}", status, "Ads", (f"j{number}",), end, error=fault)
    return {
        "jobs": [Job(f"j{number}", status, "export", None, None, at(number * 10 - 1), end, [task])] if job else [],
        "nodes": [shown] if node else [],
    }


@pytest.mark.parametrize(("node", "job"), [(True, True), (True, False), (False, True)])
async def test_a_failed_export_is_told_once_whoever_tells_of_it(*, node: bool, job: bool) -> None:
    world = World(rules=())
    world.insights.show("i1", **export(1, "successful", node=node, job=job))
    await world.poll(REFRESHES)
    for number, status in ((2, "failed"), (3, "timedOut"), (4, "successful")):
        world.insights.show("i1", **export(number, status, node=node, job=job))
        await world.poll(REFRESHES)
        await world.poll(REFRESHES)
    failed = [event for event in world.publisher.events if event["type"].endswith("Export.RefreshFailed")]
    assert [event["data"]["outcome"] for event in failed] == ["failed", "timedOut"]
    assert {event["data"]["friendlyName"] for event in failed} == {"Ads"}
    assert {event["data"]["error"]["message"] for event in failed} == {"It refused."}


@pytest.mark.parametrize("nodes", [[], None])
async def test_a_known_export_whose_node_does_not_show_is_told_by_its_task(nodes: list[object] | None) -> None:
    world = World(rules=())
    world.insights.show("i1", **export(1, "successful"))
    await world.poll(REFRESHES)
    after = export(2, "failed")
    world.insights.show("i1", jobs=after["jobs"], nodes=nodes)
    await world.poll(REFRESHES)
    world.insights.show("i1", **after)
    await world.poll(REFRESHES)
    failed = [event for event in world.publisher.events if event["type"].endswith("Export.RefreshFailed")]
    assert [event["data"]["exportId"] for event in failed] == ["e1"]


async def test_an_export_whose_job_runs_may_still_heal() -> None:
    world = World(rules=())
    before, after = export(1, "successful"), export(2, "failed")
    world.insights.show("i1", **before)
    await world.poll(REFRESHES)
    (job,) = after["jobs"]
    assert isinstance(job, Job)
    open_job = Job(job.id, "running", "export", None, None, job.submitted_at, None, job.tasks)
    world.insights.show("i1", nodes=after["nodes"], jobs=[open_job, *before["jobs"]])
    await world.poll(REFRESHES)
    assert world.told() == []
    world.insights.show("i1", nodes=after["nodes"], jobs=[job, *before["jobs"]])
    await world.poll(REFRESHES)
    assert world.told() == ["Export.RefreshFailed"]


async def test_nodes_that_cannot_be_read_hold_up_no_job_and_lose_no_export() -> None:
    world = World(rules=())
    before, after = export(1, "successful"), export(2, "failed")
    world.insights.show("i1", **before)
    await world.poll(REFRESHES)
    world.insights.show("i1", nodes=after["nodes"], jobs=[*after["jobs"], *before["jobs"]])
    world.insights.failures["nodes"] = [TransientError("busy")] * 2
    with pytest.raises(PollFailedError):
        await world.poll(REFRESHES)
    assert world.told(stages=True) == ["Stage.RefreshCompleted"]
    await world.poll(REFRESHES)
    assert world.told() == ["Export.RefreshFailed"]


def asking(*states: str | None) -> list[DataSource]:
    return [DataSource(f"d{n}", f"S{n}", None, None, "updated", at(1), state) for n, state in enumerate(states)]


async def test_credentials_are_asked_for_once_per_turn() -> None:
    world = World(rules=())
    polls = [
        ("active", "refreshCredentials"),
        ("refreshCredentials", "refreshCredentials"),
        ("refreshCredentials", None),
        ("active", "refreshCredentials", "refreshCredentials"),
        ("refreshCredentials", "active", "refreshCredentials"),
    ]
    for states in polls:
        world.insights.show("i1", data_sources=asking(*states), nodes=[], jobs=[])
        await world.poll(REFRESHES)
        await world.poll(REFRESHES)
    told = [event for event in world.publisher.events if event["type"].endswith("CredentialsExpired")]
    assert [event["data"]["dataSourceId"] for event in told] == ["d0", "d0"]


async def test_what_an_earlier_release_had_not_looked_at_is_baseline() -> None:
    world = World(rules=())
    state = DataSourcesState(horizon=at(0))
    await world.checkpoints.save("i1", Family.DATA_SOURCES, Checkpoint(state), None)
    world.insights.show("i1", data_sources=asking("refreshCredentials"), nodes=[], jobs=[])
    await world.poll([Family.DATA_SOURCES])
    assert [event for event in world.publisher.events if event["type"].endswith("CredentialsExpired")] == []


async def test_overdue_goes_by_the_tenant_s_clock_and_a_jump_of_ours_tells_nothing() -> None:
    world = World(
        rules=[
            subscription(
                id_="d", slug="data-source-refresh-overdue", rule_id="d", dataSourceId="D1", maxAgeHours=Decimal(2)
            ),
            subscription(id_="s", slug="system-refresh-overdue", rule_id="s", maxAgeHours=Decimal(2)),
        ]
    )
    told = list[tuple[str, str]]()
    for minutes, jump in ((20, 0), (120, 0), (134, 9_999), (134, -9_999), (136, 0), (200, 9_999)):
        world.insights.times["i1"] = at(minutes)
        world.clock.now = at(minutes) + timedelta(minutes=jump)
        await world.poll(REFRESHES)
        told = [(event["type"].rpartition(".")[0][17:], event["time"]) for event in world.publisher.events]
        assert bool(told) is (minutes > 135)
    due = at(15 + 120).isoformat().replace("+00:00", "Z")
    assert told == [("DataSource", due), ("System", due)]
    world.show("i1", 21, (5,), (5,))
    world.insights.times["i1"] = at(216)
    await world.poll(REFRESHES)
    world.insights.times["i1"] = at(336)
    await world.poll(REFRESHES)
    overdue = [event for event in world.publisher.events if event["type"].endswith("Overdue")]
    assert [event["data"]["lastCompletedAt"] for event in overdue][2:] == [
        at(215).isoformat().replace("+00:00", "Z")
    ] * 2


async def test_a_data_source_that_its_node_alone_shows_is_overdue_as_well() -> None:
    rule = subscription(id_="d", slug="data-source-refresh-overdue", dataSourceId="D1", maxAgeHours=Decimal(2))
    world = World(rules=[rule])
    world.insights.show("i1", data_sources=None)
    for minutes in (20, 136):
        world.insights.times["i1"] = at(minutes)
        await world.poll(REFRESHES)
    assert world.told() == ["DataSource.RefreshOverdue"]


def by_country(hour: int, state: str = "completed") -> Measure:
    latest = MeasureEvaluation(state, at(hour * 60))
    return Measure("Sales", "Sales by country", False, latest, dimensions=("Country", "Year"), aggregates=("Total",))  # noqa: FBT003


def rows(**totals: object) -> dict[str, list[dict[str, object]]]:
    return {"Sales": [{"Country": name, "Year": Decimal(2026), "Total": total} for name, total in totals.items()]}


def watching(name: str, country: str, measure: str = "Sales") -> Subscription:
    return subscription(
        id_=name,
        slug="measure-threshold-crossed",
        rule_id=name,
        measureName=measure,
        threshold=Decimal(10),
        dimensions={"Country": country, "Year": Decimal(2026)},
    )


async def test_a_combination_is_read_once_for_each_evaluation_however_many_are_watched() -> None:
    world = World(rules=[watching("a", "DE"), watching("b", "O'Brien"), watching("c", "XX")])
    world.clock.now = at(60 * 99)

    async def poll(measure: Measure, shown: dict[str, list[dict[str, object]]]) -> int:
        world.insights.show("i1", measures=[measure], segments=[], rows=shown)
        world.insights.calls.clear()
        await world.poll(THRESHOLDS)
        return len([call for call in world.insights.calls if call[0] == "rows"])

    assert await poll(by_country(1), rows(DE=Decimal(5), **{"O'Brien": "5.0"})) == 1
    assert await poll(by_country(1), rows(DE=Decimal(99))) == 0
    assert await poll(by_country(2, "running"), rows(DE=Decimal(99))) == 0
    assert world.told() == []
    assert await poll(by_country(3), rows(DE=Decimal(12), **{"O'Brien": "12.5", "XX": Decimal(99)})) == 1
    data = [event["data"] for event in world.publisher.events]
    assert [(one["dimensions"]["Country"], one["previousValue"], one["value"]) for one in data] == [
        ("DE", 5, 12),
        ("O'Brien", 5, 12.5),
    ]
    world.insights.failures["rows"] = [TransientError("busy")]
    with pytest.raises(PollFailedError):
        await poll(by_country(4), rows(DE=Decimal(1)))
    assert await poll(by_country(4), rows(DE=Decimal(1))) == 1
    assert await poll(by_country(5), rows(DE=Decimal(20), XX=Decimal(100))) == 1
    assert [event["data"]["ruleId"] for event in world.publisher.events] == ["a", "b", "a"]
    assert len([call for call in world.insights.calls if call[0] == "measures"]) == 1


async def test_a_table_that_is_ahead_of_its_evaluation_when_another_combination_is_read_hides_no_crossing() -> None:
    world = World(rules=[watching("a", "DE")])
    world.clock.now = at(60 * 99)
    world.insights.show("i1", measures=[by_country(1)], segments=[], rows=rows(DE=Decimal(5)))
    await world.poll(THRESHOLDS)
    world.subscriptions = SubscriptionStoreFake(watching("a", "DE"), watching("b", "FR"))
    world.poll = world.worker()
    world.insights.show("i1", rows=rows(DE=Decimal(12)))
    await world.poll(THRESHOLDS)
    assert world.told() == []
    world.insights.show("i1", measures=[by_country(2)])
    await world.poll(THRESHOLDS)
    assert [(event["data"]["previousValue"], event["data"]["value"]) for event in world.publisher.events] == [(5, 12)]


async def test_the_one_value_of_a_measure_is_none_of_a_combination() -> None:
    world = World(rules=[watching("a", "DE", "Sum")])  # taken when Customer Insights could not be asked
    await world.poll(THRESHOLDS)
    world.insights.show("i1", measures=[measure("Sum", 5, 20)])
    await world.poll(THRESHOLDS)
    assert world.told() == []
