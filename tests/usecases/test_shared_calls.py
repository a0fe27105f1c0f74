"""Shared calls: who asks gets what was read after he asked, and many who ask at once cost two calls."""

import asyncio

import pytest

from shared.errors import TransientError
from shared.usecases.shared_calls import SharedCalls
from tests.virtual_time import run


class Source:
    """A value that changes; reads of it take a turn of the loop or two, and can be made to fail."""

    def __init__(self) -> None:
        self.value = self.reads = 0
        self.failing = 0

    async def read(self, key: str) -> tuple[str, int]:
        self.reads += 1
        await asyncio.sleep(0)
        seen = self.value
        await asyncio.sleep(0)
        if self.failing:
            self.failing -= 1
            raise TransientError("busy")
        return key, seen


async def test_a_thousand_at_once_cost_two_reads() -> None:
    source = Source()
    read = SharedCalls(source.read)
    assert set(await asyncio.gather(*(read("a") for _ in range(1_000)))) == {("a", 0)}
    assert source.reads == 2
    assert await read("a") == ("a", 0)
    assert source.reads == 3


async def test_keys_do_not_wait_for_each_other() -> None:
    source = Source()
    read = SharedCalls(source.read)
    assert await asyncio.gather(read("a"), read("b")) == [("a", 0), ("b", 0)]
    assert source.reads == 2


async def test_nobody_gets_what_was_read_before_he_asked() -> None:
    source = Source()
    read = SharedCalls(source.read)

    async def ask(after: int) -> bool:
        for _ in range(after):
            await asyncio.sleep(0)
        source.value += 1
        asked = source.value
        return (await read("a"))[1] >= asked

    assert all(await asyncio.gather(*(ask(after) for after in range(40) for _ in range(3))))


async def test_a_read_that_fails_fails_for_those_who_share_it_and_no_others() -> None:
    source = Source()
    source.failing = 1
    read = SharedCalls(source.read)
    first, *others = await asyncio.gather(*(read("a") for _ in range(5)), return_exceptions=True)
    assert isinstance(first, TransientError)
    assert others == [("a", 0)] * 4


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    source = Source()
    read = SharedCalls(source.read)
    first, second, third = (asyncio.create_task(read("a")) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await third == ("a", 0)


def test_one_that_hangs_holds_up_those_who_come_later_for_a_second() -> None:
    async def live() -> None:
        begun, loop, hangs = list[float](), asyncio.get_running_loop(), asyncio.Event()

        async def read(key: str) -> str:
            begun.append(loop.time())
            await (hangs.wait() if len(begun) == 1 else asyncio.sleep(0.01))
            return key

        ask = SharedCalls(read)
        hanging = asyncio.create_task(ask("a"))
        await asyncio.sleep(0.5)
        assert await asyncio.gather(ask("a"), ask("a")) == ["a", "a"]
        assert await asyncio.gather(ask("a"), ask("a")) == ["a", "a"]  # as if nothing were under way
        assert loop.time() == pytest.approx(1.53)
        later = asyncio.create_task(ask("a"))
        await asyncio.sleep(0)
        hangs.set()
        assert await hanging == "a"
        assert await asyncio.gather(ask("a"), later) == ["a", "a"]  # who ends late ends nothing of the others'
        assert begun == pytest.approx([0, 1.5, 1.51, 1.52, 1.53, 1.54])

    run(live())


async def test_a_call_ends_well_whatever_becomes_of_the_one_that_follows() -> None:
    source = Source()
    read = SharedCalls(source.read)
    first, second = (asyncio.create_task(read("a")) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task(), first}:  # as where a process ends
        task.cancel()
    assert await first == ("a", 0)
    with pytest.raises(asyncio.CancelledError):
        await second
