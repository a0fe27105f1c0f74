import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.adapters import checkpoint_bytes
from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.watching import ValueMark, ValuesState
from tests.fakes import NOON


def checkpoint(count: int) -> Checkpoint:
    times = (NOON + timedelta(minutes=n) for n in range(count))
    marks = {f"S{at}": ValueMark(value=Decimal(5), at=at, seen=("successful", at, None, "active")) for at in times}
    return Checkpoint(ValuesState(marks=marks), [])


@pytest.mark.parametrize("count", [0, 1, 5_000])
async def test_what_is_written_is_read(count: int) -> None:
    stored = await checkpoint_bytes.written(Family.SEGMENTS, checkpoint(count))
    assert await checkpoint_bytes.read(Family.SEGMENTS, stored) == checkpoint(count)


async def test_while_a_long_one_is_read_or_written_others_have_their_turn() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    others = asyncio.create_task(take_turns())
    stored = await checkpoint_bytes.written(Family.SEGMENTS, checkpoint(20_000))
    written = turns
    await checkpoint_bytes.read(Family.SEGMENTS, stored)
    others.cancel()
    assert written > 1
    assert turns - written > 1


@pytest.mark.parametrize("stored", [b"", b"5" * 100_000])
async def test_what_is_no_checkpoint_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match="content"):
        await checkpoint_bytes.read(Family.SEGMENTS, stored)
