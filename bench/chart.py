"""The results as a picture: bars for ours, the peers and the limit, and a mark for what is to be reached.

Each benchmark has a scale of its own, from zero to the longest: shorter is better in all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Final

from bench.benchmark import LIMIT, OURS
from bench.results import Judged, Part, Results
from bench.table import number

_WIDTH: Final = 960
_LEFT: Final = 32
_BARS: Final = 370  # where the bars begin
_LONGEST: Final = 340
_BAR, _STEP, _GAP, _HEAD = 14, 22, 26, 92
_LINE: Final = 46  # letters
_LEAST: Final = "the least it can take"

_STYLE: Final = """
    .page { fill: #ffffff; stroke: #d0d7de }
    .head { fill: #1f2328; font-size: 20px; font-weight: 600 }
    .name { fill: #1f2328; font-size: 15px; font-weight: 600 }
    .work { fill: #59636e; font-size: 13px }
    .side { fill: #424a53; font-size: 13px }
    .mine { fill: #0969da; font-size: 13px; font-weight: 600 }
    .ours { fill: #0969da }
    .peer { fill: #afb8c1 }
    .limit { fill: #ffffff; stroke: #818b98; stroke-dasharray: 3 2 }
    .mark { stroke: #1a7f37; stroke-width: 3; stroke-linecap: round }
    .rule { stroke: #d0d7de }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; stroke: #3d444d }
      .head, .name { fill: #f0f6fc }
      .work { fill: #9198a1 }
      .side { fill: #d1d7e0 }
      .mine { fill: #4493f8 }
      .ours { fill: #4493f8 }
      .peer { fill: #656c76 }
      .limit { fill: #0d1117; stroke: #9198a1 }
      .mark { stroke: #3fb950 }
      .rule { stroke: #3d444d }
    }
"""

_SVG: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" \
aria-labelledby="title description" font-family="-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif">
  <title id="title">How fast the bridge is, beside others</title>
  <desc id="description">{description}</desc>
  <style>{style}  </style>
  <rect class="page" x="1" y="1" width="{page_width}" height="{page_height}" rx="12"/>
{body}
</svg>
"""


@dataclass(frozen=True, slots=True)
class _Row:
    """One benchmark: what each side took, and what is to be reached."""

    part: Part
    figures: dict[str, float]
    mark: float

    @classmethod
    def of(cls, part: Part) -> "_Row | None":
        """The row of the first bar; None where it has not been measured."""
        bar = part.bars[0]
        figure = next((name for name in (bar.of, bar.to or "") if name.split(" ")[0] == OURS), OURS)
        suffix = figure.removeprefix(OURS)
        figures = {side: value for side in part.sides if (value := part.of(side + suffix)) is not None}
        return cls(part, figures, _mark(part, bar)) if OURS in figures and bar.value is not None else None

    @property
    def longest(self) -> float:
        return max(*self.figures.values(), self.mark)

    @property
    def lines(self) -> list[str]:
        return wrap(self.part.work, _LINE)

    @property
    def height(self) -> int:
        return max(_STEP * len(self.figures), 20 + 17 * len(self.lines)) + _GAP


def _mark(part: Part, bar: Judged) -> float:
    """The most that ours may take."""
    if bar.to is None:
        return bar.most or 0.0
    if bar.least is not None:
        return (part.of(bar.of) or 0.0) / bar.least
    return (bar.most or 0.0) * (part.of(bar.to) or 0.0)


def chart(results: Results) -> str:
    """The picture, for light and dark pages."""
    rows = [row for part in results.parts.values() if (row := _Row.of(part))]
    height = _HEAD + sum(row.height for row in rows) + 4
    body, top = list(_legend()), _HEAD
    for row in rows:
        body += _drawn(row, top)
        top += row.height
    met = f"{sum(row.part.bars[0].met for row in rows)} of {len(rows)} are within what is to be reached."
    return _SVG.format(
        width=_WIDTH,
        height=height,
        style=_STYLE,
        description=escape(" ".join([met, *map(_told, rows)])),
        page_width=_WIDTH - 2,
        page_height=height - 2,
        body="\n".join(f"  {line}" for line in body),
    )


def _told(row: _Row) -> str:
    others = (
        f"{_name(side)} {number(value / row.figures[OURS], 2)}" for side, value in row.figures.items() if side != OURS
    )
    return (
        f"{row.part.title}: the bridge 1, {', '.join(others)}."
        if len(row.figures) > 1
        else f"{row.part.title}: the bridge 1."
    )


def _legend() -> Iterator[str]:
    yield f'<text class="head" x="{_LEFT}" y="40">Shorter is better</text>'
    yield f'<text class="work" x="{_LEFT}" y="62">Each row has a scale of its own.</text>'
    at = _BARS
    for kind, says in (("ours", "the bridge"), ("peer", "others"), ("limit", _LEAST)):
        yield f'<rect class="{kind}" x="{at}" y="28" width="22" height="{_BAR}" rx="3"/>'
        yield f'<text class="side" x="{at + 30}" y="40">{says}</text>'
        at += 50 + 7 * len(says)
    yield f'<path class="mark" d="M{at + 4} 26 v18"/><text class="side" x="{at + 14}" y="40">no longer than this</text>'


def _drawn(row: _Row, top: int) -> Iterator[str]:
    yield f'<path class="rule" d="M{_LEFT} {top - 14} H{_WIDTH - _LEFT}"/>'
    yield f'<text class="name" x="{_LEFT}" y="{top + 12}">{escape(row.part.title)}</text>'
    for place, line in enumerate(row.lines):
        yield f'<text class="work" x="{_LEFT}" y="{top + 32 + 17 * place}">{escape(line)}</text>'
    for place, (side, value) in enumerate(row.figures.items()):
        y, width = top + _STEP * place, max(2.0, _LONGEST * value / row.longest)
        kind = side if side in {OURS, LIMIT} else "peer"
        yield f'<rect class="{kind}" x="{_BARS}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3"/>'
        times = value / row.figures[OURS]
        at = _BARS + max(width, _at(row, row.mark) if side == OURS else 0) + 10
        says = "the bridge" if side == OURS else f"{_name(side)}: {number(times, 2)} times"
        style = "mine" if side == OURS else "side"
        yield f'<text class="{style}" x="{at:.1f}" y="{y + 11}">{escape(says)}</text>'
        if side == OURS:
            yield f'<path class="mark" d="M{_BARS + _at(row, row.mark):.1f} {y - 3} v{_BAR + 6}"/>'


def _name(side: str) -> str:
    return _LEAST if side == LIMIT else side


def _at(row: _Row, value: float) -> float:
    return _LONGEST * value / row.longest
