"""The page has the figures that `make load` has kept, and says them as they are."""

import json

import pytest

from tests.load.figures import KEPT, ratio, written
from tests.pages import PAGES, block

FIGURES = json.loads(KEPT.read_text("utf-8"))


def test_the_page_has_the_figures_that_were_kept() -> None:
    assert block("load", PAGES["docs/reliability.md"]) == written(FIGURES)


def test_each_rate_was_measured_in_turn_with_its_limits_and_none_is_above_what_is_permitted() -> None:
    assert FIGURES["bursts"]
    for each in FIGURES["bursts"].values():
        assert len(each["host"]) == len(each["storage"]) == len(each["posts"]) >= 3
    for each in FIGURES["hosts"].values():
        assert each["most"] <= each["rate"]


def test_a_ratio_is_of_what_was_measured_in_the_same_round() -> None:
    assert ratio([10, 2, 9], [20, 2, 30]) == pytest.approx(0.5)


def test_a_part_is_a_table_of_medians_and_of_the_longest() -> None:
    part = {"host": [30.0, 50.0, 40.0], "storage": [100.0] * 3, "posts": [1000.0] * 3}
    shown = written({"bursts": {"ten": part}, "steady": {}, "beside": {"a slow one": {"took": [0.1, 3]}}, "hosts": {}})
    assert "| ten | 40.0 | 0.40 | 0.04 |" in shown
    assert "| a slow one | 2 | 1.55 | 3.00 |" in shown
