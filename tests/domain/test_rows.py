import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shared.domain.catalog import Column
from shared.domain.rows import from_text, json_type, row_schema

TYPES = [
    "Edm.String",
    "Edm.Int64",
    "Int32",
    "System.Double",
    "Edm.Decimal",
    "decimal",
    "Edm.Boolean",
    "Edm.DateTimeOffset",
    "Edm.Date",
    "Edm.Guid",
    "Collection(Edm.Int64)",
    "newer",
    "",
    None,
]
ANY_TYPE = st.sampled_from(TYPES)
NUMBERS = st.text("0123456789.eE+- _", max_size=12) | st.integers().map(str) | st.floats().map(repr)


@pytest.mark.parametrize(
    ("data_type", "expected"),
    [
        ("Edm.Int64", ("integer", None)),
        ("INT32", ("integer", None)),
        ("System.Double", ("number", None)),
        ("Edm.Boolean", ("boolean", None)),
        ("Edm.DateTimeOffset", ("string", "date-time")),
        ("Edm.Date", ("string", "date")),
        ("Edm.Guid", ("string", "uuid")),
        ("Edm.String", ("string", None)),
        ("Edm.GeographyPoint", ("string", None)),
        (None, ("string", None)),
    ],
)
def test_which_json_type_a_column_has(data_type: str | None, expected: tuple[str, str | None]) -> None:
    assert json_type(data_type) == expected


@pytest.mark.parametrize(
    ("text", "data_type", "value"),
    [
        ("5", "Int64", 5),
        ("-0", "Int64", 0),
        ("9007199254740993", "Int64", 9007199254740993),
        ("1.5", "Int64", "1.5"),
        ("1e3", "Int64", 1000),
        ("1e400", "Double", "1e400"),
        ("NaN", "Double", "NaN"),
        ("Infinity", "Double", "Infinity"),
        ("0.10", "Decimal", Decimal("0.10")),
        ("900719925474099.3", "Double", Decimal("900719925474099.3")),
        ("1,5", "Decimal", "1,5"),
        ("007", "Int64", "007"),
        ("٣", "Int64", "٣"),
        (" 5", "Int64", " 5"),
        ("9" * 5_000, "Int64", "9" * 5_000),
        ("True", "Boolean", True),
        ("FALSE", "Boolean", False),
        ("1", "Boolean", "1"),
        ("", "Int64", None),
        ("", "Boolean", None),
        ("", "DateTime", None),
        ("", "String", ""),
        ("5", "String", "5"),
        ("soon", "DateTime", "soon"),
    ],
)
def test_what_text_becomes(text: str, data_type: str, value: object) -> None:
    assert from_text(text, data_type) == value
    assert type(from_text(text, data_type)) is not bool or isinstance(value, bool)


@given(st.text() | NUMBERS, ANY_TYPE)
def test_text_becomes_a_value_of_its_type_or_stays_or_is_nothing(text: str, data_type: str | None) -> None:
    value, kind = from_text(text, data_type), json_type(data_type)[0]
    if value is None:
        assert text == ""
    elif value != text or not isinstance(value, str):
        assert Draft202012Validator({"type": kind}).is_valid(value)
        assert not isinstance(value, float) or math.isfinite(value)


@given(st.integers())
def test_whole_numbers_come_back(number: int) -> None:
    assert from_text(str(number), "Edm.Int64") == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back(number: float) -> None:
    assert from_text(repr(number), "Edm.Double") == Decimal(repr(number))


@given(st.dictionaries(st.text(min_size=1), st.tuples(ANY_TYPE, st.none() | st.text())))
def test_the_schema_of_a_row_is_one_and_names_every_column(columns: dict[str, tuple[str | None, str | None]]) -> None:
    schema = row_schema(
        [Column(name=name, data_type=kind, friendly_name=friendly) for name, (kind, friendly) in columns.items()]
    )
    Draft202012Validator.check_schema(schema)
    assert list(schema["properties"]) == list(columns)
    assert all(one["title"] for one in schema["properties"].values())
