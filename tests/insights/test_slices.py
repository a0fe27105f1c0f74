"""Slices: one call for all combinations, whatever stands in their values, and no more than addresses take."""

import re
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from responses import RequestsMock

from shared.domain import exact_json
from shared.domain.rules import Combination
from shared.insights.client import InsightsClient
from tests.insights.fakes import ENDPOINT, calls

TABLE = re.compile(re.escape(f"{ENDPOINT}/instances/i1/data/Sales"))
EQUAL = re.compile(r"(\w+) eq ('(?:[^']|'')*'|[^\s]+)")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COMBINATIONS = st.fixed_dictionaries({"Country": TEXTS, "Year": st.integers(0, 3_000).map(Decimal)})


@pytest.fixture
def api() -> Iterator[RequestsMock]:
    with RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def serve(api: RequestsMock, rows: list[Combination]) -> None:
    """Serve a table that is filtered as OData has it: `and` before `or`, quotes doubled."""

    def page(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        query = dict(parse_qsl(urlsplit(str(request.url)).query, keep_blank_values=True))
        asked = EQUAL.findall(query["$filter"])
        if any(name == "Year" and value.startswith("'") for name, value in asked):
            return 400, {}, "{}"
        pairs = [asked[n : n + 2] for n in range(0, len(asked), 2)]
        wanted = [{name: _value(value) for name, value in pair} for pair in pairs]
        found = [row for row in rows if any(dict(row).items() >= one.items() for one in wanted)]
        return 200, {"Date": "Fri, 20 Nov 2026 03:00:00 GMT"}, exact_json.write({"value": found})

    api.add_callback("GET", TABLE, page)


def _value(written: str) -> str | Decimal:
    return written[1:-1].replace("''", "'") if written.startswith("'") else Decimal(written)


def client() -> InsightsClient:
    return InsightsClient(calls())


@given(st.lists(COMBINATIONS, min_size=1, max_size=5, unique_by=str), st.lists(COMBINATIONS, max_size=5))
async def test_each_value_finds_its_rows_whatever_it_is(wanted: list[Combination], others: list[Combination]) -> None:
    with RequestsMock() as api:
        serve(api, [*wanted, *others])
        found = await client().rows_of_measure("i1", "Sales", wanted)
        assert len(api.calls) == 1
    assert all(one in found for one in wanted)
    assert all(row in wanted for row in found)


async def test_many_combinations_cost_no_more_calls_than_addresses_ask_for(api: RequestsMock) -> None:
    wanted: list[Combination] = [{"Country": f"C{n}", "Year": Decimal(2026)} for n in range(400)]
    serve(api, wanted)
    assert len(await client().rows_of_measure("i1", "Sales", wanted[:100])) == 100
    assert len(api.calls) == 1
    assert len(await client().rows_of_measure("i1", "Sales", wanted)) == 400
    assert all(len(str(call.request.url)) < 8_000 for call in api.calls)


async def test_one_that_is_refused_holds_up_no_other(api: RequestsMock) -> None:
    wanted: list[Combination] = [{"Country": f"C{n}", "Year": Decimal(2026)} for n in range(8)]
    serve(api, wanted)
    found = await client().rows_of_measure("i1", "Sales", [*wanted, {"Country": "C9", "Year": "none"}])
    assert len(found) == 8


async def test_a_table_that_is_not_known_has_no_rows(api: RequestsMock) -> None:
    api.get(TABLE, status=404, json={})
    assert await client().rows_of_measure("i1", "Sales", [{"Country": "DE"}]) == []


async def test_the_time_is_the_tenant_s(api: RequestsMock) -> None:
    serve(api, [])
    asking = client()
    assert asking.told_time("i1") is None
    await asking.rows_of_measure("i1", "Sales", [{"Country": "DE", "Year": Decimal(1)}])
    assert str(asking.told_time("{I1}")) == "2026-11-20 03:00:00+00:00"
    assert asking.told_time("i2") is None


@pytest.mark.parametrize("year", ["2026", Decimal("2026.0"), Decimal("2.026E+3")])
async def test_a_number_is_found_however_it_is_written(api: RequestsMock, year: str | Decimal) -> None:
    serve(api, [{"Country": "DE", "Year": Decimal(2026)}, {"Country": "FR", "Year": Decimal(2026)}])
    wanted: list[Combination] = [{"Country": country, "Year": year} for country in ("DE", "FR")]
    assert len(await client().rows_of_measure("i1", "Sales", wanted)) == 2
    assert len(api.calls) == 1 + isinstance(year, str)
    assert "Year eq 2026 or" in dict(parse_qsl(urlsplit(str(api.calls[-1].request.url)).query))["$filter"]
