"""The workflow, azd's part in it and the dev container: valid, in step with the templates, and as the pages say."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.stack import PROJECT

AZURE: dict[str, Any] = yaml.safe_load((PROJECT / "azure.yaml").read_text("utf-8"))
WORKFLOW = PROJECT / ".github" / "workflows" / "azure-dev.yml"
JOBS: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]
CONTAINER = json.loads((PROJECT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
PYTHON = (PROJECT / ".python-version").read_text("utf-8").strip()
PAGES = {
    name: (PROJECT / name).read_text("utf-8") for name in ("docs/environments.md", "SECURITY.md", "CONTRIBUTING.md")
}

# `azd pipeline config` sets these by itself, and the workflow of every azd template takes them.
AZD_SETS = {"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID", "AZURE_ENV_NAME", "AZURE_LOCATION"}
AZD_SETS_SECRET = {"AZD_INITIAL_ENVIRONMENT_CONFIG"}


@pytest.fixture(scope="module")
def read() -> Mapping[str, bool]:
    """The variables that the templates read, and whether each is a secret."""
    parameters = json.loads((PROJECT / "infra" / "main.parameters.json").read_text("utf-8"))["parameters"]
    template = (PROJECT / "infra" / "main.bicep").read_text("utf-8")
    # What stands before a parameter's name are its decorators.
    pieces = re.split(r"^param (\w+)", template, flags=re.MULTILINE)
    secret = {name for before, name in zip(pieces[::2], pieces[1::2], strict=False) if "@secure()" in before}
    found = {}
    for name, parameter in parameters.items():
        for variable in re.findall(r"\$\{(\w+)", json.dumps(parameter["value"])):
            found[variable] = name in secret
    return found


def step(job: str, start: str) -> dict[str, Any]:
    """The step of a job whose command starts so."""
    (found,) = [one for one in JOBS[job]["steps"] if one.get("run", "").startswith(start)]
    return dict(found)


def test_azd_hands_on_what_the_templates_read(read: Mapping[str, bool]) -> None:
    wanted = {secret: {name for name in read if read[name] is secret} - AZD_SETS for secret in (False, True)}
    assert wanted[True] >= {"CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY", "CUSTOMER_INSIGHTS_CLIENT_SECRET"}
    pipeline = AZURE["pipeline"]
    assert pipeline["provider"] == "github"
    assert (sorted(pipeline["variables"]), sorted(pipeline["secrets"])) == (sorted(wanted[False]), sorted(wanted[True]))


def test_the_workflow_takes_what_azd_hands_on() -> None:
    variables, secrets = AZD_SETS | {*AZURE["pipeline"]["variables"]}, AZD_SETS_SECRET | {*AZURE["pipeline"]["secrets"]}
    given = dict(JOBS["deploy"]["env"])
    # The repository knows where its own runbook is read: alerts link it, unless somebody names another place.
    runbook = "format('{0}/{1}/blob/{2}/docs/operations.md', github.server_url, github.repository, github.ref_name)"
    assert given.pop("RUNBOOK_URL") == f"${{{{ vars.RUNBOOK_URL || {runbook} }}}}"
    assert given == {name: f"${{{{ vars.{name} }}}}" for name in variables - {"RUNBOOK_URL"}}
    assert step("deploy", "azd provision")["env"] == {name: f"${{{{ secrets.{name} }}}}" for name in secrets}


def test_only_what_is_tested_and_on_main_or_chosen_is_deployed() -> None:
    assert step("test", "make test")
    assert JOBS["deploy"]["needs"] == "test"
    assert JOBS["deploy"]["if"].startswith("github.event_name != 'pull_request' && ")
    events = yaml.safe_load(WORKFLOW.read_text("utf-8"))[True]  # YAML 1.1 takes `on` for a truth value
    assert set(events) == {"pull_request", "push", "workflow_dispatch"}
    assert events["push"] == {"branches": ["main"]}


def test_azd_signs_in_without_a_secret() -> None:
    assert JOBS["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert "permissions" not in JOBS["test"]
    assert "--federated-credential-provider github" in step("deploy", "azd auth login")["run"]


def test_everything_is_checked_with_the_same_tools() -> None:
    assert CONTAINER["image"].endswith(f":{PYTHON}")
    (python,) = [one for one in JOBS["test"]["steps"] if one.get("uses", "").startswith("actions/setup-python@")]
    assert python["with"]["python-version-file"] == ".python-version"
    bicep = re.compile(r"az bicep install --version (v[\d.]+)")
    versions = {bicep.search(text)[1] for text in (WORKFLOW.read_text("utf-8"), CONTAINER["postCreateCommand"])}  # type: ignore[index]
    assert len(versions) == 1


@pytest.mark.parametrize(("schema", "path"), [("vendor.github-workflows", WORKFLOW)], ids=["workflow"])
def test_a_file_is_valid_by_its_schema(schema: str, path: Path) -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(  # noqa: S603 - a tool of the test group, and our own file
        [program, "--builtin-schema", schema, path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PAGES)
def test_a_page_links_to_what_exists(name: str) -> None:
    folder = (PROJECT / name).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[name]):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            text = (folder / path).read_text("utf-8")
            headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            assert not anchor or anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}, (
                target
            )


def test_the_page_names_variables_that_are_handed_on() -> None:
    page = PAGES["docs/environments.md"]
    secrets = AZD_SETS_SECRET | {*AZURE["pipeline"]["secrets"]}
    known = AZD_SETS | secrets | {*AZURE["pipeline"]["variables"], "STAGE"}
    assert set(re.findall(r"gh variable set (\w+)", page)) <= known - secrets
    assert set(re.findall(r"gh secret set (\w+)", page)) == secrets - AZD_SETS_SECRET
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", page)) <= known
    assert set(re.findall(r"vars\.(\w+)", WORKFLOW.read_text("utf-8"))) <= known


def test_the_tag_of_the_runbook_is_the_one_that_a_release_makes() -> None:
    (made,) = set(re.findall(r"git tag --annotate (\S+)", PAGES["CONTRIBUTING.md"]))
    assert re.findall(r"git checkout (\S+)", (PROJECT / "docs" / "operations.md").read_text("utf-8")) == [made]
    assert re.findall(r"--ref (\S+)", PAGES["docs/environments.md"]) == [made]


def test_every_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", "\n".join(PAGES.values()), re.MULTILINE))
    assert {"lock", "setup", "test"} <= named <= targets
