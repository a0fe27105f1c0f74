"""Are the settings complete? Read from the environment and `local.settings.json`; the environment wins."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from doctor.findings import Finding, fine, sentence, unseen, wrong
from shared.errors import SettingsError
from shared.settings import APPLICATION_INSIGHTS, AZURE_MARKS, DEFAULTS, Settings

SECRETS = (
    "AzureWebJobsStorage",
    "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY",
    "CUSTOMER_INSIGHTS_ACCESS_TOKEN",
    "CUSTOMER_INSIGHTS_CLIENT_SECRET",
    "EVENT_GRID_TOPIC_KEY",
    "CALLBACK_ENCRYPTION_KEY",
    "CALLBACK_ENCRYPTION_KEY_PREVIOUS",
    APPLICATION_INSIGHTS,
)
_SAMPLE = Path(__file__).parent.parent / "local.settings.sample.json"
# The sample's storage is Azurite's well-known account, which is right where Azurite runs.
_MAY_BE_SAMPLE = {"AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"}
# Shorter texts are no secrets, and to blot them out would only spoil the report.
_SHORTEST_SECRET = 8


class LocalSettingsError(Exception):
    """The file with the local settings cannot be used; the message says why and what to do."""


def local_settings(path: Path) -> Mapping[str, str]:
    """The `Values` of a settings file; none where there is no file. Raises `LocalSettingsError`."""
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text("utf-8-sig"))
        values = document.get("Values", {})
        if document.get("IsEncrypted") is True:
            raise LocalSettingsError(f"{path.name} is encrypted: run `func settings decrypt`")
        return {name: str(value) for name, value in values.items()}
    except (OSError, ValueError, AttributeError):
        raise LocalSettingsError(f"{path.name} cannot be read: it must be JSON with an object `Values`") from None


def secrets_of(values: Mapping[str, str]) -> set[str]:
    """All secrets among the settings, those inside connection strings too."""
    found = {values.get(name, "").strip() for name in SECRETS}
    inner = {part.partition("=")[2] for one in found if ";" in one for part in _secret_parts(one)}
    return {secret for secret in found | inner if len(secret) >= _SHORTEST_SECRET}


def _secret_parts(connection_string: str) -> list[str]:
    parts = connection_string.split(";")
    return [part for part in parts if re.match(r"(?i)(AccountKey|SharedAccessSignature|InstrumentationKey)=", part)]


def check_settings(
    values: Mapping[str, str], hidden: Collection[str] = ()
) -> tuple[Settings | None, Sequence[Finding]]:
    """The settings, where they are usable, and what there is to say of them; those `hidden` are made up.

    What is refused for being in Azure is said, and looked at from here all the same.
    """
    findings: list[Finding] = []
    try:
        Settings.load(values)
    except SettingsError as error:
        findings.append(wrong(sentence(str(error)), "docs/settings.md says what each one means."))
    here = {name: value for name, value in values.items() if name not in AZURE_MARKS}
    try:
        settings = Settings.load(here)
    except SettingsError:
        return None, findings
    findings += _samples(here)
    if not findings:
        text = (
            "All settings are there and well-formed" if not hidden else "All settings that can be read are well-formed"
        )
        findings.append(fine(f"{text}."))
    if settings.storage.connection_string is None:
        findings.append(
            unseen(
                "No connection string is set, so the identity of this machine is used (your login, for example), not "
                "the app's: what is allowed here says nothing of what the app may do.",
                "Compare with the roles of the app's identity: az role assignment list --all --assignee <client id> "
                "--output table. docs/deploy.md, Who may do what, lists those it needs.",
            )
        )
    return settings, findings


def _samples(values: Mapping[str, str]) -> list[Finding]:
    """What still has the value of the sample file and must not."""
    sample = local_settings(_SAMPLE)
    names = sorted(
        name
        for name, value in sample.items()
        if value and values.get(name) == value and name not in DEFAULTS and name not in _MAY_BE_SAMPLE
    )
    return [wrong(f"{name} still has the value of local.settings.sample.json.", "Fill in your own.") for name in names]
