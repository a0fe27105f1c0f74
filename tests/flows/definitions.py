"""The sample flows, and the place that a flow's definition has in the life of its trigger."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from shared.domain.events.data import EventData
from shared.domain.events.envelope import Event
from shared.domain.triggers import TRIGGERS, Trigger
from tests.flows.expressions import Access, Call, Literal, Node, Scope, nodes, resolve

FOLDER = Path(__file__).parent.parent.parent / "docs" / "flows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
INSTANCE = "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11"
CALLBACK = "https://prod-01.westeurope.logic.azure.com/workflows/f/triggers/t/run?sp=%2Fa&sig=s"
ATTRIBUTES = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype"}
# A value for each parameter of each sample, in the type that it is declared with.
VALUES: Mapping[str, Any] = {
    "$connections": {
        "teams": {"connectionId": "teams-connection"},
        "office365": {"connectionId": "mail-connection"},
        "powerbi": {"connectionId": "report-connection"},
        "servicenow": {"connectionId": "ticket-connection"},
    },
    "bridgeHost": "bridge.example",
    "bridgeKey": "a-host-key",
    "subscriptionId": "my-flow",
    "instanceId": INSTANCE,
    "teamId": "team-1",
    "channelId": "channel-1",
    "segmentName": "Big_Spenders",
    "threshold": 1000,
    "direction": "above",
    "rearmMargin": 0,
    "recipients": "marketing@contoso.com",
    "dataSourceId": "b7a1c9d2-4e52-4f0b-8f3a-6c1d2e3f4a5b",
    "maxAgeHours": 26,
    "workspaceId": "workspace-1",
    "datasetId": "dataset-1",
}


class Definition:
    """A sample, with values for its parameters as a deployment gives them."""

    def __init__(self, name: str, **values: object) -> None:
        self.json: Mapping[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        declared = self.json["parameters"]
        self.parameters = {key: value for key, value in {**VALUES, **values}.items() if key in declared}

    @property
    def webhook(self) -> Mapping[str, Any]:
        """The one trigger."""
        (webhook,) = self.json["triggers"].values()
        assert isinstance(webhook, dict)
        return webhook

    @property
    def trigger(self) -> Trigger:
        """The bridge's trigger that it subscribes to."""
        return TRIGGERS[self.subscribe("https://flow.example")["uri"].split("/")[5]]

    def subscribe(self, callback_url: str) -> Mapping[str, Any]:
        """The request made when the flow is turned on."""
        request: Mapping[str, Any] = resolve(
            self.webhook["inputs"]["subscribe"], Scope(self.parameters, callback_url=callback_url)
        )
        return request

    def unsubscribe(self) -> Mapping[str, Any]:
        """The request made when it is turned off."""
        request: Mapping[str, Any] = resolve(self.webhook["inputs"]["unsubscribe"], Scope(self.parameters))
        return request

    def runs(self, body: Mapping[str, Any]) -> bool:
        """Whether a call with this body starts a run."""
        outcomes = [resolve(one["expression"], self._run(body)) for one in self.webhook["conditions"]]
        assert set(outcomes) <= {True, False}
        return all(outcomes)

    def tracking_id(self, body: Mapping[str, Any]) -> str:
        """The id by which the run of this body is found."""
        found: str = resolve(self.webhook["correlation"]["clientTrackingId"], self._run(body))
        return found

    def action(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """What its one action does in the run of this body."""
        (action,) = self.json["actions"].values()
        inputs: Mapping[str, Any] = resolve(action["inputs"], self._run(body))
        return inputs

    def operations(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The trigger and all actions."""
        yield from self.json["triggers"].items()
        yield from self.json["actions"].items()

    def _run(self, body: Mapping[str, Any]) -> Scope:
        return Scope(self.parameters, body=body)


class HasTrigger(Protocol):
    """A sample flow of either kind."""

    @property
    def trigger(self) -> Trigger:
        """The bridge's trigger that it subscribes to."""


def paths(value: object) -> set[tuple[str, ...]]:
    """The ways into the trigger's body, the ways on the way included."""
    return {way for node in nodes(value) if (way := _way(node))}


def _way(node: Node) -> tuple[str, ...]:
    if isinstance(node, Access) and isinstance(node.key, Literal):
        return (*_way(node.of), str(node.key.value)) if _starts_at_body(node.of) else ()
    return ()


def _starts_at_body(node: Node) -> bool:
    while isinstance(node, Access):
        node = node.of
    return isinstance(node, Call) and node.function == "triggerBody"


def is_known(way: Sequence[str], data: type[EventData]) -> bool:
    """Whether an event has such a key, by its JSON Schema."""
    if way[0] != "data":
        return len(way) == 1 and way[0] in ATTRIBUTES
    root = data.model_json_schema(by_alias=True, mode="serialization")
    places = [root]
    for key in way[1:]:
        forms = [form for place in places for form in _forms(place, root)]
        places = [form["properties"][key] for form in forms if key in form.get("properties", {})]
    return bool(places)


def _forms(place: Mapping[str, Any], root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A schema, and what it refers to or leaves a choice of."""
    found = [place]
    if "$ref" in place:
        found += _forms(root["$defs"][place["$ref"].rsplit("/", 1)[1]], root)
    for one in place.get("anyOf", []):
        found += _forms(one, root)
    return found


def event_of(sample: HasTrigger, **changes: object) -> Mapping[str, Any]:
    """The sample event of the sample flow's type; a key changed to None is left out."""
    model = sample.trigger.data
    data = {key: value for key, value in {**model.sample, **changes}.items() if value is not None}
    return Event.of(model.model_validate(data), time=datetime(2026, 11, 20, 3, tzinfo=UTC), occurrence=["sample"]).raw
