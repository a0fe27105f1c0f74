"""Every query of the portal binds to the tables' real columns, and names only what the bridge tells."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local.install_azurite import install
from local.node import find_node
from shared import telemetry
from shared.telemetry import LOG_EVENTS, METRICS, SPANS
from tests.telemetry.portal import QUERIES
from tests.telemetry.tables import COLUMNS, schema

FOLDER = Path(__file__).parents[1] / "kql"
BY_NAME = {each.name: each for each in (*METRICS, *SPANS)}

# A query that is wrong in each way that the binder must see.
WRONG = {
    "table": ("AppMetric | take 1", "AppMetric"),
    "column": ("AppMetrics | where ValueSum > 0", "ValueSum"),
    "function": ("AppMetrics | extend x = tostrin(Name)", "tostrin"),
    "operator": ("AppMetrics | were Sum > 0", "were"),
    "type": ("AppMetrics | where Name + 1 > 0", ""),
}


def bind(queries: Mapping[str, str], others: Mapping[str, str] | None = None) -> Mapping[str, list[Any]]:
    """What Microsoft's binder has to say of queries over the workspace's tables, and others with their schemas."""
    install(FOLDER)
    asked = {"tables": {**{table: schema(table) for table in COLUMNS}, **(others or {})}, "queries": dict(queries)}
    done = subprocess.run(  # noqa: S603 - our own script
        [find_node().program, "binder.js"],
        cwd=FOLDER,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: Mapping[str, list[Any]] = json.loads(done.stdout)
    return found


def test_every_query_binds_without_a_diagnostic_and_the_binder_sees_what_is_wrong() -> None:
    found = bind({**QUERIES, **{kind: query for kind, (query, _) in WRONG.items()}})
    assert {name: found[name] for name in QUERIES} == {name: [] for name in QUERIES}
    for kind, (_, culprit) in WRONG.items():
        assert any(culprit in one["text"] + one["message"] for one in found[kind]), kind


def named(query: str) -> set[str]:
    """The metrics and spans that a query is about."""
    return set(re.findall(r'\bName == "([^"]+)"', query))


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_asks_for_names_that_the_bridge_tells(query: str) -> None:
    assert named(query) <= set(BY_NAME)
    for word in re.findall(r'startswith "([^"]+)"', query):
        # One event, or all of a kind.
        assert word.rstrip() in LOG_EVENTS if word.endswith(" ") else any(e.startswith(word) for e in LOG_EVENTS), word


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_reads_dimensions_that_its_metrics_and_spans_have(query: str) -> None:
    for part in re.split(r";\n", query):
        read = set(re.findall(r"Properties\.(\w+)", part)) | set(re.findall(r'Properties\["(\w+)"\]', part))
        has = {
            dimension
            for name in named(part)
            for dimension in getattr(BY_NAME[name], "dimensions", None) or getattr(BY_NAME[name], "attributes", ())
        }
        assert read <= has, part


def test_every_metric_that_is_told_for_the_portal_alone_is_asked_for() -> None:
    asked = set().union(*(named(query) for query in QUERIES.values()))
    assert {telemetry.POLL_FAILURES.name, telemetry.OLDEST_PENDING.name, telemetry.POISON_MESSAGES.name} <= asked


def test_the_lock_file_names_packages_and_hashes_but_no_address() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert packages["node_modules/@kusto/language-service-next"]["version"] == "12.4.1"
    assert all("integrity" in package for path, package in packages.items() if path)
    assert not any("resolved" in package for package in packages.values())
