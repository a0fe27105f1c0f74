"""The scan for secrets sees what it is to see."""

import base64
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.leaks import Secrets, fail_where_told, shapes_in
from tests.pages import PROJECT
from tests.telemetry.recorder import Recorder

SECRET = 'ca"na/ry+secret=='


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET, safe=""),
        'ca\\"na/ry+secret==',
        base64.b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
    ],
)
def test_a_secret_is_found_in_every_spelling(text: str) -> None:
    secrets = Secrets()
    secrets.keep("the key", SECRET)
    assert secrets.found_in(f"request failed: {text} (403)") == {"the key"}
    assert secrets.found_in("request failed: (403)") == set()


@pytest.mark.parametrize(
    "text",
    [
        "POST https://prod-01.logic.azure.com/x?sp=%2Frun&sig=c2lnbmF0dXJl",
        "secret=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "AccountName=a;AccountKey=MDEyMzQ1Njc4OWFiY2RlZg==",
        "Authorization: Bearer eyJhbGciOi",
    ],
)
def test_what_looks_like_a_secret_is_found(text: str) -> None:
    assert len(shapes_in(text)) == 1
    assert shapes_in("sig= whsec_ AccountKey= Bearer of the sign") == set()


@pytest.mark.parametrize(
    ("section", "text", "outcome"),
    [
        ("Captured log call", "WARNING bridge: POST https://a/x?sig=c2lnbmF0dXJl", "failed"),
        ("Captured log setup", "Bearer eyJhbGciOi", "failed"),
        ("Captured log call", "WARNING bridge: delivery.failed", "passed"),
        ("Captured stdout call", "https://a/x?sig=c2lnbmF0dXJl", "passed"),
    ],
)
def test_a_test_whose_log_tells_a_secret_has_failed(section: str, text: str, outcome: str) -> None:
    report = pytest.TestReport("a", ("a", 0, "a"), {}, "passed", None, "call", [(section, text)])
    fail_where_told(report)
    assert report.outcome == outcome


PLANTED = """
import logging
import pytest

@pytest.mark.parametrize("url", ["https://a/x?sig=c2lnbmF0dXJl", "https://a/x"])
@pytest.mark.parametrize("level", ["info", "warning"])
def test_logs(level, url):
    getattr(logging.getLogger("bridge.deliver"), level)("POST %s", url)
"""


def test_in_a_run_of_tests_those_fail_whose_log_tells_a_secret_at_the_level_that_azure_keeps(tmp_path: Path) -> None:
    path = tmp_path / "test_planted.py"
    path.write_text(PLANTED, "utf-8")
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-n", "0", "-p", "tests.conftest", str(path)]
    told = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True).stdout  # noqa: S603
    assert "the log tells a flow's signature" in told
    assert re.search(r"^2 failed, 2 passed", told, re.MULTILINE)


def test_recorded_traces_are_searched() -> None:
    recorder = Recorder()
    with recorder.tracers.get_tracer("x").start_as_current_span("poll", attributes={"family": "jobs"}):
        pass
    assert len(recorder.spans()) == 1
    with recorder.tracers.get_tracer("x").start_as_current_span(
        "deliver", attributes={"to": "https://a/?sig=c2lnbmF0"}
    ):
        pass
    with pytest.raises(AssertionError):
        recorder.spans()
