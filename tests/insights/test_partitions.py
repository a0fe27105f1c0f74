import contextlib
import gzip
import logging
import re
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from responses import RequestsMock

from shared.domain.catalog import Partition
from shared.domain.rows import MAX_ROWS, Row
from shared.errors import (
    AccessError,
    BridgeError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    TimedOutError,
    TransientError,
)
from shared.insights.delimited import TextFormat, UnreadableFileError, rows
from shared.insights.files import FileClient, FileRequest
from shared.insights.partitions import PartitionsClient
from shared.insights.sessions import new_session
from tests.insights.fakes import ENDPOINT, KEY, TOKEN, calls

I1 = f"{ENDPOINT}/instances/i1"
SIGNATURE = "sv=1&sig=hush%2Fsignature"
STORE = "https://store.blob.core.windows.net"
COLUMNS = [
    {"name": "Id", "dataType": "Edm.String"},
    {"name": "Points", "dataType": "Edm.Int64"},
    {"name": "Worth", "dataType": "Edm.Decimal"},
    {"name": "Ok", "dataType": "Edm.Boolean"},
    {"name": "At", "dataType": "Edm.DateTimeOffset"},
]
ANN: Row = {"Id": "Ann", "Points": 5, "Worth": 0.5, "Ok": True, "At": "2026-01-01T00:00:00Z"}
BOB: Row = {"Id": "Bob", "Points": None, "Worth": None, "Ok": None, "At": None}
ANN_LINE, BOB_LINE = "Ann,5,0.5,true,2026-01-01T00:00:00Z\n", "Bob,,,,\n"
HEADER = "Id,Points,Worth,Ok,At\n"


@pytest.fixture
def api() -> Iterator[RequestsMock]:
    with RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def partitions() -> PartitionsClient:
    return PartitionsClient(calls().hurried(), FileClient(new_session(), ENDPOINT))


def describe(
    api: RequestsMock,
    parts: Sequence[dict[str, Any]],
    uris: Sequence[str] | None = None,
    columns: Sequence[dict[str, str]] = COLUMNS,
) -> None:
    """Describe a table with these partitions, and say that its files are there."""
    api.get(f"{I1}/manage/entities/T", json={"name": "T", "attributes": columns, "partitions": parts})
    if uris is not None:
        files = [{"uri": uri, "headers": {"x-ms-version": "2020-10-02"}} for uri in uris]
        api.get(f"{I1}/data/T", json={"httpRequests": files})


def uri(path: str) -> str:
    return f"{STORE}{path}?{SIGNATURE}"


async def read(partition: str = "p") -> list[Row]:
    return [row async for some in partitions().rows("i1", "T", partition) for row in some]


async def only(api: RequestsMock, body: str | bytes, *, header: bool | None = None, **how: Any) -> list[Row]:  # noqa: ANN401 - any option
    describe(api, [{"name": "p", "hasHeader": header}], [uri("/p")])
    api.get(uri("/p"), body=body, **how)
    return await read()


async def test_lists_partitions_without_saying_where_they_are(api: RequestsMock) -> None:
    describe(api, [{"name": "p1", "location": uri("/1"), "refreshTime": "2026-01-01T00:00:00Z"}, {"name": "p2"}, {}])
    first, second = await partitions().partitions("i1", "T")
    assert (first.name, second) == ("p1", Partition(name="p2"))
    assert first.refreshed_at is not None
    assert "sig" not in first.model_dump_json()


async def test_a_partition_is_found_by_its_location(api: RequestsMock) -> None:
    parts = [{"name": "p", "location": f"{STORE}/t/b c.csv"}, {"name": "q", "location": f"{STORE}/t/a.csv"}]
    describe(api, parts, [uri("/t/a.csv"), uri("/t/b%20c.csv")])
    api.get(f"{STORE}/t/b%20c.csv?{SIGNATURE}", body=ANN_LINE)
    assert await read() == [ANN]


async def test_all_files_at_its_location_belong_to_it(api: RequestsMock) -> None:
    describe(api, [{"name": "p", "location": f"{STORE}/a"}, {"name": "q"}], [uri("/a") + "1", uri("/a") + "2"])
    api.get(uri("/a") + "1", body=ANN_LINE)
    api.get(uri("/a") + "2", body=BOB_LINE)
    assert await read() == [ANN, BOB]


async def test_else_by_its_place(api: RequestsMock) -> None:
    describe(api, [{"name": "q"}, {"name": "p", "location": f"{STORE}/elsewhere"}], [uri("/1"), uri("/2")])
    api.get(uri("/2"), body=ANN_LINE)
    assert await read() == [ANN]


async def test_an_only_partition_has_all_the_files(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}], [uri("/1"), uri("/2")])
    api.get(uri("/1"), body=ANN_LINE)
    api.get(uri("/2"), body=BOB_LINE)
    assert await read() == [ANN, BOB]


async def test_where_nothing_tells_the_files_apart_none_is_fetched(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}, {"name": "q"}], [uri("/1"), uri("/2"), uri("/3")])
    with pytest.raises(PermanentError, match="partition 'p'"):
        await read()


async def test_a_partition_that_is_not_there_is_named(api: RequestsMock) -> None:
    describe(api, [{"name": "q"}])
    with pytest.raises(NotFoundError, match="partition 'p' of the table 'T'"):
        await read()


async def test_asks_for_the_files_by_the_name_under_which_rows_are_read(api: RequestsMock) -> None:
    entity = {"name": "T", "qualifiedEntityName": "Shop_T", "attributes": COLUMNS, "partitions": [{"name": "p"}]}
    api.get(f"{I1}/manage/entities/T", json=entity)
    api.get(f"{I1}/data/Shop_T", json={"httpRequests": [{"uri": uri("/p")}]})
    api.get(uri("/p"), body=ANN_LINE)
    assert await read() == [ANN]


@pytest.mark.parametrize(("header", "body"), [(True, HEADER), (False, ""), (None, HEADER), (None, "")])
async def test_a_header_names_the_columns_and_is_no_row(
    api: RequestsMock,
    header: bool | None,  # noqa: FBT001 - a case
    body: str,
) -> None:
    assert await only(api, body + ANN_LINE + BOB_LINE, header=header) == [ANN, BOB]


async def test_a_header_may_have_its_own_order(api: RequestsMock) -> None:
    rows = await only(api, "Points,Id\n5,Ann\n", header=True)
    assert rows == [{"Points": 5, "Id": "Ann"}]


@pytest.mark.parametrize(
    ("columns", "body"),
    [
        (["Id"], "Id,Name\n1,Ann\n"),
        (["Id", "Name", "Age"], "Name,ID\nAnn,1\n"),
    ],
    ids=["more than the columns", "in another order and case"],
)
async def test_a_first_row_of_names_is_a_header(api: RequestsMock, columns: list[str], body: str) -> None:
    attributes = [{"name": name, "dataType": "Edm.String"} for name in columns]
    partition = {"name": "p"}
    api.get(f"{I1}/manage/entities/T", json={"name": "T", "attributes": attributes, "partitions": [partition]})
    api.get(f"{I1}/data/T", json={"httpRequests": [{"uri": uri("/p")}]})
    api.get(f"{STORE}/p", body=body)
    assert await read() == [{"Id": "1", "Name": "Ann"}]


def test_a_request_that_cannot_be_made_is_not_tried_again(api: RequestsMock) -> None:
    del api
    broken = FileRequest(uri("/p"), {"x-ms-date": "a\r\nb"})
    with pytest.raises(PermanentError, match="cannot be made"):
        list(FileClient(new_session(), ENDPOINT).rows(broken, TextFormat()))


def test_a_line_without_end_is_no_csv(api: RequestsMock) -> None:
    api.get(f"{STORE}/p", body=b"x" * (17 * 1024 * 1024))
    with pytest.raises(PermanentError, match="no CSV"):
        list(FileClient(new_session(), ENDPOINT).rows(FileRequest(uri("/p")), TextFormat()))


async def test_a_row_that_reads_like_a_header_is_a_row_where_there_is_none(api: RequestsMock) -> None:
    expected = {"Id": "Id", "Points": "Points", "Worth": "Worth", "Ok": "Ok", "At": "At"}
    assert await only(api, HEADER, header=False) == [expected]


async def test_quoted_fields_may_hold_anything(api: RequestsMock) -> None:
    body = '"a,b",1,,,\r\n"two\nlines",2,,,\r\n"say ""hi""",3,,,\r\n"\u2028\u0085\x0c",4,,,\n'
    rows = await only(api, body)
    assert [row["Id"] for row in rows] == ["a,b", "two\nlines", 'say "hi"', "\u2028\u0085\x0c"]
    assert [row["Points"] for row in rows] == [1, 2, 3, 4]


async def test_text_that_fits_no_type_stays_text(api: RequestsMock) -> None:
    (row,) = await only(api, "1,many,1.2.3,perhaps,soon\n")
    assert row == {"Id": "1", "Points": "many", "Worth": "1.2.3", "Ok": "perhaps", "At": "soon"}


@pytest.mark.parametrize(
    "line", ["Bob,1\n", "Bob,1,2,true,x,more\n", "Bob;1;2;true;x\n", "Bob,1,2,true,x,\n", " \n", "Bob"]
)
@pytest.mark.parametrize("header", [HEADER, ""])
async def test_a_row_with_another_number_of_values_than_columns_is_refused(
    api: RequestsMock, header: str, line: str
) -> None:
    with pytest.raises(PermanentError, match=r"Row 2 of a file has \d values where there are 5 columns"):
        await only(api, header + ANN_LINE + line, header=bool(header))


async def test_a_blank_line_is_no_row(api: RequestsMock) -> None:
    assert await only(api, f"\n{ANN_LINE}\r\n\n{BOB_LINE}\n") == [ANN, BOB]


async def test_of_a_single_column_a_blank_line_is_an_empty_value(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}], [uri("/p")], columns=COLUMNS[:1])
    api.get(uri("/p"), body="Ann\n\nBob\n")
    assert await read() == [{"Id": "Ann"}, {"Id": ""}, {"Id": "Bob"}]


@pytest.mark.parametrize(
    "first", ["Ann,5,0.5,true,x\n", "Id,Id,Worth,Ok,At\n", "Id,,Worth,Ok,At\n", "Id;Points;Worth\n"]
)
async def test_a_declared_header_that_is_none_is_refused(api: RequestsMock, first: str) -> None:
    with pytest.raises(PermanentError, match="no names of columns"):
        await only(api, first + BOB_LINE, header=True)


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        ({"delimiter": ";"}, b"Ann;5;0.5;true;2026-01-01T00:00:00Z\n"),
        ({"delimiter": "\t"}, b"Ann\t5\t0.5\ttrue\t2026-01-01T00:00:00Z\n"),
        ({"delimiter": "\\t"}, b"Ann\t5\t0.5\ttrue\t2026-01-01T00:00:00Z\n"),
        ({"columnHeaders": True}, (HEADER + ANN_LINE).encode()),
        ({"columnHeaders": False}, ANN_LINE.encode()),
        ({"encoding": "windows-1252"}, ANN_LINE.encode()),
        ({"encoding": "UTF-16"}, ANN_LINE.encode("utf-16")),
        ({"encoding": 1252}, ANN_LINE.encode()),
        ({"encoding": "UTF-8"}, ANN_LINE.encode("utf-16")),
        (
            {"quoteStyle": "QuoteStyle.Csv", "csvStyle": "CsvStyle.QuoteAfterDelimiter"},
            b'"Ann",5,0.5,true,2026-01-01T00:00:00Z',
        ),
        ({}, b"Ann,5,0.5,true,2026-01-01T00:00:00Z\r"),
        (
            {"delimiter": None, "quoteStyle": None, "encoding": None, "columnHeaders": None, "more": 1},
            ANN_LINE.encode(),
        ),
        (None, gzip.compress(ANN_LINE.encode(), mtime=0)),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_a_file_is_read_as_it_is_declared(
    api: RequestsMock, settings: dict[str, Any] | None, body: bytes
) -> None:
    describe(api, [{"name": "p", "fileFormatSettings": settings}], [uri("/p")])
    api.get(uri("/p"), body=body)
    assert await read() == [ANN]


async def test_two_words_about_a_header_that_contradict_say_nothing(api: RequestsMock) -> None:
    describe(api, [{"name": "p", "hasHeader": False, "fileFormatSettings": {"columnHeaders": True}}], [uri("/p")])
    api.get(uri("/p"), body=HEADER + ANN_LINE)
    assert await read() == [ANN]


@pytest.mark.parametrize("settings", [{"delimiter": "||"}, {"quoteStyle": "QuoteStyle.Single"}, {"delimiter": '"'}])
async def test_a_format_that_cannot_be_read_is_named_before_anything_is_fetched(
    api: RequestsMock, settings: dict[str, str]
) -> None:
    describe(api, [{"name": "p", "fileFormatSettings": settings}], [uri("/p")])
    with pytest.raises(PermanentError, match=f"The partition 'p' is declared .*{re.escape(repr(*settings.values()))}"):
        await read()
    assert len(api.calls) == 1


async def test_a_file_that_is_something_else_is_named(api: RequestsMock) -> None:
    with pytest.raises(PermanentError, match=r"from store\.blob\.core\.windows\.net is a Parquet file"):
        await only(api, b"PAR1\x15\x04\x15" + bytes(100) + b"PAR1")


@pytest.mark.parametrize("packing", ["br", "deflate", "zstd"])
async def test_a_compression_that_cannot_be_read_is_named(api: RequestsMock, packing: str) -> None:
    with pytest.raises(PermanentError, match=f"compressed with '{packing}'"):
        await only(api, b"x", headers={"Content-Encoding": packing})


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {}])
@pytest.mark.parametrize("missing", [1, 8, 20])
async def test_a_compressed_file_that_is_cut_off_is_no_shorter_file(
    api: RequestsMock, headers: dict[str, str], missing: int
) -> None:
    with pytest.raises(TransientError):
        await only(api, gzip.compress(ANN_LINE.encode() * 3)[:-missing], headers=headers)


async def test_a_byte_order_mark_is_no_text(api: RequestsMock) -> None:
    assert await only(api, b"\xef\xbb\xbf" + (HEADER + ANN_LINE).encode()) == [ANN]


async def test_letters_may_lie_across_chunks_and_a_field_may_be_long(api: RequestsMock) -> None:
    body = ("x" + "ß" * 200_000 + ",1,,,\n").encode()
    assert [row["Id"] for row in await only(api, body)] == ["x" + "ß" * 200_000]


async def test_what_is_not_encoded_as_declared_is_refused(api: RequestsMock) -> None:
    with pytest.raises(PermanentError, match="not encoded in UTF-8"):
        await only(api, ANN_LINE.encode() + b"\xff,2,,,\n")


async def test_compressed_files(api: RequestsMock) -> None:
    body = gzip.compress(ANN_LINE.encode())
    assert await only(api, body, headers={"Content-Encoding": "gzip"}) == [ANN]


@pytest.mark.parametrize("body", ["", "\n", HEADER])
async def test_an_empty_file_has_no_rows(api: RequestsMock, body: str) -> None:
    assert await only(api, body) == []


async def test_sends_the_headers_it_was_given_and_neither_key_nor_token(api: RequestsMock) -> None:
    await only(api, ANN_LINE)
    sent = api.calls[-1].request
    assert str(sent.url).startswith(STORE)
    assert sent.headers["x-ms-version"] == "2020-10-02"
    assert not {"authorization", "ocp-apim-subscription-key", "cookie"} & {name.lower() for name in sent.headers}
    assert not any(secret in str(sent.headers) for secret in (KEY, TOKEN))


async def test_headers_that_are_not_the_apis_to_set_are_not_sent(api: RequestsMock) -> None:
    api.get(uri("/p"), body="x\n")
    headers = {"Host": "evil.example.com", "Cookie": "a=b", "Content-Length": "9", "x-ms-date": "now"}
    list(FileClient(new_session(), ENDPOINT).rows(FileRequest(uri("/p"), headers), TextFormat()))
    sent = {name.lower(): value for name, value in api.calls[-1].request.headers.items()}
    assert not {"host", "cookie", "content-length"} & set(sent)
    assert sent["x-ms-date"] == "now"


ELSEWHERE = [
    "http://store.blob.core.windows.net/p",
    "https://store.blob.core.windows.net:8443/p",
    "https://store.blob.core.windows.net:80/p",
    "https://user@store.blob.core.windows.net/p",
    "https://user:word@store.blob.core.windows.net/p",
    "https://:word@store.blob.core.windows.net/p",
    "https://store.blob.core.windows.net.evil.com/p",
    "https://evil-blob.core.windows.net/p",
    "https://storeblob.core.windows.net/p",
    "https://blob.core.windows.net/p",
    "https://evil.com/store.blob.core.windows.net/p",
    "https://evil.com?.blob.core.windows.net/p",
    "https://evil.com#.blob.core.windows.net/p",
    "https://evil.com\\.blob.core.windows.net/p",
    "https://evil.com\t.blob.core.windows.net/p",
    "https://evil.com%2f.blob.core.windows.net/p",
    "https://evil.com@store.blob.core.windows.net/p",
    "https://store.blob.core.windows.net\\@evil.com/p",
    "https://\uff53tore.blob.core.windows.net/p",
    "https://127.0.0.1/p",
    "https://[::1]/p",
    "https://2130706433/p",
    "https://169.254.169.254/metadata",
    "file:///etc/passwd",
    "//store.blob.core.windows.net/p",
    "/p",
    "",
    "https://[",
    # The API's own host is allowed, but only as it is: scheme, port and all.
    "http://api.example.com/p",
    "https://api.example.com:8443/p",
    "https://user@api.example.com/p",
    "https://:word@api.example.com/p",
    "https://api.example.com.evil.com/p",
    "https://api.example.com\\@evil.com/p",
    "https://evil.com\\@api.example.com/p",
]


@pytest.mark.parametrize("address", ELSEWHERE)
async def test_a_host_that_is_not_allowed_is_never_connected_to(api: RequestsMock, address: str) -> None:
    describe(api, [{"name": "p"}], [f"{address}?{SIGNATURE}"])
    with pytest.raises(PermanentError) as caught:
        await read()
    assert [str(call.request.url).removeprefix(ENDPOINT).partition("?")[0] for call in api.calls] == [
        "/instances/i1/manage/entities/T",
        "/instances/i1/data/T",
    ]
    assert "hush" not in "".join(traceback.format_exception(caught.value))


async def test_one_file_on_a_host_that_is_not_allowed_is_not_fetched_after_those_that_are(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}], [uri("/1"), "https://evil.com/2"])
    api.get(uri("/1"), body=ANN_LINE)
    with pytest.raises(PermanentError, match="outside Azure Storage"):
        await read()


@pytest.mark.parametrize("address", [f"{STORE}/p", "https://a.dfs.core.windows.net/p", "https://api.example.com/p"])
async def test_storage_and_the_apis_own_host_are_allowed(api: RequestsMock, address: str) -> None:
    describe(api, [{"name": "p"}], [address])
    api.get(address, body=ANN_LINE)
    assert await read() == [ANN]


FAILURES: list[tuple[int | Exception, type[BridgeError]]] = [
    (302, PermanentError),
    (400, PermanentError),
    (404, PermanentError),
    (401, AccessError),
    (403, AccessError),
    (429, TransientError),
    (500, TransientError),
    (503, TransientError),
    (requests.ConnectTimeout(f"{STORE}/p?{SIGNATURE}"), TimedOutError),
    (requests.ReadTimeout(f"{STORE}/p?{SIGNATURE}"), TimedOutError),
    (requests.ConnectionError(f"{STORE}/p?{SIGNATURE}"), TransientError),
    (requests.exceptions.SSLError(f"{STORE}/p?{SIGNATURE}"), TransientError),
]


@pytest.mark.parametrize(("failure", "error"), FAILURES, ids=lambda value: getattr(value, "__name__", repr(value)[:20]))
async def test_a_failure_of_the_store_shows_no_signature(
    api: RequestsMock, failure: int | Exception, error: type[BridgeError], caplog: pytest.LogCaptureFixture
) -> None:
    how: dict[str, Any] = {"body": failure}
    if isinstance(failure, int):
        how = {"status": failure, "body": f"sig {SIGNATURE}", "headers": {"Location": uri("/other")}}
    other = api.get(uri("/other"), body=ANN_LINE)
    with caplog.at_level(logging.DEBUG), pytest.raises(error) as caught:
        await only(api, how.pop("body"), **how)
    logging.getLogger("test").error("failed", exc_info=caught.value)
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(caught.value)
    assert "hush" not in told
    assert caught.value.__context__ is None
    assert "store.blob.core.windows.net" in str(caught.value)
    assert other.call_count == 0


async def test_a_broken_compression_is_a_failure_of_the_store(api: RequestsMock) -> None:
    with pytest.raises(TransientError):
        await only(api, b"no gzip", headers={"Content-Encoding": "gzip"})


async def test_what_is_no_csv_says_so(api: RequestsMock) -> None:
    with pytest.raises(PermanentError, match="no CSV"):
        await only(api, '"never closed')


async def test_an_address_shows_in_no_repr() -> None:
    assert "hush" not in repr(FileRequest(uri("/p"), {"x-sig": "hush"}))


async def test_a_file_that_trickles_in_ends_in_time(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}], [uri("/p")])
    moments = iter(range(0, 10_000, 60))
    api.get(uri("/p"), body=ANN_LINE * 5_000)
    client = FileClient(new_session(), ENDPOINT, monotonic=lambda: float(next(moments)))
    with pytest.raises(TimedOutError):
        list(client.rows(FileRequest(uri("/p")), TextFormat()))


@pytest.mark.parametrize("excess", [0, 1])
async def test_more_rows_than_an_answer_holds_are_refused(api: RequestsMock, excess: int) -> None:
    describe(api, [{"name": "p"}], [uri("/1"), uri("/2")])
    api.get(uri("/1"), body=BOB_LINE * (MAX_ROWS // 2))
    api.get(uri("/2"), body=BOB_LINE * (MAX_ROWS // 2 + excess))
    if not excess:
        assert len(await read()) == MAX_ROWS
        return
    with pytest.raises(InvalidInputError) as caught:
        await read()
    assert "100,000" in caught.value.fields["partition"]


async def test_without_requests_for_files_an_only_partition_is_the_table_itself(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}])
    api.get(f"{I1}/data/T", json={"@odata.count": 1, "value": [{"@odata.id": 1, "Id": "Ann"}]})
    assert await read() == [{"Id": "Ann"}]


async def test_a_table_of_more_rows_than_an_answer_holds_is_refused_not_cut(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}])
    api.get(f"{I1}/data/T", body='{"value": [' + ",".join(["{}"] * 1_000) + "]}")
    with pytest.raises(InvalidInputError):
        await read()


async def test_without_requests_for_files_several_partitions_cannot_be_told_apart(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}, {"name": "q"}])
    api.get(f"{I1}/data/T", json={"value": []})
    with pytest.raises(PermanentError, match="partitions of 'T'"):
        await read()


@pytest.mark.parametrize("files", [[], [{"headers": {}}], [{"uri": 5}], ["x"], [{"uri": f"{STORE}/1"}, None]], ids=repr)
async def test_odd_requests_for_files_are_a_failure_and_no_wrong_rows(api: RequestsMock, files: list[object]) -> None:
    describe(api, [{"name": "p"}, {"name": "q"}])
    api.get(f"{I1}/data/T", json={"httpRequests": files})
    api.get(f"{STORE}/1", body=ANN_LINE)
    with pytest.raises((PermanentError, TransientError)):
        await read()


async def test_no_requests_for_files_are_an_empty_table(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}])
    api.get(f"{I1}/data/T", json={"httpRequests": []})
    assert await read() == []


@pytest.mark.parametrize("headers", [None, [], "x", {"a": 5, "b": None}])
async def test_odd_headers_are_left_out(api: RequestsMock, headers: object) -> None:
    describe(api, [{"name": "p"}])
    api.get(f"{I1}/data/T", json={"httpRequests": [{"uri": uri("/p"), "headers": headers}]})
    api.get(uri("/p"), body=ANN_LINE)
    assert await read() == [ANN]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("sibling", [{}, {"name": 5}, {"name": "q", "refreshTime": "soon"}, None, "q"], ids=repr)
async def test_a_partition_that_cannot_be_read_keeps_its_place_and_its_files(
    api: RequestsMock, caplog: pytest.LogCaptureFixture, sibling: object, place: int
) -> None:
    parts: list[Any] = [{"name": "p"}]
    parts.insert(1 - place, sibling)
    describe(api, parts, [uri("/0"), uri("/1")])
    api.get(uri("/0"), body=ANN_LINE)
    api.get(uri("/1"), body=BOB_LINE)
    assert await read() == [[ANN], [BOB]][place]
    await partitions().partitions("i1", "T")
    assert f"partitions[{1 - place}] of table 'T'" in caplog.text


async def test_without_requests_for_files_one_that_cannot_be_read_is_one_of_several(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}, {}])
    api.get(f"{I1}/data/T", json={"value": [{"Id": "Ann"}]})
    with pytest.raises(PermanentError, match="partitions of 'T'"):
        await read()


async def test_a_file_at_the_location_of_another_partition_is_not_read_by_its_place(api: RequestsMock) -> None:
    parts = [{"name": "p", "location": f"{STORE}/p"}, {"name": "q", "location": f"{STORE}/q"}]
    describe(api, parts, [uri("/q"), uri("/elsewhere")])
    api.get(uri("/q"), body=ANN_LINE)
    with pytest.raises(PermanentError, match="partition 'p'"):
        await read()


async def test_of_two_partitions_with_one_name_neither_is_read(api: RequestsMock) -> None:
    describe(api, [{"name": "p"}, {"name": "p"}], [uri("/1"), uri("/2")])
    api.get(uri("/1"), body=ANN_LINE)
    with pytest.raises(PermanentError, match="two partitions named 'p'"):
        await read()


@pytest.mark.parametrize(
    ("columns", "first"),
    [
        ("Id,Points", "Id,Score"),
        ("Id,Points", "Id, Points"),
        ("Id,Points", "Score,Id"),
        ("Id,ID", "Id,ID"),
        ("Id,Points", "Id,Id"),
        ("", "Id,Points"),
        ("", "1,2"),
    ],
)
async def test_a_first_row_that_may_be_a_header_or_not_is_refused(api: RequestsMock, columns: str, first: str) -> None:
    attributes = [{"name": name, "dataType": "Edm.String"} for name in columns.split(",") if name]
    describe(api, [{"name": "p"}], [uri("/p")], columns=attributes)
    api.get(uri("/p"), body=f"{first}\n3,4\n")
    with pytest.raises(PermanentError, match="header"):
        await read()


async def test_no_value_is_lost_where_two_columns_have_one_name(api: RequestsMock) -> None:
    describe(api, [{"name": "p", "hasHeader": False}], [uri("/p")], columns=[{"name": "Id"}, {"name": "Id"}])
    api.get(uri("/p"), body="1,2\n")
    with pytest.raises(PermanentError, match="two columns"):
        await read()


@given(st.text(max_size=20))
def test_no_name_of_an_encoding_fails_in_its_own_way(encoding: str) -> None:
    with contextlib.suppress(UnreadableFileError):
        list(rows(iter([b"1,2\n"]), TextFormat(encoding=encoding)))
