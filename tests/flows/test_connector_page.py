"""What the page about the connector shows is what the connector has and the bridge answers."""

import re

import pytest

from shared.domain.triggers import TRIGGERS
from shared.errors import InvalidInputError
from shared.usecases.subscribe import UNKNOWN
from tests.connector.documents import operations
from tests.flows.definitions import FOLDER
from tests.flows.power_automate import DOCUMENT, NAMES, body_of
from tests.pages import PROJECT, code_spans, table
from tests.test_docs import settings_table
from triggers.requests import parse_body

PAGE = (FOLDER / "with-the-connector.md").read_text("utf-8")
SUMMARIES = {one["summary"] for *_, one in operations(DOCUMENT)}
TRIGGER_IDS = [one["operationId"] for *_, one in operations(DOCUMENT) if "x-ms-trigger" in one]


def test_every_field_of_a_trigger_is_explained() -> None:
    fields = {name: one for each in TRIGGER_IDS for name, one in body_of(each).items() if name != "callbackUrl"}
    shown = {key: label for label, key, _ in table("fields", PAGE)}
    assert shown == {name: one["x-ms-summary"] for name, one in fields.items()}


def test_it_says_what_is_required_and_what_is_taken_otherwise() -> None:
    told = {key: text for _, key, text in table("fields", PAGE)}
    for each in TRIGGER_IDS:
        path = next(path for path, item in DOCUMENT["paths"].items() if item.get("post", {}).get("operationId") == each)
        body = TRIGGERS[path.split("/")[3]].body
        for field in body.model_fields.values():
            name = str(field.alias)
            if name in told:
                assert field.is_required() <= ("required" in told[name]), name
                assert field.is_required() or "any" in told[name] or "required" not in told[name], name
                assert "unless you" not in told[name] or str(field.default) in told[name], name


def test_the_operations_that_it_names_exist() -> None:
    named = {" ".join(one.split()) for one in re.findall(r"\*\*((?:List|Get|Start)\s[\w\s]+?)\*\*", PAGE)}
    assert {"List environments", "List subscriptions", "List data sources"} <= named <= SUMMARIES


def test_every_sample_is_shown() -> None:
    assert set(re.findall(r"\]\(power-automate/([\w-]+)\.json\)", PAGE)) == set(NAMES)


def test_what_it_has_you_run_exists() -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    (target, variable) = re.findall(r"make (\w+) (\w+)=", PAGE)[0]
    assert re.search(rf"^{target}: setup .*\n\t.*\$\({variable}\)", makefile, re.MULTILINE)
    assert {span for span in code_spans(PAGE) if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", span)} <= set(settings_table())


def test_a_mistake_is_answered_as_the_page_says() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_body(b'{"threshold": "10000"}', TRIGGERS["segment-threshold-crossed"].body)
    assert f"| 400, `threshold`: *{caught.value.fields['threshold']}*" in PAGE
    assert f"*{UNKNOWN}*" in PAGE
    assert f"*{UNKNOWN}*" in (FOLDER / "http-webhook.md").read_text("utf-8")
