"""The results as a table of ratios."""

from bench.benchmark import OURS
from bench.results import Judged, Part, Results


def table(results: Results) -> str:
    """All bars in Markdown: what was reached, and whether that is enough."""
    lines = ["| | What is done | Bar | Reached | |", "|---|---|---|---:|---|"]
    for part in results.parts.values():
        for bar in part.bars:
            first = bar is part.bars[0]
            what = (part.number, f"**{part.title}**: {part.work}") if first else ("", "")
            lines.append(
                f"| {what[0]} | {what[1]} | {bar.says} | {reached(part, bar)} | {'met' if bar.met else 'missed'} |"
            )
    return "\n".join(lines) + "\n"


def reached(part: Part, bar: Judged) -> str:
    """What was measured for a bar, as people read it."""
    if bar.value is None:
        return "; ".join(f"{name}: {why}" for name, why in part.missing.items()) or "not measured"
    return number(bar.value) + (" times" if bar.to else f" {part.unit}")


def number(value: float) -> str:
    """A number in three digits."""
    digits = max(0, 2 - int(f"{value:e}".partition("e")[2]))
    return f"{value:,.{digits}f}" if value != int(value) else f"{value:,.0f}"


def sides(part: Part) -> str:
    """The medians of all figures beside ours, in a line."""
    ours = part.of(OURS)
    told = []
    for name in part.figures:
        value = part.of(name)
        if ours and value is not None and name != OURS:
            told.append(f"{name} {number(value / ours)} x ours")
    return ", ".join(told)
