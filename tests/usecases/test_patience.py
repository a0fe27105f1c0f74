"""Patience: trouble of our own ends by age and by nothing else, and what the host has given up goes back."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from shared.domain.deliveries import Delivery, New, Stage
from shared.domain.messages import Look, encode_new
from shared.errors import FormatError, TransientError
from shared.usecases.patience import REST, Patience
from tests.fakes import NOON, QueueFake
from tests.usecases.world import EVENT, World

MAX_AGE = timedelta(hours=76)
NEW = encode_new(New("s1", EVENT, NOON))


class Patient:
    """A world with queues whose functions keep failing."""

    def __init__(self) -> None:
        self.world = World(events=[])
        self.events, self.deliveries = (QueueFake[Look](self.world.clock) for _ in range(2))
        self.patience = Patience(
            events=self.events,
            queue=self.deliveries,
            deliveries=self.world.deliveries,
            attempt=self.world.attempt,
            bury=self.world.bury,
            clock=self.world.clock,
            max_age=MAX_AGE,
        )


def failing(error: Exception) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        raise error

    return work


@pytest.mark.parametrize("queue", ["events", "deliveries", "releases"])
@pytest.mark.parametrize("error", [TransientError("busy"), FormatError("message", 2), KeyError("a bug")])
async def test_work_that_fails_is_tried_again_until_the_maximum_age_however_often(queue: str, error: Exception) -> None:
    patient = Patient()
    for _ in range(1_000):
        with pytest.raises(type(error)):
            await patient.patience(queue, NEW, NOON, failing(error))
        patient.world.clock.advance(MAX_AGE / 1_001)
    assert patient.world.letters() == []
    patient.world.clock.advance(MAX_AGE)
    await patient.patience(queue, NEW, NOON, failing(error))
    (letter,) = patient.world.letters()
    assert "kept failing" in letter.reason
    assert letter.kind == ("delivery" if queue == "deliveries" else "message")


async def test_work_that_is_done_is_done() -> None:
    patient = Patient()
    done: list[bool] = []

    async def work() -> None:
        done.append(True)

    await patient.patience("events", "x", None, work)
    assert (done, patient.world.letters()) == ([True], [])


async def test_a_dead_delivery_whose_letter_was_not_written_gets_it() -> None:
    patient = Patient()
    dead = Delivery.held(New("s1", EVENT, NOON), NOON).give_up(NOON, "too old")
    patient.world.deliveries.rows["s1", dead.key] = (dead, "v1")
    patient.world.clock.advance(MAX_AGE)
    await patient.patience("deliveries", NEW, NOON, failing(TransientError("busy")))
    (letter,) = patient.world.letters()
    assert (letter.kind, letter.reason) == ("delivery", "too old")


async def test_a_delivery_that_others_have_ended_is_not_given_up_too() -> None:
    patient = Patient()
    patient.world.dispatch(EVENT)
    await patient.world.run()
    patient.world.clock.advance(MAX_AGE)
    await patient.patience("deliveries", NEW, NOON, failing(TransientError("busy")))
    assert (patient.world.stage(), patient.world.letters()) == (Stage.DELIVERED, [])


@pytest.mark.parametrize(("queue", "message"), [("events", EVENT.encode()), ("deliveries", NEW)])
async def test_what_the_host_has_given_up_goes_back_while_it_is_young(queue: str, message: str) -> None:
    patient = Patient()
    await patient.patience.poisoned(queue, message)
    back = patient.events if queue == "events" else patient.deliveries
    assert back.messages == [(NOON + REST, message)]
    patient.world.clock.advance(MAX_AGE)
    await patient.patience.poisoned(queue, message)
    assert (len(back.messages), len(patient.world.letters())) == (1, 1)


@pytest.mark.parametrize("queue", ["events", "deliveries"])
async def test_what_cannot_be_read_is_a_dead_letter_at_once(queue: str) -> None:
    patient = Patient()
    await patient.patience.poisoned(queue, "???")
    (letter,) = patient.world.letters()
    assert (letter.kind, letter.body) == ("message", "???")
