"""What docs/operations.md tells to type, and names, exists: alerts, commands, queries, settings, limits."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

from shared.adapters import event_grid, queues
from shared.domain import notices, polls
from shared.domain.callbacks import Answer
from shared.domain.checkpoints import Family
from shared.domain.deliveries import Delivery, New, RetryPolicy, Stage
from shared.domain.settling import Terms, settle
from shared.domain.subscriptions import MAX_FAILURES, Status
from shared.domain.verdicts import DEAD_FLOW, reason
from shared.settings import DEFAULTS
from shared.telemetry import LOG_EVENTS, METRICS
from shared.usecases import agenda, crowd, dispatch
from shared.usecases.attempt import TOO_OLD
from shared.usecases.backlog import MOST_HELD
from shared.usecases.edit import DISCARDED, PAUSED
from shared.usecases.families.feeds import MAX_JOBS
from shared.usecases.families.measures import MAX_TABLES
from shared.usecases.gate import MAX_UNDER_WAY
from shared.usecases.patience import KEPT_FAILING
from shared.usecases.poll_many import AT_ONCE
from shared.usecases.release import HELD_TOO_LONG
from tests.fakes import NOON
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
from tests.usecases.world import EVENT, subscription

PAGE = page("operations.md")
SHELL = "\n".join(blocks(PAGE))
QUERIES = re.findall(r"\bask '([^']*)'", SHELL)
SNIPPETS = re.findall(r"python3 -c '([^']*)'", SHELL)
# As the connection says it of a callback that is not allowed, but for what follows the colon.
NOT_PERMITTED = "callback not permitted"
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
    "az functionapp keys list",
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
STORE = {"blob delete", "blob download", "blob list", "blob upload", "entity query", "message put"}
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
    given = set(re.findall(r"^ *(\w+)=|\bfor (\w+) in |\bread -rs? (\w+)", SHELL, re.MULTILINE))
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
    queues = {name for name in plain.all(f"{STORAGE}/queueServices/queues") if not name.endswith("-poison")}
    stored = set(plain.all(f"{STORAGE}/tableServices/tables")) | queues | {"checkpoints"}
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
    (query,) = [query for query in QUERIES if "deadletter.recorded" in query]
    operation = Operation()
    await operation.run(5)
    operation.refresh("i1")
    operation.answer(Answer(400))
    await operation.run(5)
    (row,) = operation.ask(query, timedelta(days=7))
    assert (row["Subscription"], row["Reason"]) == ("s1", "HTTP 400")
    assert row["Letter"]


def test_every_reason_that_the_bridge_gives_is_explained() -> None:
    explained = {seen: (means, do) for seen, means, do in table("reasons", PAGE)}
    text = " ".join(explained)
    for stage in Stage:
        assert stage in text or stage is Stage.DELIVERED, stage
    for status in get_args(Status):
        assert f"subscription `{status}`" in text, status
    failing = subscription()
    for _ in range(MAX_FAILURES):
        failing = failing.failed(NOON)
    refused = reason(Answer(failure=NOT_PERMITTED, refused=True))
    unreadable = "unreadable"
    given = [TOO_OLD, HELD_TOO_LONG, DISCARDED, PAUSED, KEPT_FAILING.partition(";")[0], *DEAD_FLOW, refused, unreadable]
    for why in (*given, failing.status_reason):
        assert f"`{why}`" in text, why
    policy = RetryPolicy((10,), timedelta(0))
    for status in range(300, 600):
        answer = Answer(status)
        begun = Delivery.attempted(New("s1", EVENT, NOON), NOON, NOON)
        settled = settle(begun, answer, NOON, policy, Terms())
        said = settled.delivery.reason or ""
        number, *rest = said.split(", ")
        [row] = [seen for seen in explained if _fits(seen, settled.delivery.stage, number)]
        assert all(f"`{each}`" in row for each in rest), (status, row)


def _fits(seen: str, stage: Stage, answer: str) -> bool:
    """Whether a row is about an answer: that which names it, else that of its class."""
    if stage is Stage.HELD:
        return f"`{answer}`" in seen and "suspended" in seen
    named = re.findall(r"`(HTTP [^`]+)`", seen)
    if not seen.startswith("dead"):
        return False
    if answer in {"HTTP 408", "HTTP 425", "HTTP 429"}:
        return "HTTP 5…" in named
    return f"{answer[:6]}…" in named


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


def test_what_event_grid_gave_up_is_read_as_events(tmp_path: Path) -> None:
    (snippet,) = [one for one in SNIPPETS if "dead.json" in one]
    dead = {**EVENT.raw, "deadletterreason": "MaxDeliveryAttemptsExceeded", "deliveryattempts": 30}
    (tmp_path / "dead.json").write_text(json.dumps([dead, dead]))
    lines = run(snippet, tmp_path).splitlines()
    assert [dispatch.read_event(line).id for line in lines] == [EVENT.id, EVENT.id]


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
        crowd.PLACES,
        dispatch.PER_SECOND,
        agenda.PER_SECOND,
        MAX_FAILURES,
        agenda.SOON / timedelta(minutes=1),
        number(DEFAULTS["DELIVERY_MAX_AGE_HOURS"]),
        number(DEFAULTS["EVENT_RETENTION_DAYS"]),
        MOST_HELD,
        float(host["extensions"]["queues"]["visibilityTimeout"].rpartition(":")[2]),
        int(host["functionTimeout"].split(":")[1]),
        MAX_JOBS,
        MAX_TABLES,
        notices.MOST_OWED,
        AT_ONCE,
        scale["maximumInstanceCount"],
    ]
    assert [number(limit) for _, limit, _ in table("limits", PAGE)] == expected
    assert notices.MOST_OWED == polls.MOST_OWED


def test_addresses_are_routes(routes: dict[str, str]) -> None:
    known = {re.sub(r"\{\w+\}", "*", route) for route in routes}
    named = {f"GET {path}" for path in re.findall(r"\$url(/api/[\w/]+)", SHELL)}
    for verb, path in re.findall(r"""\b(?:bridge ([A-Z]+)|show) ["']?(/[^\s"'?]+)""", SHELL):
        named.add(f"{verb or 'GET'} /api{re.sub(r'[$]\w+', '*', path)}")
    assert "GET /api/health" in named
    assert len(named) > 15
    assert named <= known


def test_readme_leads_here() -> None:
    (operate,) = [part for part in README.split("\n## ") if part.startswith("Operate\n")]
    assert "](docs/operations.md)" in operate
