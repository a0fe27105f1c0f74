"""The benchmarks in a short form: each works, what it counts is exact, and its pages say what was measured."""

import pytest

from bench.runner import benchmarks, load, measure


@pytest.mark.parametrize("number", benchmarks())
async def test_a_benchmark_in_short_form(number: str) -> None:
    part = await measure(load(number), short=True)
    assert all(len(figures) == 1 for figures in part.figures.values())
    assert {bar.of for bar in part.bars} <= part.figures.keys() | part.missing.keys()
