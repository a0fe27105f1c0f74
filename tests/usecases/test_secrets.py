"""Secrets: made and shown once, kept when a flow asks again, replaced in a way that receivers can follow."""

import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.signatures import context
from shared.domain.subscriptions import Subscription
from shared.domain.wishes import Wish
from shared.errors import ConfigurationError, ConflictError, NotFoundError
from shared.usecases.rotate import RotateSecret
from tests.usecases.test_subscribe import World, wish


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


async def test_a_signed_one_shows_its_secret_also_where_the_answer_to_its_making_was_lost() -> None:
    world = World()
    world.store.table.repeated = {"insert"}
    taken = await world.subscribe(signed())
    assert (world.store.table.repeated, taken.created, taken.secret is not None) == (set(), True, True)


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
