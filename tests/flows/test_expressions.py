"""The evaluator does what the language does, and refuses what it does not know."""

from typing import Any

import pytest

from tests.flows.expressions import Access, Call, ExpressionError, Literal, Scope, nodes, parse, resolve

BODY = {"id": "e1", "data": {"name": "R&D", "value": 1030, "part": 1.5, "empty": None, "test": True}}
SCOPE = Scope({"host": "bridge.example", "key": "k/1", "threshold": 10, "$connections": {"teams": {"id": "c1"}}})
RUN = Scope(SCOPE.parameters, body=BODY)
SUBSCRIBING = Scope(SCOPE.parameters, callback_url="https://flow.example/?sig=a%2Fb")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("someone@contoso.com", "someone@contoso.com"),
        ("@parameters('threshold')", 10),
        ("@{parameters('threshold')}", "10"),
        ("https://@{parameters('host')}/api/@{ encodeUriComponent( parameters( 'key' ))}", "https://bridge.example/api/k%2F1"),
        ("@parameters('$connections')['teams']['id']", "c1"),
        ("@triggerBody()", BODY),
        ("@triggerBody()?['data']?['value']", 1030),
        ("@{triggerBody()?['data']?['value']} of @{triggerBody()?['data']?['part']}", "1030 of 1.5"),
        ("@triggerBody()?['data']?['missing']", None),
        ("@triggerBody()?['missing']?['deeper']", None),
        ("<@{triggerBody()?['data']?['missing']}>", "<>"),
        ("@coalesce(triggerBody()?['no'], triggerBody()?['data']?['empty'], 'it''s', 'late')", "it's"),
        ("@coalesce(null, null)", None),
        ("@concat('a', parameters('threshold'), null, '}')", "a10}"),
        ("@{concat('{', '}')}!", "{}!"),
        ("@equals(triggerBody()?['id'], 'e1')", True),
        ("@equals(triggerBody()?['id'], 'E1')", False),
        ("@equals(triggerBody()?['data']?['test'], true)", True),
        ("@equals(triggerBody()?['data']?['missing'], true)", False),
        ("@equals(1, true)", False),
        ("@not(equals(-1, 1))", True),
        ("@replace(triggerBody()?['data']?['name'], '&', '&amp;')", "R&amp;D"),
        ("@encodeUriComponent('Flow bot/ä!')", "Flow%20bot%2F%C3%A4!"),
    ],
)  # fmt: skip
def test_what_an_expression_comes_to(text: str, value: object) -> None:
    assert resolve(text, RUN) == value
    assert type(resolve(text, RUN)) is type(value)


def test_a_callback_url_stays_as_it_is() -> None:
    assert resolve({"body": {"callbackUrl": "@{listCallbackUrl()}"}}, SUBSCRIBING) == {
        "body": {"callbackUrl": "https://flow.example/?sig=a%2Fb"}
    }


def test_lists_objects_and_other_values_are_gone_through() -> None:
    assert resolve([{"a": "@parameters('threshold')", "b": 5, "c": None}, True], SCOPE) == [
        {"a": 10, "b": 5, "c": None},
        True,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "@utcNow()",
        "@{formatDateTime('x')}",
        "@parameters('nope')",
        "@parameters(triggerBody())",
        "@listCallbackUrl()",
        "@triggerBody()['missing']",
        "@triggerBody()?['id']?['part']",
        "@triggerBody()?['data']['no']['part']",
        "@triggerBody()[0]",
        "@triggerBody().id",
        "@triggerBody()?.id",
        "@{triggerBody()?['data']}",
        "@{triggerBody()?['data']?['test']}",
        "@{triggerBody()?['id']",
        "@concat('a'",
        "@concat('a' 'b')",
        "@concat('a', )",
        "@concat('a') b",
        "@concat('a",
        "@@escaped",
        "@",
        "@1.5",
        "@parameters",
        "@Parameters('host')",
        "@not('x')",
        "@not(null)",
        "@equals(1)",
        "@replace(null, 'a', 'b')",
        "@encodeUriComponent(null)",
    ],
)
def test_what_is_unknown_is_refused(text: str) -> None:
    with pytest.raises((ExpressionError, TypeError)):
        resolve(text, RUN)


@pytest.mark.parametrize("scope", [SCOPE, SUBSCRIBING])
def test_there_is_a_body_only_in_a_run(scope: Scope) -> None:
    with pytest.raises(ExpressionError):
        resolve("@triggerBody()", scope)


def test_the_parts_of_expressions_are_found() -> None:
    found: list[Any] = list(nodes({"a": ["x @{concat('y', parameters('p'))}"], "b": "@triggerBody()?['id']", "c": 1}))
    assert found == [
        Call("concat", (Literal("y"), Call("parameters", (Literal("p"),)))),
        Literal("y"),
        Call("parameters", (Literal("p"),)),
        Literal("p"),
        Access(Call("triggerBody", ()), Literal("id"), optional=True),
        Call("triggerBody", ()),
        Literal("id"),
    ]


def test_text_around_expressions_is_kept() -> None:
    assert parse("a @{null} b") == ["a ", Literal(None), " b"]
