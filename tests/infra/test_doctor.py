"""azure-functions-doctor finds nothing wrong with what is deployed."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deploy.ignoring import APP
from tests.infra.compiler import INFRA, PROJECT

# What it warns of, and why that stays.
BY_DESIGN = {
    "check_programming_model_v2": "it knows blueprints by the name `bp` only; ours are called `blueprint`",
    "check_native_dependency_risk": "cryptography is native; the remote build fetches it for Azure's Linux",
    "check_app_insights": "it looks into this machine's settings; the deployment sets the connection string",
}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[str, str]]:
    """Each rule's status and finding, on what is deployed: the app and its templates."""
    shipped = tmp_path_factory.mktemp("shipped")
    for name in sorted(APP | {".funcignore", ".python-version"}):
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, shipped / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, shipped / name)
    shutil.copytree(INFRA, shipped / "infra")
    report = run_doctor(shipped)
    items = [item for section in report["results"] for item in section["items"]]
    return {item["rule_id"]: (item["status"], item["value"]) for item in items}


def run_doctor(folder: Path) -> dict:
    program = Path(sys.executable).with_name("azure-functions-doctor")
    options = ("--profile", "deploy", "--hosting-plan", "flex-consumption", "--format", "json")
    done = subprocess.run(  # noqa: S603 - a tool of the test group, and our own files
        [program, "doctor", "--path", folder, *options],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return json.loads(done.stdout)


def test_doctor_warns_of_nothing_but_what_is_by_design(findings: Mapping[str, tuple[str, str]]) -> None:
    found = {rule: text for rule, (status, text) in findings.items() if status not in {"pass", "skip"}}
    assert found.keys() - BY_DESIGN.keys() == set(), found
    assert BY_DESIGN.keys() - found.keys() == set(), "no longer needed"


@pytest.mark.parametrize(
    "rule",
    [
        "check_python_runtime_lifecycle",
        "check_flex_runtime_config",
        "check_flex_deprecated_settings",
        "check_flex_deployment_storage",
        "check_binding_connection_resolution",
        "check_unpinned_requirements",
        "check_host_json_version",
    ],
)
def test_doctor_has_looked_at(findings: Mapping[str, tuple[str, str]], rule: str) -> None:
    assert findings[rule][0] == "pass", findings[rule][1]


def test_doctor_would_find_a_fault(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "1.0"}')
    items = [item for section in run_doctor(tmp_path)["results"] for item in section["items"]]
    assert {"fail"} <= {item["status"] for item in items}
