"""Which function an HTTP request belongs to: route templates, matched as ASP.NET Core matches them.

Pure. Literal text wins over a constrained parameter, that over a plain one, that over `{*rest}`; letter case does not
count. A route that matches the path but not the method is no match.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from local.host.errors import HostError
from local.host.worker import Function

PARAMETER = re.compile(r"\{(?P<rest>\*{0,2})(?P<name>[A-Za-z_]\w*)(?P<constraints>(?::[^{}:?]+)*)(?P<optional>\??)\}")

CONSTRAINTS = {
    "alpha": r"[A-Za-z]+",
    "bool": r"true|false",
    "guid": r"\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?",
    "int": r"[+-]?\d{1,10}",
    "long": r"[+-]?\d{1,19}",
}
LENGTHS = {"length": "{%s}", "minlength": "{%s,}", "maxlength": "{0,%s}"}

# The order in which ASP.NET Core tries the kinds of a segment.
LITERAL, CONSTRAINED, PLAIN, REST = range(4)


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled route template such as `instances/{id}/jobs/{*rest}`; the smaller `precedence` is tried first."""

    pattern: re.Pattern[str]
    precedence: tuple[int, ...]
    constraints: tuple[tuple[str, re.Pattern[str]], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Compile a template. Raises `HostError` for what this host does not know."""
        segments = [segment for segment in text.strip("/").split("/") if segment]
        return cls(
            pattern=re.compile("".join(_segment_pattern(segment) for segment in segments) + "/?", re.IGNORECASE),
            precedence=tuple(_precedence(segment) for segment in segments),
            constraints=tuple(_constraints(text)),
        )

    def match(self, path: str) -> dict[str, str] | None:
        """Return the route parameters when `path` (with its leading slash) matches."""
        match = self.pattern.fullmatch(path)
        if match is None:
            return None
        values = {name: value for name, value in match.groupdict().items() if value}
        for name, constraint in self.constraints:
            if name in values and not constraint.fullmatch(values[name]):
                return None
        return values


@dataclass(frozen=True, slots=True)
class Route:
    """One function's route; no methods means any."""

    function: Function
    text: str
    template: Template
    methods: frozenset[str]

    @classmethod
    def of(cls, function: Function) -> Self:
        """Return the route of an HTTP function; without a template of its own it is the function's name."""
        text = function.trigger.get("route") or function.name
        methods = frozenset(str(method).upper() for method in function.trigger.get("methods") or ())
        return cls(function, text, Template.parse(text), methods)

    def accepts(self, method: str) -> bool:
        """Tell whether the route takes the method."""
        return not self.methods or method in self.methods


class RouteTable:
    """All routes of an app."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = sorted(routes, key=lambda route: route.template.precedence)

    def match(self, method: str, path: str) -> tuple[Function, Mapping[str, str]] | None:
        """Return the function for a request and its route parameters; None is a 404."""
        for route in self._routes:
            if route.accepts(method) and (values := route.template.match(path)) is not None:
                return route.function, values
        return None


def _segment_pattern(segment: str) -> str:
    parameter = PARAMETER.fullmatch(segment)
    if parameter and parameter["rest"]:
        return f"(?:/(?P<{parameter['name']}>.*))?"
    if parameter and parameter["optional"]:
        return f"(?:/(?P<{parameter['name']}>[^/]+))?"
    return "/" + _mixed_pattern(segment)


def _mixed_pattern(segment: str) -> str:
    """Turn literal text and parameters in one segment (`{name}.json`) into a pattern."""
    pattern, end = "", 0
    for parameter in PARAMETER.finditer(segment):
        pattern += _literal(segment[end : parameter.start()]) + f"(?P<{parameter['name']}>[^/]+)"
        end = parameter.end()
    return pattern + _literal(segment[end:])


def _literal(text: str) -> str:
    if "{" in text or "}" in text:
        raise HostError(f"A route template this host does not know: {text!r}")
    return re.escape(text)


def _precedence(segment: str) -> int:
    parameter = PARAMETER.fullmatch(segment)
    if parameter is None:
        return CONSTRAINED if PARAMETER.search(segment) else LITERAL
    if parameter["rest"]:
        return REST
    return CONSTRAINED if parameter["constraints"] else PLAIN


def _constraints(text: str) -> Iterable[tuple[str, re.Pattern[str]]]:
    for parameter in PARAMETER.finditer(text):
        for constraint in parameter["constraints"].split(":")[1:]:
            yield parameter["name"], _constraint(constraint)


def _constraint(text: str) -> re.Pattern[str]:
    if text in CONSTRAINTS:
        return re.compile(CONSTRAINTS[text], re.IGNORECASE)
    limit = re.fullmatch(r"(\w+)\((\d+)\)", text)
    if limit and limit[1] in LENGTHS:
        return re.compile("." + LENGTHS[limit[1]] % limit[2])
    raise HostError(f"A route constraint this host does not know: {text!r}")
