"""What happens, shown live: one line each for the tenant, the events and the deliveries; and the account at the end."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.demo.accounting import Row
from local.flows import Call

_STYLES = {"tenant": "cyan", "event": "magenta", "delivery": "green", "bridge": "dim"}
_PIPE_WIDTH = 120


class Screen:
    """The terminal, or whatever reads instead of one: then nothing is coloured."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = _PIPE_WIDTH
        self._started = time.monotonic()

    def say(self, text: str, *, style: str = "") -> None:
        """Show text as it is."""
        self._console.print(Text(text, style), soft_wrap=True)

    def happening(self, who: str, text: str, *, style: str | None = None) -> None:
        """Show that something happened."""
        line = Text(f"{time.monotonic() - self._started:6.1f} s  ", "dim")
        indent = {"tenant": "", "event": "  ", "delivery": "    "}.get(who, "")
        line.append(f"{indent}{who:<{14 - len(indent)}}", _STYLES.get(who, ""))
        line.append(text, style or "")
        self._console.print(line, soft_wrap=True)

    def event(self, event: Mapping[str, Any]) -> None:
        """Show an event that was published."""
        self.happening("event", f"{_short(event)}: {_about(event)}")

    def call(self, call: Call, *, timeout: float) -> None:
        """Show a call of a flow and its answer."""
        if call.delay >= timeout:
            answer, style = f"no answer within {timeout:g} s", "yellow"
        elif call.accepted:
            answer, style = f"{call.status} accepted", "green"
        elif call.status in {408, 425, 429} or call.status >= 500:  # noqa: PLR2004 - server errors
            answer, style = f"{call.status} not now", "yellow"
        else:
            answer, style = f"{call.status} refused", "red"
        self.happening("delivery", f"{call.flow} <- {_short(call.event)}: {answer}", style=style)

    def account(self, rows: Sequence[Row], title: str = "The day's account") -> None:
        """Show an account, with what is wrong in it."""
        table = Table(title=title)
        table.add_column("")
        table.add_column("expected", justify="right")
        table.add_column("seen", justify="right")
        table.add_column("")
        for row in rows:
            verdict = Text("ok", "green") if row.is_right else Text("WRONG", "bold red")
            table.add_row(row.name, "" if row.expected is None else str(row.expected), str(row.seen), verdict)
        self._console.print(table)
        for row in rows:
            for remark in () if row.is_right else row.remarks:
                self.say(f"{row.name}: {remark}", style="red")


def _short(event: Mapping[str, Any]) -> str:
    return str(event.get("type", "no event")).removeprefix("CustomerInsights.")


def _about(event: Mapping[str, Any]) -> str:
    """Tell in a few words what an event is about."""
    data = event.get("data") or {}
    name = data.get("friendlyName") or data.get("displayName") or data.get("name") or event.get("subject")
    if "threshold" in data:
        return f"{name} {data['direction']} {data['threshold']} ({data['previousValue']} -> {data['value']})"
    if "outcome" in data:
        return f"{data['outcome']}, {data.get('submissionKind', 'unknown')}"
    return str(name)
