import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.domain import exact_json
from shared.domain.actions import Refresh
from shared.domain.rows import RowQuery
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
