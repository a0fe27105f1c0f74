"""Writes that are asked for while another is under way are made together, and each hears of its own."""

import asyncio
from collections.abc import Mapping

import pytest

from shared.adapters.grouping import Grouped
from shared.adapters.tables import MAX_BATCH
from tests.virtual_time import run


class Writes:
    """What was written, each within a second; a write that holds what is `broken` fails."""

    def __init__(self, broken: int | None = None) -> None:
        self.made: list[tuple[str, Mapping[str, int]]] = []
        self.under_way = self.most = 0
        self._broken = broken

    async def __call__(self, partition: str, items: Mapping[str, int]) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.made.append((partition, dict(items)))
        await asyncio.sleep(1)
        self.under_way -= 1
        if self._broken in items.values():
            raise ValueError("broken")


def test_a_thousand_at_once_are_written_in_order_as_many_together_as_a_transaction_holds() -> None:
    writes = Writes()

    async def scenario() -> float:
        write = Grouped(writes)
        await asyncio.gather(*(write("p", f"{number:03}", number) for number in range(1_000)))
        return asyncio.get_running_loop().time()

    assert run(scenario()) == 1_000 / MAX_BATCH
    assert [len(items) for _, items in writes.made] == [MAX_BATCH] * (1_000 // MAX_BATCH)
    assert [item for _, items in writes.made for item in items.values()] == list(range(1_000))
    assert writes.most == 1


def test_who_asks_alone_waits_for_nobody_and_who_asks_meanwhile_for_the_next_write() -> None:
    writes = Writes()

    async def scenario() -> list[float]:
        write, done = Grouped(writes), list[float]()

        async def ask(at: float, row: str) -> None:
            await asyncio.sleep(at)
            await write("p", row, 0)
            done.append(asyncio.get_running_loop().time())

        await asyncio.gather(ask(0, "a"), ask(0.5, "b"), ask(0.7, "c"), ask(5, "d"))
        return done

    assert run(scenario()) == [1, 2, 2, 6]
    assert [list(items) for _, items in writes.made] == [["a"], ["b", "c"], ["d"]]


def test_partitions_do_not_wait_for_each_other_and_of_one_row_the_latter_is_written() -> None:
    writes = Writes()

    async def scenario() -> float:
        write = Grouped(writes)
        await asyncio.gather(write("p", "a", 1), write("q", "a", 2), write("p", "a", 3))
        return asyncio.get_running_loop().time()

    assert run(scenario()) == 1
    assert writes.made == [("p", {"a": 3}), ("q", {"a": 2})]


def test_a_failure_is_told_to_those_whose_write_it_was_and_stops_nobody_else() -> None:
    writes = Writes(broken=7)

    async def scenario() -> list[object]:
        write = Grouped(writes)
        first = asyncio.gather(*(write("p", f"{number}", number) for number in (7, 8)), return_exceptions=True)
        await asyncio.sleep(0.5)
        return [*await asyncio.gather(write("p", "9", 9), return_exceptions=True), *await first]

    later, *first = run(scenario())
    assert later is None
    assert [str(each) for each in first] == ["broken", "broken"]


def test_who_gives_up_takes_nobody_along() -> None:
    writes = Writes()

    async def scenario() -> None:
        write = Grouped(writes)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await write("p", "a", 1)
        await write("p", "b", 2)

    run(scenario())
    assert writes.made == [("p", {"a": 1}), ("p", {"b": 2})]
