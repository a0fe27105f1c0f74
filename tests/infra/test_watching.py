"""Who watches: diagnostics, the availability test, the alerts with their receivers and links, and the workbook."""

import json
import re

import pytest

from tests.infra.compiler import INFRA
from tests.infra.deployment import (
    ACTION_GROUP,
    COMPONENT,
    DIAGNOSTICS,
    TOPIC,
    WORKSPACE,
    Deployment,
)
from tests.infra.pages import page
from tests.pages import anchors
from tests.test_docs import routes as registered_routes

routes = registered_routes  # a fixture of that module, used here too
QUERY_RULES, METRIC_RULES = "Microsoft.Insights/scheduledQueryRules", "Microsoft.Insights/metricAlerts"

# What Azure takes for a log alert, in minutes.
WINDOWS = {1, 5, 10, 15, 30, 45, 60, 120, 180, 240, 300, 360, 1440, 2880}
FREQUENCIES = WINDOWS - {2880}


def minutes(duration: str) -> int:
    """An ISO 8601 duration of minutes, or of whole days, as Azure writes them."""
    parts = re.fullmatch(r"PT(\d+)M|P(\d+)D", duration)
    assert parts is not None
    return int(parts[1]) if parts[1] else int(parts[2]) * 1440


def test_diagnostics_of_topic_storage_and_app_go_to_the_workspace(deployment: Deployment) -> None:
    found = [resource for resource in deployment.resources if resource["type"] == DIAGNOSTICS]
    workspace = deployment.the(WORKSPACE)["id"]
    assert {resource["properties"]["workspaceId"] for resource in found} == {workspace}
    logged = {}
    for resource in found:
        of = deployment.within_group(resource["id"]).partition(f"/providers/{DIAGNOSTICS}")[0].split("/")
        kind = of[3] if "Storage" in of[0] else of[1]
        logged[kind] = {log["category"] for log in resource["properties"].get("logs", ()) if log["enabled"]}
        assert [metric["enabled"] for metric in resource["properties"]["metrics"]] == [True]
    assert logged == {
        "topics": {"DeliveryFailures", "PublishFailures"},
        "blobServices": {"StorageDelete"},
        "queueServices": set(),
        "tableServices": set(),
        "sites": {"FunctionAppLogs"},
    }


def test_health_is_tested_from_outside(deployment: Deployment, routes: dict[str, str]) -> None:
    test, component = deployment.the("Microsoft.Insights/webtests"), deployment.the(COMPONENT)["id"]
    assert test["tags"][f"hidden-link:{component}"] == "Resource"
    properties = test["properties"]
    path = re.search(r"\{0\}(/[a-z/]+)'", properties["Request"]["RequestUrl"])
    assert path is not None
    assert routes[f"{properties['Request']['HttpVerb']} {path[1]}"] == "anonymous"
    assert properties["Enabled"] is True
    assert properties["ValidationRules"]["ExpectedHttpStatusCode"] == 200
    assert len(properties["Locations"]) >= 3


def test_alerts_send_mail(deployment: Deployment) -> None:
    group = deployment.the(ACTION_GROUP)
    assert [one["emailAddress"] for one in group["properties"]["emailReceivers"]] == ["operator@example.com"]
    assert len(group["properties"]["groupShortName"]) <= 12
    asked = json.loads((INFRA / "alerts.json").read_text("utf-8"))
    rules = deployment.all(QUERY_RULES)
    assert set(rules) == {alert["name"] for alert in asked}
    for alert in asked:
        properties = rules[alert["name"]]["properties"]
        assert properties["enabled"] is True
        assert properties["scopes"] == [deployment.the(WORKSPACE)["id"]]  # its queries name the workspace's tables
        assert properties["skipQueryValidation"] is True
        assert properties["actions"] == {"actionGroups": [group["id"]]}
        (criterion,) = properties["criteria"]["allOf"]
        assert criterion == {
            "query": alert["query"],
            "timeAggregation": "Count",
            "operator": alert["operator"],
            "threshold": alert["threshold"],
            "dimensions": [{"name": name, "operator": "Include", "values": ["*"]} for name in alert["dimensions"]],
            "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
        }
        assert alert["windowMinutes"] in WINDOWS
        assert alert["frequencyMinutes"] in FREQUENCIES
        assert alert["frequencyMinutes"] <= alert["windowMinutes"]
        assert minutes(properties["windowSize"]) == alert["windowMinutes"]
        assert minutes(properties["evaluationFrequency"]) == alert["frequencyMinutes"]


def test_a_webhook_is_told_as_well_where_one_is_given(deployment: Deployment) -> None:
    receivers = deployment.properties(ACTION_GROUP)["webhookReceivers"]
    # The address is a secret: the snapshot knows where it comes from, not what it is.
    assert re.fullmatch(
        r"\[if\(empty\(parameters\('\w+'\)\), createArray\(\), createArray\(createObject\('name', 'webhook', "
        r"'serviceUri', parameters\('webhookUrl'\), 'useCommonAlertSchema', true\(\)\)\)\)\]",
        receivers,
    )


def described(deployment: Deployment) -> dict[str, str]:
    """What the mail of each alert says."""
    rules = {**deployment.all(QUERY_RULES), **deployment.all(METRIC_RULES)}
    return {name: rule["properties"]["description"] for name, rule in rules.items()}


@pytest.mark.parametrize(
    ("sample", "runbook"), [("plain", "docs/operations.md"), ("full", "https://docs.example.com/operations.md")]
)
def test_each_alert_links_its_own_section_of_the_runbook(
    request: pytest.FixtureRequest, sample: str, runbook: str
) -> None:
    headings = anchors(page("operations.md"))
    texts = described(request.getfixturevalue(sample))
    assert len(texts) > 8
    for name, text in texts.items():
        [anchor] = re.findall(rf"'{re.escape(runbook)}#([\w-]+)'", text)
        assert anchor in headings, name
        assert anchor.startswith(f"{name}-")


def test_each_alert_links_the_workbook(deployment: Deployment) -> None:
    workbook = deployment.the("Microsoft.Insights/workbooks")["id"]
    for name, text in described(deployment).items():
        portal = (
            f"format('{{0}}/#@{{1}}/resource{{2}}/workbook', environment().portal, tenant().tenantId, '{workbook}')"
        )
        assert portal in text, name


def test_one_flow_that_is_stuck_failing_or_suspended_hides_no_other(deployment: Deployment) -> None:
    rules = deployment.all(QUERY_RULES)
    split = {
        name: [one["name"] for one in rule["properties"]["criteria"]["allOf"][0]["dimensions"]]
        for name, rule in rules.items()
    }
    assert {name: names for name, names in split.items() if names} == {
        "subscription-suspended": ["Subscription"],
        "subscription-failing": ["Subscription"],
        "oldest-pending-delivery": ["What"],
    }


def test_what_only_the_topic_knows_raises_alerts(deployment: Deployment) -> None:
    metrics = set()
    for rule in deployment.all(METRIC_RULES).values():
        properties = rule["properties"]
        assert properties["enabled"] is True
        assert properties["scopes"] == [deployment.the(TOPIC)["id"]]
        assert properties["actions"] == [{"actionGroupId": deployment.the(ACTION_GROUP)["id"]}]
        (criterion,) = properties["criteria"]["allOf"]
        metrics.add((criterion["metricNamespace"], criterion["metricName"]))
    names = {"DeadLetteredCount", "DroppedEventCount", "DeliveryAttemptFailCount"}
    assert metrics == {(TOPIC, name) for name in names}


def test_workbook_asks_the_workspace(deployment: Deployment) -> None:
    workbook, workspace = deployment.properties("Microsoft.Insights/workbooks"), deployment.the(WORKSPACE)["id"]
    assert workbook["sourceId"] == workspace
    content = json.loads(workbook["serializedData"])
    assert content["fallbackResourceIds"] == [workspace]
    kept = json.loads((INFRA / "workbook.json").read_text("utf-8"))
    assert content["items"] == kept["items"]
