"""The sample flows are whole, keep their secrets, and fit the bridge's events and requests."""

import json
import re
from collections.abc import Mapping, Sequence

import pytest

from tests.flows.definitions import CALLBACK, INSTANCE, NAMES, VALUES, Definition, event_of, is_known, paths
from tests.flows.expressions import Call, Literal, nodes
from triggers.requests import parse_body

SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
TEAMS, MAIL, NEXT_JOB = "refresh-failed-to-teams", "segment-crossed-to-mail", "full-refresh-starts-next-job"
REPORT, TICKET = "dataverse-sync-refreshes-report", "source-overdue-opens-ticket"
OUTAGE = "polling-failed-to-teams"
TYPES = {"string": str, "securestring": str, "int": int, "float": (int, float), "object": dict}
# The limits of the platform, as its documentation gives them.
MAX_RETRIES, LONGEST_ID = 90, 64

every_sample = pytest.mark.parametrize("name", NAMES)


def used_parameters(value: object) -> set[str]:
    return {
        str(argument.value)
        for node in nodes(value)
        if isinstance(node, Call) and node.function == "parameters"
        for argument in node.arguments
        if isinstance(argument, Literal)
    }


def test_the_samples_are_these() -> None:
    assert set(NAMES) == {TEAMS, MAIL, NEXT_JOB, REPORT, TICKET, OUTAGE}


@every_sample
def test_it_is_a_workflow_definition(name: str) -> None:
    definition = Definition(name).json
    assert definition["$schema"] == SCHEMA
    assert re.fullmatch(r"\d+(\.\d+){3}", definition["contentVersion"])
    assert set(definition) == {"$schema", "contentVersion", "parameters", "triggers", "actions", "outputs"}
    assert len(definition["triggers"]) == len(definition["actions"]) == 1
    assert definition["outputs"] == {}
    assert all(re.fullmatch(r"\w{1,80}", key) for key, _ in Definition(name).operations())


@every_sample
def test_every_action_says_when_it_runs(name: str) -> None:
    actions = Definition(name).json["actions"]
    for action in actions.values():
        assert set(action["runAfter"]) <= set(actions)
    assert [action["runAfter"] for action in actions.values()].count({}) == 1


@every_sample
def test_parameters_are_declared_and_used(name: str) -> None:
    definition = Definition(name)
    declared = definition.json["parameters"]
    assert used_parameters([definition.json["triggers"], definition.json["actions"]]) == set(declared)
    for key, one in declared.items():
        expected = TYPES[one["type"].lower()]
        assert isinstance(VALUES[key], expected), key
        assert isinstance(one.get("defaultValue", VALUES[key]), expected), key
        if "allowedValues" in one:
            assert {VALUES[key], one["defaultValue"]} <= set(one["allowedValues"])
        assert key == "$connections" or one["metadata"]["description"].endswith(".")


@every_sample
def test_connections_are_parameters(name: str) -> None:
    definition = Definition(name).json
    managed = [one for one in definition["actions"].values() if one["type"] == "ApiConnection"]
    assert ("$connections" in definition["parameters"]) == bool(managed)
    for action in managed:
        connection = action["inputs"]["host"]["connection"]["name"]
        assert re.fullmatch(
            r"@parameters\('\$connections'\)\['(teams|office365|powerbi|servicenow)'\]\['connectionId'\]", connection
        )


@every_sample
def test_secrets_have_no_value_and_are_kept_out_of_the_run_history(name: str) -> None:
    definition = Definition(name)
    secret = {key for key, one in definition.json["parameters"].items() if one["type"].lower().startswith("secure")}
    assert secret == {"bridgeKey"}
    assert all("defaultValue" not in definition.json["parameters"][key] for key in secret)
    assert definition.json["parameters"].get("$connections", {}).get("defaultValue", {}) == {}
    assert not re.search(r"sig=|code=|https://(?!schema\.management\.azure\.com/|@\{)", json.dumps(definition.json))
    for key, operation in definition.operations():
        told = any(isinstance(node, Call) and node.function == "listCallbackUrl" for node in nodes(operation["inputs"]))
        if told or used_parameters(operation["inputs"]) & secret:
            assert "inputs" in operation["runtimeConfiguration"]["secureData"]["properties"], key


@every_sample
def test_it_subscribes_and_unsubscribes_at_the_same_address(name: str) -> None:
    definition = Definition(name, subscriptionId="Zürich/1 a")
    webhook = definition.webhook
    assert webhook["type"] == "HttpWebhook"
    on, off = definition.subscribe(CALLBACK), definition.unsubscribe()
    assert (on["method"], off["method"]) == ("PUT", "DELETE")
    slug = definition.trigger.slug
    expected = f"https://bridge.example/api/triggers/{slug}/subscriptions/Z%C3%BCrich%2F1%20a"
    assert (on["uri"], off["uri"]) == (expected, expected)
    assert on["headers"] == {"Content-Type": "application/json", "x-functions-key": "a-host-key"}
    assert off["headers"] == {"x-functions-key": "a-host-key"}
    assert set(off) == {"method", "uri", "headers"}
    body = parse_body(json.dumps(on["body"]).encode(), definition.trigger.body)
    assert (body.callback_url, body.instance_id) == (CALLBACK, INSTANCE)
    default = definition.json["parameters"]["subscriptionId"]["defaultValue"]
    assert default == name
    assert re.fullmatch(r"[A-Za-z0-9._-]+", default)
    assert len(default) <= LONGEST_ID


@every_sample
def test_it_tries_again_for_a_while(name: str) -> None:
    definition = Definition(name)
    policies = [definition.webhook["inputs"]["subscribe"]["retryPolicy"]]
    policies += [action["inputs"]["retryPolicy"] for action in definition.json["actions"].values()]
    for policy in policies:
        assert policy["type"] == "exponential"
        assert 1 <= policy["count"] <= MAX_RETRIES
        shortest, first, longest = (_seconds(policy[key]) for key in ("minimumInterval", "interval", "maximumInterval"))
        assert 5 <= shortest <= first <= longest <= 24 * 3600


def _seconds(duration: str) -> int:
    found = re.fullmatch(r"PT(\d+)([SMH])", duration)
    assert found
    return int(found[1]) * {"S": 1, "M": 60, "H": 3600}[found[2]]


@every_sample
def test_what_it_reads_is_in_the_event(name: str) -> None:
    definition = Definition(name)
    model = definition.trigger.data
    ways = paths([operation for _, operation in definition.operations()])
    assert {("type",), ("id",)} < ways
    assert [way for way in ways if not is_known(way, model)] == []


@pytest.mark.parametrize("way", ["time", "data", "data.name", "data.error.message"])
def test_a_known_way_is_known(way: str) -> None:
    assert is_known(way.split("."), Definition(TEAMS).trigger.data)


@pytest.mark.parametrize("way", ["nope", "time.zone", "data.nope", "data.name.first", "data.error.nope", "message"])
def test_an_unknown_way_is_unknown(way: str) -> None:
    assert not is_known(way.split("."), Definition(TEAMS).trigger.data)


@every_sample
def test_a_run_is_for_its_own_events_and_bears_their_id(name: str) -> None:
    definition = Definition(name)
    event = event_of(definition, **_succeeded(name))
    assert definition.runs(event)
    assert definition.tracking_id(event) == event["id"]
    for other in NAMES:
        assert definition.runs(event_of(Definition(other), **_succeeded(other))) == (other == name)
    assert not definition.runs({})


def _succeeded(name: str) -> Mapping[str, object]:
    return {"outcome": "succeeded"} if name == NEXT_JOB else {}


def test_only_a_success_that_is_no_test_starts_the_next_job() -> None:
    definition = Definition(NEXT_JOB)
    assert definition.subscribe(CALLBACK)["body"]["outcome"] == "succeeded"
    assert definition.runs(event_of(definition, outcome="succeeded"))
    assert not definition.runs(event_of(definition, outcome="failed"))
    assert not definition.runs(event_of(definition, outcome="succeeded", test=True))


def test_the_next_job_is_a_refresh_of_the_exports() -> None:
    definition = Definition(NEXT_JOB)
    inputs = definition.action(event_of(definition, outcome="succeeded"))
    assert {key: inputs[key] for key in ("method", "uri", "body")} == {
        "method": "POST",
        "uri": f"https://bridge.example/api/instances/{INSTANCE}/refresh",
        "body": {"scope": "exports"},
    }
    assert inputs["headers"]["x-functions-key"] == "a-host-key"
    (action,) = definition.json["actions"].values()
    assert action["operationOptions"] == "DisableAsyncPattern"


def test_the_message_names_the_data_source_and_the_error() -> None:
    definition = Definition(TEAMS)
    event = event_of(definition)
    inputs = definition.action(event)
    assert inputs["host"]["connection"]["name"] == "teams-connection"
    assert inputs["path"] == "/beta/teams/conversation/message/poster/Flow%20bot/location/Channel"
    assert inputs["body"]["recipient"] == {"groupId": "team-1", "channelId": "channel-1"}
    assert inputs["body"]["messageBody"] == (
        "<p><b>Sales (Dynamics 365)</b> could not be refreshed.</p><p>The credentials have expired.</p>"
        f"<p>At 2026-11-20T03:00:00Z, job 0c9d8e7f-1a2b-4c3d-8e4f-5a6b7c8d9e0f, event {event['id']}</p>"
    )


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"error": None}, ["<p>Customer Insights gives no reason.</p>"]),
        ({"error": {"code": "DS42"}}, ["<p>DS42</p>"]),
        ({"friendlyName": None}, ["<b>Sales</b>"]),
        ({"friendlyName": None, "name": None}, ["<b>b7a1c9d2-4e52-4f0b-8f3a-6c1d2e3f4a5b</b>"]),
        ({"jobId": None}, ["job unknown"]),
        (
            {"friendlyName": "R&D <old>", "error": {"message": "No column <id> & no key"}},
            ["<b>R&amp;D &lt;old></b>", "<p>No column &lt;id> &amp; no key</p>"],
        ),
    ],
)
def test_the_message_does_with_what_is_known(changes: Mapping[str, object], texts: Sequence[str]) -> None:
    definition = Definition(TEAMS)
    message = definition.action(event_of(definition, **changes))["body"]["messageBody"]
    assert [text for text in texts if text not in message] == []


def test_the_mail_tells_which_way_the_segment_went() -> None:
    definition = Definition(MAIL)
    event = event_of(definition, friendlyName="Big <spenders>")
    inputs = definition.action(event)
    assert (inputs["host"]["connection"]["name"], inputs["path"]) == ("mail-connection", "/v2/Mail")
    assert inputs["body"] == {
        "To": "marketing@contoso.com",
        "Subject": "Big <spenders> is above 10000: 10031 members",
        "Body": "<p>The segment <b>Big &lt;spenders></b> went from 9874 to 10031 members and is now above 10000.</p>"
        f"<p>Evaluated at 2026-11-20T04:02:10Z, event {event['id']}</p>",
        "Importance": "Normal",
    }
    unnamed = definition.action(event_of(definition, friendlyName=None))["body"]
    assert unnamed["Subject"].startswith("Big_Spenders is above")


def test_only_a_sync_to_dataverse_that_succeeded_refreshes_the_report() -> None:
    definition = Definition(REPORT)
    assert definition.subscribe(CALLBACK)["body"]["stage"] == "dataverseSync"
    assert definition.runs(event_of(definition))
    assert not definition.runs(event_of(definition, outcome="failed"))
    assert not definition.runs(event_of(definition, test=True))
    inputs = definition.action(event_of(definition))
    assert inputs["path"] == "/v1.0/myorg/groups/workspace-1/datasets/dataset-1/refreshes"


def test_the_ticket_says_what_is_overdue() -> None:
    definition = Definition(TICKET)
    body = definition.action(event_of(definition))["body"]
    assert body["short_description"].startswith(
        "Sales (Dynamics 365): the data source was not refreshed for more than 26"
    )
    assert not definition.runs(event_of(definition, test=True))


def test_the_message_says_since_when_nothing_can_be_polled() -> None:
    definition = Definition(OUTAGE)
    event = event_of(definition, error={"kind": "transient", "message": "It answers <503> & no more."})
    message = definition.action(event)["body"]["messageBody"]
    assert message.startswith("<p>The data sources of Customer Insights could not be read since ")
    assert "It answers &lt;503> &amp; no more.</p><p>Since 2026-11-20T03:02:00Z, environment " in message
    assert message.endswith(f"event {event['id']}</p>")
