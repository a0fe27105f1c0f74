"""What docs/deploy.md tells to type and to expect is what azd, the templates and the app know."""

import json
import re
from collections.abc import Mapping

import pytest

import shared
from tests.infra.compiler import INFRA, PROJECT
from tests.infra.deployment import COMPONENT, STORAGE, TOPIC, VAULT, Deployment
from tests.infra.pages import page
from tests.infra.test_roles import assignments
from tests.pages import commands, shell
from tests.test_docs import README, block, code_spans, settings_table, table
from tests.test_docs import routes as registered_routes

PAGE = page("deploy.md")
SETTINGS_PAGE = page("settings.md")
TOOL = "(az|azd|curl|gh|git|make|openssl|pac|python3)"
MAIN = (INFRA / "main.bicep").read_text("utf-8")
AZURE = (PROJECT / "azure.yaml").read_text("utf-8")

# The commands that the pages may show. What follows a command, its variables and outputs, is checked below.
COMMANDS = {
    "azd auth login",
    "azd deploy",
    "azd down",
    "azd env get-value",
    "azd env new",
    "azd env set",
    "azd provision",
    "azd up",
    "az account set",
    "az ad group show",
    "az functionapp keys set",
    "az functionapp list-flexconsumption-locations",
    "az group create",
    "az keyvault list-deleted",
    "az keyvault recover",
    "az login",
    "az provider register",
    "make doctor",
    "az storage account migration start",
    "az storage account show",
}
# azd itself sets this one.
OF_AZD = {"AZURE_SUBSCRIPTION_ID"}
QUESTIONS = {"AZURE_ENV_NAME", "AZURE_LOCATION", "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY", "ALERT_EMAIL"}
routes = registered_routes  # a fixture of that module, used here too


def variables() -> Mapping[str, tuple[str, str]]:
    """The variables of azd's environment that the templates take: the parameter of each, and its default."""
    parameters = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
    found = {}
    for name, parameter in parameters.items():
        variable, _, default = parameter["value"].removeprefix("${").removesuffix("}").partition("=")
        found[variable] = (name, default)
    return found


def test_every_command_is_known() -> None:
    lines = commands(PAGE)
    assert len(lines) > 15
    strange = [line for line in lines if not line.startswith(tuple(COMMANDS)) and not line.startswith("curl ")]
    assert strange == []
    used = {command for command in COMMANDS if any(command in line for line in [*lines, *code_spans(PAGE)])}
    assert used == COMMANDS
    (deploy,) = [part for part in README.split("\n## ") if part.startswith("Deploy\n")]
    assert commands(deploy) == ["azd auth login", "azd up"]


def test_variables_that_are_set_exist() -> None:
    named = set(re.findall(r"azd env set (\w+)", PAGE))
    assert "CUSTOMER_INSIGHTS_CLIENT_SECRET" in named
    assert named <= set(variables())


def test_outputs_that_are_read_exist() -> None:
    read = set(re.findall(r"azd env get-value (\w+)", PAGE))
    assert read >= {"BRIDGE_URL", "AZURE_FUNCTION_APP_NAME", "AZURE_RESOURCE_GROUP"}
    assert read <= set(re.findall(r"^output (\w+) ", MAIN, re.MULTILINE)) | OF_AZD


def test_every_option_is_explained_and_no_other() -> None:
    options = {name: default for name, default, _ in table("options", PAGE)}
    settings = code_spans(block("setting-options", PAGE))
    assert options.keys() & settings == set()
    assert options.keys() | settings | QUESTIONS == set(variables())
    assert settings <= set(settings_table())
    assert {name: variables()[name][1] or "none" for name in options} == options


def test_settings_that_azd_does_not_take_are_told() -> None:
    shown = [code_spans(names) for names, _ in table("no-options", SETTINGS_PAGE)]
    assert sum(map(len, shown)) == len(set().union(*shown))
    assert set().union(*shown) == set(settings_table()) - set(variables())


@pytest.mark.parametrize(
    ("name", "heading"),
    [("deploy.md", "What you need"), ("operations.md", "Before you begin"), ("environments.md", "")],
)
def test_every_tool_that_a_page_uses_is_named_before_it_is_used(name: str, heading: str) -> None:
    text = page(name)
    (part,) = (
        [part for part in text.split("\n## ") if part.startswith(heading)] if heading else [text.split("\n## ")[0]]
    )
    used = set(re.findall(rf"(?:^ *|\$\(|\| ){TOOL} ", shell(text), re.MULTILINE))
    assert used >= {"az", "azd"}
    assert used <= code_spans(part)


def test_questions_are_those_that_azd_asks() -> None:
    asked = {name for name in (variables()[variable][0] for variable in QUESTIONS) if f"`{name}`" in PAGE}
    assert asked == {"customerInsightsSubscriptionKey", "alertEmail"}


def test_roles_are_those_that_are_assigned(full: Deployment) -> None:
    account, group = full.the(STORAGE)["id"], full.the("Microsoft.Resources/resourceGroups")["id"]
    places = {
        account: "the storage account",
        group: "the resource group",
        full.the(TOPIC)["id"]: "the topic",
        full.the(VAULT)["id"]: "the Key Vault",
        full.the(COMPONENT)["id"]: "Application Insights",
    }
    kinds = {"containers": "container", "queues": "queue", "tables": "table"}
    given = []
    for one in assignments(full):
        kind, _, name = one.scope.rpartition("/")
        place = places.get(one.scope) or f"the {kinds[kind.rpartition('/')[2]]} `{name}`"
        given.append([one.who, one.role, place])
    assert sorted(table("roles", PAGE)) == sorted(given)


def test_values_are_those_of_the_templates(plain: Deployment) -> None:
    assert f"for {plain.properties(VAULT)['softDeleteRetentionInDays']} days" in PAGE
    required = re.search(r'azd: ">= ([\d.]+)"', AZURE)
    assert required is not None
    assert f"{required[1]} or newer" in PAGE
    environment = re.search(r"azd env new (\w+)", PAGE)
    assert environment is not None
    assert f"`rg-{environment[1]}`" in PAGE
    assert f"azd-env-name={environment[1]}" in PAGE
    secrets = {span for span in code_spans(PAGE) if span.startswith("callback-")}
    assert secrets
    assert secrets <= set(plain.all(f"{VAULT}/secrets"))


def test_addresses_are_routes(routes: dict[str, str]) -> None:
    paths = {re.sub(r"\{\w+\}", "*", route.partition(" ")[2]) for route in routes}
    mentioned = set(re.findall(r"(/api/[\w/*-]+)", PAGE))
    assert {"/api/health", "/api/subscriptions"} <= mentioned <= paths


def test_template_has_the_project_s_version() -> None:
    assert f"customer-insights-event-bridge@{shared.__version__}\n" in AZURE
