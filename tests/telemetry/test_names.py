"""The names: the log's first words, and what metrics and spans may tell, are what the names module says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import telemetry
from shared.telemetry import LOG_EVENTS, METRICS, SPANS

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "triggers").glob("*.py")), *sorted((ROOT / "shared").rglob("*.py"))]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def log_lines(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """The format of every line that a file logs; `log` or `logging.getLogger(…)`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        logger = ast.unparse(node.func.value)
        if node.func.attr in LEVELS and (logger == "log" or logger.startswith("logging.getLogger(")):
            [first, *_] = node.args
            assert isinstance(first, ast.Constant), f"{path.name}:{node.lineno}: a log line without a fixed form"
            yield str(first.value), node


def test_every_log_line_begins_with_a_known_event_and_every_event_is_logged() -> None:
    events = {line.split()[0] for path in FILES for line, _ in log_lines(path)}
    assert events == LOG_EVENTS


def test_names_are_used_once() -> None:
    names = [each.name for each in (*METRICS, *SPANS)]
    assert len(names) == len(set(names))
    assert all(metric.name.startswith("bridge.") for metric in METRICS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_code_tells_only_what_the_names_module_declares(path: Path) -> None:
    attributes = {attribute for span in SPANS for attribute in span.attributes}
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        told = {keyword.arg for keyword in node.keywords} - {"parent", None}
        teller = ast.unparse(node.func.value)
        if teller.endswith("telemetry") and node.func.attr == "measure":
            metric = getattr(telemetry, ast.unparse(node.args[0]))
            assert told == set(metric.dimensions), f"{path.name}:{node.lineno}"
        elif teller.endswith("telemetry") and node.func.attr == "span":
            span = getattr(telemetry, ast.unparse(node.args[0]))
            assert told <= set(span.attributes), f"{path.name}:{node.lineno}"
        elif teller == "span" and node.func.attr == "note":
            assert told <= attributes, f"{path.name}:{node.lineno}"
