"""The settings: the only reader of the environment.

Nothing is read at import. `Settings.load` reads everything once and names all that is missing or malformed in one
error; no secret is part of a setting's `repr` or of that error.
"""

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from shared.errors import SettingsError

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
    "CALLBACK_ALLOWED_HOSTS": "*.logic.azure.com,*.api.powerplatform.com",
    "CALLBACK_ALLOW_INSECURE": "false",
    "CALLBACK_TIMEOUT_SECONDS": "30",
    "DELIVERY_RETRY_SECONDS": "10,30,60,300,600,1800,3600,10800,21600,43200",
    "DELIVERY_MAX_AGE_HOURS": "76",
    "DELIVERY_RATE_PER_SECOND": "15",
    "EVENT_RETENTION_DAYS": "30",
}
KEY_BYTES = 32

_CRON_FIELD = r"[0-9A-Za-z*,/\-]+"
_CRON = re.compile(rf"{_CRON_FIELD}(\s+{_CRON_FIELD}){{5}}")
_CONNECTION = re.compile(r"(?i)(AccountKey|SharedAccessSignature)=.|UseDevelopmentStorage=true")
_HOST_PATTERN = re.compile(r"(\*\.)?[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\]")


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
    application_insights: str | None = field(repr=False)

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings. Raises `SettingsError` naming every one that is missing or malformed."""
        reader = _Reader(os.environ if environment is None else environment)
        read = reader.read
        for schedule in ("POLL_REFRESHES_SCHEDULE", "POLL_THRESHOLDS_SCHEDULE"):
            read(schedule, _schedule)
        settings = cls(
            insights_endpoint=read("CUSTOMER_INSIGHTS_ENDPOINT", _url).rstrip("/"),
            insights_scope=read("CUSTOMER_INSIGHTS_SCOPE", str),
            insights_subscription_key=read("CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY", str),
            insights_access_token=reader.maybe("CUSTOMER_INSIGHTS_ACCESS_TOKEN", str),
            instances=read("CUSTOMER_INSIGHTS_INSTANCES", _instances),
            workflow=read("CUSTOMER_INSIGHTS_WORKFLOW", str),
            app_registration=_app_registration(reader),
            topic_endpoint=read("EVENT_GRID_TOPIC_ENDPOINT", _url),
            topic_key=reader.maybe("EVENT_GRID_TOPIC_KEY", str),
            storage=_storage(reader),
            callback_hosts=read("CALLBACK_ALLOWED_HOSTS", _hosts),
            callback_allow_insecure=read("CALLBACK_ALLOW_INSECURE", _flag),
            callback_key=read("CALLBACK_ENCRYPTION_KEY", _key),
            callback_key_previous=reader.maybe("CALLBACK_ENCRYPTION_KEY_PREVIOUS", _key),
            callback_timeout=timedelta(seconds=read("CALLBACK_TIMEOUT_SECONDS", _positive)),
            retry_seconds=read("DELIVERY_RETRY_SECONDS", _waits),
            max_age=timedelta(hours=read("DELIVERY_MAX_AGE_HOURS", _positive)),
            rate_per_second=int(read("DELIVERY_RATE_PER_SECOND", _whole)),
            retention=timedelta(days=read("EVENT_RETENTION_DAYS", _positive)),
            application_insights=reader.maybe(APPLICATION_INSIGHTS, str),
        )
        if reader.is_azure and settings.callback_allow_insecure:
            reader.wrong("CALLBACK_ALLOW_INSECURE", "is for the local stack and refused in Azure")
        if reader.is_azure and settings.insights_access_token is not None:
            reader.wrong("CUSTOMER_INSIGHTS_ACCESS_TOKEN", "is for the local stack and refused in Azure")
        reader.finish()
        return settings


def schedule(name: str, environment: Mapping[str, str] | None = None) -> str:
    """A timer's schedule: a reference to the setting, which the host resolves, or the default where it is not set."""
    value = (os.environ if environment is None else environment).get(name, "")
    return f"%{name}%" if value.strip() else DEFAULTS[name]


class _Reader:
    """Reads settings one by one and gathers what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._wrong: dict[str, str] = {}

    @property
    def is_azure(self) -> bool:
        return any(self._environment.get(mark) for mark in AZURE_MARKS)

    def value(self, name: str) -> str:
        """A setting as it stands there; an empty one counts as none."""
        return (self._environment.get(name) or "").strip() or DEFAULTS.get(name, "")

    def wrong(self, name: str, message: str) -> None:
        self._wrong.setdefault(name, message)

    def maybe[T](self, name: str, parse: Callable[[str], T]) -> T | None:
        return self.read(name, parse) if self.value(name) else None

    def read[T](self, name: str, parse: Callable[[str], T]) -> T:
        """A setting, parsed. What is wrong is noted, and something of the same type given, so that reading goes on."""
        value = self.value(name)
        if not value:
            self.wrong(name, "is missing")
        try:
            return parse(value or _STAND_IN.get(parse, "-"))
        except ValueError as error:
            self.wrong(name, str(error))
            return parse(_STAND_IN[parse])

    def finish(self) -> None:
        if self._wrong:
            problems = "; ".join(f"{name} {message}" for name, message in sorted(self._wrong.items()))
            raise SettingsError(f"Settings are missing or malformed: {problems}")


def _app_registration(reader: _Reader) -> AppRegistration | None:
    names = [f"CUSTOMER_INSIGHTS_{part}" for part in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")]
    values = [reader.value(name) for name in names]
    if not any(values):
        return None
    for name, value in zip(names, values, strict=True):
        if not value:
            reader.wrong(name, "is missing: an app registration needs tenant id, client id and client secret")
    return AppRegistration(*values)


def _storage(reader: _Reader) -> Storage:
    if connection_string := reader.value("AzureWebJobsStorage"):
        if not _CONNECTION.search(connection_string):
            reader.wrong("AzureWebJobsStorage", "is not a connection string")
        return Storage(connection_string)
    account = reader.value("AzureWebJobsStorage__accountName")
    urls = {}
    for kind in ("blob", "queue", "table"):
        name = f"AzureWebJobsStorage__{kind}ServiceUri"
        urls[kind] = reader.maybe(name, _url) or (f"https://{account}.{kind}.core.windows.net" if account else "")
        if not urls[kind]:
            reader.wrong(
                "AzureWebJobsStorage",
                "is missing: a connection string, or for an identity AzureWebJobsStorage__accountName, or all of "
                "AzureWebJobsStorage__blobServiceUri, __queueServiceUri and __tableServiceUri",
            )
    client_id = reader.value("AzureWebJobsStorage__clientId") or None
    return Storage(None, urls["blob"], urls["queue"], urls["table"], client_id)


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an http(s) URL")
    return value


def _schedule(value: str) -> str:
    if not _CRON.fullmatch(value):
        raise ValueError("is not an NCRONTAB expression of six fields")
    return value


def _instances(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if not names or ("*" in names and len(names) > 1):
        raise ValueError("is neither * nor a comma-separated list of instance ids")
    return () if names == ("*",) else names


def _hosts(value: str) -> tuple[str, ...]:
    hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
    if not hosts or not all(_HOST_PATTERN.fullmatch(host) for host in hosts):
        raise ValueError("is not a comma-separated list of host patterns")
    return hosts


def _flag(value: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if value.lower() not in words:
        raise ValueError("is neither true nor false")
    return words[value.lower()]


def _key(value: str) -> bytes:
    try:
        key = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"is not base64 of {KEY_BYTES} bytes")
    return key


def _positive(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError("is not a number") from None
    if not 0 < number < 1e6:  # noqa: PLR2004 - beyond any sensible time, and short of what a timedelta holds
        raise ValueError("is not a number greater than 0")
    return number


def _whole(value: str) -> float:
    number = _positive(value)
    if number != int(number):
        raise ValueError("is not a whole number greater than 0")
    return number


def _waits(value: str) -> tuple[float, ...]:
    try:
        return tuple(_positive(part) for part in value.split(","))
    except ValueError:
        raise ValueError("is not a comma-separated list of seconds") from None


# What each parser takes without complaint: reading goes on with it, so that all that is wrong is found in one go.
_STAND_IN: Mapping[Callable[[str], object], str] = {
    str: "-",
    _url: "https://invalid",
    _schedule: "0 0 0 1 1 *",
    _instances: "*",
    _hosts: "invalid",
    _flag: "false",
    _key: base64.b64encode(bytes(KEY_BYTES)).decode(),
    _positive: "1",
    _whole: "1",
    _waits: "1",
}
