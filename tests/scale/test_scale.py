"""The simulation of `make scale` in a short form, and that its page has its figures."""

import re

from shared.domain.cadence import EVERY
from tests.scale.__main__ import PAGE, table
from tests.scale.simulation import simulate, sums


def test_idle_instances_cost_a_fifth_and_nobody_waits_for_longer_than_promised() -> None:
    outcome = simulate(200, 2_000, 15)
    polls = 200 * (15 + 3) / EVERY
    # Each round of refreshes makes three calls, each of thresholds two; the list is asked for in each.
    assert outcome.calls <= 1.35 * (200 * (3 * 15 + 2 * 3) / EVERY) + 18
    assert outcome.operations["blob writes"] == 0
    assert outcome.operations["blob reads"] <= 1.35 * 2 * polls
    assert outcome.lags["most"] <= (EVERY + 1) * 60
    assert outcome.busiest_slot < 30


def test_the_page_has_the_figures_that_the_simulation_makes() -> None:
    page = PAGE.read_text("utf-8")
    figures = sums(simulate(200, 2_000, 5))
    told = re.findall(r"^\| ([^|]+) \| ([^|]*) \| ([\d,.]+) \|$", page, re.MULTILINE)
    assert [(what, how.strip()) for what, how, _ in told] == [(what, how) for what, (how, _) in figures.items()]
    numbers = {what: float(number.replace(",", "")) for what, _, number in told}
    assert numbers["Environments"] == 10_000
    assert numbers["Subscriptions"] == 100_000
    parts = [number for what, number in numbers.items() if what.startswith("USD") and "all" not in what]
    assert abs(sum(parts) - numbers["USD a month: all of these"]) < 1
    assert table(figures).count("\n") == len(figures) + 2
