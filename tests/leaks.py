"""Finds secrets where none may stand: in logs, answers, telemetry and storage, in whatever spelling."""

import base64
import json
import re
from collections.abc import Mapping
from urllib.parse import quote

import pytest

# What is secret whatever it is of: a flow's signature, what deliveries are signed with, a storage key, a token.
SHAPES = {
    "a flow's signature": re.compile(r"[?&]sig=[\w%~.-]{6,}"),
    "a signing secret": re.compile(r"whsec_[A-Za-z0-9+/]{20,}"),
    "a storage key": re.compile(r"AccountKey=[A-Za-z0-9+/]{20,}"),
    "a token": re.compile(r"Bearer [\w~+/.-]{8,}"),
}
SECRET_SETTINGS = (
    "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY",
    "CUSTOMER_INSIGHTS_ACCESS_TOKEN",
    "EVENT_GRID_TOPIC_KEY",
    "CALLBACK_ENCRYPTION_KEY",
    "FUNCTIONS_KEY",
)


class Secrets:
    """Secrets by what they are. One that is shorter than 8 characters would be found everywhere."""

    def __init__(self) -> None:
        self._spellings: dict[str, str] = {}

    def keep(self, name: str, secret: str) -> None:
        """Look for a secret from now on."""
        assert len(secret) >= 8, name
        raw = secret.encode()
        for spelling in (
            secret,
            quote(secret, safe=""),
            json.dumps(secret)[1:-1],
            base64.b64encode(raw).decode(),
            raw.hex(),
        ):
            self._spellings[spelling] = name

    def keep_settings(self, settings: Mapping[str, str]) -> None:
        """Look for those that an app is given."""
        for name in SECRET_SETTINGS:
            self.keep(name, settings[name])
        storage = dict(part.split("=", 1) for part in settings["AzureWebJobsStorage"].split(";"))
        self.keep("AccountKey", storage["AccountKey"])

    def found_in(self, text: str) -> set[str]:
        """What of it stands in a text."""
        return {name for spelling, name in self._spellings.items() if spelling in text} | shapes_in(text)


def shapes_in(text: str) -> set[str]:
    """What looks like a secret in a text."""
    return {name for name, shape in SHAPES.items() if shape.search(text)}


def fail_where_told(report: pytest.TestReport) -> None:
    """Make a test's success a failure where its log tells a secret."""
    told = shapes_in("\n".join(text for name, text in report.sections if name.startswith("Captured log")))
    if report.passed and told:
        report.outcome, report.longrepr = "failed", f"the log tells {', '.join(sorted(told))}"
