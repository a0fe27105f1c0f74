import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from responses import RequestsMock

from shared.domain import exact_json
from shared.domain.rows import MAX_ROWS, Row, RowQuery
from shared.errors import (
    AccessError,
    BridgeError,
    ConflictError,
    NotFoundError,
    RefusedError,
    TimedOutError,
    TransientError,
)
from shared.insights.rows import RowsClient
from tests.insights.fakes import ENDPOINT, FakeTokens, calls

ANY_DATA = re.compile(r"https://api\.example\.com/v1/.*", re.DOTALL)
DATA = f"{ENDPOINT}/instances/i1/data/"
TABLE = f"{DATA}People"

# What a name can be: any text but halves of surrogate pairs, which no UTF-8 can hold, and dots, which lead elsewhere.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text not in {".", ".."})
ODD = st.text("/%#?&+'\"\\ ;=@()$,\r\n\tß日🙂.", min_size=1).filter(lambda text: text not in {".", ".."})


@pytest.fixture
def api() -> Iterator[RequestsMock]:
    with RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def rows(**settings: Any) -> RowsClient:  # noqa: ANN401 - any setting
    return RowsClient(calls(**settings).hurried())


def serve(api: RequestsMock, table: Sequence[object], *, largest_page: int, counted: bool = True) -> None:
    """Serve a table in pages that hold at most so many rows, whatever is asked for."""

    def page(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        query = query_of(request)
        start, asked = int(query["$skip"]), int(query["$top"])
        found = table[start : start + min(asked, largest_page)]
        count = {"@odata.count": len(table)} if counted else {}
        return 200, {}, json.dumps({"@odata.context": "x", **count, "value": found})

    api.add_callback("GET", TABLE, page)


def numbered(count: int) -> list[Row]:
    return [{"Id": number} for number in range(count)]


def query_of(request: requests.PreparedRequest) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(str(request.url)).query, strict_parsing=True, keep_blank_values=True))


def path_of(request: requests.PreparedRequest) -> str:
    return urlsplit(str(request.url)).path.removeprefix(urlsplit(DATA).path)


async def read(query: RowQuery | None = None) -> list[Row]:
    return [row async for page in rows().pages("i1", "People", query or RowQuery()) for row in page]


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("largest_page", [1, 50, 99, 100, 1_000, 5_000])
@pytest.mark.parametrize("there", [0, 1, 99, 100, 101, 250, 1_000, 2_350])
@pytest.mark.parametrize(("skip", "top"), [(0, 1), (0, 100), (0, 101), (30, 230), (0, 2_500), (2_400, 10)])
async def test_gives_just_the_rows_asked_for_whatever_size_a_page_has(  # noqa: PLR0913 - the ways in which cases differ
    api: RequestsMock, largest_page: int, there: int, skip: int, top: int, *, counted: bool
) -> None:
    if largest_page == 1:
        there, top = min(there, 101), min(top, 40)
    serve(api, numbered(there), largest_page=largest_page, counted=counted)
    assert await read(RowQuery(skip=skip, top=top)) == numbered(there)[skip : skip + top]


async def test_the_page_that_reaches_the_count_is_the_last_one(api: RequestsMock) -> None:
    serve(api, numbered(130), largest_page=100)
    assert len(await read(RowQuery(top=1_000))) == 130
    assert [query_of(call.request)["$skip"] for call in api.calls] == ["0", "100"]


async def test_a_page_that_fills_the_wish_is_the_last_one(api: RequestsMock) -> None:
    serve(api, numbered(500), largest_page=100)
    assert len(await read(RowQuery(top=200))) == 200
    assert [query_of(call.request)["$top"] for call in api.calls] == ["200", "100"]


async def test_an_empty_page_is_the_last_one(api: RequestsMock) -> None:
    serve(api, numbered(230), largest_page=100, counted=False)
    assert len(await read(RowQuery(top=1_000))) == 230
    assert [query_of(call.request)["$skip"] for call in api.calls] == ["0", "100", "200", "230"]


async def test_an_answer_longer_than_asked_for_is_cut(api: RequestsMock) -> None:
    api.get(TABLE, json={"value": numbered(150)})
    assert await read(RowQuery(top=20)) == numbered(20)


async def test_a_hundred_thousand_rows_take_a_call_for_each_page_and_no_more(api: RequestsMock) -> None:
    served = 0

    def page(_: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        nonlocal served
        served += 1
        return 200, {}, '{"value": [' + ",".join(["{}"] * 1_000) + "]}"

    api.add_callback("GET", TABLE, page)
    count = 0
    async for some in rows().pages("i1", "People", RowQuery(top=MAX_ROWS)):
        count += len(some)
    assert (count, served) == (MAX_ROWS, 100)


async def test_an_unreadable_row_is_left_out_and_ends_nothing(api: RequestsMock) -> None:
    table: list[object] = [*numbered(150)]
    table[3] = "no row"
    serve(api, table, largest_page=100)
    assert await read(RowQuery(top=1_000)) == [row for row in numbered(150) if row["Id"] != 3]


async def test_shows_no_annotations_of_odata(api: RequestsMock) -> None:
    annotated = {"@odata.etag": "e", "@odata.id": "x", "Id": 1, "a@b": "kept", "Worth": 0.5, "Nothing": None}
    annotated |= {"Worth@odata.type": "#Double", "Orders": [{"@odata.id": "o", "Sum": 2}]}
    plain = {"Id": 1, "a@b": "kept", "Worth": 0.5, "Nothing": None, "Orders": [{"Sum": 2}]}
    api.get(TABLE, json={"@odata.count": 1, "value": [annotated]})
    api.get(f"{TABLE}('1')", json={"@odata.context": "c", **annotated})
    assert await read() == [plain]
    assert await rows().row("i1", "People", "1") == plain


async def test_sends_only_the_options_that_were_given(api: RequestsMock) -> None:
    api.get(TABLE, json={"value": []})
    await read()
    full = {"filter": "a eq 'b'", "select": "a,b", "orderBy": "a desc", "search": "x y", "expand": "c", "top": 5}
    await read(RowQuery.model_validate(full | {"skip": 7}))
    assert [query_of(call.request) for call in api.calls] == [
        {"$top": "100", "$skip": "0"},
        {
            "$filter": "a eq 'b'",
            "$select": "a,b",
            "$orderby": "a desc",
            "$search": "x y",
            "$expand": "c",
            "$top": "5",
            "$skip": "7",
        },
    ]


@given(TEXTS | ODD, TEXTS | ODD, TEXTS | ODD)
async def test_names_keys_and_expressions_arrive_as_they_are_and_splice_nothing(
    table: str, key: str, expression: str
) -> None:
    with RequestsMock(assert_all_requests_are_fired=False) as api:
        sent: list[requests.PreparedRequest] = []

        def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
            sent.append(request)
            return 200, {}, '{"value": [{"Id": 1}]}'

        for method in ("GET", "POST", "PATCH"):
            api.add_callback(method, ANY_DATA, answer)
        client = rows()
        query = RowQuery(filter=expression, top=1)
        [_ async for _ in client.pages("i1", table, query)]
        await client.row("i1", table, key)
        await client.create("i1", table, {key: expression})
        await client.update("i1", table, key, {key: expression})
    pages, one, create, update = sent
    assert unquote(path_of(pages)) == table
    assert query_of(pages) == {"$filter": expression, "$top": "1", "$skip": "0"}
    assert "+" not in urlsplit(str(pages.url)).query
    literal = key.replace("'", "''")
    assert unquote(path_of(one)) == f"{table}('{literal}')"
    assert unquote(path_of(create)) == table
    assert [unquote(part) for part in path_of(update).split("/")] == [table, key]
    for request in sent:
        # Nothing in a name ends the path, the segment or the query, nor leaves the instance's data.
        parts = urlsplit(str(request.url))
        assert parts.path.startswith("/v1/instances/i1/data/")
        assert parts.path.count("/") == (6 if request is update else 5)
        assert not parts.fragment
    assert [json.loads(request.body or "") for request in (create, update)] == [{key: expression}] * 2


async def test_a_quote_in_a_key_is_doubled_and_cannot_end_it(api: RequestsMock) -> None:
    asked = api.get(f"{TABLE}('x%27%27%29%20or%20%281%20eq%201')", json={"Id": "x"})
    assert await rows().row("i1", "People", "x') or (1 eq 1") == {"Id": "x"}
    assert asked.call_count == 1


@pytest.mark.parametrize("name", [".", ".."])
async def test_a_name_that_would_lead_elsewhere_is_not_asked_for(api: RequestsMock, name: str) -> None:
    client = rows()
    with pytest.raises(NotFoundError):
        [_ async for _ in client.pages("i1", name, RowQuery())]
    with pytest.raises(NotFoundError):
        await client.row(name, "People", "1")
    with pytest.raises(NotFoundError):
        await client.update("i1", "People", name, {})
    assert not api.calls


@pytest.mark.parametrize(
    "body",
    [
        {"Id": "1"},
        {"value": [{"Id": "1"}]},
        {"@odata.context": "c", "Id": "1"},
        {"@odata.context": "c", "value": {"Id": "1"}},
    ],
    ids=["object", "list", "odata", "envelope"],
)
async def test_one_row_comes_as_an_object_or_as_a_list_of_one(api: RequestsMock, body: object) -> None:
    api.get(f"{TABLE}('1')", json=body)
    assert await rows().row("i1", "People", "1") == {"Id": "1"}


async def test_a_column_called_value_is_a_column(api: RequestsMock) -> None:
    api.get(f"{TABLE}('1')", json={"Id": "1", "value": [5]})
    assert await rows().row("i1", "People", "1") == {"Id": "1", "value": [5]}


@pytest.mark.parametrize(
    "body", [{"value": []}, {"value": None}, {}, {"@odata.context": "c"}, {"value": [{}]}], ids=repr
)
async def test_an_empty_answer_is_no_row(api: RequestsMock, body: object) -> None:
    api.get(f"{TABLE}('1')", json=body)
    with pytest.raises(NotFoundError, match="'1' of the table 'People'"):
        await rows().row("i1", "People", "1")


async def test_what_does_not_exist_is_named(api: RequestsMock) -> None:
    for method in ("GET", "POST"):
        api.add(method, TABLE, status=404, json={"message": "no"})
    api.get(f"{TABLE}('k')", status=404)
    api.patch(f"{TABLE}/k", status=404)
    client = rows()
    with pytest.raises(NotFoundError, match="table 'People'"):
        await read()
    with pytest.raises(NotFoundError, match="table 'People'"):
        await client.create("i1", "People", {})
    with pytest.raises(NotFoundError, match="item 'k' of the table 'People'"):
        await client.row("i1", "People", "k")
    with pytest.raises(NotFoundError, match="item 'k' of the table 'People'"):
        await client.update("i1", "People", "k", {})


@pytest.mark.parametrize(
    "body",
    [
        {"errorCode": "400", "message": "No column\n Shoe.", "target": "Shoe"},
        {"error": {"code": "400", "message": "No column Shoe.", "target": "Shoe"}},
    ],
    ids=["Customer Insights", "OData"],
)
async def test_what_the_api_refuses_comes_with_its_own_words(api: RequestsMock, body: object) -> None:
    for method, address in (("GET", TABLE), ("GET", f"{TABLE}('k')"), ("POST", TABLE), ("PATCH", f"{TABLE}/k")):
        api.add(method, address, status=400, json=body)
    client = rows()
    for asking in (
        read(),
        client.row("i1", "People", "k"),
        client.create("i1", "People", {}),
        client.update("i1", "People", "k", {}),
    ):
        with pytest.raises(RefusedError) as caught:
            await asking
        assert (caught.value.words, caught.value.target) == ("No column Shoe.", "Shoe")


async def test_a_row_is_added_or_accepted(api: RequestsMock) -> None:
    api.post(TABLE, status=201, json={"location": "x"})
    api.post(TABLE, status=202)
    assert await rows().create("i1", "People", {"Id": "1", "Name": None, "Worth": 0.5}) is True
    assert await rows().create("i1", "People", {}) is False
    assert [json.loads(call.request.body or "") for call in api.calls] == [{"Id": "1", "Name": None, "Worth": 0.5}, {}]


# What a binary float would change.
NUMBERS = ["900719925474099.3", "99999999999999.99", "0.1", "1.0", "-0", "-0.0", "12345678901234567890123", "1E+400"]


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_number_is_the_same_in_and_out(api: RequestsMock, number: str) -> None:
    row = f'{{"Worth":{number},"Orders":[{{"Sum":{number}}}]}}'
    api.get(TABLE, body=f'{{"@odata.count": 1, "value": [{row}]}}')
    api.get(f"{TABLE}('k')", body=row)
    api.post(TABLE, status=201)
    api.patch(f"{TABLE}/k", status=204)
    (listed,) = await read()
    one = await rows().row("i1", "People", "k")
    assert [exact_json.write(listed), exact_json.write(one)] == [row, row]
    await rows().create("i1", "People", listed)
    await rows().update("i1", "People", "k", one)
    assert [call.request.body for call in api.calls[-2:]] == [row, row]
    assert {call.request.headers.get("Content-Type") for call in api.calls[-2:]} == {"application/json"}


async def test_a_row_that_is_there_already_is_a_conflict(api: RequestsMock) -> None:
    api.post(TABLE, status=409, json={"message": "There is such a row."})
    with pytest.raises(ConflictError) as caught:
        await rows().create("i1", "People", {})
    assert caught.value.words == "There is such a row."


FAILURES: list[tuple[int | Exception, type[BridgeError]]] = [
    (500, TransientError),
    (503, TransientError),
    (429, TransientError),
    (504, TimedOutError),
    (requests.ReadTimeout(), TimedOutError),
    (requests.ConnectionError(), TransientError),
    (403, AccessError),
]


@pytest.mark.parametrize(("failure", "error"), FAILURES, ids=str)
async def test_a_write_is_never_sent_twice(
    api: RequestsMock, failure: int | Exception, error: type[BridgeError]
) -> None:
    how: dict[str, Any] = {"status": failure} if isinstance(failure, int) else {"body": failure}
    create, update = api.post(TABLE, **how), api.patch(f"{TABLE}/k", **how)
    patient = RowsClient(calls())
    with pytest.raises(error):
        await patient.create("i1", "People", {})
    with pytest.raises(error):
        await patient.update("i1", "People", "k", {})
    assert (create.call_count, update.call_count) == (1, 1)


async def test_a_write_that_a_stale_token_kept_out_is_sent_with_the_next(api: RequestsMock) -> None:
    api.post(TABLE, status=401)
    api.post(TABLE, status=201)
    assert await rows(tokens=FakeTokens("old", "new")).create("i1", "People", {})
    assert [call.request.headers["Authorization"] for call in api.calls] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("body", ["", "[]", '{"rows": []}', '{"value": {}}', '{"value": [{}', "<html>"])
async def test_an_answer_that_holds_no_list_of_rows_is_a_failure_of_the_api(api: RequestsMock, body: str) -> None:
    api.get(TABLE, body=body)
    with pytest.raises(TransientError, match="unreadable"):
        await read()
