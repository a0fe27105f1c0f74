"""The figures of `make load`: each part is kept as data when it has been measured, and written into the page."""

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KEPT = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_BLOCK = re.compile(r"(?<=<!-- load -->\n).*?(?=<!-- /load -->)", re.DOTALL)

type Part = Mapping[str, Any]


def keep(part: str, what: str, figures: Part) -> None:
    """Keep what was measured, in place of what was before, and write the page."""
    kept = json.loads(KEPT.read_text("utf-8"))
    kept[part][what] = figures
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    PAGE.write_text(_BLOCK.sub(lambda _: written(kept), PAGE.read_text("utf-8")), "utf-8")


def written(kept: Mapping[str, Mapping[str, Part]]) -> str:
    """What the page says; a part that was not measured is left out."""
    tables = [
        _table(
            ("At once for one host", "Deliveries a second", "Of their storage calls alone", "Of bare POSTs"),
            [
                (what, _rate(each["host"]), _of(each["host"], each["storage"]), _of(each["host"], each["posts"]))
                for what, each in kept["bursts"].items()
            ],
        ),
        _table(
            ("Steadily for one host", "Events a second", "p50, s", "max, s"),
            [(what, _rate([each["rate"]]), *_seconds(each["took"])) for what, each in kept["steady"].items()],
        ),
        _table(
            ("A healthy flow beside", "Events", "p50, s", "max, s"),
            [(what, f"{len(each['took'])}", *_seconds(each["took"])) for what, each in kept["beside"].items()],
        ),
        _table(
            ("One flow over two hosts", "May get a second", "At most in 10 s, a second", "On the whole, a second"),
            [
                (what, f"{each['rate']:g}", f"{each['most']:.1f}", f"{each['whole']:.1f}")
                for what, each in kept["hosts"].items()
            ],
        ),
    ]
    return "\n\n".join(each for each in tables if each) + "\n"


def ratio(ours: Sequence[float], limit: Sequence[float]) -> float:
    """The median of what was measured in turn: ours to the limit, round by round."""
    return statistics.median(one / two for one, two in zip(ours, limit, strict=True))


def _of(ours: Sequence[float], limit: Sequence[float]) -> str:
    return f"{ratio(ours, limit):.2f}"


def _rate(measured: Sequence[float]) -> str:
    return f"{statistics.median(measured):,.1f}"


def _seconds(took: Sequence[float]) -> tuple[str, str]:
    return f"{statistics.median(took):.2f}", f"{max(took):.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("|" + "|".join(f" {cell} " if cell.strip("-:") else cell for cell in line) + "|" for line in lines)
