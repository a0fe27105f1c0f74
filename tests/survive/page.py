"""The page: the parts of docs/reliability.md that the simulation writes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.survive.guards import GUARDS, stands_in

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
# The loss of a guard has to show within so many schedules.
CAUGHT_WITHIN = 1_000


@dataclass(frozen=True, slots=True)
class Caught:
    """After how many schedules the loss of a guard shows (None: in none), and as what."""

    name: str
    after: int | None
    by: str


def write_schedules(lines: Sequence[str]) -> None:
    """Write what a run has counted."""
    _write("schedules", "\n".join(["```", *lines, "```"]))


def write_guards(found: Sequence[Caught]) -> None:
    """Write what catches the loss of each guard."""
    stands = {guard.name: stands_in(guard) for guard in GUARDS}
    rows = [
        f"| {one.name} | `{stands[one.name]}` | {one.by} | {one.after if one.after is not None else 'no'} |"
        for one in found
    ]
    _write("guards", "\n".join(["| Guard | Stands in | Without it | Seen after |", "|---|---|---|---:|", *rows]))


def _write(name: str, text: str) -> None:
    page = PAGE.read_text("utf-8")
    found = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
    PAGE.write_text(found.sub(lambda _: f"{text}\n", page), "utf-8")
