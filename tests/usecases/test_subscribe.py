"""Subscribe and unsubscribe: the same wish finds its subscription again; a capability ends its own and no other."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.deliveries import Delivery, New, Stage
from shared.domain.messages import Look, Release
from shared.domain.resources import DataSource, Measure, Segment
from shared.domain.signatures import context
from shared.domain.subscriptions import TRIGGERS, Subscription
from shared.domain.wishes import Wish
from shared.errors import (
    AccessError,
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    TransientError,
)
from shared.usecases.agenda import Agenda
from shared.usecases.backlog import Backlog
from shared.usecases.rotate import RotateSecret
from shared.usecases.subscribe import Subscribe, Subscribed, Unsubscribe
from tests.fakes import (
    NOON,
    CallbacksFake,
    CipherFake,
    ClockFake,
    Death,
    DeliveryStoreFake,
    DueStoreFake,
    Fate,
    InsightsFake,
    QueueFake,
    SubscriptionStoreFake,
)
from tests.usecases import world as deliveries

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
        self.insights.show("i1", data_sources=[DataSource("D1")], segments=[Segment("Big")], measures=[Measure("Sum")])
        agenda = Agenda(
            deliveries=QueueFake[New | Look](self.clock),
            releases=self.releases,
            due=DueStoreFake(),
            clock=self.clock,
        )
        self.subscribe = Subscribe(
            subscriptions=self.store,
            insights=self.insights,
            callbacks=self.callbacks,
            cipher=self.cipher,
            backlog=Backlog(subscriptions=self.store, deliveries=self.deliveries, agenda=agenda, clock=self.clock),
            clock=self.clock,
            instances=instances,
        )
        self.unsubscribe = Unsubscribe(subscriptions=self.store, deliveries=self.deliveries)

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


STOPPED = ["suspended", "failing", "paused"]


def stop(world: Any, subscription_id: str, status: Any) -> None:  # noqa: ANN401 - a status
    """Have a subscription stand as one that takes no events."""
    rows = (world.store if isinstance(world, World) else world.subscriptions).rows
    old, version = rows[subscription_id]
    stopped = replace(old, status=status, status_reason="HTTP 410", status_since=NOON, failures=9, failing_since=NOON)
    rows[subscription_id] = stopped, version


@pytest.mark.parametrize("status", STOPPED)
async def test_subscribing_again_makes_it_active_with_nothing_held_against_it(status: str) -> None:
    world = World()
    taken = (await world.subscribe(wish())).subscription
    stop(world, taken.id, status)
    world.clock.advance(timedelta(hours=1))
    again = (await world.subscribe(wish())).subscription
    assert world.store.rows[again.id][0] == again
    assert (again.id, again.status, again.status_reason) == (taken.id, "active", None)
    assert (again.failures, again.failing_since, again.status_since) == (0, None, world.clock())


async def test_subscribing_again_to_an_active_one_lets_it_go_on() -> None:
    world = World()
    taken = (await world.subscribe(wish())).subscription
    old, version = world.store.rows[taken.id]
    busy = replace(old, failures=2, failing_since=NOON, release_at=NOON, leased_until=NOON + timedelta(seconds=9))
    world.store.rows[taken.id] = busy, version
    world.clock.advance(timedelta(hours=1))
    world.store.table.calls.clear()
    again = (await world.subscribe(wish())).subscription
    assert (again.release_at, again.leased_until, again.status_since) == (NOON, busy.leased_until, taken.created_at)
    assert (again.failures, again.updated_at) == (0, world.clock())
    assert world.store.table.calls.count("replace") == 1
    assert not set(world.store.table.calls) & {"put", "insert", "delete"}
    assert world.releases.messages == []


@pytest.mark.parametrize("status", STOPPED)
@pytest.mark.parametrize("url", [deliveries.URL, deliveries.URL + "2"])
async def test_subscribing_again_lets_out_what_was_held_oldest_first(status: str, url: str) -> None:
    # The same callback, or another one under the same id.
    events = [deliveries.event_of(number) for number in range(5)]
    world = deliveries.World(of=deliveries.subscription(status="paused"), events=events)
    await world.run()
    assert set(world.stages()) == {Stage.HELD}
    stop(world, "s1", status)
    world.callbacks.answers = {}
    asked = wish("data-source-refresh-succeeded", url)
    subscribe = Subscribe(
        subscriptions=world.subscriptions,
        insights=InsightsFake(),
        callbacks=world.callbacks,
        cipher=world.cipher,
        backlog=world.backlog,
        clock=world.clock,
        instances=["i1"],
    )
    taken = await subscribe(asked, None if url == deliveries.URL else "s1")
    assert (taken.subscription.id, taken.created, taken.subscription.status) == ("s1", False, "active")
    await world.run()
    assert [request[0] for request in world.callbacks.requests] == [url] * 5
    assert [request[2]["webhook-id"] for request in world.callbacks.requests] == [event.id for event in events]


async def test_who_gets_no_answer_is_not_shown_as_served() -> None:
    for number in range(3):
        world = World()
        failing = {"put": [None] * number + [TransientError("busy")], "insert": [TransientError("busy")]}
        world.store.table.failures = failing
        with pytest.raises(TransientError):
            await world.subscribe(wish(), "mine")
        assert world.ids() == set()


async def test_ending_forgets_what_is_held() -> None:
    world = World()
    taken = await world.subscribe(wish())
    await hold(world, taken.subscription.id)
    await world.unsubscribe.by_token(taken.token)
    assert (world.ids(), world.deliveries.rows) == (set(), {})


async def test_ending_again_ends_what_a_death_has_left() -> None:
    for by_id in (False, True):
        for deadly in range(20):
            world = World()
            taken = await world.subscribe(wish())
            await hold(world, taken.subscription.id)
            end = (
                (lambda: world.unsubscribe.by_id(TRIGGERS[SOURCE], taken.subscription.id))  # noqa: B023 - run at once
                if by_id
                else (lambda: world.unsubscribe.by_token(taken.token))  # noqa: B023
            )
            world.fate.deadly, world.fate.steps = deadly, 0
            try:
                await end()
            except Death:
                assert bool(world.deliveries.rows) >= bool(world.ids())
                await end()
            assert (world.ids(), world.deliveries.rows) == (set(), {})
            if world.fate.steps <= deadly:
                break


async def hold(world: World, subscription_id: str) -> None:
    for number in range(3):
        new = New(subscription_id, deliveries.event_of(number), NOON)
        await world.deliveries.put(Delivery.held(new, NOON))


# --- signatures


async def test_a_signed_one_shows_its_secret_once() -> None:
    world = World()
    taken = await world.subscribe(signed())
    again = await world.subscribe(signed())
    kept = world.store.rows[taken.subscription.id][0]
    assert taken.secret is not None
    assert len(base64.b64decode(taken.secret.removeprefix("whsec_"), validate=True)) == 32
    assert (again.created, again.secret) == (False, None)
    assert secrets_of(world, kept) == [taken.secret]
    assert not any(taken.secret in repr(shown) for shown in (taken, kept))
    assert kept.secret is not None
    assert taken.secret.encode() not in kept.secret


async def test_each_has_a_secret_of_its_own() -> None:
    world = World()
    one, other = await world.subscribe(signed(), "one"), await world.subscribe(signed(), "other")
    assert one.secret != other.secret
    sealed = world.store.rows["one"][0].secret
    assert sealed is not None
    for elsewhere in ("one", context("other")):
        with pytest.raises(ConfigurationError):
            world.cipher.open(sealed, context=elsewhere)


async def test_what_is_asked_for_last_decides_whether_it_is_signed() -> None:
    world = World()
    first = await world.subscribe(wish())
    assert (first.secret, first.subscription.is_signed) == (None, False)
    signing = await world.subscribe(signed())
    assert signing.secret is not None
    assert secrets_of(world, signing.subscription) == [signing.secret]
    silent = await world.subscribe(wish())
    assert (silent.secret, secrets_of(world, silent.subscription)) == (None, [])
    anew = await world.subscribe(signed())
    assert anew.secret not in {None, signing.secret}


async def test_a_secret_that_no_key_opens_is_replaced() -> None:
    world = World()
    taken = await world.subscribe(signed())
    old, version = world.store.rows[taken.subscription.id]
    world.store.rows[old.id] = replace(old, secret=b"sealed elsewhere"), version
    again = await world.subscribe(signed())
    assert again.secret is not None
    assert secrets_of(world, again.subscription) == [again.secret]


async def test_the_secret_before_a_rotation_signs_for_a_day() -> None:
    world = World()
    first = await world.subscribe(signed())
    rotate = RotateSecret(subscriptions=world.store, cipher=world.cipher, clock=world.clock)
    second = await rotate(first.subscription.id)
    kept = world.store.rows[first.subscription.id][0]
    assert secrets_of(world, kept) == [second, first.secret]
    assert (await world.subscribe(signed())).secret is None
    world.clock.advance(timedelta(hours=24) - timedelta(seconds=1))
    assert secrets_of(world, kept) == [second, first.secret]
    world.clock.advance(timedelta(seconds=1))
    assert secrets_of(world, kept) == [second]
    third = await rotate(kept.id)
    assert secrets_of(world, world.store.rows[kept.id][0]) == [third, second]


async def test_only_a_signed_one_can_be_rotated() -> None:
    world = World()
    rotate = RotateSecret(subscriptions=world.store, cipher=world.cipher, clock=world.clock)
    taken = await world.subscribe(wish())
    with pytest.raises(ConflictError):
        await rotate(taken.subscription.id)
    with pytest.raises(NotFoundError):
        await rotate("nobody")


def signed() -> Wish:
    return replace(wish(), signed=True)


def secrets_of(world: World, subscription: Subscription) -> list[str]:
    bound = context(subscription.id)
    return [world.cipher.open(each, context=bound) for each in subscription.secrets(world.clock())]


# --- hints


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
    assert (taken.instance_id, taken.route.partition[-1]) == ("i1", "D1")


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
