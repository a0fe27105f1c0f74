"""What the pages and the sample files say is what the code does."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, get_args

import pytest

import function_app
import shared
from local.demo.accounting import Seen, account, expect
from local.demo.flows import demo_flows
from local.tenant.life import a_day, contoso
from shared.domain.actions import Refresh
from shared.domain.callbacks import Answer
from shared.domain.deliveries import MOST_ENDED, TRANSITIONS
from shared.domain.events.envelope import Event
from shared.domain.rows import MAX_ROWS
from shared.domain.stages import PARTS
from shared.domain.subscriptions import MAX_FAILURES
from shared.domain.triggers import TRIGGERS, Body
from shared.domain.verdicts import MAX_RETRY_AFTER, Verdict, judge
from shared.errors import SettingsError
from shared.settings import DEFAULTS, PLATFORM, Settings, schedule
from shared.usecases.gate import INSTANCES, WINDOW
from shared.wiring import ACTION_PATIENCE
from tests.pages import CHANGELOG, DOCS, PAGES, PROJECT, README, block, code_spans, fenced, links, table
from triggers.description import data_schema
from triggers.openapi import describe
from triggers.operations import OPERATIONS

assert function_app.app  # it declares the operations
SAMPLE: Mapping[str, str] = json.loads((PROJECT / "local.settings.sample.json").read_text("utf-8"))["Values"]

# The Functions host reads these and the bridge does not.
HOST_READS_IN_TABLE = {"AzureWebJobsStorage__credential"}
HOST_READS_IN_SAMPLE = {"FUNCTIONS_WORKER_RUNTIME"}


# The pages that somebody may open first: after the readme, from a link, or at an alert.
FIRST_PAGES = [
    "docs/api.md",
    "docs/deploy.md",
    "docs/environments.md",
    "docs/flows/http-webhook.md",
    "docs/flows/with-the-connector.md",
    "docs/operations.md",
    "docs/settings.md",
    "docs/troubleshooting.md",
]

LIST_FUNCTIONS = """
import json, function_app
triggers = [function.get_trigger().get_dict_repr() for function in function_app.app.get_functions()]
print(json.dumps([
    {"route": t["route"], "methods": [m.value for m in t["methods"]], "level": t["authLevel"].value}
    for t in triggers if t["type"] == "httpTrigger"
]))
"""


class Recording(Mapping[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def settings_table() -> dict[str, str]:
    shown = table("settings")
    defaults = {name: default for name, default, _ in shown}
    assert len(defaults) == len(shown), "a setting stands twice in the table"
    return defaults


@pytest.fixture(scope="module")
def read_by_code() -> tuple[set[str], str]:
    """The names that the code reads, and its message about an empty environment."""
    environment = Recording()
    with pytest.raises(SettingsError) as caught:
        Settings.load(environment)
    for name in DEFAULTS:
        if name.endswith("_SCHEDULE"):
            schedule(name, environment)
    return environment.asked - set(PLATFORM), str(caught.value)


@pytest.fixture(scope="module")
def routes() -> dict[str, str]:
    """The HTTP routes that the function app registers, and who may call each."""
    environment = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", LIST_FUNCTIONS],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    prefix = json.loads((PROJECT / "host.json").read_text("utf-8"))["extensions"]["http"]["routePrefix"]
    return {
        f"{method} /{prefix}/{one['route']}": one["level"]
        for one in json.loads(done.stdout.splitlines()[-1])
        for method in one["methods"]
    }


def test_settings_table_names_what_the_code_reads(read_by_code: tuple[set[str], str]) -> None:
    assert set(settings_table()) - HOST_READS_IN_TABLE == read_by_code[0]
    assert set(settings_table()) >= HOST_READS_IN_TABLE


def test_settings_table_gives_the_code_s_defaults(read_by_code: tuple[set[str], str]) -> None:
    required = set(re.findall(r"(\w+) is missing", read_by_code[1]))
    for name, default in settings_table().items():
        assert default == DEFAULTS.get(name, "required" if name in required else "none"), name
    assert set(settings_table()) >= required | set(DEFAULTS)


def test_every_other_setting_that_a_page_names_is_in_the_table() -> None:
    pattern = re.compile(
        r"(?:CUSTOMER_INSIGHTS|EVENT_GRID|POLL|CALLBACK|DELIVERY|EVENT)_[A-Z_]+|AzureWebJobsStorage\w*"
    )
    named = {span for page in PAGES.values() for span in code_spans(page) if pattern.fullmatch(span)}
    assert len(named) > 10
    assert named <= set(settings_table())


def test_sample_settings_are_the_table_s() -> None:
    assert set(SAMPLE) - HOST_READS_IN_SAMPLE == set(settings_table())


def test_sample_settings_load_and_hold_the_defaults() -> None:
    settings = Settings.load(SAMPLE)
    assert "AccountName=devstoreaccount1;AccountKey=" in str(settings.storage.connection_string)
    assert {name: SAMPLE[name] for name in DEFAULTS} == dict(DEFAULTS)
    document = json.loads((PROJECT / "local.settings.sample.json").read_text("utf-8"))
    assert document["IsEncrypted"] is False
    assert SAMPLE["FUNCTIONS_WORKER_RUNTIME"] == "python"


def test_events_table_is_the_code_s() -> None:
    expected = [[one.event_type, slug, one.data.description] for slug, one in TRIGGERS.items()]
    assert table("events") == expected


def test_readme_opens_with_three_sentences_a_picture_and_every_trigger() -> None:
    told = dict(table("today", README))
    who = {"Microsoft's connector", "Microsoft's connector, mail to admins", "mail to admins", "nobody"}
    assert set(told.values()) == who
    assert list(told) == [trigger.data.title for trigger in TRIGGERS.values()]
    opening = README.partition("\n## ")[0]
    sentences, picture, *_ = opening.partition("\n\n")[2].split("\n\n")
    assert len(re.findall(r"\.(?=\s|$)", sentences)) == 3
    assert picture.startswith("![")


@pytest.mark.parametrize("slug", TRIGGERS)
def test_an_event_s_fields_and_sample_are_the_code_s(slug: str) -> None:
    model = TRIGGERS[slug].data
    assert dict(table(f"fields {slug}")) == dict(fields(data_schema(model)))
    shown = json.loads(fenced(block(f"sample {slug}")))
    event = Event.parse(shown)
    made = Event.of(model.model_validate(model.sample), time=event.time, occurrence=["sample"])
    assert (made.raw, event.data) == (shown, model.example())
    assert f"### {model.title}\n\nTrigger `{slug}`. {model.description}\n" in DOCS


def fields(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The fields of an event's data and what they mean, those inside others too; `[]` marks a list."""
    definitions = schema.get("$defs", {})
    for name, one in schema.get("properties", {}).items():
        if name == "test":  # set on samples that were sent by hand only
            continue
        yield prefix + name, one["description"]
        found = re.search(r"'\$ref': '#/\$defs/(\w+)'", str(one))
        if found is not None:
            many = "[]" if "'array'" in str(one) else ""
            yield from fields({**definitions[found[1]], "$defs": definitions}, f"{prefix}{name}{many}.")


def test_refresh_stages_are_the_code_s() -> None:
    assert table("refresh-stages") == [[name, part.stage, part.says] for name, part in PARTS.items()]


def test_filters_table_is_the_code_s() -> None:
    common = {field.alias for field in Body.model_fields.values()}
    expected = {}
    for slug, trigger in TRIGGERS.items():
        taken = {str(f.alias): f.is_required() for f in trigger.body.model_fields.values() if f.alias not in common}
        expected[slug] = tuple({name for name, needed in taken.items() if needed is want} for want in (True, False))
    notes = {"above", "below", "either"}
    shown = {slug: (code_spans(needed), code_spans(other) - notes) for slug, needed, other in table("filters")}
    assert shown == expected


def test_routes_table_is_what_the_app_registers(routes: dict[str, str]) -> None:
    shown = dict(table("routes") + table("operations") + table("mending"))
    assert set(shown) == set(routes)
    keyless = {route for route, text in shown.items() if "without a key" in text or "needs no key" in text}
    assert keyless == {route for route, level in routes.items() if level == "anonymous"}


def test_operations_table_says_what_the_declarations_say() -> None:
    summaries = {f"{one.method} /api/{one.route}": one.summary for one in OPERATIONS}
    for route, text in table("operations") + table("mending"):
        assert text == summaries[route]
    scopes = set(get_args(Refresh.model_fields["scope"].annotation))
    page = PAGES["docs/api.md"]
    assert scopes <= code_spans(page)
    assert f"at most {MAX_ROWS:,}" in page
    assert f"its latest {MOST_ENDED} attempts" in page
    assert f"within {ACTION_PATIENCE.seconds} seconds" in page


def test_problems_table_has_every_status_of_an_error() -> None:
    paths = describe(OPERATIONS, "https://bridge.example.com/api")["paths"].values()
    declared = {int(status) for path in paths for operation in path.values() for status in operation["responses"]}
    beside = {HTTPStatus.UNAUTHORIZED, HTTPStatus.INTERNAL_SERVER_ERROR}  # Azure's own, and what must not happen
    errors = {status for status in declared if status >= HTTPStatus.BAD_REQUEST}
    assert {int(status) for status, _, _ in table("problems")} == errors | beside


def test_answers_table_is_what_the_bridge_makes_of_an_answer() -> None:
    meanings = [Verdict.DELIVERED, Verdict.RETRY, Verdict.GONE, Verdict.DENIED, Verdict.REJECTED]
    by_status = {}
    for (statuses, _), verdict in zip(table("answers"), meanings, strict=True):
        by_status |= dict.fromkeys(re.findall(r"(?<!any )(?<!other )\b\dxx\b|other \dxx|\b\d{3}\b", statuses), verdict)
    for status in range(200, 600):
        kind = f"{status // 100}xx"
        ways = (str(status), kind, f"other {kind}")
        assert judge(Answer(status)) == next(by_status[way] for way in ways if way in by_status), status
    assert judge(Answer(failure="timeout")) == Verdict.RETRY
    dead = set(re.findall(r"`(Workflow\w+)`", block("answers")))
    assert {judge(Answer(400, body=f"so: {name}")) for name in dead} == {Verdict.GONE}
    assert f"(at most {MAX_RETRY_AFTER.total_seconds() / 3600:g} hours)" in block("answers")


def test_stages_are_those_of_the_table_in_the_code() -> None:
    expected = [
        [
            ", ".join(source.value if source else "new" for source in row.sources),
            row.move.value,
            row.target.value,
            row.when,
        ]
        for row in TRANSITIONS
    ]
    shown = [[", ".join(sorted(sources.split(", "))), *rest] for sources, *rest in table("stages")]
    assert shown == [[", ".join(sorted(sources.split(", "))), *rest] for sources, *rest in expected]
    assert f"{MAX_FAILURES} deliveries in a row" in PAGES["docs/deliveries.md"]
    assert f"measured over {WINDOW:g} seconds" in PAGES["docs/deliveries.md"]
    assert re.search(rf"up to\s+{INSTANCES} instances", PAGES["docs/deliveries.md"])


def test_every_address_that_a_page_mentions_is_a_route(routes: dict[str, str]) -> None:
    paths = {route.partition(" ")[2] for route in routes}
    patterns = [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in paths]
    own = "\n".join(PAGES.values()).replace("eventgrid.azure.net/api/events", "")
    mentioned = {"/api" + path for path in re.findall(r'(?:/api|\$api)(/[^\s`"\x27?|)]+)', own)}
    assert mentioned
    assert [path for path in mentioned if not any(pattern.fullmatch(path) for pattern in patterns)] == []
    slugs = set(re.findall(r"/triggers/([a-z-]+)/", own))
    assert slugs <= set(TRIGGERS)


@pytest.mark.parametrize("page", FIRST_PAGES)
def test_a_page_that_one_may_begin_with_leads_to_the_words(page: str) -> None:
    assert [link for link in links(PAGES[page]) if link.endswith("README.md#words")] != []


def test_no_word_stands_in_the_readme_before_it_is_explained() -> None:
    before, _, explained = README.partition("\n## Words\n")
    words = [word.lower() for names, _ in table("words") for word in re.findall(r"\*\*([^*]+)\*\*", names)]
    assert {"event grid", "dead letter", "subscription", "environment", "key"} <= set(words)
    assert block("words") in explained
    beyond = set(words) - {"flow", "event", "subscription", "environment", "key"}  # everybody has these of their own
    assert [word for word in beyond if re.search(rf"\b{word}", before, re.IGNORECASE)] == []


def test_demo_s_output_is_what_the_demo_shows() -> None:
    tenant = contoso(datetime(2026, 11, 20, tzinfo=UTC))
    flows, steps = demo_flows(tenant), a_day(tenant)
    shown = block("demo-output")
    assert f"{len(flows)} flows have subscribed." in shown
    told = re.findall(r"^ +[\d.]+ s  tenant +(.+)$", shown, re.MULTILINE)
    assert told == [step.sentence for step in steps[: len(told)]]
    expected = account(expect(steps, flows), Seen((), ()))
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in re.findall(r"^│.*│$", shown, re.MULTILINE)]
    wanted = {row.name: "" if row.expected is None else str(row.expected) for row in expected}
    assert {name: number for name, number, _, _ in lines} == wanted
    assert {name: seen for name, _, seen, _ in lines} == wanted | {"occurrences": str(expected[0].seen)}
    assert {verdict for *_, verdict in lines} == {"ok"}


def test_test_s_output_is_of_what_make_test_runs() -> None:
    recipe = re.search(r"^test:.*\n((?:\t.+\n)+)", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert recipe is not None
    run = [line.strip().replace("$(VENV)", ".venv") for line in recipe[1].splitlines()]
    assert [line for line in block("test-output").splitlines() if line.startswith(".venv/")] == run


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    top = re.search(r"^## (\S+)", CHANGELOG, re.MULTILINE)
    assert top is not None
    assert project["version"] == shared.__version__ == top[1]
