"""The sample flows for Power Automate, and the calls that the platform makes for them by the connector's definition."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from connector.solution import FLOWS, PLACEHOLDER
from shared.domain.triggers import TRIGGERS, Trigger
from tests.connector.documents import Json, by_id, definition
from tests.flows.definitions import INSTANCE
from tests.flows.expressions import Scope, resolve

NAMES = sorted(path.stem for path in FLOWS.glob("*.json"))
DOCUMENT = definition()
OPERATIONS = by_id(DOCUMENT)
# What a maker puts in place of what the samples leave open.
CHOSEN: Mapping[str, str] = {
    "CHOOSE-THE-ENVIRONMENT": INSTANCE,
    "CHOOSE-THE-SEGMENT": "Big_Spenders",
    "CHOOSE-THE-DATA-SOURCE": "b7a1c9d2-4e52-4f0b-8f3a-6c1d2e3f4a5b",
    "CHOOSE-THE-WORKSPACE": "workspace-1",
    "CHOOSE-THE-DATASET": "dataset-1",
    "CHOOSE-THE-TEAM": "team-1",
    "CHOOSE-THE-CHANNEL": "channel-1",
    "CHOOSE-THE-RECIPIENTS": "marketing@contoso.com",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A call of the bridge."""

    method: str
    path: str
    body: Mapping[str, Any] | None


class CloudFlow:
    """A sample flow, after a maker has filled it in."""

    def __init__(self, name: str, chosen: Mapping[str, str] = CHOSEN) -> None:
        text = (FLOWS / f"{name}.json").read_text("utf-8")
        for placeholder, value in chosen.items():
            text = text.replace(placeholder, value)
        self.json: Json = json.loads(text)
        self.definition: Json = self.json["properties"]["definition"]
        self._parameters = {name: one["defaultValue"] for name, one in self.definition["parameters"].items()}

    @property
    def webhook(self) -> Json:
        """The one trigger."""
        (webhook,) = self.definition["triggers"].values()
        return dict(webhook)

    @property
    def trigger(self) -> Trigger:
        """The bridge's trigger that it subscribes to."""
        path, _, _ = OPERATIONS[self.webhook["inputs"]["host"]["operationId"]]
        return TRIGGERS[path.split("/")[3]]

    def steps(self) -> Iterator[tuple[str, Json]]:
        """The trigger and all actions."""
        yield from self.definition["triggers"].items()
        yield from self.definition["actions"].items()

    def subscribe(self, callback_url: str) -> Request:
        """The request made when the flow is turned on: the platform puts in its callback where the definition says."""
        inputs = self.webhook["inputs"]
        request = _request(inputs["host"]["operationId"], resolve(inputs["parameters"], Scope(self._parameters)))
        (place,) = (
            name for name, one in body_of(inputs["host"]["operationId"]).items() if "x-ms-notification-url" in one
        )
        return Request(request.method, request.path, {**(request.body or {}), place: callback_url})

    def runs(self, body: Mapping[str, Any]) -> bool:
        """Whether a call with this body starts a run."""
        return all(resolve(one["expression"], Scope(self._parameters, body=body)) for one in self.webhook["conditions"])

    def tracking_id(self, body: Mapping[str, Any]) -> str:
        """The id by which the run of this body is found."""
        found: str = resolve(self.webhook["correlation"]["clientTrackingId"], Scope(self._parameters, body=body))
        return found

    def action(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """What its one action is given in the run of this body."""
        (action,) = self.definition["actions"].values()
        given: Mapping[str, Any] = resolve(action["inputs"]["parameters"], Scope(self._parameters, body=body))
        return given

    def action_request(self, body: Mapping[str, Any]) -> Request:
        """The call of the bridge that its one action makes."""
        (action,) = self.definition["actions"].values()
        return _request(action["inputs"]["host"]["operationId"], self.action(body))


def is_ours(step: Json) -> bool:
    """Whether a step is the connector's."""
    return bool(step["inputs"]["host"]["apiId"].endswith(PLACEHOLDER))


def body_of(operation_id: str) -> Json:
    """The properties of an operation's body."""
    _, _, operation = OPERATIONS[operation_id]
    references = [one["schema"]["$ref"] for one in operation["parameters"] if one["in"] == "body"]
    return {
        name: one
        for reference in references
        for name, one in DOCUMENT["definitions"][reference.rpartition("/")[2]].get("properties", {}).items()
    }


def _request(operation_id: str, given: Mapping[str, Any]) -> Request:
    """Parameters by name; those of the body are called `body/...`."""
    path, method, operation = OPERATIONS[operation_id]
    for one in operation["parameters"]:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", quote(given[one["name"]], safe=""))
    body = {name.removeprefix("body/"): value for name, value in given.items() if name.startswith("body/")}
    return Request(method.upper(), path, body or None)
