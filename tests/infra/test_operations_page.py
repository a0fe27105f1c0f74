"""What docs/operations.md tells to type, and names, exists: alerts, commands, queries, settings, limits."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from shared.adapters import event_grid, queues
from shared.domain.callbacks import Answer
from shared.domain.checkpoints import Family
from shared.domain.deliveries import Delivery, DeliveryRecord, Stage
from shared.settings import DEFAULTS
from shared.telemetry import LOG_EVENTS, METRICS
from shared.usecases.dispatch import read_event
from shared.usecases.families.feeds import MAX_JOBS
from shared.usecases.gate import MAX_UNDER_WAY
from shared.usecases.poll_many import AT_ONCE
from tests.infra.compiler import PROJECT
from tests.infra.deployment import SITE, STORAGE, TOPIC, VAULT, Deployment
from tests.infra.pages import blocks, page, sections
from tests.infra.test_costs import number
from tests.infra.test_deploy_page import COMMANDS as DEPLOY_COMMANDS
from tests.infra.test_deploy_page import variables
from tests.infra.test_deployment import SUBSCRIPTION
from tests.pages import commands, prose
from tests.telemetry.operation import Operation
from tests.telemetry.portal import TILES
from tests.telemetry.tables import COLUMNS
from tests.telemetry.test_kql import bind
from tests.test_docs import README, code_spans, settings_table, table
from tests.test_docs import routes as registered_routes
from tests.usecases.world import EVENT

PAGE = page("operations.md")
SHELL = "\n".join(blocks(PAGE))
QUERIES = re.findall(r"\bask '([^']*)'", SHELL)
SNIPPETS = re.findall(r"python3 -c '([^']*)'", SHELL)
routes = registered_routes  # a fixture of that module, used here too

# The commands that the page shows beside those of docs/deploy.md.
COMMANDS = DEPLOY_COMMANDS | {
    "az ad signed-in-user show",
    "az consumption usage list",
    "az extension add",
    "az eventgrid event-subscription show",
    "az eventgrid topic show",
    "az functionapp config appsettings list",
    "az functionapp keys delete",
    "az functionapp restart",
    "az functionapp show",
    "az functionapp start",
    "az functionapp stop",
    "az keyvault secret recover",
    "az keyvault secret set",
    "az keyvault secret show",
    "az keyvault show",
    "az monitor log-analytics query",
    "az monitor log-analytics workspace list",
    "az resource list",
    "az rest",
    "az role assignment create",
    "az role assignment delete",
    "az role assignment list",
}
STORE = {
    "blob delete",
    "blob download",
    "blob list",
    "blob upload",
    "entity delete",
    "entity query",
    "entity show",
    "message peek",
    "message put",
}
# What Azure writes of its bill, with the columns that the page may name.
BILL = {"Usage": "(TimeGenerated:datetime, DataType:string, IsBillable:bool, Quantity:real)"}


def alerts(deployment: Deployment) -> Iterator[tuple[str, str]]:
    """The name of each alert that is deployed, and the title its mail shows."""
    for name, rule in deployment.all("Microsoft.Insights/scheduledQueryRules").items():
        yield name, rule["properties"]["displayName"]
    for name, rule in deployment.all("Microsoft.Insights/metricAlerts").items():
        [title] = re.findall(r"^\[format\('\{0\}\. [^']*', '([^']+)'", rule["properties"]["description"])
        yield name, title


def test_every_alert_has_its_section_and_no_other(plain: Deployment) -> None:
    (section,) = [part for part in PAGE.split("\n## ") if part.startswith("Alerts\n")]
    parts = re.findall(r"^### `([\w-]+)`: ([^\n]+)\n(.*?)(?=^### |\Z)", section, re.MULTILINE | re.DOTALL)
    assert len(parts) == section.count("\n### ")
    assert sorted((name, title) for name, title, _ in parts) == sorted(alerts(plain))
    for name, _, text in parts:
        assert re.findall(r"\*\*(Means|Look|Do|Look and do)\.\*\*", text) in (
            ["Means", "Look", "Do"],
            ["Means", "Look and do"],
        ), name


def test_every_command_is_known() -> None:
    called = set(re.findall(r"\b(azd? (?:[a-z-]+ )*[a-z-]+)(?= -|\n|$| \w+_|\)| <)", SHELL))
    strange = {command for command in called if not command.startswith(tuple(COMMANDS))} - {"az storage"}
    assert strange == set()
    assert {command for command in COMMANDS - DEPLOY_COMMANDS if command not in SHELL} == set()
    assert set(re.findall(r"\bstore (\w+ \w+)", SHELL)) == STORE


def test_variables_and_resources_exist(full: Deployment) -> None:
    kinds = set(re.findall(r"\$\(name ([\w./]+)\)", SHELL))
    assert kinds == {SITE, STORAGE, VAULT, TOPIC}
    for kind in kinds:
        assert full.the(kind)  # the first of its kind is the only one
    given = set(re.findall(r"^ *(\w+)=|\bfor (\w+) in |\bread -r (\w+)", SHELL, re.MULTILINE))
    assert set(re.findall(r"\$\{?([A-Za-z_]\w*)", SHELL)) <= {name for names in given for name in names}
    assert set(re.findall(r"azd env set (\w+)", SHELL)) <= set(variables())


def test_names_in_storage_and_vault_are_deployed(full: Deployment) -> None:
    for option, kind in (
        ("queue-name", f"{STORAGE}/queueServices/queues"),
        ("table-name", f"{STORAGE}/tableServices/tables"),
        ("container-name", f"{STORAGE}/blobServices/containers"),
    ):
        named = set(re.findall(rf"--{option} ([\w-]+)", SHELL))
        assert named
        assert named <= set(full.all(kind)), option
    queues = re.search(r"for queue in ([\w -]+);", SHELL)
    assert queues is not None
    assert set(queues[1].split()) == set(full.all(f"{STORAGE}/queueServices/queues"))
    secrets = {
        word for line in commands(PAGE) if "keyvault secret" in line for word in re.findall(r"--name ([\w-]+)", line)
    }
    assert secrets == {"callback-encryption-key", "callback-encryption-key-previous"}
    assert secrets <= set(full.all(f"{VAULT}/secrets"))
    assert f"event-subscription show --name {full.the(SUBSCRIPTION)['name'].rpartition('/')[2]} " in SHELL


def test_every_secret_has_its_rotation(full: Deployment) -> None:
    (section,) = [part for part in PAGE.split("\n## ") if part.startswith("Rotate secrets\n")]
    for name in full.all(f"{VAULT}/secrets"):
        assert name in section or name.upper().replace("-", "_") in section, name
    assert "az functionapp keys set" in section


def test_what_is_kept_is_what_the_templates_keep(plain: Deployment) -> None:
    (section,) = [part for part in PAGE.split("\n## ") if part.startswith("Back up and restore\n")]
    stored = set(plain.all(f"{STORAGE}/tableServices/tables")) | {"checkpoints", "events", "deliveries"}
    lost = code_spans("\n".join(re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)))
    assert lost == stored | {"callback-encryption-key"}
    blobs = plain.properties(f"{STORAGE}/blobServices")
    rules = plain.properties(f"{STORAGE}/managementPolicies")["policy"]["rules"]
    (versions,) = [rule for rule in rules if rule["name"] == "versions-of-checkpoints"]
    days = {
        blobs["deleteRetentionPolicy"]["days"],
        blobs["containerDeleteRetentionPolicy"]["days"],
        versions["definition"]["actions"]["version"]["delete"]["daysAfterCreationGreaterThan"],
    }
    assert blobs["isVersioningEnabled"] is True
    assert days == {int(found) for found in re.findall(r"for (\d+) days", section) if found != "90"}
    assert f"for {plain.properties(VAULT)['softDeleteRetentionInDays']} days" in section
    families = re.search(r"environment and family \(([^)]+)\)", section)
    assert families is not None
    assert code_spans(families[1]) == {family.value for family in Family}


def test_settings_and_telemetry_that_are_named_exist() -> None:
    spans = code_spans(prose(PAGE))
    settings = {span for span in spans if re.fullmatch(r"[A-Z][A-Z_]+", span)}
    assert settings >= {"DELIVERY_MAX_AGE_HOURS", "POLL_REFRESHES_SCHEDULE", "INSTANCE_MEMORY_MB"}
    assert settings <= set(settings_table()) | set(variables())
    metrics = set(re.findall(r'Name == "(bridge\.[\w.]+)"', SHELL))
    assert metrics
    assert metrics <= {metric.name for metric in METRICS}
    events = {word.rstrip() for word in re.findall(r'startswith "([^"]+)"', SHELL)}
    assert events
    assert events <= LOG_EVENTS


def test_queries_bind_without_a_diagnostic() -> None:
    assert len(QUERIES) > 10
    wrong = bind({"wrong": "FunctionAppLogs | where Nothing > 1"}, BILL)
    assert wrong["wrong"] != []
    found = bind({query: query for query in QUERIES}, BILL)
    assert {query: said for query, said in found.items() if said} == {}


def test_what_the_page_asks_telemetry_stands_in_the_workbook_too() -> None:
    tiles = {content["title"]: content["query"] for content in TILES.values()}
    asking = {
        heading: (re.findall(r"\bask '([^']*)'", text), re.findall(r"\*([^*]+\?)\*", prose(text).replace("\n", " ")))
        for heading, text in sections(PAGE)
        if heading != "Costs"
    }
    checked = 0
    for heading, (queries, titles) in asking.items():
        shown = [query for title, query in tiles.items() if title in titles]
        assert len(shown) == len(titles), (heading, titles)
        for query in queries:
            tables = {name for name in COLUMNS if re.search(rf"\b{name}\b", query)}
            assert tables, query
            assert all(any(name in one for one in shown) for name in tables), (heading, query)
            checked += 1
    assert checked > 10
    named = {title for _, titles in asking.values() for title in titles}
    # These are about how well all goes, and nothing to do.
    assert set(tiles) - named == {TILES["late"]["title"], TILES["fired"]["title"]}


async def test_question_of_the_night_is_answered() -> None:
    (query,) = [query for query in QUERIES if "GivenUp" in query]
    operation = Operation()
    await operation.run(5)
    operation.refresh("i1")
    operation.answer(Answer(400))
    await operation.run(5)
    (row,) = operation.ask(query, timedelta(days=7))
    assert (row["State"], row["Subscription"], row["Reason"]) == ("given up", "s1", "HTTP 400")
    assert row["Letter"]


def run(snippet: str, folder: Path, *arguments: str, text: str = "") -> str:
    done = subprocess.run(  # noqa: S603 - our own interpreter, and what the page shows
        [sys.executable, "-c", snippet, *arguments],
        input=text,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


def test_a_dead_letter_becomes_a_delivery_again(tmp_path: Path) -> None:
    (snippet,) = [one for one in SNIPPETS if "dispatchedAt" in one]
    # As the CLI shows a row: bytes in base64.
    letter = {"subscriptionId": "s1", "eventId": EVENT.id, "body": base64.b64encode(EVENT.encode().encode()).decode()}
    delivery = Delivery.decode(run(snippet, tmp_path, text=json.dumps(letter)))
    assert (delivery.subscription_id, delivery.attempt, delivery.event.raw) == ("s1", 1, EVENT.raw)
    now = delivery.dispatched_at
    record = DeliveryRecord.start(delivery, now, now).end(Stage.DEAD, 3, None, "why", now)
    assert record.has_done(delivery.attempt), "the row of the ended delivery must go first, as the page says"
    (field,) = [one for one in SNIPPETS if "sys.argv[1]" in one]
    assert run(field, tmp_path, "eventId", text=json.dumps(letter)) == EVENT.id
    (tmp_path / "rows.json").write_text(json.dumps({"items": [{"PartitionKey": "p", "RowKey": "r"}]}))
    keys = [run(one, tmp_path) for one in SNIPPETS if "rows.json" in one]
    assert keys == ["p", "r"]


def test_what_event_grid_gave_up_is_read_as_events(tmp_path: Path) -> None:
    (snippet,) = [one for one in SNIPPETS if "dead.json" in one]
    dead = {**EVENT.raw, "deadletterreason": "MaxDeliveryAttemptsExceeded", "deliveryattempts": 30}
    (tmp_path / "dead.json").write_text(json.dumps([dead, dead]))
    lines = run(snippet, tmp_path).splitlines()
    assert [read_event(line).id for line in lines] == [EVENT.id, EVENT.id]


def test_limits_are_those_of_code_and_templates(plain: Deployment) -> None:
    host = json.loads((PROJECT / "host.json").read_text("utf-8"))
    retry = plain.properties(SUBSCRIPTION)["retryPolicy"]
    scale = plain.properties(SITE)["functionAppConfig"]["scaleAndConcurrency"]
    expected = [
        event_grid.MAX_EVENTS,
        event_grid.MAX_BYTES,
        queues.MAX_BYTES,
        retry["eventTimeToLiveInMinutes"] / 60,
        retry["maxDeliveryAttempts"],
        number(DEFAULTS["DELIVERY_RATE_PER_SECOND"]),
        MAX_UNDER_WAY,
        number(DEFAULTS["DELIVERY_MAX_AGE_HOURS"]),
        host["extensions"]["queues"]["maxDequeueCount"],
        int(host["functionTimeout"].split(":")[1]),
        MAX_JOBS,
        AT_ONCE,
        scale["maximumInstanceCount"],
    ]
    assert [number(limit) for _, limit, _ in table("limits", PAGE)] == expected


def test_addresses_are_routes(routes: dict[str, str]) -> None:
    named = {re.sub(r"<\w+>", "*", path) for path in re.findall(r"\$url(/api/[\w/<>]+)", SHELL)}
    assert "/api/health" in named
    assert named <= {re.sub(r"\{\w+\}", "*", route.partition(" ")[2]) for route in routes}


def test_readme_leads_here() -> None:
    (operate,) = [part for part in README.split("\n## ") if part.startswith("Operate\n")]
    assert "](docs/operations.md)" in operate
