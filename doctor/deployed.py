"""What settings does a deployed app have? Asked of azd and the Azure CLI, as whoever is signed in to these.

What that person may not read is said, and stands in the settings as something made up; `hidden` names it. Commands may
answer with secrets, so nothing of what they print is ever shown.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from doctor.findings import Finding, fine, listed, sentence, unseen, wrong
from shared.grammars import KEY
from shared.settings import AZURE_MARKS, is_reference

_PATIENCE: Final = 120  # seconds for a command; the first one after a while renews its login
_STORAGE: Final = "AzureWebJobsStorage__accountName"
_GIVEN_BY_AZD: Final = (
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "AZURE_FUNCTION_APP_NAME",
    "AZURE_STORAGE_ACCOUNT_NAME",
)
# Stands where nothing may be read, so that the rest can be looked at.
_MADE_UP: Final = {
    "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": "hidden",
    "EVENT_GRID_TOPIC_ENDPOINT": "https://hidden.invalid/api/events",
    "CALLBACK_ENCRYPTION_KEY": KEY.example,
    "CALLBACK_ENCRYPTION_KEY_PREVIOUS": KEY.example,
}
# The identity of the app is not on this machine: whoever is signed in looks instead.
_OF_THE_APP_ALONE: Final = {"AzureWebJobsStorage__clientId", "AzureWebJobsStorage__credential"}


class CommandError(Exception):
    """A command did not do what it should; the message names it, and shows nothing that it printed.

    `do` says what to do about it, where that is the same whatever the command was for.
    """

    def __init__(self, message: str, do: str = "") -> None:
        super().__init__(message)
        self.do = do


@dataclass(slots=True)
class Deployed:
    """The settings of a deployed app, which of them are made up, and what there is to say of how they were read."""

    values: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)


def run(*command: str) -> str:
    """What a command prints. Raises `CommandError`."""
    shown = f"`{' '.join(command)}`"
    program = shutil.which(command[0])
    if program is None:
        raise CommandError(
            f"the program {command[0]} is not installed, or not on the PATH",
            "Install it: docs/deploy.md has where from.",
        )
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command; names come from azd's own environment
            [program, *command[1:]], capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except subprocess.TimeoutExpired:
        raise CommandError(f"{shown} does not end") from None
    if done.returncode:
        raise CommandError(f"{shown} fails; run it to see why")
    return done.stdout


def read_deployed(environment: str) -> Deployed:
    """Read the settings of the app that an azd environment has deployed; no values where that cannot begin."""
    deployed = Deployed()
    try:
        place = _environment(run("azd", "env", "get-values", "--environment", environment))
    except CommandError as error:
        deployed.findings.append(
            wrong(sentence(str(error)), error.do or "Run it in the checkout, after azd auth login.")
        )
        return deployed
    if missing := [name for name in _GIVEN_BY_AZD if not place.get(name)]:
        deployed.findings.append(
            wrong(
                f"The azd environment {environment} does not know {listed(missing)}.",
                "azd provision makes them; those of a deployment made elsewhere are fetched with azd env refresh "
                f"--environment {environment}.",
            )
        )
        return deployed
    app = _App(place)
    _read_settings(app, deployed)
    _check_references(app, deployed)
    deployed.values |= {AZURE_MARKS[0]: app.name}
    return deployed


def _environment(text: str) -> Mapping[str, str]:
    """The values that azd prints, one a line, each in quotes."""
    found = re.findall(r'^(\w+)="((?:[^"\\]|\\.)*)"$', text, re.MULTILINE)
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in found}


class _App:
    """The function app, and the commands about it."""

    def __init__(self, place: Mapping[str, str]) -> None:
        subscription, group, self.name, self.storage = (place[name] for name in _GIVEN_BY_AZD)
        self.at: Sequence[str] = ("--name", self.name, "--resource-group", group, "--subscription", subscription)
        self.id = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Web/sites/{self.name}"


def _read_settings(app: _App, deployed: Deployed) -> None:
    try:
        listing = _json("az", "functionapp", "config", "appsettings", "list", *app.at, "--output", "json")
    except CommandError as error:
        deployed.findings.append(
            unseen(
                sentence(f"the app's settings cannot be read: {error}"),
                error.do
                or "Sign in with az login. Reading them takes the role Website Contributor on the app; without it, "
                "storage alone is looked at.",
            )
        )
        deployed.values = {**_MADE_UP, _STORAGE: app.storage}
        deployed.hidden = set(_MADE_UP)
        return
    settings = {str(one["name"]): str(one["value"] or "") for one in listing}
    unread = []
    for name, value in settings.items():
        if name in _OF_THE_APP_ALONE:
            continue
        secret = _secret(value) if is_reference(value) else value
        if secret is None:
            deployed.hidden.add(name)
            unread.append(name)
        deployed.values[name] = _MADE_UP.get(name, "hidden") if secret is None else secret
    deployed.findings.append(fine(f"The app {app.name} has {len(settings)} settings."))
    if unread:
        deployed.findings.append(
            unseen(
                f"These stand in the Key Vault and cannot be read by you: {listed(sorted(unread))}.",
                "Reading them takes the role Key Vault Secrets User on the vault, and where it is private a machine in "
                "its network; without them, what they are needed for is not looked at.",
            )
        )


def _secret(reference: str) -> str | None:
    """What a reference to a Key Vault stands for, where that may be read."""
    inner = reference.strip().partition("(")[2].removesuffix(")")
    parts = {key.strip().lower(): value.strip() for key, _, value in (one.partition("=") for one in inner.split(";"))}
    if uri := parts.get("secreturi"):
        which: Sequence[str] = ("--id", uri.rstrip("/"))
    elif {"vaultname", "secretname"} <= parts.keys():
        version = ("--version", parts["secretversion"]) if "secretversion" in parts else ()
        which = ("--vault-name", parts["vaultname"], "--name", parts["secretname"], *version)
    else:
        return None
    try:
        return str(_json("az", "keyvault", "secret", "show", *which, "--query", "value", "--output", "json"))
    except CommandError:
        return None


def _check_references(app: _App, deployed: Deployed) -> None:
    """Whether Azure itself has put the secrets in place of the references; that takes only a reader."""
    address = f"{app.id}/config/configreferences/appsettings?api-version=2022-03-01"
    try:
        listing = _json("az", "rest", "--method", "get", "--url", address, "--output", "json")
    except CommandError as error:
        deployed.findings.append(
            unseen(sentence(f"whether Azure resolves the app's references cannot be seen: {error}"), error.do)
        )
        return
    status = {one["name"]: str(one["properties"]["status"]) for one in listing["value"]}
    if wanting := sorted(f"{name} ({what})" for name, what in status.items() if what != "Resolved"):
        deployed.findings.append(
            wrong(
                f"Azure has not resolved the references of {listed(wanting)}.",
                "The app's identity needs the role Key Vault Secrets User on the vault, which may take 30 minutes to "
                f"work; then: az rest --method post --url '{app.id}/config/configreferences/appsettings/refresh"
                "?api-version=2022-03-01'.",
            )
        )
    else:
        deployed.findings.append(fine(f"Azure has resolved all {len(status)} references of the app."))


def _json(*command: str) -> Any:  # noqa: ANN401 - whatever JSON a command prints
    printed = run(*command)
    try:
        return json.loads(printed)
    except ValueError:
        raise CommandError(f"`{' '.join(command)}` prints no JSON") from None
