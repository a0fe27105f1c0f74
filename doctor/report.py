"""The report: findings under headings, as words in the terminal or in whatever reads instead of one."""

from collections import Counter
from collections.abc import Collection, Sequence

from rich.console import Console
from rich.text import Text

from doctor.findings import Finding, Verdict

_STYLES = {Verdict.FINE: "green", Verdict.WRONG: "bold red", Verdict.OPEN: "yellow"}
_WIDTH = max(len(verdict) for verdict in Verdict) + 2


class Report:
    """Prints findings and counts them. None of `secrets` is ever printed, whatever text it comes in."""

    def __init__(self, secrets: Collection[str] = (), console: Console | None = None) -> None:
        # The longest first: one secret may be part of another.
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._console = console or Console(highlight=False)
        self._counts: Counter[Verdict] = Counter()

    @property
    def is_fine(self) -> bool:
        """Whether nothing wrong was found so far."""
        return not self._counts[Verdict.WRONG]

    def section(self, title: str, findings: Sequence[Finding]) -> None:
        """Print findings under a heading."""
        self._print(f"\n{title}", "bold")
        for finding in findings:
            self._counts[finding.verdict] += 1
            line = Text("  ").append(f"{finding.verdict:<{_WIDTH}}", _STYLES[finding.verdict])
            self._console.print(line.append(self._safe(finding.what)), soft_wrap=True)
            if finding.do:
                self._print(f"{'':<{_WIDTH}}  -> {finding.do}")

    def end(self) -> None:
        """Print how many findings there were of each kind."""
        counts = ", ".join(f"{self._counts[verdict]} {verdict}" for verdict in Verdict)
        self._print(f"\n{counts}. Nothing was written anywhere.", "bold")

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(self._safe(text), style), soft_wrap=True)

    def _safe(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text
