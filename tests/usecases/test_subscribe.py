"""Subscribe and unsubscribe: the same wish finds its subscription again; a capability ends its own and no other."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.deliveries import New
from shared.domain.events.data_sources import DataSourceFilters
from shared.domain.messages import Look, Release
from shared.domain.resources import DataSource, Measure, Segment
from shared.domain.rules import Rule
from shared.domain.triggers import TRIGGERS
from shared.domain.wishes import Wish
from shared.errors import (
    AccessError,
    ConflictError,
    InvalidInputError,
    TransientError,
)
from shared.usecases.agenda import Agenda
from shared.usecases.backlog import Backlog
from shared.usecases.bury import Bury
from shared.usecases.notify import Notify
from shared.usecases.publish import Publish
from shared.usecases.served import Served
from shared.usecases.subscribe import Subscribe, Subscribed, Unsubscribe
from tests.fakes import (
    CallbacksFake,
    CipherFake,
    ClockFake,
    DeadLetterLogFake,
    DeliveryStoreFake,
    DueStoreFake,
    Fate,
    InsightsFake,
    PublisherFake,
    QueueFake,
    SubscriptionStoreFake,
)

URL = "https://prod-1.logic.azure.com/workflows/x?sig=S3CRET"
SOURCE, SEGMENT, MEASURE = "data-source-refresh-failed", "segment-threshold-crossed", "measure-threshold-crossed"


def wish(slug: str = SOURCE, url: str = URL, instance: str = "i1", label: str | None = None, **filters: Any) -> Wish:  # noqa: ANN401 - any filter
    trigger = TRIGGERS[slug]
    return Wish(trigger, instance, trigger.filters.model_validate(filters), url, label)


def big(threshold: str | int = 10, **more: Any) -> Wish:  # noqa: ANN401 - any filter
    return wish(SEGMENT, segmentName="Big", threshold=Decimal(threshold), **more)


class World:
    def __init__(self, *instances: str) -> None:
        self.clock = ClockFake()
        self.fate = Fate()
        self.store = SubscriptionStoreFake(fate=self.fate)
        self.deliveries = DeliveryStoreFake(self.fate)
        self.releases = QueueFake[Release](self.clock)
        self.insights = InsightsFake()
        self.callbacks = CallbacksFake()
        self.cipher = CipherFake()
        self.insights.show(
            "i1", data_sources=[DataSource("D1")], segments=[Segment("Big")], measures=[Measure("Sum", scalar=True)]
        )
        agenda = Agenda(
            deliveries=QueueFake[New | Look](self.clock),
            releases=self.releases,
            due=DueStoreFake(),
            clock=self.clock,
        )
        bury = Bury(letters=DeadLetterLogFake(), clock=self.clock)
        publish = Publish(publisher=PublisherFake(), bury=bury, clock=self.clock)
        notify = Notify(subscriptions=self.store, publish=publish, bury=bury, clock=self.clock)
        self.subscribe = Subscribe(
            subscriptions=self.store,
            insights=self.insights,
            callbacks=self.callbacks,
            cipher=self.cipher,
            backlog=Backlog(subscriptions=self.store, deliveries=self.deliveries, agenda=agenda, clock=self.clock),
            notify=notify,
            clock=self.clock,
            served=Served(instances),
        )
        self.unsubscribe = Unsubscribe(
            subscriptions=self.store, deliveries=self.deliveries, notify=notify, clock=self.clock
        )

    def ids(self) -> set[str]:
        return set(self.store.rows)


async def refused(world: World, asked: Wish) -> set[str]:
    with pytest.raises(InvalidInputError) as error:
        await world.subscribe(asked)
    assert world.ids() == set()
    return set(error.value.fields)


async def test_a_wish_becomes_a_subscription_that_keeps_its_callback_byte_for_byte() -> None:
    world = World()
    taken = await world.subscribe(big(label="Ours"))
    kept = taken.subscription
    assert taken.created
    assert world.cipher.open(kept.callback, context=kept.id) == URL
    assert (kept.status, kept.label, kept.callback_host) == ("active", "Ours", "prod-1.logic.azure.com")
    assert "S3CRET" not in repr(taken)
    assert taken.token not in repr(taken)


async def test_the_same_wish_finds_its_subscription_again() -> None:
    world = World()
    taken = [await world.subscribe(big()), await world.subscribe(big())]
    assert [t.created for t in taken] == [True, False]
    assert len({t.subscription.id for t in taken}) == len({t.subscription.rule_id for t in taken}) == 1


async def test_a_capability_that_is_not_the_latest_leaves_everything_as_it_was() -> None:
    world = World()
    earlier, latest = await world.subscribe(big(label="Ours")), await world.subscribe(big(label="Ours"))
    await world.unsubscribe.by_token(earlier.token)
    ((kept, _),) = world.store.rows.values()
    assert replace(kept, tokens=()) == replace(latest.subscription, tokens=())


ENDING = {"end the first": 0, "end the second": 1, "end the latest": -1}


@settings(max_examples=300)
@given(st.lists(st.just("ask") | st.sampled_from(list(ENDING)), max_size=12))
def test_a_capability_ends_its_own_registration_and_those_before_it(steps: list[str]) -> None:
    async def run() -> None:
        world = World()
        tokens: list[str] = []
        registered: list[str] = []
        for step in steps:
            if step == "ask":
                taken = await world.subscribe(wish())
                assert taken.created is not bool(registered)
                tokens.append(taken.token)
                registered.append(taken.token)
            elif tokens:
                token = tokens[min(ENDING[step], len(tokens) - 1)]
                await world.unsubscribe.by_token(token)
                if token in registered:
                    del registered[: registered.index(token) + 1]
            assert len(world.ids()) == bool(registered)

    asyncio.run(run())


async def test_who_put_it_under_an_id_since_keeps_it_until_the_id_is_ended() -> None:
    world = World()
    await world.subscribe(wish(), "mine")
    taken = await world.subscribe(wish())
    await world.subscribe(wish(url=URL + "x"), "mine")
    await world.unsubscribe.by_token(taken.token)
    assert world.ids() == {"mine"}
    await world.unsubscribe.by_id(TRIGGERS[SOURCE], "mine")
    assert world.ids() == set()


async def test_the_same_wish_under_a_chosen_id_is_found_without_it() -> None:
    world = World()
    await world.subscribe(big(), "mine")
    again = await world.subscribe(big())
    assert (again.subscription.id, again.created, world.ids()) == ("mine", False, {"mine"})


@pytest.mark.parametrize("other", [big(11), big(direction="below"), big(url=URL + "x"), big(rearmMargin=Decimal(1))])
async def test_another_wish_is_another_subscription(other: Wish) -> None:
    world = World()
    await world.subscribe(big())
    assert (await world.subscribe(other)).created
    assert len(world.ids()) == 2


async def test_replacing_by_id_takes_a_new_rule_only_for_another_wish() -> None:
    world = World()
    first = (await world.subscribe(big(), "mine")).subscription
    same = (await world.subscribe(big(url=URL + "x"), "mine")).subscription
    changed = await world.subscribe(big(11), "mine")
    assert same.rule_id == first.rule_id
    assert (changed.created, changed.subscription.rule_id != first.rule_id) == (False, True)


async def test_an_id_of_another_trigger_is_a_conflict() -> None:
    world = World()
    await world.subscribe(big(), "mine")
    with pytest.raises(ConflictError):
        await world.subscribe(wish(), "mine")


async def test_the_latest_request_says_which_flow_it_is() -> None:
    world = World()
    taken = (await world.subscribe(replace(wish(), environment_hint="e", flow_hint="f"))).subscription
    assert (taken.environment_hint, taken.flow_hint) == ("e", "f")
    again = (await world.subscribe(replace(wish(), environment_hint="e2", flow_hint="f2"))).subscription
    assert (again.id, again.environment_hint, again.flow_hint) == (taken.id, "e2", "f2")


async def test_many_at_once_become_one_subscription() -> None:
    world = World()
    taken: list[Subscribed] = await asyncio.gather(*(world.subscribe(wish()) for _ in range(4)))
    assert {t.subscription.id for t in taken} == world.ids()
    assert len(world.ids()) == 1
    assert [t.created for t in taken].count(True) == 1
    for one in taken:
        await world.unsubscribe.by_token(one.token)
    assert world.ids() == set()


async def test_what_the_api_does_not_know_is_refused_on_its_field() -> None:
    assert await refused(World(), wish(instance="other")) == {"instanceId"}
    assert await refused(World("i2"), wish()) == {"instanceId"}
    assert await refused(World(), wish(dataSourceId="nope")) == {"dataSourceId"}
    assert await refused(World(), wish(SEGMENT, segmentName="nope", threshold=Decimal(1))) == {"segmentName"}
    assert await refused(World(), wish(MEASURE, measureName="nope", threshold=Decimal(1))) == {"measureName"}
    world = World()
    world.callbacks.refused[URL] = "must be on an allowed host"
    assert await refused(world, wish()) == {"callbackUrl"}


@pytest.mark.parametrize("error", [TransientError("busy"), AccessError("refused")])
@pytest.mark.parametrize(
    "asked",
    [
        wish(dataSourceId="nope"),
        wish(SEGMENT, segmentName="nope", threshold=Decimal(1)),
        wish(MEASURE, measureName="nope", threshold=Decimal(1)),
    ],
)
async def test_when_the_api_cannot_be_asked_the_subscription_is_taken(error: Exception, asked: Wish) -> None:
    world = World()
    world.insights.failures = {what: [error] for what in ("instances", "data_sources", "segments", "measures")}
    assert (await world.subscribe(asked)).created


async def test_ids_are_kept_as_the_api_spells_them() -> None:
    world = World()
    taken = (await world.subscribe(wish(instance="I1", dataSourceId="d1"))).subscription
    assert (taken.instance_id, taken.filters) == ("i1", DataSourceFilters(data_source_id="D1"))


@pytest.mark.parametrize("token", ["", ".", "x", "x.y", "mine.", "mine", ".mine", "mine.wrong"])
async def test_a_wrong_capability_ends_nothing(token: str) -> None:
    world = World()
    await world.subscribe(wish(), "mine")
    await world.unsubscribe.by_token(token)
    assert world.ids() == {"mine"}


async def test_a_capability_ends_its_own_subscription_whatever_its_id() -> None:
    world = World()
    taken = await world.subscribe(wish(), "my.own-id_1")
    await world.subscribe(big(), "my")
    await world.unsubscribe.by_token(taken.token)
    await world.unsubscribe.by_token(taken.token)
    assert world.ids() == {"my"}


async def test_an_id_ends_only_its_triggers_subscription() -> None:
    world = World()
    await world.subscribe(wish(), "mine")
    await world.unsubscribe.by_id(TRIGGERS[SEGMENT], "mine")
    await world.unsubscribe.by_id(TRIGGERS[SOURCE], "unknown")
    assert world.ids() == {"mine"}
    await world.unsubscribe.by_id(TRIGGERS[SOURCE], "mine")
    assert world.ids() == set()


async def test_who_asks_again_while_it_is_being_ended_keeps_it() -> None:
    world = World()
    taken = await world.subscribe(wish())

    async def intrude() -> None:
        await world.subscribe(wish())

    world.store.before_write = intrude
    await world.unsubscribe.by_token(taken.token)
    assert world.ids() == {taken.subscription.id}
    await world.unsubscribe.by_token(taken.token)
    assert world.ids() == {taken.subscription.id}


async def test_a_wish_is_the_same_however_its_ids_are_spelled() -> None:
    world = World()
    world.insights.failures = {what: [TransientError("busy")] for what in ("instances", "data_sources")}
    first = await world.subscribe(wish(instance="{I1}", dataSourceId="d1"))
    again = await world.subscribe(wish(instance="i1", dataSourceId=" {D1}"))
    assert (first.created, again.created) == (True, False)
    assert len(world.ids()) == 1


async def test_a_rule_stays_the_same_however_its_instance_is_spelled() -> None:
    world = World()
    world.insights.failures = {what: [TransientError("busy")] for what in ("instances", "segments")}
    first = await world.subscribe(big(instance="{I1}"), "mine")
    again = await world.subscribe(big(instance="i1"), "mine")
    assert first.subscription.rule_id == again.subscription.rule_id


@pytest.mark.parametrize("name", ["Sum", "SUM", "sum"])
async def test_a_measure_with_dimensions_is_refused_whatever_its_spelling(name: str) -> None:
    world = World()
    world.insights.show("i1", measures=[Measure("Sum", scalar=False)])
    world.insights.in_any_case = True
    with pytest.raises(InvalidInputError) as refused:
        await world.subscribe(wish(MEASURE, measureName=name, threshold=Decimal(1)))
    assert set(refused.value.fields) == {"measureName"}
    assert world.store.rows == {}


@pytest.mark.parametrize("name", ["Big", "BIG", "bIg"])
async def test_names_are_taken_as_the_api_spells_them(name: str) -> None:
    world = World()
    world.insights.show("i1", segments=[Segment("Big")], measures=[Measure("Big", scalar=True)])
    world.insights.in_any_case = True
    for slug, key in ((SEGMENT, "segmentName"), (MEASURE, "measureName")):
        done = await world.subscribe(wish(slug, threshold=Decimal(1), **{key: name}))
        assert done.subscription.filters.asked()[key] == "Big"
        assert done.subscription.rule is not None
        assert done.subscription.rule.name == "Big"


async def test_a_name_that_two_segments_have_in_other_cases_is_none() -> None:
    world = World()
    world.insights.show("i1", segments=[Segment("big"), Segment("BIG")])
    with pytest.raises(InvalidInputError):
        await world.subscribe(big())


SALES = Measure("Sales", scalar=False, dimensions=("Country", "Year"), aggregates=("Total", "Average"))
ONE = {"country": "DE", "Year": Decimal(2026)}


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"measureName": "Sales"}, "dimensions"),
        ({"measureName": "Sales", "dimensions": {"Country": "DE"}}, "dimensions"),
        ({"measureName": "Sales", "dimensions": {**ONE, "City": "Ghent"}}, "dimensions"),
        ({"measureName": "Sales", "dimensions": {**ONE, "Country": "FR"}}, "dimensions"),
        ({"measureName": "Sales", "dimensions": ONE}, "aggregate"),
        ({"measureName": "Sales", "dimensions": ONE, "aggregate": "Median"}, "aggregate"),
        ({"measureName": "Sum", "dimensions": ONE}, "dimensions"),
        ({"measureName": "Sum", "aggregate": "Total"}, "aggregate"),
    ],
)
async def test_a_combination_that_a_measure_does_not_have_is_refused(filters: dict[str, Any], field: str) -> None:
    world = World()
    world.insights.show("i1", measures=[SALES, Measure("Sum", scalar=True)])
    with pytest.raises(InvalidInputError) as refused:
        await world.subscribe(wish(MEASURE, threshold=Decimal(1), **filters))
    assert set(refused.value.fields) == {field}


async def test_a_combination_is_kept_as_the_api_spells_it_and_as_exactly_as_it_was_asked_for() -> None:
    world = World()
    world.insights.show("i1", measures=[SALES])
    asked = {"measureName": "Sales", "dimensions": ONE, "aggregate": "total", "threshold": Decimal(1)}
    done = await world.subscribe(wish(MEASURE, **asked))
    found = await world.store.get(done.subscription.id)
    assert found is not None
    rule = found[0].rule
    assert isinstance(rule, Rule)
    assert (rule.dimensions, rule.aggregate) == ({"Country": "DE", "Year": Decimal(2026)}, "Total")
    as_text = asked | {"dimensions": ONE | {"Year": "2026"}}
    assert wish(MEASURE, **as_text).fingerprint != wish(MEASURE, **asked).fingerprint
    as_decimal = asked | {"dimensions": ONE | {"Year": Decimal("2026.0")}}
    assert wish(MEASURE, **as_decimal).fingerprint == wish(MEASURE, **asked).fingerprint
