"""The results in words: all bars as a table of ratios, and what each side took."""

from bench.benchmark import OURS
from bench.results import Judged, Part, Results


def table(results: Results) -> str:
    """All bars in Markdown, what was reached, and on which machine."""
    lines = ["| What is done | The bar | Reached | |", "|---|---|---:|---|"]
    for part in results.parts.values():
        for bar in part.bars:
            what = f"**{part.number} {part.title}**: {part.work}" if bar is part.bars[0] else ""
            lines.append(f"| {what} | {bar.says} | {_reached(part, bar)} | {'met' if bar.met else '**missed**'} |")
    return "\n".join(lines) + "\n"


def sides(results: Results) -> str:
    """What the sides took in Markdown, as multiples of ours, and who could not take part."""
    lines = ["| | Beside ours (1) |", "|---|---|"]
    for part in results.parts.values():
        told = [f"{name} {number(times)}" for name, times in _times_ours(part)]
        told += [f"{name} did not take part ({why})" for name, why in part.missing.items()]
        if told:
            lines.append(f"| {part.number} {part.title} | {', '.join(told)} |")
    return "\n".join(lines) + "\n"


def machines(results: Results) -> str:
    """Where and when it was measured, in a line for each machine."""
    found = {
        f"{one.processors} processors ({one.processor}), {one.memory_gb} GB, {one.system}, Python {one.python}"
        for one in (part.machine for part in results.parts.values())
    }
    days = sorted({f"{part.measured_at:%Y-%m-%d}" for part in results.parts.values()})
    return f"Measured on {'; '.join(sorted(found))}; {', '.join(days)}.\n"


def number(value: float, digits: int = 3) -> str:
    """A number in so many digits."""
    after_point = max(0, digits - 1 - int(f"{value:e}".partition("e")[2]))
    return f"{value:,.{after_point}f}" if value != int(value) else f"{value:,.0f}"


def _reached(part: Part, bar: Judged) -> str:
    if bar.value is None:
        return "not measured"
    return number(bar.value) if bar.to else f"{number(bar.value)} {part.unit}"


def _times_ours(part: Part) -> list[tuple[str, float]]:
    """The other sides' medians over ours, each figure over that of the same name."""
    found = []
    for name, side in ((name, side) for name in part.figures for side in part.sides):
        if side == OURS or not (name == side or name.startswith(f"{side} ")):
            continue
        ours, value = part.of(OURS + name.removeprefix(side)), part.of(name)
        if ours and value is not None:
            found.append((name, value / ours))
    return found
