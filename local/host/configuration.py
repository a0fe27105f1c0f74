"""What the host reads before it starts: host.json, the `Values` of local.settings.json, and settings named in bindings.

It reads files and mappings it is given; it knows nothing of functions.
"""

import json
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from local.host.errors import HostError

OVERRIDE_PREFIX = "AzureFunctionsJobHost__"

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """`extensions.queues` of host.json."""

    batch_size: int
    new_batch_threshold: int
    max_polling_interval: timedelta
    visibility_timeout: timedelta
    max_dequeue_count: int
    base64: bool

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> Self:
        """Read the options; what is absent has Azure's default."""
        batch_size = int(options.get("batchSize", 16))
        return cls(
            batch_size=batch_size,
            new_batch_threshold=int(options.get("newBatchThreshold", batch_size // 2)),
            max_polling_interval=timespan(options.get("maxPollingInterval", "00:01:00")),
            visibility_timeout=timespan(options.get("visibilityTimeout", "00:00:00")),
            max_dequeue_count=int(options.get("maxDequeueCount", 5)),
            base64=str(options.get("messageEncoding", "base64")).lower() == "base64",
        )


@dataclass(frozen=True, slots=True)
class HostJson:
    """The part of host.json that this host obeys."""

    route_prefix: str
    queues: QueueOptions

    @classmethod
    def read(cls, folder: Path, settings: Mapping[str, str]) -> Self:
        """Read host.json in `folder`; `AzureFunctionsJobHost__a__b` settings override its keys, as in Azure."""
        document = _read_object(folder / "host.json")
        _override(document, settings)
        extensions = document.get("extensions", {})
        try:
            return cls(
                route_prefix=str(extensions.get("http", {}).get("routePrefix", "api")).strip("/"),
                queues=QueueOptions.from_json(extensions.get("queues", {})),
            )
        except (AttributeError, ValueError) as error:
            raise HostError(f"host.json: {error}") from error


def add_local_settings(folder: Path, environment: MutableMapping[str, str]) -> None:
    """Add the `Values` of local.settings.json, where there is one; what the environment has already wins."""
    path = folder / "local.settings.json"
    if path.exists():
        for name, value in _read_object(path).get("Values", {}).items():
            environment.setdefault(name, str(value))


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Replace each `%NAME%` by the setting of that name."""

    def replacement(match: re.Match[str]) -> str:
        try:
            return settings[match[1]]
        except KeyError as error:
            raise HostError(f"{text!r} names a setting that is missing: {match[1]}") from error

    return re.sub(r"%([^%]+)%", replacement, text)


def is_disabled(function: str, settings: Mapping[str, str]) -> bool:
    """Tell whether the setting `AzureWebJobs.<function>.Disabled` switches the function off."""
    return settings.get(f"AzureWebJobs.{function}.Disabled", "").lower() in {"true", "1"}


def connection_string(name: str, settings: Mapping[str, str]) -> str:
    """Return the storage connection string that a binding's `connection` names."""
    text = settings.get(name) or settings.get(f"AzureWebJobs{name}")
    if not text or "AccountName=" not in text:
        raise HostError(f"{name} must be a storage connection string with AccountName and AccountKey")
    return text


def timespan(text: str) -> timedelta:
    """Parse a .NET time span: `[days.]hours:minutes:seconds[.fraction]`. Raises `ValueError`."""
    match = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)", str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a time span like 00:01:00")
    days, hours, minutes, seconds = match.groups(default="0")
    return timedelta(days=int(days), hours=int(hours), minutes=int(minutes), seconds=float(seconds))


def _read_object(path: Path) -> Json:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise HostError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise HostError(f"{path}: not a JSON object")
    return document


def _override(document: Json, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        if name.startswith(OVERRIDE_PREFIX):
            *parents, leaf = name.removeprefix(OVERRIDE_PREFIX).split("__")
            node = document
            for parent in parents:
                node = node.setdefault(parent, {})
            node[leaf] = value
