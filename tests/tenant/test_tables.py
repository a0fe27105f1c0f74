import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote
from uuid import UUID

import pytest
import requests

from local.tenant.life import Contoso
from local.tenant.life.retailer import BY_COUNTRY, SHOP
from local.tenant.tables import BOOLEAN, DATE_TIME, DECIMAL, GUID, INTEGER, STRING, Table
from tests.tenant.conftest import HEADERS, NOW, Served

COLUMNS = {"Id": STRING, "Name": STRING, "Points": INTEGER, "Worth": DECIMAL, "Since": DATE_TIME, "Ok": BOOLEAN}
ODD_KEYS = [
    "it's",
    "a/b",
    "100%",
    "%2F",
    "#1",
    "two words",
    "Zoë 🙂",
    "a+b",
    "x')",
    "a?b&c=d",
    "..",
    "line\nbreak",
    "''",
]


class Data:
    """The data calls of one instance, as a caller makes them."""

    def __init__(self, served: Served, world: Contoso) -> None:
        self.root = f"{served.base_url}/instances/{world.instance.id}"

    def call(
        self, method: str, path: str, *, query: dict[str, str] | None = None, json: object = None
    ) -> requests.Response:
        # Prepared by hand: the library would decode and re-encode parts of a path.
        prepared = requests.Request(method, f"{self.root}/data/", headers=HEADERS, params=query, json=json).prepare()
        prepared.url = str(prepared.url).replace("/data/", f"/data/{path}", 1)
        with requests.Session() as session:
            return session.send(prepared, timeout=30)

    def get(self, path: str, **query: str) -> requests.Response:
        return self.call("GET", path, query={f"${name}": value for name, value in query.items()})

    def ids(self, path: str, **query: str) -> list[str]:
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return [row["Id"] for row in answer.json()["value"]]


@pytest.fixture
def data(served: Served, world: Contoso) -> Data:
    return Data(served, world)


@pytest.fixture
def people(world: Contoso) -> Table:
    rows = [
        {"Id": "1", "Name": "Ann O'Neill", "Points": 5, "Worth": Decimal("0.1"), "Since": NOW, "Ok": True},
        {"Id": "2", "Name": "Bob", "Points": 10, "Worth": 0.3, "Since": "2026-01-01T02:00:00+02:00", "Ok": False},
        {"Id": "3", "Name": "ann or Bob", "Points": None, "Worth": None, "Since": None, "Ok": None},
        {"Id": "4", "Name": "bob", "Points": -3, "Worth": 7, "Since": "2026-01-01T00:00:00Z", "Ok": True},
    ]
    return world.instance.add_table("People", COLUMNS, rows)


def row_key(key: str) -> str:
    return quote("People('" + key.replace("'", "''") + "')", safe="")


def is_odata_error(answer: requests.Response, status: int, target: str | None = None) -> bool:
    body = answer.json()
    assert (answer.status_code, body["errorCode"]) == (status, str(status)), answer.text
    return target is None or (body["target"] == target and target in body["message"])


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("Name eq 'Bob'", ["2"]),
        ("Name eq 'Ann O''Neill'", ["1"]),
        ("Name eq 'ann or Bob' or Points gt 5", ["2", "3"]),
        ("Points gt -4 and Points lt 6", ["1", "4"]),
        ("Points ge 5 and Name eq 'x' or Ok eq false", ["2"]),
        ("Points ge 5 and (Name eq 'Bob' or Ok eq true)", ["1", "2"]),
        ("Points ne 5", ["2", "3", "4"]),
        ("Points eq null", ["3"]),
        ("Points ne null", ["1", "2", "4"]),
        ("Worth eq 0.1", ["1"]),
        ("Worth le 0.3", ["1", "2"]),
        ("Since eq 2026-01-01T00:00:00Z", ["2", "4"]),
        ("Since gt 2026-02-01T00:00:00Z", ["1"]),
        ("Ok eq true", ["1", "4"]),
    ],
)
@pytest.mark.usefixtures("people")
def test_a_filter_leaves_the_rows_that_fit(data: Data, expression: str, ids: list[str]) -> None:
    assert data.ids("People", filter=expression) == ids


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({"filter": "Shoe eq 5"}, "Shoe"),
        ({"select": "Id,Shoe"}, "Shoe"),
        ({"orderby": "Name,Shoe desc"}, "Shoe"),
        ({"expand": "Shoe"}, "Shoe"),
        ({"filter": "Name eq 5"}, "Name"),
        ({"filter": "Points eq 'five'"}, "Points"),
        ({"filter": "Since gt yesterday"}, "Since"),
        ({"filter": "Ok eq 1"}, "Ok"),
        ({"filter": ""}, "$filter"),
        ({"filter": "Name"}, "$filter"),
        ({"filter": "Name eq"}, "$filter"),
        ({"filter": "Name eq 'Bob"}, "$filter"),
        ({"filter": "Name like 'Bob'"}, "$filter"),
        ({"filter": "contains(Name,'o')"}, "$filter"),
        ({"filter": "(Name eq 'Bob'"}, "$filter"),
        ({"filter": "Name eq 'Bob' and"}, "$filter"),
        ({"filter": "Name eq 'Bob' Name eq 'Bob'"}, "$filter"),
        ({"orderby": "Name upwards"}, "$orderby"),
        ({"top": "many"}, "$top"),
        ({"top": "-1"}, "$top"),
        ({"skip": "x"}, "$skip"),
    ],
)
@pytest.mark.usefixtures("people")
def test_a_query_that_makes_no_sense_names_what_is_wrong(data: Data, query: dict[str, str], target: str) -> None:
    assert is_odata_error(data.get("People", **query), 400, target)


@pytest.mark.usefixtures("people")
def test_rows_come_in_the_order_asked_for_and_null_comes_first(data: Data) -> None:
    assert data.ids("People") == ["1", "2", "3", "4"]
    assert data.ids("People", orderby="Points") == ["3", "4", "1", "2"]
    assert data.ids("People", orderby="Points desc") == ["2", "1", "4", "3"]
    assert data.ids("People", orderby="Ok desc, Points asc") == ["4", "1", "2", "3"]


@pytest.mark.usefixtures("people")
def test_a_search_looks_into_every_text(data: Data) -> None:
    assert data.ids("People", search="ANN") == ["1", "3"]
    assert data.ids("People", search="4") == ["4"]
    assert data.ids("People", search="nobody") == []


@pytest.mark.usefixtures("people")
def test_selected_columns_only_are_shown(data: Data) -> None:
    answer = data.get("People", select="Name, Worth", filter="Id eq '1'").json()
    assert answer["value"] == [{"Name": "Ann O'Neill", "Worth": 0.1}]
    assert data.get("People", select="*", top="1").json()["value"][0].keys() == COLUMNS.keys()


def test_a_page_has_a_hundred_rows_at_most_and_fewer_where_the_tenant_says(
    served: Served, world: Contoso, data: Data
) -> None:
    rows = [{"Id": f"{number:06}", "Points": number} for number in range(100_000)]
    world.instance.add_table("Large", {"Id": STRING, "Points": INTEGER}, rows)
    assert data.get("Large").json()["@odata.count"] == 100_000
    assert [len(data.ids("Large", top=top)) for top in ("0", "7", "100", "101", "5000")] == [0, 7, 100, 100, 100]
    assert data.ids("Large", skip="99950", top="500") == [f"{number:06}" for number in range(99_950, 100_000)]
    assert data.ids("Large", skip="100000") == []
    assert data.ids("Large", filter="Points ge 99998", orderby="Points desc") == ["099999", "099998"]
    served.api.data.page_limit = 3
    assert data.ids("Large", top="5", skip="1") == ["000001", "000002", "000003"]


def test_an_ingested_table_cannot_be_filtered(data: Data) -> None:
    assert data.get("WebShop_WebOrders").status_code == 200
    assert is_odata_error(data.get("WebShop_WebOrders", filter="Email eq 'x'"), 400, None)


def test_expanding_adds_the_rows_of_the_other_table(data: Data) -> None:
    (customer,) = data.get("Customer", filter="CustomerId eq 'C-00002'", expand="UnifiedActivity").json()["value"]
    assert [activity["ActivityId"] for activity in customer["UnifiedActivity"]] == ["A-000006", "A-000007", "A-000008"]
    for other in ({"search": "Ana"}, {"select": "CustomerId"}):
        assert is_odata_error(data.get("Customer", expand="UnifiedActivity", **other), 400, "$expand")


@pytest.mark.parametrize("key", ODD_KEYS)
def test_one_row_is_found_whatever_its_key_holds(data: Data, people: Table, key: str) -> None:
    people.add({"Id": key, "Name": "odd"})
    answer = data.get(row_key(key))
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"@odata.context", *COLUMNS}
    assert (answer.json()["Id"], answer.json()["Name"]) == (key, "odd")


def test_rows_with_other_keys_than_text(world: Contoso, data: Data) -> None:
    guid = UUID("6f1d3c52-8a0e-4d6c-9d27-3b1f5a0c7e44")
    world.instance.add_table("Guids", {"Id": GUID}, [{"Id": guid}])
    world.instance.add_table("Numbers", {"Id": INTEGER}, [{"Id": 5}])
    world.instance.add_table("Pairs", {"Id": STRING, "Other": STRING}, [{"Id": "1"}], keys=("Id", "Other"))
    world.instance.add_table("Keyless", {"Id": STRING}, [{"Id": "1"}, {"Id": "1"}], keys=())
    assert data.get(f"Guids({guid})").json()["Id"] == str(guid)
    assert data.get("Numbers(5)").json()["Id"] == 5
    assert data.ids("Keyless") == ["1", "1"]
    for path in (
        "Numbers('5')",
        "Numbers(x)",
        "People",
        "Pairs('1')",
        "Keyless('1')",
        "Customer(1)",
        "Customer('a'b')",
    ):
        assert is_odata_error(data.get(path), 404 if path == "People" else 400)


@pytest.mark.usefixtures("people")
def test_what_is_not_there_is_an_odata_error(served: Served, data: Data) -> None:
    for path in ("Nothing", "Nothing('1')", row_key("nobody"), "People/1", "People('1')/Name"):
        assert is_odata_error(data.get(path), 404)
    data.root = f"{served.base_url}/instances/nobody"
    assert is_odata_error(data.get("People"), 404)


# As a segment of its own, `..` means another path to every client.
@pytest.mark.parametrize("key", [key for key in ODD_KEYS if key != ".."])
def test_a_row_is_made_changed_and_read(data: Data, people: Table, key: str) -> None:
    made = data.call("POST", "People", json={"Id": key, "Points": 1, "Worth": 1.25})
    assert made.status_code == 201
    assert (made.json()["statusCode"], made.json()["value"]["Id"]) == (201, key)
    assert made.json()["location"] == made.headers["Location"]
    assert requests.get(made.headers["Location"], headers=HEADERS, timeout=10).json()["Points"] == 1
    changed = data.call("PATCH", f"People/{quote(key, safe='')}", json={"Points": 2, "Ok": True})
    assert (changed.status_code, changed.content) == (204, b"")
    assert data.get(row_key(key)).json()["Points"] == 2
    assert people.rows[-1]["Worth"] == Decimal("1.25")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "target"),
    [
        ("POST", "People", {"Id": "9", "Shoe": 1}, 400, "Shoe"),
        ("POST", "People", {"Id": "9", "Points": "many"}, 400, "Points"),
        ("POST", "People", {"Id": "9", "Points": True}, 400, "Points"),
        ("POST", "People", {"Name": "no key"}, 400, "Id"),
        ("POST", "People", {"Id": "1"}, 409, "People"),
        ("POST", "People", ["Id"], 400, None),
        ("POST", "People", {"Id": "\ud800"}, 400, None),
        ("POST", "Nothing", {"Id": "1"}, 404, "Nothing"),
        ("PATCH", "People/1", {"Shoe": 1}, 400, "Shoe"),
        ("PATCH", "People/1", {"Id": "2"}, 400, "Id"),
        ("PATCH", "People/1", {"Since": "yesterday"}, 400, "Since"),
        ("PATCH", "People/1", "no JSON object", 400, None),
        ("PATCH", "People/9", {"Points": 1}, 404, None),
        ("PATCH", "Nothing/1", {"Points": 1}, 404, "Nothing"),
    ],
)
def test_a_row_that_does_not_fit_changes_nothing(  # noqa: PLR0913, PLR0917 - a table of cases
    data: Data, people: Table, method: str, path: str, body: object, status: int, target: str | None
) -> None:
    before = [dict(row) for row in people.rows]
    assert is_odata_error(data.call(method, path, json=body), status, target)
    assert people.rows == before


def proxied(data: Data, table: str) -> list[dict[str, object]]:
    answer = data.call("GET", table, query={"proxy": "true", "$select": "*"})
    assert answer.status_code == 200
    requested: list[dict[str, object]] = answer.json()["httpRequests"]
    return requested


def fetched(entry: dict[str, object]) -> list[list[str]]:
    answer = requests.get(str(entry["uri"]), headers=entry["headers"], timeout=10)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.reader(io.StringIO(answer.content.decode(), newline="")))


@pytest.mark.parametrize("header", [False, True])
def test_partitions_hold_all_rows_in_order(world: Contoso, data: Data, *, header: bool) -> None:
    note = 'He said "yes",\nthen left'
    rows = [
        {"Id": str(number), "Note": note, "Ok": None, "At": datetime(2026, 1, 1, tzinfo=UTC)} for number in range(5)
    ]
    columns = {"Id": STRING, "Note": STRING, "Ok": BOOLEAN, "At": DATE_TIME}
    world.instance.add_table("Notes", columns, rows, partitions=3, header=header)
    files = [fetched(entry) for entry in proxied(data, "Notes")]
    top = [list(columns)] if header else []
    written = [[str(number), note, "", "2026-01-01T00:00:00.000Z"] for number in range(5)]
    assert files == [[*top, *written[:2]], [*top, *written[2:4]], [*top, *written[4:]]]


def test_a_file_opens_only_with_its_signature_and_header_and_no_token(served: Served, data: Data) -> None:
    first, second = proxied(data, "Customer")
    uri, headers = str(first["uri"]), {"x-ms-version": "2020-10-02"}
    assert first["headers"] == headers
    assert not uri.startswith(served.base_url)

    def status(address: str, **more: str) -> int:
        return requests.get(address, headers={**headers, **more}, timeout=10).status_code

    assert status(uri) == 200
    assert status(uri, Authorization=HEADERS["Authorization"]) == 401
    assert status(uri.partition("?")[0]) == 403
    assert status(uri[:-1] + ("0" if uri[-1] != "0" else "1")) == 403
    assert status(f"{uri.partition('?')[0]}?{str(second['uri']).partition('?')[2]}") == 403
    assert requests.get(uri, timeout=10).status_code == 400
    served.api.faults.add("^/partitions/", status=503)
    assert [status(uri), status(uri)] == [503, 200]


def test_a_partition_may_claim_to_lie_elsewhere(world: Contoso, data: Data) -> None:
    world.instance.tables["Customer"].partitions[1].uri = "https://stray.example.net/part?sig=x"
    assert [str(entry["uri"]).startswith("https://stray") for entry in proxied(data, "Customer")] == [False, True]


def test_calls_are_counted_by_method_too(served: Served, world: Contoso, data: Data) -> None:
    data.call("PATCH", "Customer/C-00001", json={})
    data.get("Customer")
    path = f"/instances/{world.instance.id}/data/Customer"
    assert served.api.calls == {path: 1, f"{path}/C-00001": 1}
    assert served.api.calls_by_method["PATCH", f"{path}/C-00001"] == served.api.calls_by_method["GET", path] == 1


def test_contoso_has_tables_that_agree_with_each_other(world: Contoso) -> None:
    tables = world.instance.tables
    assert list(tables) == ["Customer", "UnifiedActivity", "WebShop_WebOrders", BY_COUNTRY]
    assert tables["WebShop_WebOrders"].source == world.instance.data_source(SHOP)
    customers = {row["CustomerId"] for row in tables["Customer"].rows}
    assert {row["CustomerId"] for row in tables["UnifiedActivity"].rows} == customers
    amounts = [row["Amount"] for row in tables["UnifiedActivity"].rows]
    assert sum(row[BY_COUNTRY] for row in tables[BY_COUNTRY].rows) == sum(amount for amount in amounts if amount)
    assert {row["Country"] for row in tables[BY_COUNTRY].rows} == {row["Country"] for row in tables["Customer"].rows}
    assert all(NOW - table.refreshed_at < timedelta(hours=7) for table in tables.values())
