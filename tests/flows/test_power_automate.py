"""The sample flows for Power Automate fit the connector and the bridge's events, and do what their twins do."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from connector.solution import FLOWS, PLACEHOLDER
from tests.flows import definitions
from tests.flows.definitions import CALLBACK, INSTANCE, Definition, event_of, is_known, paths
from tests.flows.power_automate import CHOSEN, NAMES, OPERATIONS, CloudFlow, body_of, is_ours
from triggers.requests import parse_body

SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
TEAMS, MAIL, NEXT_JOB = "refresh-failed-to-teams", "segment-crossed-to-mail", "full-refresh-starts-next-job"
REPORT, TICKET = "dataverse-sync-refreshes-report", "source-overdue-opens-ticket"
OUTAGE = "polling-failed-to-teams"
APIS = "/providers/Microsoft.PowerApps/apis/"
# The operations of other connectors that the samples use, with their parameters, as public flows show them.
OTHERS = {
    "shared_teams": {
        "PostMessageToConversation": {
            *{"poster", "location", "body/recipient/groupId", "body/recipient/channelId", "body/messageBody"},
        }
    },
    "shared_office365": {
        "SendEmailV2": {"emailMessage/To", "emailMessage/Subject", "emailMessage/Body", "emailMessage/Importance"}
    },
    "shared_powerbi": {"RefreshDataset": {"groupid", "datasetid"}},
    "shared_service-now": {"CreateRecord": {"tableType", "body/short_description", "body/description"}},
}
TYPES: Mapping[str, Any] = {"string": str, "number": (int, float), "integer": int, "boolean": bool}

every_sample = pytest.mark.parametrize("name", NAMES)


def test_every_sample_has_a_twin_for_logic_apps() -> None:
    assert definitions.NAMES == NAMES == sorted([TEAMS, MAIL, NEXT_JOB, REPORT, TICKET, OUTAGE])


@every_sample
def test_it_is_a_flow_of_a_solution(name: str) -> None:
    flow = CloudFlow(name)
    assert set(flow.json) == {"properties", "schemaVersion"}
    assert set(flow.json["properties"]) == {"connectionReferences", "definition"}
    keys = {"$schema", "contentVersion", "description", "parameters", "triggers", "actions", "outputs"}
    assert set(flow.definition) == keys
    assert flow.definition["$schema"] == SCHEMA
    assert flow.definition["parameters"] == {
        "$connections": {"defaultValue": {}, "type": "Object"},
        "$authentication": {"defaultValue": {}, "type": "SecureObject"},
    }
    assert len(flow.definition["triggers"]) == len(flow.definition["actions"]) == 1
    assert [action["runAfter"] for action in flow.definition["actions"].values()] == [{}]
    assert all(re.fullmatch(r"\w{1,80}", key) for key, _ in flow.steps())


@every_sample
def test_every_step_uses_a_connection_that_is_referred_to(name: str) -> None:
    flow = CloudFlow(name)
    references = flow.json["properties"]["connectionReferences"]
    used = set()
    for key, step in flow.steps():
        host = step["inputs"]["host"]
        assert set(host) == {"apiId", "connectionName", "operationId"}, key
        used.add(host["connectionName"])
        assert host["apiId"] == APIS + references[host["connectionName"]]["api"]["name"], key
        assert step["inputs"]["authentication"] == "@parameters('$authentication')", key
    assert used == set(references)
    for reference in references.values():
        assert reference["runtimeSource"] == "embedded"
        assert re.fullmatch(r"cieb_\w+", reference["connection"]["connectionReferenceLogicalName"])


@every_sample
def test_its_steps_are_operations_of_the_connector_with_their_parameters(name: str) -> None:
    flow = CloudFlow(name)
    assert flow.webhook["type"] == "OpenApiConnectionWebhook"
    assert OPERATIONS[flow.webhook["inputs"]["host"]["operationId"]][2]["x-ms-trigger"] == "single"
    for key, step in flow.steps():
        operation_id, given = step["inputs"]["host"]["operationId"], step["inputs"]["parameters"]
        if not is_ours(step):
            assert set(given) == OTHERS[step["inputs"]["host"]["connectionName"]][operation_id], key
            continue
        _, _, operation = OPERATIONS[operation_id]
        assert ("x-ms-trigger" in operation) is (key in flow.definition["triggers"])
        fields = {one["name"]: one for one in operation["parameters"] if one["in"] != "body"}
        fields |= {f"body/{name}": one for name, one in body_of(operation_id).items()}
        assert set(given) <= set(fields), key
        for field, value in given.items():
            assert isinstance(value, TYPES[fields[field]["type"]]), field
            assert "enum" not in fields[field] or value in fields[field]["enum"], field
            assert fields[field].get("x-ms-visibility") != "internal", field


@every_sample
def test_what_it_subscribes_with_is_what_the_bridge_takes(name: str) -> None:
    flow = CloudFlow(name)
    request = flow.subscribe(CALLBACK)
    assert (request.method, request.path) == ("POST", f"/api/triggers/{flow.trigger.slug}/subscriptions")
    body = parse_body(json.dumps(request.body).encode(), flow.trigger.body)
    assert (body.callback_url, body.instance_id) == (CALLBACK, INSTANCE)


@every_sample
def test_what_is_left_open_is_easy_to_see(name: str) -> None:
    text = (FLOWS / f"{name}.json").read_text("utf-8")
    left = set(re.findall(r"[A-Z]+(?:-[A-Z]+)+", text))
    assert "CHOOSE-THE-ENVIRONMENT" in left <= set(CHOSEN)
    assert not re.search(r"sig=|code=|https://(?!schema\.management\.azure\.com/)|x-functions-key", text)
    assert "listCallbackUrl" not in text  # the platform itself puts it in


@every_sample
def test_what_it_reads_is_in_the_event(name: str) -> None:
    flow = CloudFlow(name)
    ways = paths([step for _, step in flow.steps()])
    assert {("type",), ("id",)} < ways
    assert [way for way in ways if not is_known(way, flow.trigger.data)] == []


@every_sample
@pytest.mark.parametrize("changes", [{}, {"outcome": "succeeded"}, {"outcome": "failed"}, {"test": True}])
def test_it_runs_when_its_twin_does_and_for_its_own_events_only(name: str, changes: Mapping[str, object]) -> None:
    flow, twin = CloudFlow(name), Definition(name)
    known = {key: value for key, value in changes.items() if key in {"test"} | set(twin.trigger.data.sample)}
    event = event_of(flow, **known)
    assert flow.runs(event) is twin.runs(event)
    assert flow.tracking_id(event) == event["id"]
    for other in NAMES:
        if other != name:
            assert not flow.runs(event_of(CloudFlow(other)))
    assert not flow.runs({})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"error": None},
        {"friendlyName": None, "name": None},
        {"friendlyName": "R&D <old>", "error": {"code": "DS42"}},
    ],
)
def test_the_message_is_its_twin_s(changes: Mapping[str, object]) -> None:
    flow, twin = CloudFlow(TEAMS), Definition(TEAMS)
    event = event_of(flow, **changes)
    theirs = twin.action(event)["body"]
    assert flow.action(event) == {
        "poster": "Flow bot",
        "location": "Channel",
        "body/recipient/groupId": "team-1",
        "body/recipient/channelId": "channel-1",
        "body/messageBody": theirs["messageBody"],
    }


def test_the_message_about_an_outage_is_its_twin_s() -> None:
    flow, twin = CloudFlow(OUTAGE), Definition(OUTAGE)
    event = event_of(flow, error={"kind": "configuration", "message": "The key is <wrong>."})
    assert flow.action(event)["body/messageBody"] == twin.action(event)["body"]["messageBody"]


@pytest.mark.parametrize("changes", [{}, {"friendlyName": None}, {"friendlyName": "Big <spenders>"}])
def test_the_mail_is_its_twin_s(changes: Mapping[str, object]) -> None:
    flow, twin = CloudFlow(MAIL), Definition(MAIL)
    event = event_of(flow, **changes)
    theirs = twin.action(event)["body"]
    assert flow.action(event) == {f"emailMessage/{key}": value for key, value in theirs.items()}


def test_the_next_job_is_a_refresh_of_the_exports() -> None:
    flow = CloudFlow(NEXT_JOB)
    request = flow.action_request(event_of(flow, outcome="succeeded"))
    assert (request.method, request.path) == ("POST", f"/api/instances/{INSTANCE}/refresh")
    assert request.body == {"scope": "exports"}
    (action,) = flow.definition["actions"].values()
    assert action["operationOptions"] == "DisableAsyncPattern"


def test_the_samples_call_the_connector_by_its_placeholder() -> None:
    assert all(PLACEHOLDER in CloudFlow(name).json["properties"]["connectionReferences"] for name in NAMES)
