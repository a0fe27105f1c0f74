"""JSON comes out as it went in: numbers digit by digit, everything else as the standard library has it."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.exact_json import MAX_DEPTH, read, write

DIGITS = st.text("0123456789", min_size=1, max_size=40)
WHOLE = st.tuples(st.sampled_from(["", "-"]), DIGITS.map(lambda digits: digits.lstrip("0") or "0")).map("".join)
FRACTIONS = st.tuples(WHOLE, DIGITS).map(".".join)
EXPONENTS = st.tuples(WHOLE | FRACTIONS, st.sampled_from("eE"), st.integers(-400, 400)).map(
    lambda of: f"{of[0]}{of[1]}{of[2]}"
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.text() | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(WHOLE | FRACTIONS.filter(lambda text: Decimal(text).adjusted() >= -6))
def test_a_number_without_exponent_keeps_its_text(number: str) -> None:
    assert write(read(number)) == number


@given(EXPONENTS | FRACTIONS)
def test_every_number_keeps_its_digits_and_its_size(number: str) -> None:
    written = write(read(number))
    assert Decimal(written).as_tuple() == Decimal(number).as_tuple()
    json.loads(written)


@given(VALUES)
def test_what_is_written_is_read_as_the_same(value: object) -> None:
    assert read(write(value)) == value
    assert write(value).isascii()


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), st.lists, max_leaves=5))
def test_without_fractions_it_is_the_standard_librarys_json(value: object) -> None:
    assert write(value) == json.dumps(value, separators=(",", ":"))


@pytest.mark.parametrize("text", ["", "nothing", "NaN", "-Infinity", "01", "1.", "1e" + "9" * 30, '{"a": }', '"\xff'])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        read(text)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        read(b'"\xff"')


def test_what_is_no_number_can_be_told_otherwise() -> None:
    assert read("[NaN, -Infinity]", no_number=str) == ["NaN", "-Infinity"]


@pytest.mark.parametrize("depth", [1, MAX_DEPTH])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_what_can_be_read_can_be_written(depth: int, brackets: str) -> None:
    opening = brackets[0] if brackets == "[]" else '{"a":'
    text = opening * (depth - 1) + brackets + brackets[1] * (depth - 1)
    assert write(read(text)) == text


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000, 200_000])
def test_what_is_nested_beyond_use_is_refused(depth: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        read("[" * depth + "]" * depth)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), float("nan"), float("inf")])
def test_what_is_no_number_is_not_written(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        write([value])
