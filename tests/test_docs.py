"""What README, changelog and sample files say is what the code does."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import pytest

import function_app
import shared
from shared.composition import ACTION_PATIENCE
from shared.domain.actions import Refresh
from shared.domain.events import DataSourceRefreshFailed, Event
from shared.domain.rows import MAX_ROWS
from shared.domain.subscriptions import TRIGGERS, Body
from shared.errors import SettingsError
from shared.settings import DEFAULTS, PLATFORM, Settings, schedule
from triggers.operations import OPERATIONS

assert function_app.app  # it declares the operations
PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text("utf-8")
CHANGELOG = (PROJECT / "CHANGELOG.md").read_text("utf-8")
SAMPLE: Mapping[str, str] = json.loads((PROJECT / "local.settings.sample.json").read_text("utf-8"))["Values"]

# The Functions host reads these and the bridge does not.
HOST_READS_IN_TABLE = {"AzureWebJobsStorage__credential"}
HOST_READS_IN_SAMPLE = {"FUNCTIONS_WORKER_RUNTIME"}

MADE_BY_READER = {"local.settings.json"}

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


def block(name: str, page: str = README) -> str:
    """What stands between `<!-- name -->` and `<!-- /name -->`."""
    found = re.findall(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page, re.DOTALL)
    assert len(found) == 1, f"there are {len(found)} blocks {name}"
    return found[0]


def table(name: str, page: str = README) -> list[list[str]]:
    """The rows of the table in a block; cells that are one code span lose its backticks."""
    lines = [line for line in block(name, page).splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert rows
    return [[re.sub(r"^`([^`]*)`$", r"\1", cell) for cell in row] for row in rows]


def code_spans(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def settings_table() -> dict[str, str]:
    rows = table("settings")
    defaults = {name: default for name, default, _ in rows}
    assert len(defaults) == len(rows), "a setting stands twice in the table"
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


def test_every_other_setting_that_readme_names_is_in_the_table() -> None:
    pattern = re.compile(
        r"(?:CUSTOMER_INSIGHTS|EVENT_GRID|POLL|CALLBACK|DELIVERY|EVENT)_[A-Z_]+|AzureWebJobsStorage\w*"
    )
    named = {span for span in code_spans(README + CHANGELOG) if pattern.fullmatch(span)}
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


def test_sample_event_is_the_code_s() -> None:
    shown = json.loads(block("sample-event").removeprefix("```json\n").rstrip().removesuffix("```"))
    event = Event.parse(shown)
    model = DataSourceRefreshFailed.model_validate(event.data)
    made = Event.of(model, time=event.time, occurrence=["sample"])
    assert (made.raw, event.data) == (shown, DataSourceRefreshFailed.sample)


def test_filters_table_is_the_code_s() -> None:
    common = {field.alias for field in Body.model_fields.values()}
    expected = {}
    for slug, trigger in TRIGGERS.items():
        fields = {str(f.alias): f.is_required() for f in trigger.body.model_fields.values() if f.alias not in common}
        expected[slug] = tuple({name for name, needed in fields.items() if needed is want} for want in (True, False))
    notes = {"above", "below", "either"}
    shown = {slug: (code_spans(needed), code_spans(other) - notes) for slug, needed, other in table("filters")}
    assert shown == expected


def test_routes_table_is_what_the_app_registers(routes: dict[str, str]) -> None:
    rows = dict(table("routes") + table("operations"))
    assert set(rows) == set(routes)
    keyless = {route for route, text in rows.items() if "without a key" in text or "needs no key" in text}
    assert keyless == {route for route, level in routes.items() if level == "anonymous"}


def test_operations_table_says_what_the_declarations_say() -> None:
    summaries = {f"{one.method} /api/{one.route}": one.summary for one in OPERATIONS}
    for route, text in table("operations"):
        assert text == summaries[route]
    scopes = set(get_args(Refresh.model_fields["scope"].annotation))
    assert scopes <= code_spans(README)
    assert f"at most {MAX_ROWS:,}" in README
    assert f"within {ACTION_PATIENCE.seconds} seconds" in README


def test_every_address_that_readme_mentions_is_a_route(routes: dict[str, str]) -> None:
    paths = {route.partition(" ")[2] for route in routes}
    patterns = [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in paths]
    own = README.replace("eventgrid.azure.net/api/events", "")
    mentioned = {"/api" + path for path in re.findall(r'(?:/api|\$api)(/[^\s`"?|]+)', own)}
    assert mentioned
    assert [path for path in mentioned if not any(pattern.fullmatch(path) for pattern in patterns)] == []
    slugs = set(re.findall(r"/triggers/([a-z-]+)/", own))
    assert slugs <= set(TRIGGERS)


def test_make_targets_exist() -> None:
    text = README + CHANGELOG
    mentioned = set(re.findall(r"(?:`|^    )make ([a-z]+)(?:`|$)", text, re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert mentioned >= {"demo", "test", "up", "setup"}
    assert mentioned <= targets


def test_links_and_files_exist() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", README + CHANGELOG):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (PROJECT / target).exists(), target
    files = {span for span in code_spans(README) if re.fullmatch(r"[\w./-]+\.(py|json|toml|md|txt|ya?ml)", span)}
    assert [name for name in files - MADE_BY_READER if not (PROJECT / name).exists()] == []


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    top = re.search(r"^## (\S+)", CHANGELOG, re.MULTILINE)
    assert top is not None
    assert project["version"] == shared.__version__ == top[1]
