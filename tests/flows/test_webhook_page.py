"""What the page about the HTTP Webhook trigger shows is what the bridge takes and sends."""

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import pytest

import function_app  # noqa: F401 - importing the app declares its operations
from shared.domain.events.data import EventData
from shared.domain.events.envelope import Event
from shared.domain.triggers import TRIGGERS, Body
from shared.errors import InvalidInputError
from tests.flows.definitions import FOLDER, NAMES, Definition
from tests.flows.expressions import Access, Call, Literal, Node, nodes
from tests.pages import code_spans, table
from tests.test_docs import settings_table
from triggers.operations import OPERATIONS
from triggers.requests import parse_body

PAGE = (FOLDER / "http-webhook.md").read_text("utf-8")
BODIES: Mapping[str, str] = dict(re.findall(r"<!-- body (\S+) -->\n```json\n(.*?)```", PAGE, re.DOTALL))


def test_there_is_a_body_for_every_trigger_and_no_other_json() -> None:
    assert set(BODIES) == set(TRIGGERS)
    assert len(re.findall(r"```json", PAGE)) == len(BODIES) + len(re.findall("<!-- event ", PAGE))


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
    schema = data.model_json_schema(by_alias=True, mode="serialization")
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
        ("data-source-refresh-failed", ('  "callbackUrl": "@{listCallbackUrl()}",\n', ""), "callbackUrl"),
    ],
)
def test_a_mistake_is_answered_as_the_page_says(slug: str, change: tuple[str, str], field: str) -> None:
    body = BODIES[slug]
    assert change[0] in body
    with pytest.raises(InvalidInputError) as caught:
        parse_body(body.replace(*change).encode(), TRIGGERS[slug].body)
    assert f"| 400, `{field}`: *{caught.value.fields[field]}*" in PAGE


def test_its_addresses_are_routes() -> None:
    addresses = re.findall(r"azurewebsites\.net(/api/[^\s`']+)|`(?:GET )?(/api/[^\s`']+)`", PAGE)
    assert len(addresses) > 6
    assert [one for one in map("".join, addresses) if not is_route(one)] == []


def is_route(address: str) -> bool:
    patterns = [re.sub(r"\{\w+\}", "[^/]+", f"/api/{operation.route}") for operation in OPERATIONS]
    return any(re.fullmatch(pattern, address) for pattern in patterns)


def names(cell: str) -> set[str]:
    """The names in a cell, one of which has lost its backticks when it stands alone."""
    return code_spans(cell) or {cell} - {""}


def test_every_id_and_name_in_a_body_is_listed_somewhere() -> None:
    """What makers cannot know by heart, they are told where to find."""
    lists = {key: (route, key_there) for key, route, key_there in table("lists", PAGE)}
    asked = {key for body in BODIES.values() for key in json.loads(body) if key.endswith(("Id", "Name"))}
    assert set(lists) == asked
    answers = {f"GET /api/{one.route}": one.answers[HTTPStatus.OK] for one in OPERATIONS if one.method == "GET"}
    for route, key_there in lists.values():
        schema = answers[route].model_json_schema(by_alias=True, mode="serialization")
        item = schema["$defs"][schema["properties"]["value"]["items"]["$ref"].rpartition("/")[2]]
        assert names(key_there) <= set(item["properties"]), route


def test_the_body_s_keys_are_those_that_the_bridge_takes() -> None:
    common = {str(field.alias) for field in Body.model_fields.values()}
    expected = {}
    for slug, trigger in TRIGGERS.items():
        keys = {str(one.alias): one.is_required() for one in trigger.body.model_fields.values()}
        expected[slug] = tuple({key for key, must in keys.items() if must is want} - common for want in (True, False))
    shown = {slug: (names(must), names(may)) for slug, must, may in table("body-keys", PAGE)}
    assert shown == expected
    assert all(f"`{key}`" in PAGE for key in common)


def test_the_body_s_values_are_those_that_the_bridge_takes() -> None:
    values = {key: code_spans(text) for key, text in table("body-values", PAGE)}
    schemas = {
        name: one
        for trigger in TRIGGERS.values()
        for name, one in trigger.body.model_json_schema(by_alias=True)["properties"].items()
    }
    choices = {name: set(one["enum"]) for name, one in schemas.items() if "enum" in one}
    assert len(choices) == 3
    assert {name: values[name] for name in choices} == choices
    for name in choices:
        assert f"`{schemas[name]['default']}` (unless you say otherwise)" in PAGE


def test_the_event_shown_is_the_bridge_s() -> None:
    ((slug, text),) = re.findall(r"<!-- event (\S+) -->\n```json\n(.*?)```", PAGE, re.DOTALL)
    model = TRIGGERS[slug].data
    event = Event.parse(json.loads(text))
    assert event.data == model.example()
    assert Event.of(model.model_validate(model.sample), time=event.time, occurrence=["sample"]).raw == json.loads(text)


def test_the_types_that_it_names_exist() -> None:
    types = set(re.findall(r"CustomerInsights\.\w+\.\w+", PAGE))
    assert types
    assert types <= {trigger.event_type for trigger in TRIGGERS.values()}


def test_every_sample_is_shown() -> None:
    assert {f"{name}.json" for name in NAMES} == set(re.findall(r"\]\(([\w-]+\.json)\)", PAGE))


def test_the_deployment_gives_every_parameter() -> None:
    ((name, text),) = re.findall(r"<!-- deployment (\S+) -->\n```bicep\n(.*?)```", PAGE, re.DOTALL)
    given = set(re.findall(r"^      '?([\w$]+)'?: \{", text, re.MULTILINE))
    assert given == set(Definition(name).json["parameters"])
    assert f"loadJsonContent('{name}.json')" in text
    assert re.search(r"@secure\(\)\nparam bridgeKey string", text)


def test_settings_it_names_exist() -> None:
    assert {span for span in code_spans(PAGE) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", span)} <= set(settings_table())
