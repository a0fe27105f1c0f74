"""What would be deployed: nothing with a key, each identity with its roles and no more, every part where it belongs."""

import json
import re

from tests.infra.compiler import INFRA, PROJECT
from tests.infra.deployment import DIAGNOSTICS, ROLE_ASSIGNMENT, SITE, STORAGE, TOPIC, VAULT, Deployment
from tests.test_docs import routes as registered_routes

IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
COMPONENT = "Microsoft.Insights/components"
WORKSPACE = "Microsoft.OperationalInsights/workspaces"
SUBSCRIPTION = f"{TOPIC}/eventSubscriptions"
ACTION_GROUP = "Microsoft.Insights/actionGroups"

ROLES = {
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "d5a91429-5739-47e2-a06b-3470a27159e7": "EventGrid Data Sender",
}
routes = registered_routes  # a fixture of that module, used here too

# What Azure takes for a log alert, in minutes.
WINDOWS = {1, 5, 10, 15, 30, 45, 60, 120, 180, 240, 300, 360, 1440, 2880}
FREQUENCIES = WINDOWS - {2880}


def minutes(duration: str) -> int:
    """An ISO 8601 duration of minutes, or of whole days, as Azure writes them."""
    parts = re.fullmatch(r"PT(\d+)M|P(\d+)D", duration)
    assert parts is not None
    return int(parts[1]) if parts[1] else int(parts[2]) * 1440


def test_nothing_takes_a_key(deployment: Deployment) -> None:
    storage = deployment.properties(STORAGE)
    assert (storage["allowSharedKeyAccess"], storage["allowBlobPublicAccess"]) == (False, False)
    assert (storage["minimumTlsVersion"], storage["supportsHttpsTrafficOnly"]) == ("TLS1_2", True)
    containers = deployment.all(f"{STORAGE}/blobServices/containers").values()
    assert {container["properties"]["publicAccess"] for container in containers} == {"None"}
    assert deployment.properties(TOPIC)["disableLocalAuth"] is True
    assert deployment.properties(COMPONENT)["DisableLocalAuth"] is True
    assert deployment.properties(WORKSPACE)["features"]["disableLocalAuth"] is True
    assert deployment.properties(VAULT)["enableRbacAuthorization"] is True
    policies = deployment.all(f"{SITE}/basicPublishingCredentialsPolicies")
    assert {name: policy["properties"]["allow"] for name, policy in policies.items()} == {"ftp": False, "scm": False}
    site = deployment.properties(SITE)
    assert (site["httpsOnly"], site["siteConfig"]["minTlsVersion"]) == (True, "1.2")
    assert re.findall(r"(?i)list\w*keys|accountkey|sharedaccesskey", deployment.text) == []


def test_every_identity_has_its_roles_and_nothing_more(deployment: Deployment) -> None:
    who = {
        f"{IDENTITY}/{deployment.the(IDENTITY)['name']}": "app",
        f"{TOPIC}/{deployment.the(TOPIC)['name']}": "topic",
    }
    given = []
    for assignment in deployment.all(ROLE_ASSIGNMENT).values():
        properties = assignment["properties"]
        principal = re.fullmatch(r"\[reference\('([^']+)'.*\)\.(identity\.)?principalId\]", properties["principalId"])
        assert principal is not None
        role = ROLES[properties["roleDefinitionId"].rpartition("/")[2]]
        scope = deployment.within_group(assignment["id"]).partition(f"/providers/{ROLE_ASSIGNMENT}")[0]
        given.append((who[deployment.within_group(principal[1])], role, scope))
        assert properties["principalType"] == "ServicePrincipal"  # else a new identity may not be found in time
        assert role in properties["description"]
    account = f"{STORAGE}/{deployment.the(STORAGE)['name']}"
    topic = f"{TOPIC}/{deployment.the(TOPIC)['name']}"
    assert sorted(given) == sorted(
        [
            ("app", "Storage Blob Data Owner", account),
            ("app", "Storage Queue Data Contributor", account),
            ("app", "Storage Table Data Contributor", account),
            ("app", "EventGrid Data Sender", topic),
            ("app", "Key Vault Secrets User", f"{VAULT}/{deployment.the(VAULT)['name']}"),
            ("app", "Monitoring Metrics Publisher", f"{COMPONENT}/{deployment.the(COMPONENT)['name']}"),
            ("topic", "Storage Queue Data Message Sender", f"{account}/queueServices/default/queues/events"),
            (
                "topic",
                "Storage Blob Data Contributor",
                f"{account}/blobServices/default/containers/event-grid-dead-letters",
            ),
        ]
    )


def test_app_runs_under_its_identity_alone(deployment: Deployment) -> None:
    site, identity = deployment.the(SITE), deployment.the(IDENTITY)["id"]
    assert site["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    assert site["properties"]["keyVaultReferenceIdentity"] == identity
    package = site["properties"]["functionAppConfig"]["deployment"]["storage"]
    assert package["type"] == "blobContainer"
    assert package["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": identity,
    }
    assert deployment.the(STORAGE)["id"] in package["value"]
    assert package["value"].startswith("[format('{0}deployments'")
    assert "deployments" in deployment.all(f"{STORAGE}/blobServices/containers")


def test_app_is_python_on_flex_consumption(plain: Deployment, full: Deployment) -> None:
    runtime = (PROJECT / ".python-version").read_text().strip()
    for deployment in (plain, full):
        assert deployment.the("Microsoft.Web/serverfarms")["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
        assert deployment.properties("Microsoft.Web/serverfarms")["reserved"] is True
        config = deployment.properties(SITE)["functionAppConfig"]
        assert config["runtime"] == {"name": "python", "version": ".".join(runtime.split(".")[:2])}
    scale = plain.properties(SITE)["functionAppConfig"]["scaleAndConcurrency"]
    assert scale == {"instanceMemoryMB": 2048, "maximumInstanceCount": 40, "alwaysReady": []}
    scale = full.properties(SITE)["functionAppConfig"]["scaleAndConcurrency"]
    ready = [{"name": "function:deliver", "instanceCount": 1}]
    assert scale == {"instanceMemoryMB": 512, "maximumInstanceCount": 100, "alwaysReady": ready}


def test_topic_speaks_cloud_events_and_writes_to_the_queue(deployment: Deployment) -> None:
    topic, storage = deployment.the(TOPIC), deployment.the(STORAGE)["id"]
    assert topic["properties"]["inputSchema"] == "CloudEventSchemaV1_0"
    assert topic["identity"] == {"type": "SystemAssigned"}  # a user-assigned one does not pass a storage firewall
    subscription = deployment.the(SUBSCRIPTION)
    assert subscription["id"].startswith(f"{topic['id']}/eventSubscriptions/")
    properties = subscription["properties"]
    assert properties["eventDeliverySchema"] == "CloudEventSchemaV1_0"
    assert {"destination", "deadLetterDestination"} & set(properties) == set()
    assert properties["deliveryWithResourceIdentity"] == {
        "identity": {"type": "SystemAssigned"},
        "destination": {
            "endpointType": "StorageQueue",
            "properties": {"resourceId": storage, "queueName": "events", "queueMessageTimeToLiveInSeconds": -1},
        },
    }
    assert properties["deadLetterWithResourceIdentity"] == {
        "identity": {"type": "SystemAssigned"},
        "deadLetterDestination": {
            "endpointType": "StorageBlob",
            "properties": {"resourceId": storage, "blobContainerName": "event-grid-dead-letters"},
        },
    }
    assert properties["retryPolicy"] == {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}


def test_azd_finds_what_it_made(deployment: Deployment) -> None:
    definition = (PROJECT / "azure.yaml").read_text("utf-8")
    services = re.findall(r"^services:\n  (\w+):\n(?:    .*\n)*    host: function\n", definition, re.MULTILINE)
    assert [deployment.the(SITE)["tags"]["azd-service-name"]] == services
    tagged = [resource for resource in deployment.resources if "location" in resource]
    assert len(tagged) > 10
    assert {resource.get("tags", {}).get("azd-env-name") for resource in tagged} == {"sample"}
    outputs = deployment.outputs
    assert outputs["AZURE_RESOURCE_GROUP"] == deployment.the("Microsoft.Resources/resourceGroups")["name"]
    assert outputs["AZURE_FUNCTION_APP_NAME"] == deployment.the(SITE)["name"]
    assert outputs["AZURE_KEY_VAULT_NAME"] == deployment.the(VAULT)["name"]
    assert outputs["AZURE_STORAGE_ACCOUNT_NAME"] == deployment.the(STORAGE)["name"]


def test_secrets_are_kept_in_the_vault_and_stay(plain: Deployment, full: Deployment) -> None:
    always = {"customer-insights-subscription-key", "callback-encryption-key", "callback-encryption-key-previous"}
    assert set(plain.all(f"{VAULT}/secrets")) == always
    assert set(full.all(f"{VAULT}/secrets")) == always | {"customer-insights-client-secret"}
    for deployment in (plain, full):
        vault = deployment.properties(VAULT)
        assert (vault["enableSoftDelete"], vault["enablePurgeProtection"]) == (True, True)
        assert vault["softDeleteRetentionInDays"] == 90
        # No value of a secret parameter reaches anything but the vault.
        elsewhere = [r for r in deployment.resources if r["type"] != f"{VAULT}/secrets"]
        assert "parameters(" not in json.dumps(elsewhere)
        assert "made-up" not in deployment.text


def test_app_settings_hold_no_secret(full: Deployment) -> None:
    vault = full.the(VAULT)["name"]
    secrets = {name: value for name, value in full.app_settings().items() if value.startswith("@Microsoft.KeyVault")}
    assert secrets == {
        "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": f"@Microsoft.KeyVault(VaultName={vault};"
        "SecretName=customer-insights-subscription-key)",
        "CUSTOMER_INSIGHTS_CLIENT_SECRET": f"@Microsoft.KeyVault(VaultName={vault};"
        "SecretName=customer-insights-client-secret)",
        "CALLBACK_ENCRYPTION_KEY": f"@Microsoft.KeyVault(VaultName={vault};SecretName=callback-encryption-key)",
        "CALLBACK_ENCRYPTION_KEY_PREVIOUS": f"@Microsoft.KeyVault(VaultName={vault};"
        "SecretName=callback-encryption-key-previous)",
    }


def test_lifecycle_deletes_nothing_that_is_in_use(deployment: Deployment) -> None:
    rules = deployment.properties(f"{STORAGE}/managementPolicies")["policy"]["rules"]
    places = {}
    for rule in rules:
        assert rule["enabled"]
        for prefix in rule["definition"]["filters"]["prefixMatch"]:
            places[prefix] = set(rule["definition"]["actions"])
    # The app loads its package at each start, and a checkpoint is all that tells news from old.
    assert places == {
        "checkpoints/": {"version"},
        "azure-webjobs-": {"version"},
        "deployments/": {"version"},
        "event-grid-dead-letters/": {"baseBlob", "version"},
    }
    assert deployment.properties(f"{STORAGE}/blobServices")["isVersioningEnabled"] is True


def test_virtual_network_is_an_option(plain: Deployment, full: Deployment) -> None:
    assert [r["type"] for r in plain.resources if r["type"].startswith("Microsoft.Network/")] == []
    assert plain.properties(SITE).get("virtualNetworkSubnetId") is None
    assert plain.properties(STORAGE)["networkAcls"]["defaultAction"] == "Allow"
    network = full.the("Microsoft.Network/virtualNetworks")
    assert full.properties(SITE)["virtualNetworkSubnetId"] == f"{network['id']}/subnets/app"
    (subnet,) = [one for one in network["properties"]["subnets"] if one["name"] == "app"]
    delegation = subnet["properties"]["delegations"][0]["properties"]["serviceName"]
    assert delegation == "Microsoft.App/environments"
    for closed in (full.properties(STORAGE), full.properties(VAULT)):
        assert closed["networkAcls"] == {"defaultAction": "Deny", "bypass": "AzureServices"}
    assert full.properties(TOPIC)["publicNetworkAccess"] == "Disabled"
    reached = set()
    for endpoint in full.all("Microsoft.Network/privateEndpoints").values():
        assert endpoint["properties"]["subnet"]["id"] == f"{network['id']}/subnets/private-endpoints"
        (connection,) = endpoint["properties"]["privateLinkServiceConnections"]
        (group,) = connection["properties"]["groupIds"]
        reached.add((connection["properties"]["privateLinkServiceId"], group))
    storage, topic, vault = (full.the(kind)["id"] for kind in (STORAGE, TOPIC, VAULT))
    assert reached == {
        (storage, "blob"),
        (storage, "queue"),
        (storage, "table"),
        (topic, "topic"),
        (vault, "vault"),
    }
    assert len(full.all("Microsoft.Network/privateDnsZones")) == len(reached)


def test_sign_in_leaves_the_open_routes_open(plain: Deployment, full: Deployment, routes: dict[str, str]) -> None:
    assert plain.properties(f"{SITE}/config")["platform"] == {"enabled": False}
    settings = full.properties(f"{SITE}/config")
    assert settings["platform"] == {"enabled": True}
    validation = settings["globalValidation"]
    assert (validation["requireAuthentication"], validation["unauthenticatedClientAction"]) == (True, "Return401")
    anonymous = {route.partition(" ")[2] for route, level in routes.items() if level == "anonymous"}
    assert set(validation["excludedPaths"]) == {re.sub(r"\{\w+\}", "*", path) for path in anonymous}
    entra = settings["identityProviders"]["azureActiveDirectory"]
    assert entra["enabled"] is True
    client = "44444444-4444-4444-4444-444444444444"
    assert entra["registration"]["clientId"] == client
    assert entra["validation"]["allowedAudiences"] == [client, f"api://{client}"]
    assert entra["validation"]["defaultAuthorizationPolicy"] == {
        "allowedApplications": ["55555555-5555-5555-5555-555555555555", "66666666-6666-6666-6666-666666666666"]
    }


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
    rules = deployment.all("Microsoft.Insights/scheduledQueryRules")
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


def test_one_flow_that_is_stuck_or_suspended_hides_no_other(deployment: Deployment) -> None:
    rules = deployment.all("Microsoft.Insights/scheduledQueryRules")
    split = {
        name: [one["name"] for one in rule["properties"]["criteria"]["allOf"][0]["dimensions"]]
        for name, rule in rules.items()
    }
    assert {name: names for name, names in split.items() if names} == {
        "subscription-suspended": ["Subscription"],
        "oldest-pending-delivery": ["What"],
    }


def test_what_only_the_topic_knows_raises_alerts(deployment: Deployment) -> None:
    metrics = set()
    for rule in deployment.all("Microsoft.Insights/metricAlerts").values():
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


def test_telemetry_goes_through_the_bridge_alone(deployment: Deployment) -> None:
    settings = deployment.app_settings()
    component = deployment.the(COMPONENT)["id"]
    assert re.fullmatch(
        rf"\[reference\('{component}', '[\d-]+'\)\.ConnectionString\]",
        settings["APPLICATIONINSIGHTS_CONNECTION_STRING"],
    )
    signs_in = settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]
    assert signs_in.startswith("[format('ClientId={0};Authorization=AAD', reference('")
    assert deployment.the(IDENTITY)["id"] in signs_in
    assert settings["PYTHON_ENABLE_OPENTELEMETRY"] == "true"
    assert settings["APPLICATIONINSIGHTS_SDKSTATS_DISABLED"] == "true"
    # It would have the host's worker set the SDK up as well, and every line would arrive twice.
    assert "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY" not in settings
