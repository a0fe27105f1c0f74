"""The page of a soak: its figures as they were kept, and what stands of them in docs/reliability.md."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local.demo.accounting import Row
from tests.soak.accounting import Tally
from tests.soak.play import Outcome
from tests.soak.plot import plot
from tests.soak.samples import Sample, Trend, trends

PROJECT = Path(__file__).parents[2]
KEPT = Path(__file__).with_name("results.json")
PAGE, PICTURE = PROJECT / "docs" / "reliability.md", PROJECT / "docs" / "soak.svg"
DONE = {
    "pause": "paused and resumed",
    "replay": "replayed what was not delivered",
    "redeliver": "sent an event again",
    "redeliver_dead": "sent dead letters again",
}
_BLOCK = re.compile(r"(?<=<!-- soak -->\n).*?(?=<!-- /soak -->)", re.DOTALL)


def keep(outcome: Outcome) -> None:
    """Keep what came of a soak, draw it, and write the page."""
    KEPT.write_text(encode(outcome), "utf-8")
    PICTURE.write_text(drawn(outcome), "utf-8")
    PAGE.write_text(_BLOCK.sub(lambda _: written(outcome), PAGE.read_text("utf-8")), "utf-8")


def encode(outcome: Outcome) -> str:
    """It as JSON, a sample a line."""
    content: dict[str, Any] = {
        "minutes": outcome.minutes,
        "aloneSince": outcome.alone_since,
        "deaths": outcome.deaths,
        "done": outcome.done,
        "rows": [asdict(row) for row in outcome.rows],
        "tallies": [each._asdict() for each in outcome.tallies],
    }
    head = json.dumps(content, indent=1)
    samples = ",\n".join(json.dumps(each.kept(), separators=(",", ":")) for each in outcome.samples)
    return f'{head[:-2]},\n "samples": [\n{samples}\n ]\n}}\n'


def decode(text: str) -> Outcome:
    """Read what `encode` has written."""
    content: Mapping[str, Any] = json.loads(text)
    return Outcome(
        minutes=content["minutes"],
        rows=[Row(**row) for row in content["rows"]],
        tallies=[Tally(**each) for each in content["tallies"]],
        samples=[Sample.of(each) for each in content["samples"]],
        deaths=content["deaths"],
        alone_since=content["aloneSince"],
        done=content["done"],
    )


def drawn(outcome: Outcome) -> str:
    """The picture of it."""
    return plot(outcome.samples, outcome.deaths, trends(outcome.samples, outcome.alone_since))


def written(outcome: Outcome) -> str:
    """What the page says of it."""
    deaths = ", ".join(f"the {host} host died {len(times)} times" for host, times in outcome.deaths.items())
    people = ", ".join(f"{DONE[act]} {outcome.done[act]} times" for act in DONE if act in outcome.done)
    lines = [
        f"In {outcome.minutes:g} minutes {deaths}. People {people}.",
        "",
        *_table("What", "Expected", "Found", [_told(row) for row in outcome.rows]),
        "",
        *_tallied(outcome.tallies),
        "",
        *_levels(trends(outcome.samples, outcome.alone_since)),
        "",
        "![Memory, checkpoints, rows and messages over the time of the soak: level.](soak.svg)",
    ]
    return "\n".join(lines) + "\n"


def _told(row: Row) -> tuple[str, str, str]:
    return row.name.capitalize(), "" if row.expected is None else f"{row.expected:,}", f"{row.seen:,}"


def _table(what: str, one: str, two: str, rows: Sequence[tuple[str, str, str]]) -> list[str]:
    return [f"| {what} | {one} | {two} |", "|---|---:|---:|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]


def _tallied(tallies: Sequence[Tally]) -> list[str]:
    return [
        "| Flow | Events for it | Delivered | Held | Dead | Calls |",
        "|---|---:|---:|---:|---:|---:|",
        *(f"| {each.flow} | " + " | ".join(f"{count:,}" for count in each[1:]) + " |" for each in tallies),
    ]


def _levels(found: Sequence[Trend]) -> list[str]:
    return [
        "| Judged from minute | What | Median | Grew by | May grow by |",
        "|---:|---|---:|---:|---:|",
        *(
            f"| {each.since / 60:.1f} | {', '.join(filter(None, (each.series, each.unit)))} |"
            f" {each.median:,.1f} | {each.growth:,.1f} | {each.allowed:,.1f} |"
            for each in found
        ),
    ]
