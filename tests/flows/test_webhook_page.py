"""What the page about the HTTP Webhook trigger shows is what the bridge takes and sends."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from shared.domain.events import EventData
from shared.domain.subscriptions import TRIGGERS
from shared.errors import InvalidInputError
from tests.flows.definitions import FOLDER, NAMES, Definition
from tests.flows.expressions import Access, Call, Literal, Node, nodes
from tests.pages import README, code_spans, table
from triggers.requests import parse_body

PAGE = (FOLDER / "http-webhook.md").read_text("utf-8")
BODIES: Mapping[str, str] = dict(re.findall(r"<!-- body (\S+) -->\n```json\n(.*?)```", PAGE, re.DOTALL))


def test_there_is_a_body_for_every_trigger_and_no_other_json() -> None:
    assert set(BODIES) == set(TRIGGERS)
    assert len(re.findall(r"```json", PAGE)) == len(BODIES)


@pytest.mark.parametrize("slug", BODIES)
def test_a_body_is_what_the_bridge_takes(slug: str) -> None:
    body = parse_body(BODIES[slug].encode(), TRIGGERS[slug].body)
    assert body.callback_url == "@{listCallbackUrl()}"
    assert [node for node in nodes(body.callback_url)] == [Call("listCallbackUrl", ())]  # noqa: C416 - it yields them


def test_the_triggers_are_the_code_s() -> None:
    assert [slug for slug, _ in table("triggers", PAGE)] == list(TRIGGERS)


def test_the_fields_are_those_of_the_events() -> None:
    shown = {slug: set(re.findall(r"`(\w+)`", fields)) for slug, fields in table("fields", PAGE)}
    assert shown == {slug: set(_fields(trigger.data)) - {"test"} for slug, trigger in TRIGGERS.items()}


def _fields(data: type[EventData]) -> Iterator[str]:
    schema = data.model_json_schema(by_alias=True)
    for model in (schema, *schema.get("$defs", {}).values()):
        yield from model.get("properties", {})


def test_its_expressions_can_be_read() -> None:
    spans = [span for span in code_spans(PAGE) if "triggerBody" in span]
    assert len(spans) >= 6
    for span in spans:
        for way in (_way(node) for node in nodes("@" + span)):
            assert all(key in KEYS for key in way), span


def _way(node: Node) -> tuple[Any, ...]:
    return (*_way(node.of), node.key.value) if isinstance(node, Access) and isinstance(node.key, Literal) else ()


KEYS = {"id", "type", "time", "subject", "data"} | {field for one in TRIGGERS.values() for field in _fields(one.data)}


@pytest.mark.parametrize(
    ("slug", "change", "field"),
    [
        ("segment-threshold-crossed", ('"threshold": 10000', '"threshold": "10000"'), "threshold"),
        ("data-source-refresh-failed", ('"callbackUrl"', '"callbackurl"'), "callbackUrl"),
        ("data-source-refresh-failed", (",\n", "\n"), "body"),
    ],
)
def test_a_mistake_is_answered_as_the_page_says(slug: str, change: tuple[str, str], field: str) -> None:
    body = BODIES[slug]
    assert change[0] in body
    with pytest.raises(InvalidInputError) as caught:
        parse_body(body.replace(*change).encode(), TRIGGERS[slug].body)
    assert f"| 400, `{field}`: *{caught.value.fields[field]}*" in PAGE


def test_its_addresses_are_routes() -> None:
    patterns = [re.sub(r"\{\w+\}", "[^/]+", route.split(" ")[1]) for route, _ in table("routes")]
    addresses = re.findall(r"azurewebsites\.net(/api/[^\s`']+)", PAGE)
    assert addresses
    assert all(any(re.fullmatch(pattern, address) for pattern in patterns) for address in addresses)


def test_readme_leads_here() -> None:
    assert "](docs/flows/http-webhook.md)" in README


def test_every_sample_is_shown() -> None:
    assert {f"{name}.json" for name in NAMES} == set(re.findall(r"\]\(([\w-]+\.json)\)", PAGE))


def test_the_deployment_gives_every_parameter() -> None:
    ((name, text),) = re.findall(r"<!-- deployment (\S+) -->\n```bicep\n(.*?)```", PAGE, re.DOTALL)
    given = set(re.findall(r"^      '?([\w$]+)'?: \{", text, re.MULTILINE))
    assert given == set(Definition(name).json["parameters"])
    assert f"loadJsonContent('{name}.json')" in text
    assert re.search(r"@secure\(\)\nparam bridgeKey string", text)


def test_settings_it_names_exist() -> None:
    settings = {row[0] for row in table("settings")}
    assert {span for span in code_spans(PAGE) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", span)} <= settings
