import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.domain import exact_json
from shared.domain.actions import Refresh
from shared.domain.rows import RowQuery
from shared.domain.triggers import TRIGGERS
from shared.errors import InvalidInputError
from triggers.answers import of_error
from triggers.items import Item
from triggers.parameters import ItemPath, TablePath
from triggers.requests import parse_body, parse_parameters, parse_path

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


SEGMENT = TRIGGERS["segment-threshold-crossed"]


def wrong(content: bytes, model: type[BaseModel]) -> dict[str, str]:
    with pytest.raises(InvalidInputError) as caught:
        parse_body(content, model)
    assert of_error(caught.value).status_code == 400
    return caught.value.fields


NO_JSON = [b"", b"{", b"{]", b"\xff\xfe", b"\xff", b"NaN", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}']
NO_OBJECT = [b"[]", b"5", b"null", b'"text"', b"true"]
TOO_DEEP = b'{"a":' * 200_000 + b"1" + b"}" * 200_000


@pytest.mark.parametrize("model", [Item, Refresh])
@pytest.mark.parametrize("content", [*NO_JSON, *NO_OBJECT, TOO_DEEP], ids=lambda value: repr(value)[:20])
def test_a_body_that_is_no_json_object_is_refused(content: bytes, model: type[BaseModel]) -> None:
    assert set(wrong(content, model)) == {"body"}


BODIES = [Refresh, *(trigger.body for trigger in TRIGGERS.values())]
REFRESH = {"scope": "segments", "identifiers": ["Größe"], "mode": "full"}


def sample(model: type[BaseModel]) -> dict[str, object]:
    """A body with a value for each field that must be there."""
    values = {"threshold": 10, "max_age_hours": 26, "scope": "all"}
    return {
        str(field.alias): values.get(name, "some-name")
        for name, field in model.model_fields.items()
        if field.is_required()
    }


@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_null_is_absent_wherever_something_may_be_absent(model: type[BaseModel]) -> None:
    body = sample(model)
    optional = {str(field.alias) for field in model.model_fields.values() if not field.is_required()}
    expected = parse_body(json.dumps(body).encode(), model)
    assert optional
    for fields in [*({name} for name in optional), optional]:
        assert parse_body(json.dumps({**body, **dict.fromkeys(fields)}).encode(), model) == expected


@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_null_for_what_must_be_there_is_named_and_so_is_null_for_an_unknown_key(model: type[BaseModel]) -> None:
    body = sample(model)
    assert set(wrong(json.dumps(dict.fromkeys(body)).encode(), model)) == set(body)
    for key in ("extra", "instance_id", "callbackURL"):
        assert set(wrong(json.dumps({**body, key: None}).encode(), model)) == {key}


@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_an_empty_text_is_no_absent_one(model: type[BaseModel]) -> None:
    # What an expression gives that found nothing must not come to mean any.
    body = sample(model)
    for name in {str(field.alias) for field in model.model_fields.values()} - {"label"}:
        assert set(wrong(json.dumps({**body, name: ""}).encode(), model)) == {name}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("model", [Item, Refresh])
def test_json_is_read_in_every_encoding_that_json_ever_had(encoding: str, model: type[BaseModel]) -> None:
    content = json.dumps(REFRESH, ensure_ascii=False)
    assert parse_body(content.encode(encoding), model) == parse_body(content.encode(), model)


@pytest.mark.parametrize("model", [Item, Refresh])
def test_json_in_another_encoding_is_refused_and_not_guessed(model: type[BaseModel]) -> None:
    assert set(wrong(json.dumps(REFRESH, ensure_ascii=False).encode("latin-1"), model)) == {"body"}


@pytest.mark.parametrize("model", [Item, Refresh])
@pytest.mark.parametrize(
    "content",
    [
        b'{"scope": "all", "scope": "segments"}',
        b'{"scope": "all", "scope": null}',
        b'{"scope": "all", "scop\\u0065": "all"}',
        b'{"scope": {"a": 1, "a": 1}}',
    ],
)
def test_a_key_that_stands_twice_is_refused(content: bytes, model: type[BaseModel]) -> None:
    # Which of the two counts is another matter for every reader on the way.
    assert wrong(content, model) == {"body": "names a key twice"}


@pytest.mark.parametrize("number", ['"10"', "true", "[10]", "{}", '"1e1"', '""'])
def test_what_is_no_number_is_told_what_one_looks_like(number: str) -> None:
    body = {**sample(SEGMENT.body), "threshold": 0}
    content = json.dumps(body).replace('"threshold": 0', f'"threshold": {number}')
    assert wrong(content.encode(), SEGMENT.body) == {"threshold": "Input should be a number, without quotation marks"}


@pytest.mark.parametrize("number", ["0." + "1" * 101, "1" + "0" * 24 + ".1", "1e25", "1" * 5_000, "0." + "1" * 70_000])
def test_a_number_beyond_all_counts_is_refused(number: str) -> None:
    content = json.dumps({**sample(SEGMENT.body), "threshold": 0})
    content = content.replace('"threshold": 0', f'"threshold": {number}')
    assert set(wrong(content.encode(), SEGMENT.body)) == {"threshold"}


@settings(max_examples=30)
@given(st.dictionaries(st.text(), JSON_VALUES))
def test_a_row_is_taken_as_it_is(row: dict[str, object]) -> None:
    assert json.loads(exact_json.write(parse_body(json.dumps(row).encode(), Item).root)) == row


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e" + "9" * 30, "[" * 300 + "]" * 300, "01", "+1", "1."])
def test_what_is_no_number_of_json_or_beyond_all_use_is_refused(number: str) -> None:
    assert set(wrong(f'{{"a": {number}}}'.encode(), Item)) == {"body"}


@pytest.mark.parametrize("number", ["900719925474099.3", "99999999999999.99", "1E+400", "-0", "1.0", "1" * 5_000])
def test_the_numbers_of_a_row_stay_as_they_are_written(number: str) -> None:
    content = f'{{"a":{number},"b":[{{"c":{number}}}]}}'
    assert exact_json.write(parse_body(content.encode(), Item).root) == content


def test_half_of_a_surrogate_pair_in_a_row_stays_an_escape() -> None:
    content = b'{"a": "\\ud800"}'
    assert exact_json.write(parse_body(content, Item).root).encode() == content.replace(b" ", b"")


def test_half_of_a_surrogate_pair_in_a_name_is_refused() -> None:
    assert set(wrong(b'{"scope": "segments", "identifiers": ["\\ud800"]}', Refresh)) == {"identifiers"}


def test_an_unknown_key_is_an_error_whatever_it_is_called() -> None:
    assert set(wrong(b'{"scope": "all", "Scope": 1, "x": 2}', Refresh)) == {"Scope", "x"}
    assert set(wrong(b'{"scope": "all", "\\ud800": 1}', Refresh)) == {"body"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "scope"),
        ({"scope": "everything"}, "scope"),
        ({"scope": ["all"]}, "scope"),
        ({"scope": "segments", "identifiers": []}, "identifiers"),
        ({"scope": "segments", "identifiers": ["a,b"]}, "identifiers"),
        ({"scope": "segments", "identifiers": [""]}, "identifiers"),
        ({"scope": "segments", "identifiers": "a"}, "identifiers"),
        ({"scope": "segments", "identifiers": [5]}, "identifiers"),
        ({"scope": "segments", "identifiers": ["a"] * 101}, "identifiers"),
        ({"scope": "all", "identifiers": ["a"]}, "identifiers"),
        ({"scope": "all", "force": "true"}, "force"),
        ({"scope": "all", "force": 1}, "force"),
        ({"scope": "all", "mode": "half"}, "mode"),
    ],
)
def test_each_wrong_field_of_a_refresh_is_named(body: object, field: str) -> None:
    assert set(wrong(json.dumps(body).encode(), Refresh)) == {field}


def test_every_wrong_field_is_named_at_once() -> None:
    assert set(wrong(b'{"scope": 1, "force": 2, "mode": 3}', Refresh)) == {"scope", "force", "mode"}


def test_a_query_has_defaults_and_ignores_what_it_does_not_know() -> None:
    query = parse_parameters({"orderBy": "a", "order_by": "b", "code": "key"}, RowQuery)
    assert query == RowQuery.model_validate({"orderBy": "a"})
    assert (query.top, query.skip) == (100, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top", "0"),
        ("top", "-1"),
        ("top", "100001"),
        ("top", "ten"),
        ("top", "1.5"),
        ("top", "9" * 5_000),
        ("top", "NaN"),
        ("skip", "-1"),
        ("skip", str(2**31)),
        ("filter", "x" * 4_001),
    ],
)
def test_each_wrong_parameter_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_parameters({name: value}, RowQuery)
    assert set(caught.value.fields) == {name}


@pytest.mark.parametrize("name", ["a/b", "100%", "a%20b", "it's", "Größe 日", "#?&+", "%"])
def test_a_path_gives_names_as_they_are(name: str) -> None:
    arrived = name.replace("/", "%2F")  # the host decodes all but the slash, which would part segments
    assert parse_path({"instanceId": "i", "table": "t", "itemId": arrived}, ItemPath).item_id == name
    assert parse_path({"instanceId": "i", "table": "t", "itemId": arrived.lower()}, ItemPath).item_id == name.lower()


def test_a_name_is_not_endless() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_path({"instanceId": "i", "table": "x" * 257}, TablePath)
    assert set(caught.value.fields) == {"table"}
