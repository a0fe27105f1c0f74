"""Names hold together: settings, triggers, queues, tables and containers of the code are those that are deployed."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.queues import RELEASES
from shared.composition import compose
from shared.settings import AZURE_MARKS, DEFAULTS, Settings
from tests.infra.compiler import PROJECT
from tests.infra.deployment import STORAGE, VAULT, Deployment
from tests.infra.test_roles import assignments
from tests.test_docs import SAMPLE, read_by_code, settings_table

# What the bridge may be told and is not told in Azure.
NOT_DEPLOYED = {
    "AzureWebJobsStorage": "a connection string holds a key",
    "AzureWebJobsStorage__accountName": "the three URLs say the same, in every Azure cloud",
    "EVENT_GRID_TOPIC_KEY": "the identity publishes",
    "CUSTOMER_INSIGHTS_ACCESS_TOKEN": "for the local stack; refused in Azure",
    "CALLBACK_ALLOW_INSECURE": "for the local stack; refused in Azure",
}
# What is deployed and read by the Functions host or the telemetry library, not by the settings.
READ_BY_OTHERS = {
    "AzureWebJobsStorage__credential",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_SDKSTATS_DISABLED",
    "PYTHON_ENABLE_OPENTELEMETRY",
}
# Nobody but Azure itself touches these.
CONTAINERS_OF_AZURE = {"deployments", "event-grid-dead-letters"}

CLIENT_ID = "77777777-7777-7777-7777-777777777777"
SEED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"
LIST_TRIGGERS = """
import json, function_app
functions = function_app.app.get_functions()
print(json.dumps({f.get_function_name(): f.get_trigger().get_dict_repr() for f in functions}, default=str))
"""
__all__ = ["read_by_code"]  # a fixture of that module, used here too


def as_azure_knows(what: str) -> str:
    """What a property of a resource is once it is deployed, made up."""
    known = {"clientid": CLIENT_ID, "endpoint": "https://endpoint.example/api/events"}
    return known.get(what, f"https://{what}.example/")


def as_azure_gives_them(deployment: Deployment) -> dict[str, str]:
    """The app settings as the app would see them: references resolved, secrets fetched from the vault."""
    secrets = {}
    for name, secret in deployment.all(f"{VAULT}/secrets").items():
        value = secret["properties"]["value"].replace("parameters('callbackEncryptionSeed')", f"'{SEED}'")
        text = re.fullmatch(r"\[format\('(\w*)\{0\}([\w=]*)', '(\w+)'\)\]", value)
        secrets[name] = f"{text[1]}{text[3]}{text[2]}" if text else f"secret-{name}"
    settings = {"WEBSITE_SITE_NAME": "func-sample"}
    assert set(settings) <= set(AZURE_MARKS)
    for name, value in deployment.app_settings().items():
        secret = re.sub(r"@Microsoft\.KeyVault\(VaultName=[\w-]+;SecretName=([\w-]+)\)", lambda m: secrets[m[1]], value)
        settings[name] = re.sub(r"\[reference\(.*\)\.([\w.]+)\]", lambda m: as_azure_knows(m[1].lower()), secret)
    return settings


def triggers(settings: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The functions' triggers, as indexed with these settings."""
    environment = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", LIST_TRIGGERS],
        cwd=PROJECT,
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_every_setting_is_deployed_in_the_sample_and_in_the_docs(
    full: Deployment, read_by_code: tuple[set[str], str]
) -> None:
    known = read_by_code[0]
    assert set(NOT_DEPLOYED) < known
    assert set(full.app_settings()) - READ_BY_OTHERS == known - set(NOT_DEPLOYED)
    assert set(full.app_settings()) >= READ_BY_OTHERS
    assert known <= set(SAMPLE)
    assert known <= set(settings_table())


def test_an_option_not_taken_is_not_set(plain: Deployment, full: Deployment) -> None:
    required = set(plain.app_settings())
    optional = set(full.app_settings()) - required
    assert optional >= set(DEFAULTS) - set(NOT_DEPLOYED)
    assert {"CUSTOMER_INSIGHTS_TENANT_ID", "CUSTOMER_INSIGHTS_CLIENT_SECRET"} <= optional
    assert "" not in plain.app_settings().values()


def test_bridge_starts_with_what_is_deployed(plain: Deployment, full: Deployment) -> None:
    settings = Settings.load(as_azure_gives_them(plain))
    assert settings.storage.connection_string is None
    assert settings.storage.blob_url == "https://primaryendpoints.blob.example/"
    assert settings.storage.client_id == CLIENT_ID
    assert settings.insights_subscription_key == "secret-customer-insights-subscription-key"
    assert settings.topic_endpoint == "https://endpoint.example/api/events"
    assert (settings.topic_key, settings.app_registration, settings.instances) == (None, None, ())
    assert len(settings.callback_key) == 32
    assert settings.callback_key_previous == settings.callback_key
    settings = Settings.load(as_azure_gives_them(full))
    assert settings.app_registration is not None
    assert settings.app_registration.client_secret == "secret-customer-insights-client-secret"
    assert settings.retry_seconds == (10, 60, 600)
    assert settings.rate_per_second == 5
    assert settings.instances == ("33333333-3333-3333-3333-333333333333",)


def test_every_setting_that_a_trigger_names_is_deployed(plain: Deployment, full: Deployment) -> None:
    named = set(re.findall(r"%(\w+)%", json.dumps(triggers(as_azure_gives_them(full)))))
    assert {"POLL_REFRESHES_SCHEDULE", "POLL_THRESHOLDS_SCHEDULE"} <= named <= set(full.app_settings())
    without = triggers(as_azure_gives_them(plain))
    assert "%" not in json.dumps(without)
    assert without["poll_refreshes"]["schedule"] == DEFAULTS["POLL_REFRESHES_SCHEDULE"]


def test_every_connection_of_a_trigger_is_deployed(deployment: Deployment) -> None:
    found = {t["connection"] for t in triggers(as_azure_gives_them(deployment)).values() if "connection" in t}
    assert found
    for connection in found:
        parts = {name.removeprefix(f"{connection}__") for name in deployment.app_settings() if connection in name}
        assert parts == {"credential", "clientId", "blobServiceUri", "queueServiceUri", "tableServiceUri"}


def test_queues_of_triggers_are_deployed(plain: Deployment) -> None:
    queues = {t["queueName"] for t in triggers(as_azure_gives_them(plain)).values() if t["type"] == "queueTrigger"}
    # The host moves what keeps failing to a poison queue of that name; of those themselves, one would never end. A
    # backlog to be let out stands in the tables, and a message that asks for it loses nothing.
    poison = {f"{queue}-poison" for queue in queues if not queue.endswith("-poison")} - {f"{RELEASES}-poison"}
    assert queues >= poison
    assert set(plain.all(f"{STORAGE}/queueServices/queues")) == queues


def test_functions_that_are_always_ready_exist(full: Deployment) -> None:
    ready = full.properties("Microsoft.Web/sites")["functionAppConfig"]["scaleAndConcurrency"]["alwaysReady"]
    names = {one["name"].removeprefix("function:") for one in ready}
    assert names
    assert names <= set(triggers(as_azure_gives_them(full)))


class EmptyStorage:
    """A storage account that has nothing and takes everything; remembers what was asked of it."""

    def __init__(self) -> None:
        self.calls: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._made: set[tuple[str, str]] = set()

    async def answer(self, request: web.Request) -> web.Response:
        """Answer as the service does that the first part of the path names."""
        service, name = request.match_info["service"], request.match_info["name"].removesuffix("()")
        if name == "Tables":
            name = (await request.json())["TableName"]
        creates = request.method in {"PUT", "POST"}
        self.calls[service].add((name, "create" if creates else "read"))
        if creates:
            self._made.add((service, name))
            return web.Response(status=204 if service == "table" else 201)
        if (service, name) not in self._made:
            code = {"blob": "Container", "queue": "Queue", "table": "Table"}[service] + "NotFound"
            error = {"odata.error": {"code": code, "message": {"lang": "en", "value": code}}}
            headers = {"x-ms-error-code": code}
            if request.method == "HEAD":
                return web.Response(status=404, headers=headers)
            return web.json_response(error, status=404, headers=headers)
        return web.json_response({"value": []})


@asynccontextmanager
async def serving(storage: EmptyStorage) -> AsyncIterator[str]:
    """Serve the account on loopback; gives its connection string."""
    app = web.Application()
    app.router.add_route("*", "/{service}/{name}", storage.answer)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        yield (
            f"AccountName=sample;AccountKey=c2FtcGxl;BlobEndpoint={url}/blob;QueueEndpoint={url}/queue;"
            f"TableEndpoint={url}/table"
        )


@pytest.fixture
async def asked_of_storage(plain: Deployment) -> dict[str, set[tuple[str, str]]]:
    """What the bridge reads and creates in an empty storage account when it starts, by service."""
    storage = EmptyStorage()
    async with serving(storage) as connection_string:
        # Not in Azure, which would refuse to talk to storage over http.
        settings = {"AzureWebJobsStorage": connection_string, "EVENT_GRID_TOPIC_KEY": "key", "WEBSITE_SITE_NAME": ""}
        bridge = compose(Settings.load({**as_azure_gives_them(plain), **settings}))
        await bridge.prepare()
        for check in bridge.checks:
            await check.__self__.close()
    return storage.calls


async def test_what_the_bridge_would_create_is_deployed(
    plain: Deployment, asked_of_storage: dict[str, set[tuple[str, str]]]
) -> None:
    created = {
        service: {name for name, what in calls if what == "create"} for service, calls in asked_of_storage.items()
    }
    queues = {queue for queue in plain.all(f"{STORAGE}/queueServices/queues") if not queue.endswith("-poison")}
    assert created == {
        "blob": set(plain.all(f"{STORAGE}/blobServices/containers")) - CONTAINERS_OF_AZURE,
        "queue": queues,
        "table": set(plain.all(f"{STORAGE}/tableServices/tables")),
    }


async def test_roles_cover_every_service_that_the_bridge_calls(
    plain: Deployment, asked_of_storage: dict[str, set[tuple[str, str]]]
) -> None:
    # Each lets the app read, write, create and delete, in the whole account.
    needed = {
        "blob": "Storage Blob Data Owner",
        "queue": "Storage Queue Data Contributor",
        "table": "Storage Table Data Contributor",
    }
    account = plain.the(STORAGE)["id"]
    given = {one.role for one in assignments(plain) if (one.who, one.scope) == ("app", account)}
    assert {needed[service] for service in asked_of_storage} == given
    topic = plain.the("Microsoft.EventGrid/topics")["id"]
    assert topic in plain.app_settings()["EVENT_GRID_TOPIC_ENDPOINT"]
