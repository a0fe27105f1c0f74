"""What would be deployed: nothing with a key, and every part where it belongs."""

import json
import re
from pathlib import Path

from tests.infra.compiler import PROJECT, Compiler, copy_of_infra
from tests.infra.deployment import ACTION_GROUP, COMPONENT, SITE, STORAGE, TOPIC, VAULT, WORKSPACE, Deployment
from tests.test_docs import routes as registered_routes

IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
SUBSCRIPTION = f"{TOPIC}/eventSubscriptions"

routes = registered_routes  # a fixture of that module, used here too


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
        # No value of a secret parameter reaches anything but the vault, and the alerts' receiver.
        allowed = {f"{VAULT}/secrets", ACTION_GROUP}
        assert "parameters(" not in json.dumps([r for r in deployment.resources if r["type"] not in allowed])
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


def test_zone_redundancy_is_an_option_of_degrees(compiler: Compiler, tmp_path: Path) -> None:
    parameters = copy_of_infra(tmp_path) / "samples" / "plain.bicepparam"
    text = parameters.read_text("utf-8")
    found = {}
    for degree in ("none", "storage", "all"):
        parameters.write_text(f"{text}param zoneRedundant = '{degree}'\n", "utf-8")
        deployment = Deployment.of(compiler.snapshot(parameters))
        plan = deployment.properties("Microsoft.Web/serverfarms")["zoneRedundant"]
        found[degree] = (deployment.the(STORAGE)["sku"]["name"], plan)
    # An app in several zones needs its storage there as well.
    assert found == {
        "none": ("Standard_LRS", False),
        "storage": ("Standard_ZRS", False),
        "all": ("Standard_ZRS", True),
    }


def test_zone_redundancy_costs_nothing_unless_asked(plain: Deployment, full: Deployment) -> None:
    assert plain.the(STORAGE)["sku"] == {"name": "Standard_LRS"}
    assert plain.properties("Microsoft.Web/serverfarms")["zoneRedundant"] is False
    assert full.the(STORAGE)["sku"] == {"name": "Standard_ZRS"}
    assert full.properties("Microsoft.Web/serverfarms")["zoneRedundant"] is True


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
    # Tokens of version 2 alone: their issuer ends so, and their audience is the registration's id, with nothing before.
    assert re.search(r"format\('[^']*/v2\.0'", entra["registration"]["openIdIssuer"])
    assert entra["validation"]["allowedAudiences"] == [client]
    assert entra["validation"]["defaultAuthorizationPolicy"] == {
        "allowedApplications": ["55555555-5555-5555-5555-555555555555", "66666666-6666-6666-6666-666666666666"]
    }


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
