"""The rules of certification and of the platform, on the committed definitions."""

import re
from urllib.parse import urlsplit

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV31SpecValidator

import function_app  # noqa: F401 - importing the app declares its operations
from shared.domain.triggers import TRIGGERS
from tests.connector.documents import (
    Json,
    by_id,
    definition,
    keys,
    named_properties,
    operations,
    parameters,
    properties_of_bodies,
    schemas,
)
from tests.connector.wording import is_good_description, is_good_summary
from triggers.openapi import describe
from triggers.operations import OPERATIONS

PLATFORM = re.compile(r"power ?(apps|automate|platform|bi)|logic apps|copilot", re.IGNORECASE)
KNOWN_EXTENSIONS = {
    "x-ms-connector-metadata",
    "x-ms-dynamic-list",
    "x-ms-dynamic-properties",
    "x-ms-dynamic-schema",
    "x-ms-dynamic-values",
    "x-ms-notification-content",
    "x-ms-notification-url",
    "x-ms-pageable",
    "x-ms-summary",
    "x-ms-trigger",
    "x-ms-trigger-hint",
    "x-ms-url-encoding",
    "x-ms-visibility",
}
# What schemas of OpenAPI 3.1 may say and those of 2.0 not.
ONLY_IN_3 = {"$defs", "anyOf", "oneOf", "const", "examples", "nullable", "requestBody", "content", "components"}
BODILESS = {"204", "401"}


@pytest.fixture
def document(variant: str) -> Json:
    return definition(variant)


@pytest.mark.parametrize("text", ["", "List Tables", "list tables", "List tables.", "Tables & rows", "L" * 81, "What?"])
def test_a_bad_summary_is_noticed(text: str) -> None:
    assert not is_good_summary(text)


@pytest.mark.parametrize("text", ["", "The table", "The table..", "The  table.", "ok."])
def test_a_bad_description_is_noticed(text: str) -> None:
    assert not is_good_description(text)


def test_it_is_valid_openapi_2(document: Json) -> None:
    OpenAPIV2SpecValidator(document).validate()
    assert document["swagger"] == "2.0"


def test_the_description_of_the_api_is_valid_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(describe(OPERATIONS, "https://bridge.example/api")).validate()


def test_title_and_description(document: Json) -> None:
    info = document["info"]
    assert len(info["title"]) <= 30
    assert not re.search(r"\b(api|connector)\b", info["title"], re.IGNORECASE)
    assert 30 <= len(info["description"]) <= 500
    assert not PLATFORM.search(info["title"] + info["description"])
    assert info["description"].endswith(".")


def test_contact_and_metadata(document: Json) -> None:
    assert {"name", "url", "email"} <= set(document["info"]["contact"])
    metadata = {one["propertyName"]: one["propertyValue"] for one in document["x-ms-connector-metadata"]}
    assert set(metadata) == {"Website", "Privacy policy", "Categories"}
    assert all(metadata.values())


def test_every_operation_has_an_id_of_its_own_in_pascal_case(document: Json) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)) > 20
    assert [one for one in ids if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", one)] == []


def test_every_operation_has_a_summary_and_a_description(document: Json) -> None:
    for _, _, operation in operations(document):
        assert is_good_summary(operation["summary"]), operation["summary"]
        assert is_good_description(operation["description"]), operation["description"]
        assert operation["summary"] != operation["description"].rstrip(".")


def test_every_other_description_is_a_sentence(document: Json) -> None:
    for where, schema in schemas(document):
        assert "description" not in schema or is_good_description(schema["description"]), where
    for item in document["paths"].values():
        content = item.get("x-ms-notification-content")
        assert content is None or is_good_description(content["description"])


def test_no_two_operations_that_makers_see_have_the_same_summary(document: Json) -> None:
    shown = [one["summary"] for _, _, one in operations(document) if one.get("x-ms-visibility") != "internal"]
    assert len(shown) == len(set(shown))


def test_every_parameter_has_a_summary_and_a_description(document: Json) -> None:
    for where, parameter in parameters(document):
        assert is_good_summary(parameter["x-ms-summary"]), (where, parameter["x-ms-summary"])
        assert is_good_description(parameter["description"]), (where, parameter["description"])


def test_every_property_has_a_summary_and_a_description(document: Json) -> None:
    found = list(named_properties(document))
    assert len(found) > 200
    for where, schema in found:
        assert is_good_summary(schema.get("x-ms-summary", "-")), (where, schema)
        assert is_good_description(schema.get("description", "")), (where, schema)


def test_what_makers_fill_in_has_names_of_its_own(document: Json) -> None:
    """No two fields of one operation look alike."""
    for _, _, operation in operations(document):
        for found in operation["parameters"]:
            body = document["definitions"].get(found.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
            names = [one["x-ms-summary"] for one in body.get("properties", {}).values()]
            assert len(names) == len(set(names)), operation["operationId"]
        names = [one["x-ms-summary"] for one in operation["parameters"]]
        assert len(names) == len(set(names)), operation["operationId"]


def test_path_parameters_are_encoded_twice(document: Json) -> None:
    """The gateway decodes once: a slash within a name must reach the bridge as a part of that name."""
    for where, parameter in parameters(document):
        if parameter["in"] == "path":
            assert parameter["x-ms-url-encoding"] == "double", where
            assert parameter["required"] is True, where
        else:
            assert "x-ms-url-encoding" not in parameter, where


def test_every_response_has_a_real_status_and_a_schema(document: Json) -> None:
    for _, _, operation in operations(document):
        assert any(status.startswith("2") for status in operation["responses"])
        for status, response in operation["responses"].items():
            where = f"{operation['operationId']} {status}"
            assert re.fullmatch(r"[2-5]\d\d", status), where
            assert response["description"].endswith("."), where
            assert ("schema" in response) is (status not in BODILESS), where


def test_every_array_has_items(document: Json) -> None:
    arrays = [(where, one) for where, one in [*schemas(document), *parameters(document)] if one.get("type") == "array"]
    assert arrays
    assert [where for where, one in arrays if not one.get("items")] == []


def test_what_is_internal_and_required_has_a_default(document: Json) -> None:
    for where, parameter in parameters(document):
        if parameter.get("x-ms-visibility") == "internal" and parameter["required"]:
            assert "default" in parameter, where
    for where, schema in schemas(document):
        for name in schema.get("required", []):
            one = schema["properties"][name]
            assert one.get("x-ms-visibility") != "internal" or "default" in one, (where, name)


def test_nothing_stands_beside_a_reference_where_nobody_reads_it(document: Json) -> None:
    for where, schema in schemas(document):
        assert "$ref" not in schema or schema.keys() == {"$ref"}, where


def test_every_definition_is_used(document: Json) -> None:
    used = {str(value).rpartition("/")[2] for key, value in keys(document) if key == "$ref"}
    assert set(document["definitions"]) == used


def test_only_known_extensions_are_used(document: Json) -> None:
    found = {key for key, _ in keys(document) if key.startswith("x-")}
    assert found == KNOWN_EXTENSIONS


def test_nothing_of_openapi_3_is_left(document: Json) -> None:
    # Names of properties may be anything; what describes them may not.
    said = {key for _, schema in schemas(document) for key in schema} | set(document)
    assert said & ONLY_IN_3 == set()
    assert [key for key, value in keys(document) if value is None] == []
    assert all(isinstance(schema.get("type", ""), str) for _, schema in schemas(document))


def test_the_platform_finds_the_address_that_ends_a_subscription(document: Json) -> None:
    assert document["basePath"] == "/"
    assert all(path.startswith("/api/") for path in document["paths"])
    ends = [(path, one) for path, method, one in operations(document) if method == "delete"]
    assert [(path, one["x-ms-visibility"]) for path, one in ends] == [("/api/unsubscribe/{token}", "internal")]


@pytest.mark.parametrize("slug", TRIGGERS)
def test_each_trigger(document: Json, slug: str) -> None:
    trigger, item = TRIGGERS[slug], document["paths"][f"/api/triggers/{slug}/subscriptions"]
    operation = item["post"]
    assert operation["x-ms-trigger"] == "single"
    assert is_good_description(operation["x-ms-trigger-hint"])
    assert (operation["summary"], operation["description"]) == (trigger.data.title, trigger.data.description)
    assert operation["responses"]["201"]["headers"]["Location"]["type"] == "string"
    (body,) = operation["parameters"]
    fields = document["definitions"][body["schema"]["$ref"].rpartition("/")[2]]["properties"]
    assert next(iter(fields)) == "instanceId"  # the lists below it depend on it
    callback = fields["callbackUrl"]
    assert callback["x-ms-notification-url"] is True
    assert callback["x-ms-visibility"] == "internal"


@pytest.mark.parametrize("slug", TRIGGERS)
def test_each_trigger_tells_what_it_brings(document: Json, slug: str) -> None:
    content = document["paths"][f"/api/triggers/{slug}/subscriptions"]["x-ms-notification-content"]
    event = content["schema"]["properties"]
    assert set(event) == {"id", "type", "time", "subject", "source", "data"}
    data = TRIGGERS[slug].data
    assert set(event["data"]["properties"]) == {field.alias for field in data.model_fields.values()} | {"summary"}
    assert set(data.sample) <= set(event["data"]["properties"])


def test_there_are_no_triggers_but_ours(document: Json) -> None:
    found = {path for path, _, operation in operations(document) if "x-ms-trigger" in operation}
    assert found == {f"/api/triggers/{slug}/subscriptions" for slug in TRIGGERS}
    assert found == {path for path, item in document["paths"].items() if "x-ms-notification-content" in item}


def test_pick_lists_come_in_both_forms_and_name_what_exists(document: Json) -> None:
    known, found = by_id(document), 0
    for where, one in [*parameters(document), *named_properties(document)]:
        old, new = one.get("x-ms-dynamic-values"), one.get("x-ms-dynamic-list")
        assert (old is None) is (new is None), where
        if old is None or new is None:
            continue
        found += 1
        assert old["operationId"] == new["operationId"] in known
        assert (old["value-collection"], old["value-path"], old["value-title"]) == (
            new["itemsPath"],
            new["itemValuePath"],
            new["itemTitlePath"],
        )
        required = {p["name"] for p in known[old["operationId"]][2]["parameters"] if p["required"]}
        assert set(old["parameters"]) == set(new["parameters"]) == required, where
        # In a body, the newer form says so.
        place = "body/" if "Body." in where else ""
        assert new["parameters"] == {name: {"parameterReference": place + name} for name in required}
        assert old["parameters"] == {name: {"parameter": name} for name in required}
    assert found > 30


def test_everything_that_can_be_picked_is(document: Json) -> None:
    pickable = {"Environment", "Data source", "Segment", "Measure", "Table", "Partition"}
    bodies = {one["schema"]["$ref"].rpartition("/")[2] for _, one in parameters(document) if "schema" in one}
    fields = [(w, o) for w, o in named_properties(document) if w.partition(".")[0] in bodies]
    titles = set()
    for where, one in [*parameters(document), *fields]:
        if one["x-ms-summary"] in pickable:
            titles.add(one["x-ms-summary"])
            assert "x-ms-dynamic-list" in one, where
    assert titles == pickable


def test_what_comes_in_pages_says_where_the_next_one_is(document: Json) -> None:
    paged = {one["operationId"] for *_, one in operations(document) if "x-ms-pageable" in one}
    lists = {"ListDeliveries", "ListEvents", "ListDeadLetters"}
    assert paged == lists
    for *_, one in operations(document):
        model = document["definitions"].get(
            one["responses"].get("200", {}).get("schema", {}).get("$ref", "").rpartition("/")[2], {}
        )
        assert ("nextLink" in model.get("properties", {})) is (one["operationId"] in lists)
        assert one.get("x-ms-pageable", {"nextLinkName": "nextLink"}) == {"nextLinkName": "nextLink"}


def test_rows_have_the_schema_of_their_table_in_both_forms(document: Json) -> None:
    item = document["definitions"]["Item"]
    assert item["x-ms-dynamic-schema"]["operationId"] == item["x-ms-dynamic-properties"]["operationId"] == "GetTable"
    assert item["x-ms-dynamic-schema"]["value-path"] == item["x-ms-dynamic-properties"]["itemValuePath"] == "rowSchema"
    known = by_id(document)
    needed = {one["name"] for one in known["GetTable"][2]["parameters"]}
    assert set(item["x-ms-dynamic-schema"]["parameters"]) == needed
    row, rows = {"$ref": "#/definitions/Item"}, {"$ref": "#/definitions/ItemList"}
    assert document["definitions"]["ItemList"]["properties"]["value"]["items"] == row
    for name in ("ListItems", "GetPartition"):
        assert known[name][2]["responses"]["200"]["schema"] == rows
    assert known["GetItem"][2]["responses"]["200"]["schema"] == row
    for name in ("CreateItem", "UpdateItem"):
        assert known[name][2]["parameters"][-1]["schema"] == row
    # Wherever a row stands, the parameters that its schema depends on stand as well.
    for path, _, operation in operations(document):
        if row in [value for _, value in keys(operation)] or rows in [value for _, value in keys(operation)]:
            assert needed <= set(re.findall(r"{(\w+)}", path))


def test_both_variants_offer_the_same() -> None:
    key, entra = definition(), definition("entra/")
    signing = {"securityDefinitions", "security"}
    assert {n: v for n, v in key.items() if n not in signing} == {n: v for n, v in entra.items() if n not in signing}


def test_addresses_are_https(document: Json) -> None:
    assert document["schemes"] == ["https"]
    addresses = [str(value) for _, value in keys(document) if str(value).startswith("http")]
    assert addresses
    assert {urlsplit(one).scheme for one in addresses} == {"https"}


SAYS_NOTHING = {"the", "a", "an", "of", "to", "it", "its", "in", "customer", "insights", "which", "how", "that"}


def fields_of_makers(document: Json) -> list[tuple[str, Json]]:
    """What makers fill in, of every operation that they see."""
    shown = [one for _, _, one in operations(document) if one.get("x-ms-visibility") != "internal"]
    found = [(f"{one['operationId']} {p['name']}", p) for one in shown for p in one["parameters"] if p["in"] != "body"]
    bodies = [(where, field) for where, field, _ in properties_of_bodies(document)]
    return [(where, one) for where, one in found + bodies if one.get("x-ms-visibility") != "internal"]


def test_what_makers_fill_in_is_explained_beyond_its_name(document: Json) -> None:
    for where, field in fields_of_makers(document):
        known = SAYS_NOTHING | set(field["x-ms-summary"].lower().split())
        told = [word for word in re.findall(r"\w+", field["description"].lower()) if word not in known]
        assert len(told) >= 3, (where, field["x-ms-summary"], field["description"])


def test_what_makers_choose_is_explained_beyond_its_name(document: Json) -> None:
    for _, _, operation in operations(document):
        named = re.findall(r"\w+", operation["summary"].lower())
        known = SAYS_NOTHING | {form for word in named for form in (word, f"{word}s", f"{word}es")}
        told = [word for word in re.findall(r"\w+", operation["description"].lower()) if word not in known]
        assert len(told) >= 2, (operation["summary"], operation["description"])


def test_an_id_that_is_in_no_list_comes_with_the_place_where_it_is_found(document: Json) -> None:
    summaries = {one["summary"] for _, _, one in operations(document)}
    ids = [(where, one) for where, one in fields_of_makers(document) if re.search(r"(Id|identifiers)$", where)]
    assert len(ids) > 20
    for where, field in ids:
        told = {one for one in summaries if one in field["description"]}
        assert told or "x-ms-dynamic-list" in field, (where, field["description"])


def test_where_a_value_is_one_of_several_its_description_tells_them_apart(document: Json) -> None:
    choices = [(where, one) for where, one in fields_of_makers(document) if "enum" in one]
    assert choices
    for where, field in choices:
        if where.split()[-1].split(".")[-1] not in {"scope", "trigger"}:  # their values are words of makers already
            assert [value for value in field["enum"] if str(value).lower() not in field["description"].lower()] == [], (
                where
            )
