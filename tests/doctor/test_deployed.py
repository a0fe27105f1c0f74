"""The doctor on a deployed app: azd and the Azure CLI are asked, and stand here as programs on the PATH."""

import base64
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from doctor.deployed import read_deployed
from doctor.findings import Verdict
from tests.doctor.conftest import Patient

SUBSCRIPTION, GROUP, APP, STORAGE = "22222222-0000-0000-0000-000000000000", "rg-bridge", "func-x", "stx"
AZD = f"""AZURE_ENV_NAME="bridge"
AZURE_SUBSCRIPTION_ID="{SUBSCRIPTION}"
AZURE_RESOURCE_GROUP="{GROUP}"
AZURE_FUNCTION_APP_NAME="{APP}"
AZURE_STORAGE_ACCOUNT_NAME="{STORAGE}"
CUSTOMER_INSIGHTS_CLIENT_SECRET="s3cret \\"of azd\\""
"""
LIST = "az functionapp config appsettings list"
SHOW = "az keyvault secret show"
REST = "az rest --method get"
GET = "azd env get-values"
PROGRAM = """#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
command = " ".join([pathlib.Path(__file__).name, *sys.argv[1:]])
with (here / "calls").open("a") as calls:
    calls.write(command + "\\n")
answers = json.loads((here / "answers.json").read_text())
for start, answer in answers.items():
    if all(word in command.split() for word in start.split()):
        if answer is None:
            break
        print(answer, end="")
        sys.exit(0)
print("ERROR: s3cret-in-an-error", file=sys.stderr)
print("s3cret-in-an-error")
sys.exit(1)
"""


class Cli:
    """azd and az, answering as told: by the words of a command; None, or nothing: they fail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("az", "azd"):
            program = folder / name
            program.write_text(PROGRAM.format(python=sys.executable))
            program.chmod(0o755)
        self.answers: dict[str, str | None] = {GET: AZD}

    def settings(self, values: Mapping[str, str]) -> None:
        listing = [{"name": name, "value": value, "slotSetting": False} for name, value in values.items()]
        self.answers[LIST] = json.dumps(listing)

    def references(self, **status: str) -> None:
        listing = [{"name": name, "properties": {"status": what}} for name, what in status.items()]
        self.answers[REST] = json.dumps({"value": listing, "nextLink": None})

    def secret(self, name: str, value: str | None) -> None:
        self.answers[f"{SHOW} {name}"] = None if value is None else json.dumps(value)

    def write(self) -> None:
        (self.folder / "answers.json").write_text(json.dumps(self.answers))

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    cli = Cli(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{cli.folder}{os.pathsep}{os.environ['PATH']}")
    return cli


def reference(name: str) -> str:
    return f"@Microsoft.KeyVault(VaultName=kv-x;SecretName={name})"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_deployed_bridge_is_looked_at_with_its_own_settings(patient: Patient, cli: Cli) -> None:
    own = patient.settings
    hidden = {
        "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": "customer-insights-subscription-key",
        "CALLBACK_ENCRYPTION_KEY": "callback-encryption-key",
    }
    cli.settings({**own, **{name: reference(secret) for name, secret in hidden.items()}})
    for name, secret in hidden.items():
        cli.secret(secret, own[name])
    cli.references(**dict.fromkeys(hidden, "Resolved"))
    cli.write()
    patient.settings = {}  # nothing of this machine's own
    told = await patient.examine("--azd", "bridge")
    # What stands here for Azure's services has no TLS.
    [refused] = told.lines("wrong")
    assert "AzureWebJobsStorage is not a connection string for https" in refused
    for line in (
        "The encryption keys open the callback URLs of all 1 subscriptions.",
        "The API takes key and token. Instances that it lists: 1.",
        "Azure has resolved all 2 references of the app.",
        "All of 1 subscriptions take events.",
    ):
        assert line in told.lines("fine")
    assert [secret for secret in {*patient.known_secrets, "s3cret"} if secret in told.text] == []
    assert {call.split()[0] for call in cli.calls} == {"az", "azd"}
    assert all(SUBSCRIPTION in call for call in cli.calls if call.startswith((LIST, REST)))
    assert not [call for call in cli.calls if {"set", "update", "delete", "post", "put"} & set(call.split())]


@pytest.mark.asyncio(loop_scope="session")
async def test_what_may_not_be_read_is_said_and_the_rest_is_looked_at(patient: Patient, cli: Cli) -> None:
    names = ("CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY", "CALLBACK_ENCRYPTION_KEY", "EVENT_GRID_TOPIC_KEY")
    cli.settings({**patient.settings, **{name: reference(name.lower()) for name in names}})
    cli.references(**dict.fromkeys(names, "AccessToKeyVaultDenied"))
    cli.write()
    patient.settings = {}
    told = await patient.examine("--azd", "bridge")
    assert told.code == 1
    unread = "These stand in the Key Vault and cannot be read by you: " + ", ".join(sorted(names)) + "."
    assert unread in told.lines("open")
    assert any("Azure has not resolved the references of CALLBACK" in line for line in told.lines("wrong"))
    assert "Whether the encryption keys open the callback URLs cannot be seen without the keys." in told.lines("open")
    assert "There are no dead letters." in told.lines("fine")
    assert patient.api.calls == {}
    assert "s3cret" not in told.text


def test_who_may_read_no_setting_looks_at_storage(cli: Cli) -> None:
    cli.write()
    deployed = read_deployed("bridge")
    assert deployed.values["AzureWebJobsStorage__accountName"] == STORAGE
    assert {"CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY", "EVENT_GRID_TOPIC_ENDPOINT"} < deployed.hidden
    assert {finding.verdict for finding in deployed.findings} == {Verdict.OPEN}
    assert "Website Contributor" in deployed.findings[0].do
    assert "s3cret" not in str(deployed.findings)


@pytest.mark.parametrize(
    ("azd", "expected"),
    [
        (None, "`azd env get-values --environment bridge` fails; run it to see why."),
        ('AZURE_ENV_NAME="bridge"\n', "The azd environment bridge does not know AZURE_SUBSCRIPTION_ID, "),
    ],
)
def test_where_nothing_was_deployed_that_is_said(cli: Cli, azd: str | None, expected: str) -> None:
    cli.answers[GET] = azd
    cli.write()
    deployed = read_deployed("bridge")
    assert deployed.values == {}
    assert deployed.findings[0].what.startswith(expected)


def test_a_program_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = read_deployed("bridge").findings[0]
    assert finding.what == "The program azd is not installed, or not on the PATH."
    assert finding.do == "Install it: docs/deploy.md has where from."


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (reference("s"), f"{SHOW} --vault-name kv-x --name s"),
        (
            "@Microsoft.KeyVault(VaultName=kv-x;SecretName=s;SecretVersion=1)",
            f"{SHOW} --vault-name kv-x --name s --version 1",
        ),
        (
            "@microsoft.keyvault(secreturi=https://kv-x.vault.azure.net/secrets/s/)",
            f"{SHOW} --id https://kv-x.vault.azure.net/secrets/s",
        ),
    ],
)
def test_both_forms_of_a_reference_are_read(cli: Cli, text: str, command: str) -> None:
    cli.settings({"EVENT_GRID_TOPIC_KEY": text})
    cli.answers[SHOW] = json.dumps("the value\n")
    cli.write()
    assert read_deployed("bridge").values["EVENT_GRID_TOPIC_KEY"] == "the value\n"
    assert any(call.startswith(command) for call in cli.calls)


def test_an_answer_that_is_no_json_shows_nothing(cli: Cli) -> None:
    cli.answers[LIST] = "s3cret"
    cli.write()
    deployed = read_deployed("bridge")
    assert "prints no JSON" in deployed.findings[0].what
    assert "s3cret" not in str(deployed.findings)


def test_the_app_s_identity_is_not_taken_for_one_s_own(cli: Cli) -> None:
    values = {
        "AzureWebJobsStorage__clientId": "x",
        "AzureWebJobsStorage__credential": "managedidentity",
    }
    cli.settings({**values, "CALLBACK_ENCRYPTION_KEY": base64.b64encode(bytes(32)).decode()})
    cli.write()
    assert not values.keys() & read_deployed("bridge").values.keys()
