"""The sample flows, and the place that a flow's definition has in the life of its trigger."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared.domain.subscriptions import TRIGGERS, Trigger
from tests.flows.expressions import Scope, resolve

FOLDER = Path(__file__).parent.parent.parent / "docs" / "flows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
INSTANCE = "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11"
# A value for each parameter of each sample, in the type that it is declared with.
VALUES: Mapping[str, Any] = {
    "$connections": {"teams": {"connectionId": "teams-connection"}, "office365": {"connectionId": "mail-connection"}},
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
