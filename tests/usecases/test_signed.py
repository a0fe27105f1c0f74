"""Signed deliveries: each attempt is signed as it is sent, by every secret that counts then, or not sent at all."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.callbacks import Answer
from shared.domain.deliveries import Stage
from shared.domain.signatures import context, sign, written
from shared.domain.subscriptions import Subscription
from tests.fakes import NOON, CipherFake
from tests.usecases.world import EVENT, World, subscription

NEW, OLD = (written(bytes([number]) * 32) for number in (1, 2))


def sealed(secret: str) -> bytes:
    return CipherFake().seal(secret, context=context("s1"))


def signed(*, previous_until: timedelta | None = None) -> Subscription:
    one = replace(subscription(), secret=sealed(NEW))
    if previous_until is None:
        return one
    return replace(one, previous_secret=sealed(OLD), previous_until=NOON + previous_until)


async def test_without_a_secret_there_is_no_signature() -> None:
    world = World()
    await world.run()
    [(_, _, headers)] = world.callbacks.requests
    assert "webhook-signature" not in headers


@pytest.mark.parametrize(
    ("previous_until", "secrets"),
    [(None, [NEW]), (timedelta(0), [NEW]), (timedelta(seconds=1), [NEW, OLD])],
)
async def test_a_delivery_bears_the_signatures_of_its_body(
    previous_until: timedelta | None, secrets: list[str]
) -> None:
    world = World(of=signed(previous_until=previous_until))
    await world.run()
    [(_, body, headers)] = world.callbacks.requests
    assert headers["webhook-signature"] == sign(secrets, EVENT.id, int(headers["webhook-timestamp"]), body)


async def test_each_attempt_is_signed_anew() -> None:
    world = World(Answer(503), Answer(503), Answer(202), of=signed(previous_until=timedelta(seconds=11)))
    await world.run()
    signatures = [headers["webhook-signature"].split(" ") for _, _, headers in world.callbacks.requests]
    assert [len(each) for each in signatures] == [2, 2, 1]
    assert len({each[0] for each in signatures}) == 3


async def test_a_secret_that_does_not_open_is_waited_for_like_a_callback(caplog: pytest.LogCaptureFixture) -> None:
    world = World(of=signed())
    world.cipher.broken = True
    await world.run(until=timedelta(seconds=5))
    assert (world.calls(), world.stage()) == (0, Stage.WAITING)
    world.cipher.broken = False
    await world.run()
    assert (world.calls(), world.stage()) == (1, Stage.DELIVERED)
    assert "whsec_" not in caplog.text


def test_a_subscription_does_not_show_its_secrets() -> None:
    assert "secret=" not in repr(signed(previous_until=timedelta(hours=1)))
