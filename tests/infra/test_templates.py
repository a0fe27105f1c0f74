"""The templates compile without a word, their snapshots are up to date, and what depends on something waits for it."""

import difflib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.infra.compiler import INFRA, SAMPLES, Compiler, copy_of_infra, snapshot_text
from tests.infra.deployment import Deployment

PARAMETERS = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]

# What Azure's naming rules say, and for the site Functions, which tells apps apart by 32 characters.
NAMES = {
    "Microsoft.EventGrid/topics": r"[A-Za-z0-9-]{3,50}",
    "Microsoft.EventGrid/topics/eventSubscriptions": r"[A-Za-z0-9-]{3,64}",
    "Microsoft.Insights/actionGroups": r"[\w-]{1,260}",
    "Microsoft.Insights/components": r"[\w.()-]{1,259}[\w()-]",
    "Microsoft.Insights/metricAlerts": r"[\w-]{1,260}",
    "Microsoft.Insights/scheduledQueryRules": r"[\w-]{1,260}",
    "Microsoft.Insights/webtests": r"[\w-]{1,260}",
    "Microsoft.Insights/workbooks": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "Microsoft.KeyVault/vaults": r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "Microsoft.KeyVault/vaults/secrets": r"[A-Za-z0-9-]{1,127}",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][\w-]{2,127}",
    "Microsoft.Network/privateEndpoints": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.Network/virtualNetworks": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.Resources/resourceGroups": r"[\w.()-]{1,89}[\w()-]",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Storage/storageAccounts/blobServices/containers": r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
    "Microsoft.Storage/storageAccounts/queueServices/queues": r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
    "Microsoft.Storage/storageAccounts/tableServices/tables": r"[A-Za-z][A-Za-z0-9]{2,62}",
    "Microsoft.Web/serverfarms": r"[\w-]{1,60}",
    "Microsoft.Web/sites": r"[A-Za-z0-9][A-Za-z0-9-]{0,30}[A-Za-z0-9]",
}
# Azure gives these their names, or tells one from another by something else.
FIXED_NAMES = {
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.Network/privateDnsZones",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/managementPolicies",
    "Microsoft.Storage/storageAccounts/queueServices",
    "Microsoft.Storage/storageAccounts/tableServices",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
}


@pytest.fixture(scope="module")
def built(compiler: Compiler) -> CompletedProcess[str]:
    return compiler.run("build", INFRA / "main.bicep", "--stdout")


@pytest.fixture(scope="module")
def template(built: CompletedProcess[str]) -> Mapping[str, Any]:
    """What main.bicep compiles to."""
    return json.loads(built.stdout)


@pytest.fixture(scope="module")
def extremes(compiler: Compiler, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Deployment]:
    """The full deployment in environments of the shortest and the longest name, by that name."""
    parameters = copy_of_infra(tmp_path_factory.mktemp("extremes")) / "samples" / "full.bicepparam"
    sample = parameters.read_text("utf-8")
    found = {}
    for environment in ("x", "E" * 64):
        parameters.write_text(sample.replace("'sample'", f"'{environment}'"), "utf-8")
        found[environment] = Deployment.of(compiler.snapshot(parameters))
    return found


def test_format_is_the_compiler_s(compiler: Compiler, tmp_path: Path) -> None:
    copy = copy_of_infra(tmp_path)
    for ending in ("bicep", "bicepparam"):
        done = compiler.run("format", "--pattern", copy / "**" / f"*.{ending}")
        assert done.returncode == 0, done.stderr
    files = sorted(INFRA.rglob("*.bicep*"))
    assert INFRA / "modules" / "app.bicep" in files
    changed = [str(f.relative_to(INFRA)) for f in files if (copy / f.relative_to(INFRA)).read_text() != f.read_text()]
    assert changed == [], "run `bicep format` on these"


def test_compiler_has_nothing_to_say(compiler: Compiler, built: CompletedProcess[str]) -> None:
    linted = compiler.run("lint", INFRA / "main.bicep")
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")
    assert (built.returncode, built.stderr) == (0, "")


def test_a_mistake_is_an_error(compiler: Compiler, tmp_path: Path) -> None:
    shutil.copy(INFRA / "bicepconfig.json", tmp_path)
    (tmp_path / "main.bicep").write_text("param unused string = ''\n")
    done = compiler.run("lint", tmp_path / "main.bicep")
    assert done.returncode != 0
    assert "no-unused-params" in done.stdout + done.stderr


@pytest.mark.parametrize("name", SAMPLES)
def test_snapshot_is_what_would_be_deployed(compiler: Compiler, tmp_path: Path, name: str) -> None:
    samples = copy_of_infra(tmp_path) / "samples"
    kept = (samples / f"{name}.snapshot.json").read_text("utf-8")
    made = snapshot_text(compiler.snapshot(samples / f"{name}.bicepparam"))
    difference = difflib.unified_diff(kept.splitlines(), made.splitlines(), "the snapshot", "the templates", "", "", 1)
    assert kept == made, "run `make snapshot` and read what changes:\n" + "\n".join(difference)


def test_names_keep_azure_s_rules(extremes: Mapping[str, Deployment]) -> None:
    wrong = []
    for environment, deployment in extremes.items():
        assert deployment.outputs["AZURE_RESOURCE_GROUP"] == f"rg-{environment}"
        for resource in deployment.resources:
            kind, name = resource["type"], resource["name"].rpartition("/")[2]
            if kind not in FIXED_NAMES and not re.fullmatch(NAMES[kind], name):
                wrong.append((kind, name))
    assert wrong == []


def test_two_environments_share_no_name(extremes: Mapping[str, Deployment]) -> None:
    one, other = extremes.values()
    assert {r["id"] for r in one.resources} & {r["id"] for r in other.resources} == set()
    for kind in ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults", "Microsoft.Web/sites"):
        assert one.the(kind)["name"] != other.the(kind)["name"]


def test_callback_keys_are_written_once_and_no_other_secret(template: Mapping[str, Any]) -> None:
    secrets = {
        re.findall(r"'([a-z-]+)'\)\]$", resource["name"])[0]: "onlyIfNotExists" in resource.get("@options", {})
        for resource in template["resources"]["vault"]["properties"]["template"]["resources"].values()
        if resource["type"].endswith("/secrets")
    }
    assert secrets == {
        "customer-insights-subscription-key": False,
        "customer-insights-client-secret": False,
        "callback-encryption-key": True,
        "callback-encryption-key-previous": True,
    }


def test_azd_makes_the_key_at_random_and_asks_two_questions(template: Mapping[str, Any]) -> None:
    declared = template["parameters"]
    seed = declared.pop("callbackEncryptionSeed")
    assert seed["metadata"]["azd"] == {"type": "generate", "config": {"length": 42, "noSpecial": True}}
    assert seed["type"] == "securestring"
    assert "callbackEncryptionSeed" not in PARAMETERS, "azd generates what no parameter file names"
    assert set(PARAMETERS) == set(declared)
    # azd itself asks for the environment's name and region.
    asked = {name for name, parameter in declared.items() if "defaultValue" not in parameter}
    assert asked == {"environmentName", "location", "customerInsightsSubscriptionKey", "alertEmail"}
    secret = {name for name, parameter in declared.items() if parameter["type"] == "securestring"}
    # The address of a flow that posts alerts holds a signature, with which anybody may call it.
    assert secret == {"customerInsightsSubscriptionKey", "customerInsightsClientSecret", "alertWebhookUrl"}


def test_parameters_are_named_as_their_variables(template: Mapping[str, Any]) -> None:
    special = {"environmentName": "AZURE_ENV_NAME", "location": "AZURE_LOCATION"}
    for name, parameter in PARAMETERS.items():
        variable, _, default = parameter["value"].removeprefix("${").removesuffix("}").partition("=")
        expected = special.get(name, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper())
        assert variable == expected
        # azd does not take an empty text for a number or a flag, and takes it for a text.
        declared = template["parameters"][name]
        if declared["type"] in {"int", "bool"}:
            assert default == json.dumps(declared["defaultValue"])
        else:
            assert default == declared.get("defaultValue", "")


def test_azd_offers_the_regions_that_have_the_plan(template: Mapping[str, Any]) -> None:
    location = template["parameters"]["location"]
    assert location["metadata"]["azd"] == {"type": "location"}  # azd then lists those allowed, with their names
    regions = location["allowedValues"]
    assert regions == sorted(set(regions))
    assert {"eastus", "northeurope", "westeurope"} <= set(regions)
    # As Azure names them: what the page's command prints can be put in as it is.
    assert [region for region in regions if not re.fullmatch(r"[a-z]+[0-9]?", region)] == []


def test_outputs_are_upper_case(template: Mapping[str, Any]) -> None:
    assert "AZURE_FUNCTION_APP_NAME" in template["outputs"]
    assert [name for name in template["outputs"] if not re.fullmatch(r"[A-Z][A-Z_]*", name)] == []


def names_given(module: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """The names that a module gives to what it makes, and those by which it finds what is there."""
    template, given = module["properties"]["template"], module["properties"]["parameters"]
    resources = template["resources"]
    inner = resources.values() if isinstance(resources, dict) else resources
    making = {resource["name"] for resource in inner if not resource.get("existing")}
    made, found = set(), set()
    for key, value in given.items():
        names = set(re.findall(r"variables\('names'\)\.(\w+)", str(value))) - {"resourceGroup"}
        (made if f"[parameters('{key}')]" in making else found).update(names)
    return made, found


def test_what_needs_a_resource_waits_for_the_module_that_makes_it(template: Mapping[str, Any]) -> None:
    modules = {key: r for key, r in template["resources"].items() if r["type"] == "Microsoft.Resources/deployments"}
    maker = {made: key for key, module in modules.items() for made in names_given(module)[0]}

    def awaited(key: str) -> set[str]:
        direct = set(modules[key].get("dependsOn", ())) & set(modules)
        return direct.union(*(awaited(other) for other in direct))

    needs = {key: {maker[one] for one in names_given(module)[1]} for key, module in modules.items()}
    assert needs["roles"] == {"topic", "storage", "vault", "monitoring"}
    assert {"identity", *needs["roles"]} <= awaited("roles")
    assert {key: needed - awaited(key) for key, needed in needs.items() if not needed <= awaited(key)} == {}
    # Event Grid tries the queue at once, and the app reads its package and its secrets at its first start.
    assert "roles" in awaited("eventSubscription")
    assert {"roles", "network", "vault"} <= awaited("app")
