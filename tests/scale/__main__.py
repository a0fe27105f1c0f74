"""Writes the table of docs/scale.md anew: 10,000 instances and 100,000 subscriptions, 30 minutes on virtual time."""

import logging
import re
import sys
from pathlib import Path

from tests.scale.simulation import simulate, sums

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
_TABLE = re.compile(r"(?<=<!-- scale -->\n).*?(?=<!-- /scale -->)", re.DOTALL)


def table(figures: dict[str, tuple[str, float]]) -> str:
    """The figures as a table."""
    lines = ["| What | How | Figure |", "|---|---|---:|"]
    lines += [f"| {what} | {how} | {_number(figure)} |" for what, (how, figure) in figures.items()]
    return "\n".join(lines) + "\n"


def _number(figure: float) -> str:
    return f"{figure:,.2f}" if figure < 100 and figure != int(figure) else f"{figure:,.0f}"


def main() -> None:
    """Simulate, and write the page."""
    logging.disable(logging.CRITICAL)
    written = table(sums(simulate(10_000, 100_000, 30)))
    sys.stdout.write(written)
    PAGE.write_text(_TABLE.sub(lambda _: written, PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
