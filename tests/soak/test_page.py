"""A soak is level or not by a rule; its page and its picture hold what was kept of it."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest

from tests.integration.many import RECORDED_WITHIN
from tests.pages import PAGES, block
from tests.soak.page import KEPT, PICTURE, decode, drawn, encode, written
from tests.soak.plot import PANELS, plot
from tests.soak.samples import ROWS, Sample, memory_of, runs, trend, trends

KEPT_TEXT = KEPT.read_text("utf-8")
MEMORY = memory_of("first")


def sample(at: float, *, memory: float | None = 100.0, due: int = 30) -> Sample:
    memories = {"second": 90.0} | ({"first": memory} if memory is not None else {})
    return Sample(at, memories, {"due": due, "events": 40}, {"deliveries": 3}, 5_000, 20)


def rising(by: float) -> Sequence[Sample]:
    """From 100 MB on, so much more at the end."""
    return [sample(number, memory=100 + by * number / 100) for number in range(101)]


def test_what_grows_by_a_tenth_of_its_median_is_level_and_no_more() -> None:
    assert trend(MEMORY, rising(10), 0).is_level
    assert not trend(MEMORY, rising(20), 0).is_level
    assert trend(MEMORY, rising(-50), 0).is_level
    assert trend(MEMORY, rising(20), 0).growth == pytest.approx(16)  # over the last four fifths


def test_a_single_high_value_is_no_growth_and_a_rise_while_warming_up_is_none() -> None:
    samples = [*rising(0)[:-1], sample(100, memory=900)]
    assert trend(MEMORY, samples, 0).growth == 0
    warm = [sample(number, memory=min(100 + number * 5, 200)) for number in range(101)]
    assert trend(MEMORY, warm, 0).is_level


def test_rows_that_come_and_go_may_grow_by_some() -> None:
    assert trend(ROWS, [sample(number, due=number // 5) for number in range(101)], 0).is_level
    assert not trend(ROWS, [sample(number, due=number // 2) for number in range(101)], 0).is_level


def test_only_the_time_in_which_the_first_host_is_left_alone_says_what_memory_it_takes() -> None:
    samples = [sample(number, memory=50 + number if number < 50 else 120) for number in range(101)]
    found = {each.series: each for each in trends(samples, alone_since=50)}
    assert found[MEMORY.name].since == 60
    assert all(each.is_level for each in found.values())


def test_a_host_that_is_dead_leaves_a_gap() -> None:
    samples = [sample(0), sample(1, memory=None), sample(2), sample(3)]
    assert list(runs(samples, MEMORY)) == [[(0, 100)], [(2, 100), (3, 100)]]


def test_the_picture_shows_every_series_with_titles_and_axes_on_light_and_dark() -> None:
    samples = rising(10)
    svg = plot(samples, {"first": [20.0], "second": [30.0, 40.0]}, trends(samples, 50))
    image = ET.fromstring(svg)  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    texts = [each.text for each in image.iter(f"{space}text")]
    assert {panel.title for panel in PANELS} <= set(texts)
    assert len(list(image.iter(f"{space}polyline"))) == sum(len(panel.series) for panel in PANELS)
    assert "prefers-color-scheme: dark" in svg
    width, height = (float(image.attrib[name]) for name in ("width", "height"))
    for line in image.iter(f"{space}polyline"):
        points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        assert all(0 < x < width and 0 < y < height for x, y in points)
    judged = [each for each in image.iter(f"{space}rect") if each.attrib["class"] == "judged"]
    assert len(judged) == len(PANELS)


def test_what_was_kept_was_right_and_level() -> None:
    outcome = decode(KEPT_TEXT)
    assert encode(outcome) == KEPT_TEXT
    assert outcome.minutes >= 10
    assert [row.name for row in outcome.rows if not row.is_right] == []
    assert [each.series for each in trends(outcome.samples, outcome.alone_since) if not each.is_level] == []
    assert all(each.expected == each.delivered + each.held + each.dead for each in outcome.tallies)
    assert sum(map(len, outcome.deaths.values())) >= outcome.minutes


def test_the_page_says_how_soon_after_an_answer_a_death_explains_a_repeat() -> None:
    assert f"within {RECORDED_WITHIN.seconds} seconds of the flow's answer" in PAGES["docs/reliability.md"]


def test_page_and_picture_are_of_what_was_kept() -> None:
    outcome = decode(KEPT_TEXT)
    assert block("soak", PAGES["docs/reliability.md"]) == written(outcome)
    assert PICTURE.read_text("utf-8") == drawn(outcome)
