"""What is no JSON in one element of a list costs that element, and no other."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.insights.lenient import Undecodable, decode

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text('[]{},:"\\ \n')
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DIGITS, DEEP = b"1" * 5_000, b"[" * 100_000 + b"]" * 100_000
# What may stand where a value should, and tells where it ends.
BROKEN = [b'"caf\xe9"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\\x"', DIGITS, DEEP, b"<html>", b"tru", b"", b"01", b"1 2"]
BROKEN += [
    b'"a" "b"',
    b"undefined",
    b"'a'",
    b'{"a" 1}',
    b'{"a": 1,}',
    b"{a: 1}",
    b'{"a": }',
    b'{"": 1}{}',
    b"[1,]",
    b"[1 2]",
]


def in_items(broken: bytes) -> bytes:
    return b'{"name": "x", "value": ' + broken + b', "more": [{"a": "b"}]}'


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, max_size=6), st.sampled_from(BROKEN), st.booleans(), st.data())
def test_of_any_list_all_but_the_broken_one_are_read(
    values: list[object],
    broken: bytes,
    inside: bool,  # noqa: FBT001 - drawn
    data: st.DataObject,
) -> None:
    place = data.draw(st.integers(0, len(values)))
    between = data.draw(st.sampled_from([b",", b" ,\r\n\t"]))
    parts = [json.dumps(value, ensure_ascii=data.draw(st.booleans())).encode() for value in values]
    parts.insert(place, in_items(broken) if inside else broken or b" ")
    if not values and not broken and not inside:
        return  # that is an empty list
    document = decode(b" [" + between.join(parts) + b"]\n")
    assert isinstance(document, list)
    left_out = document.pop(place)
    assert document == values
    assert isinstance(left_out, Undecodable)
    if inside:
        assert isinstance(left_out.readable, dict)
        assert left_out.readable["name"] == "x"


@given(VALUES)
def test_what_is_json_is_read_as_json(value: object) -> None:
    for body in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False, indent=1).encode()):
        assert decode(body) == value
        assert decode(b"\xef\xbb\xbf" + body) == value


@given(st.binary() | st.text('[]{},:"\\ 01').map(str.encode))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    try:
        decode(body)
    except ValueError:
        return


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_unicode_encodings_are_told_by_their_bytes(codec: str) -> None:
    assert decode('["Käse"]'.encode(codec)) == ["Käse"]


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"[", b'["a', b'["a"', b'[{"a": 1}', b'[{"a": 1, "b', b"[1] 2", b"[1]]", b"[[1}]", b"{", DEEP[:5_000]],
)
def test_what_is_cut_off_or_never_closed_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        decode(body)


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (b'{"a": "caf\xe9"}', "a: it is not UTF-8"),
        (b'{"caf\xe9": 1}', "it is not UTF-8"),
        (b'{"a": {"b": ' + DIGITS + b"}}", "a: b: a number is too long"),
        (b'{"a": ' + DEEP + b"}", "a: it is nested too deeply"),
        (b'{"a": 1, b}', "it is not JSON"),
        (b'{"a": [1, x]}', "a: it is not JSON"),
        (b"x", "it is not JSON"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_says_what_is_wrong(element: bytes, reason: str) -> None:
    assert [one.reason for one in _undecodable(decode(b"[" + element + b"]"))] == [reason]


def test_the_smallest_object_in_a_list_is_what_cannot_be_read() -> None:
    body = b'{"jobs": [{"id": 1, "tasks": [{"t": 1}, {"t": "\xe9"}, {"t": 3}]}, {"id": 2, "ids": ["\xe9"]}]}'
    assert decode(body) == {
        "jobs": [
            {"id": 1, "tasks": [{"t": 1}, Undecodable({"t": "\udce9"}, "t: it is not UTF-8"), {"t": 3}]},
            Undecodable({"id": 2, "ids": None}, "ids: it is not UTF-8"),
        ]
    }


def test_a_number_that_json_does_not_know_is_text_and_a_line_break_in_a_text_leaves_no_doubt() -> None:
    assert decode(b'[NaN, -Infinity, 1e400, "a\nb\tc"]') == ["NaN", "-Infinity", "1e400", "a\nb\tc"]


def _undecodable(document: object) -> list[Undecodable]:
    assert isinstance(document, list)
    return [one for one in document if isinstance(one, Undecodable)]
