"""The settings: the only reader of the environment.

Nothing is read at import. `Settings.load` reads everything once and names all that is missing or malformed in one
error; no secret is part of a setting's `repr` or of that error.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from shared import grammars
from shared.errors import SettingsError
from shared.grammars import Grammar
from shared.schedules import Schedule

# Set by Azure wherever a function app runs there, whatever its plan.
AZURE_MARKS = ("WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_POD_NAME")
# Azure's own name for where an app's telemetry goes: no setting of the bridge, which works the same without it.
APPLICATION_INSIGHTS = "APPLICATIONINSIGHTS_CONNECTION_STRING"
# What is read here and is the platform's.
PLATFORM = (*AZURE_MARKS, APPLICATION_INSIGHTS)

DEFAULTS: Mapping[str, str] = {
    "CUSTOMER_INSIGHTS_ENDPOINT": "https://api.ci.ai.dynamics.com/v1",
    "CUSTOMER_INSIGHTS_SCOPE": "https://api.ci.ai.microsoft.com/.default",
    "CUSTOMER_INSIGHTS_INSTANCES": "*",
    "CUSTOMER_INSIGHTS_WORKFLOW": "main",
    "POLL_REFRESHES_SCHEDULE": "0 * * * * *",
    "POLL_THRESHOLDS_SCHEDULE": "30 */5 * * * *",
    "POLL_INLINE_MAX": "20",
    "POLLING_FAILED_AFTER_SECONDS": "600",
    "CALLBACK_ALLOWED_HOSTS": "*.logic.azure.com,*.api.powerplatform.com",
    "CALLBACK_ALLOW_INSECURE": "false",
    "CALLBACK_TIMEOUT_SECONDS": "30",
    "DELIVERY_RETRY_SECONDS": "10,30,60,300,600,1800,3600,10800,21600,43200",
    "DELIVERY_MAX_AGE_HOURS": "76",
    "DELIVERY_RATE_PER_SECOND": "15",
    "EVENT_RETENTION_DAYS": "30",
    "CONSOLE_ENABLED": "true",
}
# A queue message cannot be hidden for more than 7 days, and a wait is lengthened at random.
MOST_WAIT = timedelta(days=5)
# The host ends a function after 10 minutes (host.json); half of them are for all but the call itself.
MOST_SECONDS_OF_A_CALL = 300
# One subscription's; what a flow takes is far less.
MOST_RATE = 10_000
MOST_INLINE = 100_000
MOST_SECONDS_OF_FAILURE = 86_400
MOST_AGE_HOURS = 8_760
MOST_RETENTION_DAYS = 3_650

# What Azure puts the value in place of, and hands on as it is when it cannot (a Key Vault's or App Configuration's).
_REFERENCE = re.compile(r"@Microsoft\.[a-z]+\(", re.ASCII | re.IGNORECASE)
UNRESOLVED = "is a reference that Azure has not resolved"
_CURES = {
    True: (
        "Check that the secret exists and is enabled, that the app reaches the vault, and that its identity has the "
        "role Key Vault Secrets User there: a new role may take 30 minutes. Azure then looks again within 24 hours, or "
        "at once when an app setting is changed"
    ),
    False: "References are resolved in Azure alone: fill in the value itself",
}


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the storage account is: a connection string, or the services' URLs and an identity's client id."""

    connection_string: str | None = field(default=None, repr=False)
    blob_url: str = ""
    queue_url: str = ""
    table_url: str = ""
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class AppRegistration:
    """An app registration that may read Customer Insights."""

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. `instances` is empty for all that the API lists."""

    insights_endpoint: str
    insights_scope: str
    insights_subscription_key: str = field(repr=False)
    insights_access_token: str | None = field(repr=False)
    instances: tuple[str, ...]
    workflow: str
    refreshes_schedule: Schedule
    thresholds_schedule: Schedule
    poll_inline_max: int
    polling_failed_after: timedelta
    app_registration: AppRegistration | None
    topic_endpoint: str
    topic_key: str | None = field(repr=False)
    storage: Storage
    callback_hosts: tuple[str, ...]
    callback_allow_insecure: bool
    callback_key: bytes = field(repr=False)
    callback_key_previous: bytes | None = field(repr=False)
    callback_timeout: timedelta
    retry_seconds: tuple[float, ...]
    max_age: timedelta
    rate_per_second: int
    retention: timedelta
    console_enabled: bool
    application_insights: str | None = field(repr=False)
    public_url: str | None
    in_azure: bool

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings. Raises `SettingsError` naming every one that is missing or malformed."""
        reader = _Reader(os.environ if environment is None else environment)
        read = reader.read
        url = grammars.url(in_azure=reader.in_azure)
        settings = cls(
            insights_endpoint=read("CUSTOMER_INSIGHTS_ENDPOINT", url).rstrip("/"),
            insights_scope=read("CUSTOMER_INSIGHTS_SCOPE", grammars.SCOPE),
            insights_subscription_key=read("CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY", grammars.SECRET),
            insights_access_token=reader.maybe("CUSTOMER_INSIGHTS_ACCESS_TOKEN", grammars.SECRET),
            instances=read("CUSTOMER_INSIGHTS_INSTANCES", grammars.INSTANCES),
            workflow=read("CUSTOMER_INSIGHTS_WORKFLOW", grammars.NAME),
            refreshes_schedule=read("POLL_REFRESHES_SCHEDULE", grammars.SCHEDULE),
            thresholds_schedule=read("POLL_THRESHOLDS_SCHEDULE", grammars.SCHEDULE),
            poll_inline_max=int(read("POLL_INLINE_MAX", grammars.number(MOST_INLINE, whole=True))),
            polling_failed_after=timedelta(
                seconds=read("POLLING_FAILED_AFTER_SECONDS", grammars.number(MOST_SECONDS_OF_FAILURE))
            ),
            app_registration=_app_registration(reader),
            topic_endpoint=read("EVENT_GRID_TOPIC_ENDPOINT", grammars.topic(in_azure=reader.in_azure)),
            topic_key=reader.maybe("EVENT_GRID_TOPIC_KEY", grammars.SECRET),
            storage=_storage(reader),
            callback_hosts=read("CALLBACK_ALLOWED_HOSTS", grammars.HOST_PATTERNS),
            callback_allow_insecure=read("CALLBACK_ALLOW_INSECURE", grammars.FLAG),
            callback_key=read("CALLBACK_ENCRYPTION_KEY", grammars.KEY),
            callback_key_previous=reader.maybe("CALLBACK_ENCRYPTION_KEY_PREVIOUS", grammars.KEY),
            callback_timeout=timedelta(
                seconds=read("CALLBACK_TIMEOUT_SECONDS", grammars.number(MOST_SECONDS_OF_A_CALL))
            ),
            retry_seconds=read("DELIVERY_RETRY_SECONDS", grammars.waits(MOST_WAIT)),
            max_age=timedelta(hours=read("DELIVERY_MAX_AGE_HOURS", grammars.number(MOST_AGE_HOURS))),
            rate_per_second=int(read("DELIVERY_RATE_PER_SECOND", grammars.number(MOST_RATE, whole=True))),
            retention=timedelta(days=read("EVENT_RETENTION_DAYS", grammars.number(MOST_RETENTION_DAYS))),
            console_enabled=read("CONSOLE_ENABLED", grammars.FLAG),
            # Events go their way whether or not somebody can watch: whatever stands there stops nothing.
            application_insights=reader.text(APPLICATION_INSIGHTS) or None,
            public_url=reader.maybe("PUBLIC_URL", url),
            in_azure=reader.in_azure,
        )
        for name, names, is_kept, message in RULES:
            if not reader.is_wrong(name, *names) and not is_kept(settings):
                reader.wrong(name, message)
        reader.finish()
        return settings


class Rule(NamedTuple):
    """What a setting must be to others and to where it is; `names` are those others."""

    name: str
    names: tuple[str, ...]
    is_kept: Callable[[Settings], bool]
    message: str


RULES = (
    Rule(
        "CALLBACK_ALLOW_INSECURE",
        (),
        lambda settings: not (settings.in_azure and settings.callback_allow_insecure),
        "is for the local stack and refused in Azure",
    ),
    Rule(
        "CUSTOMER_INSIGHTS_ACCESS_TOKEN",
        (),
        lambda settings: not (settings.in_azure and settings.insights_access_token is not None),
        "is for the local stack and refused in Azure",
    ),
    Rule(
        "EVENT_RETENTION_DAYS",
        ("DELIVERY_MAX_AGE_HOURS",),
        lambda settings: settings.max_age <= settings.retention,
        "is shorter than DELIVERY_MAX_AGE_HOURS, so a delivery would be forgotten while it is still tried",
    ),
)


def is_reference(text: str) -> bool:
    """Whether a text refers to a value that Azure should have put in its place."""
    return _REFERENCE.match(text) is not None


def schedule(name: str, environment: Mapping[str, str] | None = None) -> str:
    """A timer's schedule: a reference to the setting, which the host resolves, or the default where it is not set."""
    value = (os.environ if environment is None else environment).get(name, "")
    return f"%{name}%" if value.strip() else DEFAULTS[name]


def is_console_enabled(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the console is served: read alone, so that its page says what is wrong while other settings are."""
    return _Reader(os.environ if environment is None else environment).read("CONSOLE_ENABLED", grammars.FLAG)


class _Reader:
    """Reads settings one by one and gathers what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._wrong: dict[str, str] = {}

    @property
    def in_azure(self) -> bool:
        return any(self._environment.get(mark) for mark in AZURE_MARKS)

    def text(self, name: str) -> str:
        """A setting as it stands there, whatever it is."""
        return (self._environment.get(name) or "").strip()

    def value(self, name: str) -> str:
        """A setting's text or its default. An empty one counts as none; so does a reference, which is no value."""
        text = self.text(name)
        if is_reference(text):
            self.wrong(name, UNRESOLVED)
            text = ""
        return text or DEFAULTS.get(name, "")

    def wrong(self, name: str, message: str) -> None:
        self._wrong.setdefault(name, message)

    def is_wrong(self, *names: str) -> bool:
        return not self._wrong.keys().isdisjoint(names)

    def maybe[T](self, name: str, grammar: Grammar[T]) -> T | None:
        return self.read(name, grammar) if self.value(name) else None

    def read[T](self, name: str, grammar: Grammar[T]) -> T:
        """A setting, parsed. What is wrong is noted, and the grammar's example given, so that reading goes on."""
        value = self.value(name)
        if not value:
            self.wrong(name, "is missing")
            return grammar.read(grammar.example)
        try:
            return grammar.read(value)
        except ValueError as error:
            self.wrong(name, str(error))
            return grammar.read(grammar.example)

    def finish(self) -> None:
        if not self._wrong:
            return
        wrong = dict(sorted(self._wrong.items()))
        problems = "; ".join(f"{name} {message}" for name, message in wrong.items())
        cure = _CURES[self.in_azure] if UNRESOLVED in wrong.values() else ""
        told = f"Settings are missing or malformed: {problems}"
        raise SettingsError(f"{told}. {cure}" if cure else told, wrong, cure)


def _app_registration(reader: _Reader) -> AppRegistration | None:
    parts = {"TENANT_ID": grammars.TENANT_ID, "CLIENT_ID": grammars.CLIENT_ID, "CLIENT_SECRET": grammars.SECRET}
    found = {f"CUSTOMER_INSIGHTS_{part}": grammar for part, grammar in parts.items()}
    if not any(reader.value(name) for name in found):
        return None
    for name in found:
        if not reader.value(name):
            reader.wrong(name, "is missing: an app registration needs tenant id, client id and client secret")
    return AppRegistration(*(reader.read(name, grammar) for name, grammar in found.items()))


def _storage(reader: _Reader) -> Storage:
    whole = "AzureWebJobsStorage"
    if connection_string := reader.maybe(whole, grammars.connection_string(in_azure=reader.in_azure)):
        return Storage(connection_string)
    account_name = f"{whole}__accountName"
    account = reader.maybe(account_name, grammars.STORAGE_ACCOUNT)
    names = {kind: f"{whole}__{kind}ServiceUri" for kind in ("blob", "queue", "table")}
    urls = {
        kind: reader.maybe(name, grammars.url(in_azure=reader.in_azure))
        or (f"https://{account}.{kind}.core.windows.net" if account else "")
        for kind, name in names.items()
    }
    if any(not urls[kind] and not reader.is_wrong(account_name, name) for kind, name in names.items()):
        reader.wrong(
            whole,
            f"is missing: a connection string, or for an identity {account_name}, or all of {whole}__blobServiceUri, "
            "__queueServiceUri and __tableServiceUri",
        )
    client_id = reader.maybe(f"{whole}__clientId", grammars.CLIENT_ID)
    return Storage(None, urls["blob"], urls["queue"], urls["table"], client_id)
