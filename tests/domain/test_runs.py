"""Runs: hints that anybody can send, and the page that they lead to."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.runs import hint, run_url
from tests.usecases.world import subscription

ENVIRONMENT, FLOW = "Default-0e9e2a33", "93a1c7e0-8f3e-4f6a-9b7e-aa1f2e3d4c5b"
MINE = replace(subscription(), environment_hint=ENVIRONMENT, flow_hint=FLOW)


@pytest.mark.parametrize("text", [ENVIRONMENT, FLOW, "a", "a" * 64])
def test_what_can_be_an_id_is_a_hint(text: str) -> None:
    assert hint(text) == text


@pytest.mark.parametrize("text", [None, "", "a" * 65, "a b", "a/b", "a\n", "é", "..", "a%2Fb", "٣", "a_b"])
def test_what_cannot_be_one_is_ignored(text: str | None) -> None:
    assert hint(text) is None


def test_the_page_of_a_run() -> None:
    page = f"https://make.powerautomate.com/environments/{ENVIRONMENT}/flows/{FLOW}/runs/08585"
    assert run_url(MINE, "08585") == page


@pytest.mark.parametrize(
    ("missing", "run_id"),
    [({"environment_hint": None}, "1"), ({"flow_hint": None}, "1"), ({}, None), ({}, "")],
)
def test_without_all_of_it_there_is_no_page(missing: dict[str, None], run_id: str | None) -> None:
    assert run_url(replace(MINE, **missing), run_id) is None  # type: ignore[arg-type]


@given(st.text(), st.text(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_hint_and_no_answer_leads_elsewhere(environment: str, flow: str, run_id: str) -> None:
    mine = replace(MINE, environment_hint=hint(environment), flow_hint=hint(flow))
    page = run_url(mine, run_id)
    if page is not None:
        parts = urlsplit(page)
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "make.powerautomate.com", "", "")
        assert re.fullmatch(r"/environments/[A-Za-z0-9-]+/flows/[A-Za-z0-9-]+/runs/[^/]+", parts.path)
