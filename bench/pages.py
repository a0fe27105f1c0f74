"""Writes the results where people read them: the picture, and the tables of the page."""

from pathlib import Path
from typing import Final

from bench.chart import chart
from bench.results import Results
from bench.table import machines, sides, table

_DOCS: Final = Path(__file__).parent.parent / "docs"
PICTURE: Final = _DOCS / "performance.svg"
PAGE: Final = _DOCS / "performance.md"


def blocks(results: Results) -> dict[str, str]:
    """What the page has between its markers."""
    return {"bench": table(results), "bench-sides": sides(results), "bench-machine": machines(results)}


def write(results: Results) -> None:
    """Draw the picture and fill in the page."""
    PICTURE.write_text(chart(results), "utf-8")
    page = PAGE.read_text("utf-8")
    for name, text in blocks(results).items():
        before, rest = page.split(f"<!-- {name} -->\n")
        page = f"{before}<!-- {name} -->\n{text}{rest[rest.index(f'<!-- /{name} -->') :]}"
    PAGE.write_text(page, "utf-8")
