"""What makers see first, what they see when they ask for more, and what they never see."""

from http import HTTPStatus

import pytest

import function_app  # noqa: F401 - importing the app declares its operations
from connector.definition import define
from connector.properties import KEY_SECURITY
from shared.domain.triggers import TRIGGERS
from tests.connector.documents import Json, definition, operations, properties_of_bodies
from triggers.health import Health
from triggers.operations import OPERATIONS, Operation, Visibility

# Bodies of which all may be left out: were their fields to stand back, makers would see none.
ALL_OPTIONAL = ("Changes.", "Letters.")


@pytest.fixture
def document(variant: str) -> Json:
    return definition(variant)


def seen(document: Json, visibility: str | None) -> set[str]:
    return {one["operationId"] for *_, one in operations(document) if one.get("x-ms-visibility") == visibility}


def test_the_triggers_and_a_few_actions_come_first(document: Json) -> None:
    triggers = {one["operationId"] for *_, one in operations(document) if "x-ms-trigger" in one}
    assert len(triggers) == len(TRIGGERS)
    first = seen(document, "important")
    assert triggers < first
    assert 1 <= len(first - triggers) <= 5


def test_makers_find_the_ordinary_before_the_expert_s(document: Json) -> None:
    assert {"ListSegments", "GetJob", "UpdateItem"} <= seen(document, None)
    assert {"GetStatus", "ListPartitions", "ListSubscriptions"} <= seen(document, "advanced")


def test_what_the_platform_alone_calls_is_hidden(document: Json) -> None:
    assert seen(document, "internal") == {"Unsubscribe"}


def test_operators_find_what_they_need_to_watch_and_to_mend(document: Json) -> None:
    assert {
        "ListDeadLetters",
        "RedeliverDeadLetter",
        "RedeliverDeadLetters",
        "ReplayEvents",
        "ChangeSubscription",
        "SendTestEvent",
        "ListDeliveries",
        "GetBridgeStatus",
    } <= seen(document, None)


def test_every_optional_field_stands_back_unless_makers_pick_its_value(document: Json) -> None:
    fields = [
        (f"{one['operationId']} {field['name']}", field, field["required"])
        for *_, one in operations(document)
        for field in one["parameters"]
        if field["in"] != "body"
    ] + [one for one in properties_of_bodies(document) if not one[0].startswith(ALL_OPTIONAL)]
    assert {required for *_, required in fields} == {True, False}
    for where, field, required in fields:
        if field.get("x-ms-notification-url"):
            continue  # the platform fills it in
        stands_back = not required and "x-ms-dynamic-list" not in field
        assert field.get("x-ms-visibility") == ("advanced" if stands_back else None), where


def test_of_a_body_without_required_fields_all_are_seen(document: Json) -> None:
    fields = [one for one in properties_of_bodies(document) if one[0].startswith(ALL_OPTIONAL)]
    assert {where.partition(".")[0] + "." for where, *_ in fields} == set(ALL_OPTIONAL)
    assert [where for where, field, required in fields if required or "x-ms-visibility" in field] == []


def declared(visibility: Visibility) -> Operation:
    return Operation(
        method="GET",
        route="something/new",
        id="SomethingNew",
        summary="Something new",
        description="Something that was declared later.",
        path=None,
        query=None,
        body=None,
        answers={HTTPStatus.OK: Health},
        problems=(),
        is_open=False,
        for_each_trigger=False,
        visibility=visibility,
    )


@pytest.mark.parametrize(
    ("visibility", "shown"),
    [("important", "important"), ("normal", None), ("advanced", "advanced"), ("internal", "internal")],
)
def test_an_operation_says_itself_who_sees_it(visibility: Visibility, shown: str | None) -> None:
    made = define([*OPERATIONS, declared(visibility)], KEY_SECURITY)
    assert made["paths"]["/api/something/new"]["get"].get("x-ms-visibility") == shown


def test_an_operation_may_stay_out_of_the_connector() -> None:
    made = define([*OPERATIONS, declared("absent")], KEY_SECURITY)
    assert "/api/something/new" not in made["paths"]
    absent = {one.id for one in OPERATIONS if one.visibility == "absent"}
    assert {"Health", "DescribeApi", "SubscribeAs"} <= absent
    ids = {one["operationId"] for *_, one in operations(made)}
    assert [one for one in absent if any(each == one or each.startswith(f"{one}DataSource") for each in ids)] == []
