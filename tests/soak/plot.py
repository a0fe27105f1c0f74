"""The picture of a soak: what was measured over time, as an SVG that is at home on light and on dark pages."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tests.soak.samples import (
    BACKLOGS,
    CHECKPOINTS,
    FIRST,
    LOG_ROWS,
    MESSAGES,
    ROWS,
    SECOND,
    Sample,
    Series,
    Trend,
    memory_of,
    runs,
)

WIDTH, MARGIN, LEFT, RIGHT = 960, 24, 72, 936
TOP, PANEL, HEIGHT = 102, 172, 108  # the first panel's top, from one to the next, and the height of its lines
TICKS = 4  # about so many on an axis
FONTS = "-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
TITLE = "Two hosts on one storage, killed now and then"
NOTE = "Shaded: the part in which it has to stay level. Marks below the memory: a host is killed."
STYLE = """
    .page { fill: #ffffff; stroke: #d0d7de }
    .judged { fill: #ddf4ff; opacity: .6 }
    .head { fill: #1f2328; font-size: 18px; font-weight: 600 }
    .name { fill: #1f2328; font-size: 14px; font-weight: 600 }
    .note { fill: #59636e; font-size: 13px }
    .grid { stroke: #d0d7de; stroke-width: 1 }
    .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
    .one { stroke: #0969da }
    .two { stroke: #bc4c00 }
    .three { stroke: #59636e; stroke-dasharray: 2 5 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; stroke: #3d444d }
      .judged { fill: #121d2f; opacity: 1 }
      .head, .name { fill: #f0f6fc }
      .note { fill: #9198a1 }
      .grid { stroke: #3d444d }
      .one { stroke: #4493f8 }
      .two { stroke: #f0883e }
      .three { stroke: #9198a1 }
    }
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """Some series over one axis; `names` say which line is which, where there are two."""

    title: str
    series: Sequence[Series]
    names: Sequence[str] = ()


PANELS = (
    Panel("Memory, MB", (memory_of(FIRST), memory_of(SECOND)), ("first host", "second host")),
    Panel("Checkpoints, KB", (CHECKPOINTS,)),
    Panel("Rows and messages", (ROWS, MESSAGES, BACKLOGS), ("other rows", "messages in queues", "places in backlogs")),
    Panel("Rows in the logs for each event", (LOG_ROWS,)),
)


def plot(samples: Sequence[Sample], deaths: Mapping[str, Sequence[float]], trends: Sequence[Trend]) -> str:
    """Draw it; `trends` say from when on each series is judged."""
    height = TOP + PANEL * len(PANELS) + 4
    since = {each.series: each.since for each in trends}
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
            f' viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title description" font-family="{FONTS}">'
        ),
        f'  <title id="title">{TITLE}</title>',
        f'  <desc id="description">{escape(described(trends))}</desc>',
        f"  <style>{STYLE}  </style>",
        f'  <rect class="page" x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="12"/>',
        f'  <text class="head" x="{MARGIN}" y="36">{TITLE}</text>',
        f'  <text class="note" x="{MARGIN}" y="58">{NOTE}</text>',
    ]
    end = samples[-1].at
    for number, panel in enumerate(PANELS):
        lines += _panel(panel, TOP + PANEL * number, samples, end, since[panel.series[0].name])
    for number, times in enumerate(deaths.values()):
        y = TOP + HEIGHT + 3 + 6 * number
        kind = ("one", "two")[number]
        lines += [f'  <path class="{kind}" stroke-width="2" d="M{_x(at, end):.1f} {y} v5"/>' for at in times]
    return "\n".join([*lines, "</svg>"]) + "\n"


def described(trends: Sequence[Trend]) -> str:
    """The picture in words."""
    told = (f"{one.series} {one.median:,.1f} {one.unit}".strip() + f", {one.growth:+,.1f}" for one in trends)
    return f"Medians of the part that is judged, and what they grew by in it. {'; '.join(told)}."


def _panel(panel: Panel, top: int, samples: Sequence[Sample], end: float, since: float) -> Iterator[str]:
    lines = [list(runs(samples, series)) for series in panel.series]
    step = _step(max(value for line in lines for run in line for _, value in run))
    most = step * math.ceil(max(value for line in lines for run in line for _, value in run) / step or 1)
    bottom = top + HEIGHT

    def y(value: float) -> float:
        return bottom - value / most * HEIGHT

    yield f'  <text class="name" x="{LEFT}" y="{top - 10}">{panel.title}</text>'
    x = _x(since, end)
    yield f'  <rect class="judged" x="{x:.1f}" y="{top}" width="{RIGHT - x:.1f}" height="{HEIGHT}"/>'
    for number in range(round(most / step) + 1):
        at = y(number * step)
        yield f'  <path class="grid" d="M{LEFT} {at:.1f} H{RIGHT}"/>'
        yield f'  <text class="note" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{number * step:,g}</text>'
    minutes = _step(end / 60)
    for number in range(math.floor(end / 60 / minutes) + 1):
        at = _x(number * minutes * 60, end)
        told = f"{number * minutes:g}" + (" minutes" if number == 0 else "")
        anchor = "start" if number == 0 else "middle"
        yield f'  <text class="note" x="{at:.1f}" y="{bottom + 28}" text-anchor="{anchor}">{told}</text>'
    for number, (line, kind) in enumerate(zip(lines, ("one", "two", "three"), strict=False)):
        for run in line:
            points = " ".join(f"{_x(at, end):.1f},{y(value):.1f}" for at, value in run)
            yield f'  <polyline class="line {kind}" points="{points}"/>'
        if panel.names:
            x = RIGHT - 180 * (len(lines) - number)
            yield f'  <path class="line {kind}" d="M{x} {top - 15} h20"/>'
            yield f'  <text class="note" x="{x + 26}" y="{top - 10}">{panel.names[number]}</text>'


def _x(at: float, end: float) -> float:
    return LEFT + at / end * (RIGHT - LEFT)


def _step(most: float) -> float:
    """How far apart the ticks of an axis are: 1, 2 or 5, or a power of ten of these."""
    rough = (most or 1) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
