"""Subscriptions on a real table: the row itself, where events find it, and what processes that died leave behind."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from shared.adapters.subscription_table import SubscriptionTable
from shared.domain.events import Event, MeasureThresholdCrossed, SystemRefreshCompleted
from shared.domain.subscriptions import TRIGGERS, Standing, Subscription, routes_of
from shared.errors import LostRaceError
from tests.adapters.conftest import NOW, Opened, Storage, made_event

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAILED, MEASURE, SYSTEM = "data-source-refresh-failed", "measure-threshold-crossed", "system-refresh-completed"
ODD = ["plain", "a/b", "a#b", "a?b", "a%2Fb", "a b", "a|b", "a!7Cb", "a'b", "a\\b", "Größe-日本", "\t", "..", "a&b=c"]


@pytest.fixture
def table(storage: Storage, opened: Opened[SubscriptionTable]) -> SubscriptionTable:
    return opened(SubscriptionTable(storage.account))


def subscription(slug: str = FAILED, name: str = "s", **filters: object) -> Subscription:
    trigger = TRIGGERS[slug]
    needed: dict[str, object] = {"measureName": "Revenue", "threshold": Decimal(1)} if slug == MEASURE else {}
    return Subscription(
        id=name,
        trigger=trigger,
        instance_id="instance",
        filters=trigger.filters.model_validate({**needed, **filters}),
        callback=b"\x00sealed\xff",
        callback_host="prod-1.logic.azure.com",
        fingerprint=f"fingerprint of {name}",
        rule_id=f"rule of {name}",
        created_at=NOW,
        updated_at=NOW,
        label="Größe",
        tokens=("a" * 64, "b" * 64),
    )


async def found_by(table: SubscriptionTable, event: Event) -> list[str]:
    return sorted([found for route in routes_of(event) async for found in table.matching(route)])


async def test_a_subscription_comes_back_as_written(table: SubscriptionTable) -> None:
    for made in (subscription(), subscription(MEASURE, "m", threshold=Decimal("0.1")), subscription(SYSTEM, "x")):
        version = await table.put(made, None)
        assert await table.get(made.id) == (made, version)
    assert await table.get("nobody") is None


async def test_how_each_stands_is_told_without_the_rest(table: SubscriptionTable) -> None:
    waiting = replace(subscription(name="b"), status="failing", release_at=NOW)
    for made in (subscription(name="a"), waiting, replace(subscription(name="c"), status="paused")):
        await table.put(made, None)
    found = [standing async for standing in table.standings()]
    assert found == [Standing("a", "active"), Standing("b", "failing", NOW), Standing("c", "paused")]
    assert [standing.is_open for standing in found] == [True, False, False]


async def test_what_is_not_known_is_left_out(table: SubscriptionTable) -> None:
    made = replace(subscription(), label=None, tokens=())
    version = await table.put(made, None)
    assert await table.get("s") == (made, version)


@pytest.mark.parametrize(
    "number",
    ["0.1", "1000.01", "-0.0000001", "12345678901234567890.123456789", "9007199254740993", "1E+20", "0"],
)
async def test_rules_are_exact_decimals(table: SubscriptionTable, number: str) -> None:
    exact = Decimal(number)
    await table.put(subscription(MEASURE, threshold=exact, rearmMargin=abs(exact), direction="either"), None)
    [rule] = await table.rules(TRIGGERS[MEASURE], "instance")
    assert (rule.id, rule.name, rule.direction) == ("rule of s", "Revenue", "either")
    assert (rule.threshold, rule.rearm_margin) == (exact, abs(exact))


async def test_rules_are_those_of_one_trigger_and_instance_and_active(table: SubscriptionTable) -> None:
    for made in (
        subscription(MEASURE, "a"),
        subscription(MEASURE, "b"),
        replace(subscription(MEASURE, "elsewhere"), instance_id="instance2"),
        replace(subscription(MEASURE, "paused"), status="paused"),
        subscription(FAILED, "c"),
    ):
        await table.put(made, None)
    assert sorted(rule.id for rule in await table.rules(TRIGGERS[MEASURE], "instance")) == ["rule of a", "rule of b"]
    assert await table.rules(TRIGGERS["segment-threshold-crossed"], "instance") == []


async def test_an_id_is_taken_once(table: SubscriptionTable) -> None:
    outcomes = await asyncio.gather(*(table.put(subscription(), None) for _ in range(6)), return_exceptions=True)
    assert len([each for each in outcomes if isinstance(each, str)]) == 1
    assert len([each for each in outcomes if isinstance(each, LostRaceError)]) == 5


async def test_only_the_version_that_was_read_is_replaced_or_deleted(table: SubscriptionTable) -> None:
    made = subscription()
    first = await table.put(made, None)
    await table.put(replace(made, label="new"), first, made)
    with pytest.raises(LostRaceError):
        await table.put(replace(made, label="late"), first, made)
    with pytest.raises(LostRaceError):
        await table.delete(made, first)
    found = await table.get("s")
    assert found is not None
    assert found[0].label == "new"


async def test_events_find_those_who_want_them(table: SubscriptionTable) -> None:
    event = made_event("1", instanceId="instance", dataSourceId="web")
    for made in (
        subscription(name="any"),
        subscription(name="web", dataSourceId="web"),
        subscription(name="sales", dataSourceId="sales"),
        subscription("data-source-refresh-succeeded", "success"),
        replace(subscription(name="elsewhere"), instance_id="instance2"),
    ):
        await table.put(made, None)
    assert await found_by(table, event) == ["any", "web"]


async def test_runs_are_found_by_outcome_and_kind(table: SubscriptionTable) -> None:
    data = {**SystemRefreshCompleted.sample, "instanceId": "instance"}  # failed, scheduled
    event = Event.of(SystemRefreshCompleted.model_validate(data), time=NOW, occurrence=["1"])
    wanted = [{}, {"outcome": "failed"}, {"submissionKind": "scheduled"}]
    wanted.append({"outcome": "failed", "submissionKind": "scheduled"})
    others = [{"outcome": "succeeded"}, {"outcome": "failed", "submissionKind": "onDemand"}]
    for number, filters in enumerate([*wanted, *others]):
        await table.put(subscription(SYSTEM, str(number), **filters), None)
    assert await found_by(table, event) == ["0", "1", "2", "3"]


async def test_a_crossing_finds_its_own_rule(table: SubscriptionTable) -> None:
    for name in ("a", "b"):
        await table.put(subscription(MEASURE, name), None)
    data = {**MeasureThresholdCrossed.sample, "instanceId": "instance", "ruleId": "rule of a"}
    crossed = Event.of(MeasureThresholdCrossed.model_validate(data), time=NOW, occurrence=["1"])
    assert await found_by(table, crossed) == ["a"]


@pytest.mark.parametrize("status", ["paused", "suspended"])
async def test_who_is_not_active_is_not_found_and_comes_back(table: SubscriptionTable, status: str) -> None:
    event = made_event("1", instanceId="instance")
    made = subscription()
    version = await table.put(made, None)
    away = replace(made, status=status, status_reason="HTTP 410")  # type: ignore[arg-type]
    version = await table.put(away, version, made)
    assert await found_by(table, event) == []
    assert await table.get("s") == (away, version)
    await table.put(made, version, away)
    assert await found_by(table, event) == ["s"]


async def test_other_filters_move_it_to_another_place(table: SubscriptionTable) -> None:
    before, after = subscription(dataSourceId="web"), subscription(dataSourceId="sales")
    await table.put(after, await table.put(before, None), before)
    assert await found_by(table, made_event("1", instanceId="instance", dataSourceId="web")) == []
    assert await found_by(table, made_event("1", instanceId="instance", dataSourceId="sales")) == ["s"]


async def test_a_deleted_one_is_gone_from_everywhere(table: SubscriptionTable, storage: Storage) -> None:
    made = subscription()
    await table.delete(made, await table.put(made, None))
    assert await table.get("s") is None
    assert await storage.rows("subscriptions") == []


async def test_a_chosen_id_is_found_by_what_was_asked(table: SubscriptionTable) -> None:
    made = subscription()
    version = await table.put(made, None)
    assert await table.id_of(made.fingerprint) == "s"
    await table.delete(made, version)
    assert await table.id_of(made.fingerprint) is None
    derived = replace(subscription(name="f" * 32), fingerprint="f" * 64)
    await table.put(derived, None)
    assert await table.id_of(derived.fingerprint) is None


async def test_a_row_left_behind_is_pruned(table: SubscriptionTable) -> None:
    event = made_event("1", instanceId="instance", dataSourceId="web")
    await table.put(subscription(name="stays"), None)
    # The process died after the subscription was moved and before its old place was cleared.
    before, after = subscription(dataSourceId="web"), subscription(dataSourceId="sales")
    await table.put(after, await table.put(before, None))
    assert await found_by(table, event) == ["s", "stays"]
    await table.prune("s", event)
    await table.prune("s", event)
    assert await found_by(table, event) == ["stays"]
    assert await table.get("s") is not None


async def test_all_shows_each_once(table: SubscriptionTable) -> None:
    made = [subscription(name=f"{number:03}") for number in range(40)]
    await asyncio.gather(*(table.put(each, None) for each in made))
    await table.put(subscription(MEASURE, "m"), None)
    shown = [each async for each in table.all()]
    assert sorted(each.id for each in shown) == [*(each.id for each in made), "m"]


async def test_odd_ids_and_names_stand_apart(table: SubscriptionTable) -> None:
    for odd in ODD:
        made = replace(subscription(name=odd, dataSourceId=odd), instance_id=odd)
        version = await table.put(made, None)
        assert await table.get(odd) == (made, version)
    for odd in ODD:
        assert await found_by(table, made_event("1", instanceId=odd, dataSourceId=odd)) == [odd]
        assert await table.id_of(f"fingerprint of {odd}") == odd
    assert len([each async for each in table.all()]) == len(ODD)


async def test_a_missing_table_is_empty_and_created_by_the_first_write(
    table: SubscriptionTable, storage: Storage
) -> None:
    made = subscription()
    assert await table.get("s") is None
    assert [each async for each in table.all()] == []
    assert await table.rules(TRIGGERS[MEASURE], "instance") == []
    assert await table.id_of("nothing") is None
    assert await found_by(table, made_event("1")) == []
    await table.prune("s", made_event("1"))
    assert await storage.names() == set()
    await table.put(made, None)
    assert await storage.names() == {"table subscriptions"}
    await storage.clear()
    await table.check()
    assert await storage.names() == {"table subscriptions"}
