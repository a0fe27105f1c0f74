"""Subscriptions on a real table, and on the one that stands in for it elsewhere: what is stored, and what finds it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.adapters.subscription_table import SubscriptionTable
from shared.domain.events.envelope import Event
from shared.domain.events.jobs import SystemRefreshCompleted
from shared.domain.events.measures import MeasureThresholdCrossed
from shared.domain.subscriptions import Standing
from shared.domain.triggers import TRIGGERS
from shared.errors import LostRaceError, TransientError
from tests.adapters.conftest import NOW, Opened, Storage, Stored, made_event
from tests.adapters.subscriptions import FAILED, FULL, MEASURE, SYSTEM, found_by, subscription
from tests.fakes import ClockFake, SubscriptionStoreFake

pytestmark = pytest.mark.asyncio(loop_scope="session")

ODD = ["plain", "a/b", "a#b", "a?b", "a%2Fb", "a b", "a|b", "a!7Cb", "a'b", "a\\b", "Größe-日本", "\t", "..", "a&b=c"]
STATUSES = ["active", "failing", "paused", "suspended"]
# Longer than a key of a table may be, once it is written as one.
LONG = "ä" * 256
SETTLED = timedelta(minutes=16)


@pytest.fixture
def table(stored: Stored) -> SubscriptionTable:
    return stored.store


@pytest.fixture
def memory() -> SubscriptionStoreFake:
    return SubscriptionStoreFake(clock=ClockFake(NOW))


async def test_a_subscription_comes_back_as_written(table: SubscriptionTable) -> None:
    for made in (subscription(), FULL, subscription(SYSTEM, "x")):
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


async def test_those_with_notices_to_see_to_are_found_by_the_storage(table: SubscriptionTable) -> None:
    owes = replace(subscription(name="a"), owed=({"id": "1", "data": {"text": "é"}},))
    fails = replace(subscription(name="b"), status="failing", failing_since=NOW)
    warned = replace(fails, id="c", warned_since=NOW)
    for made in (owes, fails, warned, subscription(name="d")):
        await table.put(made, None)
    for at, expected in ((NOW, [owes]), (NOW + timedelta(days=11), [owes, fails])):
        assert [found async for found in table.noticeable(at)] == expected


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


async def test_rules_are_those_of_one_trigger_and_instance_whatever_their_status(table: SubscriptionTable) -> None:
    for made in (
        subscription(MEASURE, "a"),
        subscription(MEASURE, "b"),
        replace(subscription(MEASURE, "elsewhere"), instance_id="instance2"),
        replace(subscription(MEASURE, "p"), status="paused"),
        subscription(FAILED, "c"),
    ):
        await table.put(made, None)
    assert sorted(rule.id for rule in await table.rules(TRIGGERS[MEASURE], "instance")) == [
        *("rule of a", "rule of b", "rule of p")
    ]
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


@pytest.mark.parametrize("status", STATUSES)
async def test_events_find_it_whatever_its_status(table: SubscriptionTable, status: Any) -> None:  # noqa: ANN401
    made = subscription()
    version = await table.put(made, None)
    stands = replace(made, status=status, status_reason="HTTP 410")
    version = await table.put(stands, version, made)
    assert await found_by(table, made_event("1", instanceId="instance")) == ["s"]
    assert await table.get("s") == (stands, version)


async def test_another_status_is_one_call_to_the_storage(memory: SubscriptionStoreFake) -> None:
    made = subscription()
    version = await memory.put(made, None)
    memory.table.calls.clear()
    await memory.put(replace(made, status="paused", release_at=NOW, label="other"), version, made)
    assert memory.table.calls == ["replace"]


async def test_an_event_reads_no_more_than_those_who_want_it(memory: SubscriptionStoreFake) -> None:
    for number in range(20):
        await memory.put(subscription(name=f"{number}", dataSourceId="web" if number < 3 else "sales"), None)
    memory.table.given = 0
    assert await found_by(memory, made_event("1", instanceId="instance", dataSourceId="web")) == ["0", "1", "2"]
    assert memory.table.given == 3


async def test_other_filters_move_it_to_another_place(table: SubscriptionTable) -> None:
    before, after = subscription(dataSourceId="web"), subscription(dataSourceId="sales")
    await table.put(after, await table.put(before, None), before)
    assert await found_by(table, made_event("1", instanceId="instance", dataSourceId="web")) == []
    assert await found_by(table, made_event("1", instanceId="instance", dataSourceId="sales")) == ["s"]


async def test_a_deleted_one_is_gone_from_everywhere(stored: Stored) -> None:
    made = subscription()
    await stored.store.delete(made, await stored.store.put(made, None))
    assert await stored.store.get("s") is None
    assert await stored.rows() == []


async def test_a_callback_replaced_many_times_leaves_nothing_behind(stored: Stored) -> None:
    made = subscription()
    version = await stored.store.put(made, None)
    for number in range(10):
        changed = replace(made, fingerprint=f"fingerprint {number}")
        version = await stored.store.put(changed, version, made)
        assert await stored.store.id_of(made.fingerprint) is None
        assert await stored.store.id_of(changed.fingerprint) == "s"
        assert len(await stored.rows()) == 3
        made = changed
    await stored.store.delete(made, version)
    assert await stored.rows() == []


async def test_one_of_two_with_the_same_wish_is_found_when_the_other_ends(table: SubscriptionTable) -> None:
    one, other = (replace(subscription(name=name), fingerprint="same") for name in ("a", "b"))
    version = await table.put(one, None)
    await table.put(other, None)
    assert await table.id_of("same") in {"a", "b"}
    await table.delete(one, version)
    assert await table.id_of("same") == "b"


async def test_names_too_long_for_a_key_are_as_good_as_others(stored: Stored) -> None:
    made = replace(subscription(dataSourceId=LONG), instance_id=LONG)
    version = await stored.store.put(made, None)
    assert await stored.store.get("s") == (made, version)
    assert await found_by(stored.store, made_event("1", instanceId=LONG, dataSourceId=LONG)) == ["s"]
    assert await found_by(stored.store, made_event("1", instanceId=LONG, dataSourceId=LONG[:-1] + "ö")) == []
    assert await stored.store.tidy(stored.now + SETTLED) == 0
    await stored.store.delete(made, version)
    assert await stored.rows() == []


async def test_what_cannot_be_written_whole_is_not_shown(memory: SubscriptionStoreFake) -> None:
    for number in range(2):
        memory.table.failures = {"put": [None] * number + [TransientError("busy")]}
        with pytest.raises(TransientError):
            await memory.put(subscription(), None)
        assert [each async for each in memory.all()] == []


async def test_what_cannot_be_cleared_away_is_no_failure(memory: SubscriptionStoreFake) -> None:
    before, after = subscription(dataSourceId="web"), replace(subscription(dataSourceId="sales"), rule_id="other")
    version = await memory.put(before, None)
    memory.table.failures = {"delete": [TransientError("busy"), TransientError("busy")]}
    version = await memory.put(after, version, before)
    memory.table.failures = {"delete": [None, TransientError("busy"), TransientError("busy")]}
    await memory.delete(after, version)
    assert (await memory.get("s"), len(memory.table.rows)) == (None, 4)
    assert await memory.tidy(NOW + SETTLED) == 4
    assert not memory.table.rows


async def test_a_chosen_id_is_found_by_what_was_asked(table: SubscriptionTable) -> None:
    made = subscription()
    version = await table.put(made, None)
    assert await table.id_of(made.fingerprint) == "s"
    await table.delete(made, version)
    assert await table.id_of(made.fingerprint) is None
    derived = replace(subscription(name="f" * 32), fingerprint="f" * 64)
    await table.put(derived, None)
    assert await table.id_of(derived.fingerprint) is None


async def test_all_shows_each_once(table: SubscriptionTable) -> None:
    made = [subscription(name=f"{number:03}") for number in range(40)]
    await asyncio.gather(*(table.put(each, None) for each in made))
    await table.put(subscription(MEASURE, "m"), None)
    shown = [each async for each in table.all()]
    assert sorted(each.id for each in shown) == [*(each.id for each in made), "m"]


async def test_all_can_be_those_of_an_instance_a_trigger_a_status(memory: SubscriptionStoreFake) -> None:
    await assert_filtered(memory)
    memory.table.given = 0
    assert [each async for each in memory.all(status="paused", instance_id="nowhere")] == []
    assert memory.table.given == 0


async def test_all_are_filtered_by_the_storage_itself(table: SubscriptionTable) -> None:
    await assert_filtered(table)


async def assert_filtered(table: SubscriptionTable) -> None:
    made = [
        replace(subscription(slug, f"{slug} {instance} {status}"), instance_id=instance, status=status)
        for slug in (FAILED, MEASURE)
        for instance in ("i1", "i'2")
        for status in STATUSES
    ]
    for each in made:
        await table.put(each, None)
    for instance in (None, "i1", "i'2"):
        for trigger in (None, TRIGGERS[FAILED], TRIGGERS[SYSTEM]):
            for status in (None, "active", "failing"):
                expected = {
                    each.id
                    for each in made
                    if instance in {None, each.instance_id}
                    and trigger in {None, each.trigger}
                    and status in {None, each.status}
                }
                assert {each.id async for each in table.all(instance, trigger, status)} == expected  # type: ignore[arg-type]


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
    storage: Storage, opened: Opened[SubscriptionTable]
) -> None:
    table, made = opened(SubscriptionTable(storage.account)), subscription()
    assert await table.get("s") is None
    assert [each async for each in table.all()] == []
    assert await table.rules(TRIGGERS[MEASURE], "instance") == []
    assert await table.id_of("nothing") is None
    assert await found_by(table, made_event("1")) == []
    assert await table.tidy(NOW) == 0
    assert await storage.names() == set()
    await table.put(made, None)
    assert await storage.names() == {"table subscriptions"}
    await storage.clear()
    await table.check()
    assert await storage.names() == {"table subscriptions"}
