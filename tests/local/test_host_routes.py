"""Route templates, as ASP.NET Core matches them."""

import pytest

from local.host.errors import HostError
from local.host.routes import Route, RouteTable, Template
from local.host.worker import Function


def table(*templates: str, methods: tuple[str, ...] = ()) -> RouteTable:
    functions = [Function(text, text, {"route": text, "methods": methods}) for text in templates]
    return RouteTable(Route.of(function) for function in functions)


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("a/{b}", "/a/x", {"b": "x"}),
        ("a/{b}", "/A/x/", {"b": "x"}),
        ("a/{b}", "/a", None),
        ("a/{b}", "/a/x/y", None),
        ("a/{b?}", "/a", {}),
        ("a/{b?}", "/a/x", {"b": "x"}),
        ("a/{*rest}", "/a/x/y", {"rest": "x/y"}),
        ("a/{*rest}", "/a", {}),
        ("a/{name}.json", "/a/x.json", {"name": "x"}),
        ("a/{name}.json", "/a/xjson", None),
        ("a/{n:int}", "/a/12", {"n": "12"}),
        ("a/{n:int}", "/a/x", None),
        ("a/{n:alpha:maxlength(2)}", "/a/ab", {"n": "ab"}),
        ("a/{n:alpha:maxlength(2)}", "/a/abc", None),
        ("a/{n:guid}", "/a/6f9619ff-8b86-d011-b42d-00cf4fc964ff", {"n": "6f9619ff-8b86-d011-b42d-00cf4fc964ff"}),
    ],
)
def test_match(template: str, path: str, parameters: dict[str, str] | None) -> None:
    assert Template.parse(template).match(path) == parameters


@pytest.mark.parametrize(
    ("path", "winner"),
    [("/a/b", "a/b"), ("/a/12", "a/{n:int}"), ("/a/x", "a/{n}"), ("/a/x/y", "{*rest}"), ("/x/b", "{x}/b")],
)
def test_the_more_exact_template_wins(path: str, winner: str) -> None:
    match = table("{*rest}", "a/{n}", "{x}/b", "a/{n:int}", "a/b").match("GET", path)
    assert match
    assert match[0].name == winner


def test_a_route_for_another_method_is_no_match() -> None:
    assert table("a", methods=("POST",)).match("GET", "/a") is None


@pytest.mark.parametrize("template", ["a/{n:unheard}", "a/{b=default}", "a/{b"])
def test_what_is_not_known_is_refused(template: str) -> None:
    with pytest.raises(HostError):
        Template.parse(template)
