"""The description of the API: whole, valid, and of the routes that there are."""

import json
import re
from collections.abc import Iterator
from typing import Any

import azure.functions as func
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from shared.composition import STAND_IN
from shared.domain.triggers import TRIGGERS
from tests.fakes import PollStoreFake, TimerStoreFake
from tests.functions import FUNCTIONS
from tests.triggers.bridge import over
from tests.usecases.world import World
from triggers.description import data_schema
from triggers.openapi import describe
from triggers.operations import OPERATIONS

DOCUMENT = describe(OPERATIONS, "https://bridge.example.com/api")
PARAMETER = re.compile(r"\{(\w+)\}")


def registered() -> set[tuple[str, str]]:
    """Method and route of each HTTP function of the app, those of triggers once for each."""
    found: set[tuple[str, str]] = set()
    for function in FUNCTIONS:
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] != "httpTrigger":
            continue
        if trigger["route"].startswith("console"):
            continue  # pages for people, no part of the API
        routes = [trigger["route"]]
        if "{trigger}" in trigger["route"]:
            routes = [trigger["route"].replace("{trigger}", slug) for slug in TRIGGERS]
        methods = [str(getattr(method, "value", method)).lower() for method in trigger["methods"]]
        found |= {(method, f"/{route}") for method in methods for route in routes}
    return found


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_the_routes_are_those_that_are_registered() -> None:
    assert {(method, path) for method, path, _ in operations()} == registered()


def test_is_a_valid_document() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1")


def test_each_operation_has_an_id_of_its_own_and_says_what_it_does() -> None:
    ids = [operation["operationId"] for *_, operation in operations()]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[A-Z][A-Za-z0-9]+", one) for one in ids)
    assert all(operation["summary"] and operation["description"].endswith(".") for *_, operation in operations())


def test_the_parameters_of_a_path_are_declared() -> None:
    for _, path, operation in operations():
        declared = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
        assert sorted(declared) == sorted(PARAMETER.findall(path))
        assert all(one["description"] for one in operation["parameters"])


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_field_has_a_description(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    fields = schema.get("properties", {})
    assert [field for field, one in fields.items() if not one.get("description")] == []


def test_errors_are_problem_details() -> None:
    for _, path, operation in operations():
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and status != "401" and path != "/health":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)


def test_only_health_and_unsubscribe_need_no_key() -> None:
    open_ones = {path for _, path, operation in operations() if operation.get("security") == []}
    assert open_ones == {"/health", "/unsubscribe/{token}"}
    assert all("401" in operation["responses"] for _, path, operation in operations() if path not in open_ones)


def test_nothing_that_is_sent_is_ever_null() -> None:
    assert '"null"' not in json.dumps(DOCUMENT["components"]["schemas"]["SegmentList"])


@pytest.mark.parametrize("trigger", TRIGGERS.values(), ids=lambda trigger: trigger.slug)
def test_the_sample_of_an_event_fits_its_schema(trigger: Any) -> None:  # noqa: ANN401 - one of ours
    schema = data_schema(trigger.data)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(trigger.data.example())
    with_wrong_id = trigger.data.example() | {"instanceId": 5}
    assert not Draft202012Validator(schema).is_valid(with_wrong_id)


async def test_it_is_made_once_for_an_address() -> None:
    """Making it keeps a processor busy; asking for it again and again must not."""
    serve = next(one for one in FUNCTIONS if one.get_function_name() == "describe_api").get_user_function()
    request = func.HttpRequest("GET", "https://bridge.example.com/api/openapi.json", body=b"")
    before = STAND_IN.set(over(World(), PollStoreFake(), TimerStoreFake(), {}))
    first, second = await serve(request), await serve(request)
    STAND_IN.reset(before)
    assert json.loads(first.get_body()) == DOCUMENT
    assert first.get_body() is second.get_body()
