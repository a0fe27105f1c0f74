"""The table of docs/reliability.md and its summary, made from `results.json`, which has the last run of each cell."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from tests.faults.cells import EVENTS, Outcome
from tests.faults.edges import API, BLOB, CALLBACK, EDGES, QUEUE, TABLE, TOKEN, TOPIC
from tests.faults.faults import FAULTS

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_BLOCK = re.compile(r"(?<=<!-- faults -->\n).*?(?=<!-- /faults -->)", re.DOTALL)
_HEADS = {
    API: "Customer Insights API",
    TOKEN: "Token endpoint",
    TOPIC: "Event Grid topic",
    BLOB: "Blobs",
    QUEUE: "Queues",
    TABLE: "Tables",
    CALLBACK: "Callback",
}


def kept() -> list[Outcome]:
    """The last outcome of each cell."""
    return [Outcome.of(each) for each in json.loads(RESULTS.read_text("utf-8"))]


def keep(outcomes: Sequence[Outcome]) -> None:
    """Keep these outcomes in the place of older ones of the same cells."""
    found = {(each.edge, each.fault): each for each in [*(kept() if RESULTS.exists() else []), *outcomes]}
    in_order = [found[cell] for edge in EDGES for fault in FAULTS if (cell := (edge, fault.name)) in found]
    lines = ",\n".join(json.dumps(each.stored()) for each in in_order)
    RESULTS.write_text(f"[\n{lines}\n]\n", "utf-8")


def block(outcomes: Sequence[Outcome]) -> str:
    """The summary and the table."""
    found = {(each.edge, each.fault): each for each in outcomes}
    lines = [summary(outcomes), ""]
    lines += ["| Fault | " + " | ".join(_HEADS.values()) + " |", "|---|" + "---|" * len(_HEADS)]
    for fault in FAULTS:
        row = [found.get((edge, fault.name)) for edge in EDGES]
        cells = ["not tried" if each is None else each.told for each in row]
        lines.append(f"| {fault.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write(outcomes: Sequence[Outcome]) -> None:
    """Write the page anew."""
    PAGE.write_text(_BLOCK.sub(lambda _: block(outcomes), PAGE.read_text("utf-8")), "utf-8")


def summary(outcomes: Sequence[Outcome]) -> str:
    """All cells in figures."""
    counted = ("lost", "twice", "changed", "secrets")
    total = {what: sum(getattr(each, what) for each in outcomes) for what in counted}
    longest = max(each.well_after or 0.0 for each in outcomes)
    return (
        f"{len(outcomes)} of {len(EDGES) * len(FAULTS)} cells were tried, with {len(outcomes) * EVENTS} events: "
        f"{total['lost']} lost, {total['twice']} twice with the same id, {total['changed']} changed, "
        f"{total['secrets']} secrets in the log. Well again after {longest:.1f} s at most. An event of somebody else "
        f"took {_beside(outcomes, of_api=False):.1f} s at most meanwhile, and {_beside(outcomes, of_api=True):.1f} s "
        "beside faults of Customer Insights."
    )


def _beside(outcomes: Sequence[Outcome], *, of_api: bool) -> float:
    return max((each.beside or 0.0 for each in outcomes if (each.edge == API) == of_api), default=0.0)
