"""JSON with its numbers as decimals: what is read and written again is the same number, digit by digit.

A binary float holds 15 to 17 digits: 900719925474099.3 would come out as 900719925474099.2. An exponent may change its
spelling (1e400 comes out as 1E+400), and nothing else does: 1.0 stays 1.0, and -0 stays -0.
"""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring_ascii as _text
from typing import Any, NoReturn

# Levels of objects and lists. Nothing that we exchange is deeper, and what walks through a value may call itself.
MAX_DEPTH = 200

_CONTAINERS = (dict, list)
_PLAIN = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def read(
    content: bytes | str,
    no_number: Callable[[str], object] | None = None,
    pairs: Callable[[list[tuple[str, Any]]], object] | None = None,
) -> Any:  # noqa: ANN401 - JSON
    """A JSON value.

    NaN and Infinity, which are not JSON, become what `no_number` makes of them, and an object what `pairs` makes of its
    keys and values, which may come twice. Raises ValueError for what is no JSON,
    nested too deeply, or a number beyond all use.
    """
    try:
        value = json.loads(
            content,
            parse_float=Decimal,
            parse_int=Decimal,
            parse_constant=no_number or _refuse,
            object_pairs_hook=pairs,
        )
    except (ArithmeticError, RecursionError) as error:
        raise ValueError(type(error).__name__) from None
    if _depth(value) > MAX_DEPTH:
        raise ValueError("nested too deeply")
    return value


def write(value: object) -> str:
    """The JSON of a value that may hold decimals; in ASCII, where half of a surrogate pair stays an escape.

    Raises ValueError for a number that is none.
    """
    return _writer_of(type(value))(value)


def _number(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError("no number of JSON")
    return str(value)


def _object(value: dict[str, object]) -> str:
    return "{" + ",".join([f"{_text(name)}:{_writer_of(type(one))(one)}" for name, one in value.items()]) + "}"


def _list(value: list[object]) -> str:
    return "[" + ",".join([_writer_of(type(one))(one) for one in value]) + "]"


# What a row is made of; the encoder, which takes the rest, would cost as much for each value as for a whole row.
_WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: _text,
    Decimal: _number,
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    dict: _object,
    list: _list,
}


def _writer_of(kind: type) -> Callable[[Any], str]:
    return _WRITERS.get(kind, _PLAIN.encode)


def _depth(value: Any) -> int:  # noqa: ANN401 - JSON
    """How many levels of objects and lists there are, counted up to one more than may be."""
    depth, level = 0, [value] if type(value) in _CONTAINERS else []
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) in _CONTAINERS
        ]
    return depth


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
