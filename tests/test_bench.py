"""The benchmarks in a short form: each works, what it counts is exact, and the pages say what was measured."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.benchmark import Bar, Benchmark, Count, CountError, MissingError, Sides, Took
from bench.chart import chart
from bench.pages import PAGE, PICTURE, blocks
from bench.results import Results
from bench.runner import benchmarks, load, measure
from tests.pages import block


@pytest.mark.parametrize("number", benchmarks())
async def test_a_benchmark_in_short_form(number: str) -> None:
    benchmark = load(number)
    part = await measure(benchmark, short=True)
    assert part.figures
    assert all(len(figures) == 1 and figures[0] > 0 for figures in part.figures.values())
    for bar in benchmark.bars:
        assert bar.of in part.figures or bar.of.startswith(tuple(part.missing)), bar


def test_the_pages_say_what_was_measured() -> None:
    results = Results.load()
    page = PAGE.read_text("utf-8")
    assert {name: block(name, page) for name in blocks(results)} == blocks(results)
    assert PICTURE.read_text("utf-8") == chart(results)


def test_the_results_are_of_these_benchmarks_and_bars() -> None:
    for number, part in Results.load().parts.items():
        benchmark = load(number)
        assert (part.title, part.work) == (benchmark.title, benchmark.work)
        assert [bar.says for bar in part.bars] == [bar.says for bar in benchmark.bars]


def turns(*seconds: float) -> Callable[[], Awaitable[float]]:
    left = list(seconds)

    async def turn() -> float:
        return left.pop(0)

    return turn


def benchmark_of(sides: Sides, *bars: Bar) -> Benchmark:
    @asynccontextmanager
    async def prepared(short: bool) -> AsyncIterator[Sides]:  # noqa: FBT001 - as all benchmarks have it
        assert not short
        yield sides

    return Benchmark("B0", "Nothing", "nothing", "s", bars, prepared, rounds=3)


async def test_a_bar_is_held_to_the_median_of_what_the_rounds_had_in_ratio() -> None:
    sides = {"ours": turns(2, 4, 30), "limit": turns(1, 1, 10)}
    most, least = Bar("most", "ours", "limit", most=2.9), Bar("least", "ours", "limit", least=3)
    part = await measure(benchmark_of(sides, most, least, Bar("itself", "ours", most=4)))
    assert [(bar.value, bar.met) for bar in part.bars] == [(3, False), (3, True), (4, True)]


async def test_who_cannot_take_part_is_told_and_misses_the_bar() -> None:
    sides = {"ours": turns(1, 1, 1), "peer": MissingError("there is none")}
    part = await measure(benchmark_of(sides, Bar("ahead", "peer", "ours", least=1)))
    assert part.missing == {"peer": "there is none"}
    assert [(bar.value, bar.met) for bar in part.bars] == [(None, False)]


async def test_a_count_that_is_another_is_an_error() -> None:
    async def ours() -> Took:
        return Took({"": 1}, {"calls": Count(6, 5)})

    with pytest.raises(CountError, match="6 calls, and not 5"):
        await measure(benchmark_of({"ours": ours}))


def test_what_was_measured_before_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "latest.json"
    part = Results.load().parts["B3"]
    Results().with_part(part).with_part(part.model_copy(update={"number": "B10"})).save(file)
    Results.load(file).with_part(part.model_copy(update={"number": "B2"})).save(file)
    assert list(Results.load(file).parts) == ["B2", "B3", "B10"]
