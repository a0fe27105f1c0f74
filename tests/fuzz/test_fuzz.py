"""The short form of `make fuzz`, and that its judge sees what it is to see."""

import re
import subprocess
import sys

import pytest

import function_app  # noqa: F401 - declares the operations
from tests.fuzz.__main__ import LONG, Outcome, table
from tests.fuzz.app import FUNCTION_KEY, Answered, Request
from tests.fuzz.judging import Judge
from tests.pages import PROJECT, block, rows
from triggers.openapi import describe
from triggers.operations import OPERATIONS

INSTANCE = "/api/instances/i1"
UPSTREAM = "GET /v1/instances/i1"
JSON, PROBLEM = "application/json", "application/problem+json"


def test_a_thousand_requests_find_no_fault() -> None:
    """In a process of its own: the worker loads the app once."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "1000", "--seed", "3"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = {what: int(number.replace(",", "")) for what, number in rows(done.stdout)}
    assert (figures["made"], figures["faults"], figures["answered 5xx"]) == (1_000, 0, 0)
    # Most requests get past the host, and many past the checks.
    assert figures["answered 2xx"] > 300
    assert figures["that went on to Customer Insights"] > 200


@pytest.mark.parametrize(
    ("target", "answered", "fault"),
    [
        ("/api/event-types", Answered(200, {"Content-Type": JSON}, b'{"value":[]}', []), ""),
        ("/api/event-types", Answered(500, {"Content-Type": PROBLEM}, b"{}", []), "the answer is 500"),
        ("/api/event-types", Answered(200, {"Content-Type": JSON}, b'{"value":1}', []), "value:"),
        ("/api/event-types", Answered(200, {"Content-Type": JSON}, b'{"value":[NaN]}', []), "no JSON"),
        ("/api/event-types", Answered(200, {"Content-Type": PROBLEM}, b'{"value":[]}', []), "200 is"),
        ("/api/event-types", Answered(202, {"Content-Type": JSON}, b"{}", []), "202 is not described"),
        ("/api/nothing", Answered(200, {}, b"{}", []), "nothing is described"),
        ("/api/nothing", Answered(404, {}, FUNCTION_KEY.encode(), []), "the answer tells"),
        ("/api/nothing", Answered(404, {"X-Some": f"a{FUNCTION_KEY}"}, b"", []), "the answer tells"),
        ("/api/nothing", Answered(404, {"X-Some": "a\nSet-Cookie: b"}, b"", []), "breaks out of its line"),
        ("/api/nothing", Answered(404, {"Location": "https://evil.test/api"}, b"", []), "somebody else"),
        (f"{INSTANCE}/tables/t/items/x", Answered(404, {}, b"", [f"{UPSTREAM}/data/t('x')"]), ""),
        (f"{INSTANCE}/tables/t/items/x", Answered(404, {}, b"", [f"{UPSTREAM}/data/t/x"]), "was asked"),
        (f"{INSTANCE}/tables/t/items/x", Answered(404, {}, b"", [f"{UPSTREAM}/data/.."]), "was asked"),
        (f"{INSTANCE}/tables/t/items/x", Answered(404, {}, b"", [f"{UPSTREAM}/manage/segments"]), "was asked"),
        (f"{INSTANCE}/jobs/..%2f..", Answered(404, {}, b"", [f"{UPSTREAM}/manage/segments"]), "was asked"),
        ("/api/events", Answered(404, {}, b"", [f"{UPSTREAM}/manage/segments"]), "was asked"),
    ],
)
def test_the_judge_sees_a_fault(target: str, answered: Answered, fault: str) -> None:
    judge = Judge(describe(OPERATIONS, "http://bridge.test/api"))
    found = list(judge.faults(Request("GET", target), answered))
    assert any(fault in one for one in found) if fault else found == []


def test_the_page_has_the_figures_of_a_long_run() -> None:
    shown = block("fuzz")
    figures = {what: int(number.replace(",", "")) for what, number in rows(shown)}
    assert figures["made"] >= LONG
    assert figures["made"] == sum(number for what, number in figures.items() if re.match(r"answered \dxx", what))
    assert (figures["answered 5xx"], figures["faults"]) == (0, 0)
    assert list(figures) == [what for what, _ in rows(table(Outcome()))]
