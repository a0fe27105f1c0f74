"""The part of the workflow definition language that the sample flows use: read, looked through, and evaluated.

It knows what is written here and nothing else: another function, an undeclared parameter or a missing key is an error,
so that a definition which this accepts needs no feature that was not thought of.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z]\w*)|(?P<sign>\?\[|[\[\](),]))")
_WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}
# What JavaScript's function of that name leaves as it is, besides letters, digits and `_.-~`.
_UNESCAPED = "!*'()"


type Node = Literal | Call | Access


class ExpressionError(Exception):
    """An expression that this evaluator does not understand, or that has no value here."""


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Access:
    """`of[key]`, or `of?[key]`, which is null where there is no such key."""

    of: Node
    key: Node
    optional: bool


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may ask for. There is a callback URL only while subscribing, a body only in a run."""

    parameters: Mapping[str, Any]
    callback_url: str | None = None
    body: Mapping[str, Any] | None = None


def resolve(value: Any, scope: Scope) -> Any:  # noqa: ANN401 - any JSON
    """A JSON value with every expression in it replaced by what it comes to."""
    match value:
        case str():
            parts = parse(value)
            if not isinstance(parts, list):
                return evaluate(parts, scope)
            return "".join(part if isinstance(part, str) else _text(evaluate(part, scope)) for part in parts)
        case Mapping():
            return {key: resolve(each, scope) for key, each in value.items()}
        case list():
            return [resolve(each, scope) for each in value]
        case _:
            return value


def nodes(value: Any) -> Iterator[Node]:  # noqa: ANN401 - any JSON
    """Every part of every expression in a JSON value, the whole before its parts."""
    match value:
        case str():
            parts = parse(value)
            for part in parts if isinstance(parts, list) else [parts]:
                if not isinstance(part, str):
                    yield from _within(part)
        case Mapping():
            for each in value.values():
                yield from nodes(each)
        case list():
            for each in value:
                yield from nodes(each)


def parse(text: str) -> Node | list[str | Node]:
    """`@expression` as its tree; any other text as a list of what stands in it and the trees of its `@{…}`."""
    if text.startswith("@") and not text.startswith("@{"):
        node, end = _Parser(text, 1).read()
        if text[end:].strip():
            raise ExpressionError(f"more than an expression: {text}")
        return node
    parts: list[str | Node] = []
    at = 0
    while (start := text.find("@{", at)) >= 0:
        node, end = _Parser(text, start + 2).read()
        if not text.startswith("}", end):
            raise ExpressionError(f"no end of an expression: {text}")
        parts += [text[at:start], node]
        at = end + 1
    return [*parts, text[at:]]


def evaluate(node: Node, scope: Scope) -> Any:  # noqa: ANN401 - any JSON
    """What an expression comes to."""
    match node:
        case Literal(value):
            return value
        case Access(of, key, optional):
            return _get(evaluate(of, scope), evaluate(key, scope), optional=optional)
        case Call(function, arguments):
            if function not in _FUNCTIONS:
                raise ExpressionError(f"no function {function}")
            return _FUNCTIONS[function](scope, *(evaluate(each, scope) for each in arguments))


class _Parser:
    def __init__(self, text: str, at: int) -> None:
        self._text, self._at = text, at

    def read(self) -> tuple[Node, int]:
        """The expression here, and where it ends."""
        return self._expression(), self._at

    def _expression(self) -> Node:
        kind, token = self._next()
        node: Node
        if kind == "text":
            node = Literal(token[1:-1].replace("''", "'"))
        elif kind == "number":
            node = Literal(int(token))
        elif kind == "name" and token in _WORDS:
            node = Literal(_WORDS[token])
        elif kind == "name":
            node = Call(token, self._arguments())
        else:
            raise ExpressionError(f"no expression at {token}: {self._text}")
        while self._peek() in {"[", "?["}:
            optional = self._next()[1] == "?["
            node = Access(node, self._expression(), optional)
            self._expect("]")
        return node

    def _arguments(self) -> Sequence[Node]:
        self._expect("(")
        if self._peek() == ")":
            self._next()
            return ()
        found = [self._expression()]
        while self._peek() == ",":
            self._next()
            found.append(self._expression())
        self._expect(")")
        return tuple(found)

    def _match(self) -> re.Match[str] | None:
        return _TOKEN.match(self._text, self._at)

    def _peek(self) -> str | None:
        found = self._match()
        return found["sign"] if found else None

    def _next(self) -> tuple[str, str]:
        found = self._match()
        if found is None or found.lastgroup is None:
            raise ExpressionError(f"not understood at {self._at}: {self._text}")
        self._at = found.end()
        return found.lastgroup, found[found.lastgroup]

    def _expect(self, sign: str) -> None:
        if self._next()[1] != sign:
            raise ExpressionError(f"no {sign}: {self._text}")


def _within(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case Call(_, arguments):
            for each in arguments:
                yield from _within(each)
        case Access(of, key, _):
            yield from _within(of)
            yield from _within(key)


def _get(of: Any, key: Any, *, optional: bool) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(key, str):
        raise ExpressionError(f"no name of a key: {key}")
    if isinstance(of, Mapping) and key in of:
        return of[key]
    if optional and (of is None or isinstance(of, Mapping)):
        return None
    raise ExpressionError(f"no key {key}")


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """How a value stands in a text. Booleans, lists and objects do not: no flow here should show any."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ExpressionError(f"not for a text: {value}")
    return str(value)


def _parameters(scope: Scope, name: str) -> Any:  # noqa: ANN401 - any JSON
    if name not in scope.parameters:
        raise ExpressionError(f"no parameter {name}")
    return scope.parameters[name]


def _list_callback_url(scope: Scope) -> str:
    if scope.callback_url is None:
        raise ExpressionError("there is a callback URL only while subscribing")
    return scope.callback_url


def _trigger_body(scope: Scope) -> Mapping[str, Any]:
    if scope.body is None:
        raise ExpressionError("there is a body only in a run")
    return scope.body


def _coalesce(_: Scope, *values: Any) -> Any:  # noqa: ANN401 - any JSON
    return next((value for value in values if value is not None), None)


def _equals(_: Scope, one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _not(_: Scope, value: bool) -> bool:  # noqa: FBT001 - the language has positional arguments only
    if not isinstance(value, bool):
        raise ExpressionError(f"neither true nor false: {value}")
    return not value


def _concat(_: Scope, *values: Any) -> str:  # noqa: ANN401 - any JSON
    return "".join(_text(value) for value in values)


def _replace(_: Scope, text: str, old: str, new: str) -> str:
    if not all(isinstance(each, str) for each in (text, old, new)):
        raise ExpressionError("replace takes texts")
    return text.replace(old, new)


def _encode_uri_component(_: Scope, text: str) -> str:
    if not isinstance(text, str):
        raise ExpressionError("encodeUriComponent takes a text")
    return quote(text, safe=_UNESCAPED)


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "parameters": _parameters,
    "listCallbackUrl": _list_callback_url,
    "triggerBody": _trigger_body,
    "coalesce": _coalesce,
    "equals": _equals,
    "not": _not,
    "concat": _concat,
    "replace": _replace,
    "encodeUriComponent": _encode_uri_component,
}
