"""The connector against the running app: each call is made as the platform makes it, from the committed definition."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from local.tenant.model import Instance
from local.tenant.tables import BOOLEAN, INTEGER, STRING
from shared.domain.triggers import TRIGGERS
from tests.connector.documents import Json, by_id, definition, named_properties, parameters
from tests.integration.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOCUMENT = definition()
OPERATIONS = by_id(DOCUMENT)
KEY_HEADER = DOCUMENT["securityDefinitions"]["api_key"]["name"]
GATEWAY = "https://europe-001.azure-apim.net/apim/x/y"
CHOSEN = {"segmentName": "Big_Spenders", "measureName": "Revenue", "threshold": 1000, "maxAgeHours": 26}


def pick_lists() -> Mapping[str, tuple[Json, Json]]:
    """Every pick-list by the place where it is offered: its older and its newer form."""
    found = {}
    for where, one in [*parameters(DOCUMENT), *named_properties(DOCUMENT)]:
        if "x-ms-dynamic-list" in one:
            found[where] = one["x-ms-dynamic-values"], one["x-ms-dynamic-list"]
    return found


PICK_LISTS = pick_lists()


def at(value: Any, path: str) -> Any:  # noqa: ANN401 - JSON
    """What stands at a path in an answer."""
    for step in path.split("/"):
        value = value[step]
    return value


@pytest.fixture
def instance(world: World) -> Instance:
    made = world.instance()
    columns = {"CustomerId": STRING, "Points": INTEGER, "IsSubscribed": BOOLEAN}
    rows = [{"CustomerId": f"C{n}", "Points": n, "IsSubscribed": True} for n in range(3)]
    made.add_table("Customer", columns, rows, entity_type="profile", partitions=2)
    return made


class Platform:
    """Calls operations of the definition with the connection's key."""

    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self._root = world.stack.url.removesuffix("/api")
        self._key = world.stack.settings["FUNCTIONS_KEY"]
        self._session = session

    async def call(
        self,
        operation_id: str,
        values: Mapping[str, str],
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """The status, body and headers of the answer; every parameter of the path must have a value."""
        path, method, operation = OPERATIONS[operation_id]
        for one in operation["parameters"]:
            if one["in"] == "path":
                path = path.replace(f"{{{one['name']}}}", quote(values[one["name"]], safe=""))
        sent = {KEY_HEADER: self._key, **(headers or {})}
        async with self._session.request(method, self._root + path, json=body, headers=sent) as answer:
            content = await answer.json() if answer.content_type.endswith("json") else None
            assert str(answer.status) in operation["responses"]
            return answer.status, content, answer.headers


@pytest_asyncio.fixture(loop_scope="session")
async def platform(world: World) -> AsyncIterator[Platform]:
    async with aiohttp.ClientSession() as session:
        yield Platform(world, session)


async def picked(platform: Platform, form: Json, values: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """The values and titles that a list in the newer form offers, with what was chosen before."""
    given = {name: values[one["parameterReference"]] for name, one in form["parameters"].items()}
    status, content, _ = await platform.call(form["operationId"], given)
    assert status == 200
    items = at(content, form["itemsPath"])
    return [(at(item, form["itemValuePath"]), at(item, form["itemTitlePath"])) for item in items]


async def picked_by_the_older(platform: Platform, form: Json, values: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    given = {name: values[one["parameter"]] for name, one in form["parameters"].items()}
    _, content, _ = await platform.call(form["operationId"], given)
    items = at(content, form["value-collection"])
    return [(at(item, form["value-path"]), at(item, form["value-title"])) for item in items]


def expected(instance: Instance) -> Mapping[str, set[tuple[str, str]]]:
    table = instance.tables["Customer"]
    return {
        "ListInstances": {(instance.id, instance.name)},
        "ListDataSources": {(one.id, one.friendly_name) for one in instance.data_sources.values()},
        "ListSegments": {(one.name, one.friendly_name) for one in instance.segments.values()},
        "ListMeasures": {(one.name, one.display_name) for one in instance.measures.values()},
        "ListTables": {(table.name, table.name)},
        "ListPartitions": {(one.name, one.name) for one in table.partitions},
    }


@pytest.mark.parametrize("where", PICK_LISTS)
async def test_every_pick_list_offers_what_is_there(platform: Platform, instance: Instance, where: str) -> None:
    old, new = PICK_LISTS[where]
    chosen = {"instanceId": instance.id, "table": "Customer"}
    in_body = {f"body/{name}": value for name, value in chosen.items()}
    offered = await picked(platform, new, in_body if "Body." in where else chosen)
    assert offered
    assert set(offered) == expected(instance)[new["operationId"]]
    assert await picked_by_the_older(platform, old, chosen) == offered


async def test_rows_have_the_schema_of_their_table(platform: Platform, instance: Instance) -> None:
    old, new = (DOCUMENT["definitions"]["Item"][form] for form in ("x-ms-dynamic-schema", "x-ms-dynamic-properties"))
    chosen = {"instanceId": instance.id, "table": "Customer"}
    given = {name: chosen[one["parameterReference"]] for name, one in new["parameters"].items()}
    status, content, _ = await platform.call(new["operationId"], given)
    assert status == 200
    schema = at(content, new["itemValuePath"])
    assert {name: one["type"] for name, one in schema["properties"].items()} == {
        "CustomerId": "string",
        "Points": "integer",
        "IsSubscribed": "boolean",
    }
    given = {name: chosen[one["parameter"]] for name, one in old["parameters"].items()}
    _, content, _ = await platform.call(old["operationId"], given)
    assert at(content, old["value-path"]) == schema
    _, rows, _ = await platform.call("ListItems", chosen)
    assert [set(row) for row in rows["value"]] == [set(schema["properties"])] * 3


def subscribing(slug: str) -> tuple[str, Json]:
    """The operation of a trigger, and the schema of its body."""
    operation = DOCUMENT["paths"][f"/api/triggers/{slug}/subscriptions"]["post"]
    (body,) = operation["parameters"]
    return operation["operationId"], DOCUMENT["definitions"][body["schema"]["$ref"].rpartition("/")[2]]


def filled_in(world: World, instance: Instance, slug: str) -> Json:
    """A body as the platform makes it: its own callback, what is required, and the defaults of the rest."""
    _, schema = subscribing(slug)
    body: Json = {}
    for name, one in schema["properties"].items():
        if one.get("x-ms-notification-url"):
            body[name] = world.stack.flows.url("flow")
        elif name == "instanceId":
            body[name] = instance.id
        elif name == "dataSourceId" and name in schema["required"]:
            body[name] = instance.data_source("Web").id
        elif name in schema["required"]:
            body[name] = CHOSEN[name]
        elif "default" in one:
            body[name] = one["default"]
    return body


@pytest.mark.parametrize("slug", TRIGGERS)
async def test_a_trigger_subscribes_and_unsubscribes_through_the_gateway(
    world: World, platform: Platform, instance: Instance, slug: str
) -> None:
    operation_id, _ = subscribing(slug)
    body = filled_in(world, instance, slug)
    status, subscription, headers = await platform.call(operation_id, {}, body, {"X-MS-APIM-Referrer-Prefix": GATEWAY})
    assert (status, subscription["trigger"]) == (201, slug)
    below = headers["Location"].removeprefix(GATEWAY)
    before, token = OPERATIONS["Unsubscribe"][0].split("{token}")[0], below.rpartition("/")[2]
    assert OPERATIONS["Unsubscribe"][1] == "delete"
    assert token
    assert below == before + token
    ended, _, _ = await platform.call("Unsubscribe", {"token": token})
    assert ended == 204
    _, left, _ = await platform.call("ListSubscriptions", {})
    assert subscription["id"] not in {one["id"] for one in left["value"]}


@pytest.mark.parametrize(
    "prefix",
    [
        "https://gateway.example/apim/x/y",
        "https://azure-apim.net.example/apim/x/y",
        "http://europe-001.azure-apim.net/x",
    ],
)
async def test_a_gateway_of_somebody_else_is_ignored(
    world: World, platform: Platform, instance: Instance, prefix: str
) -> None:
    slug = next(iter(TRIGGERS))
    operation_id, _ = subscribing(slug)
    body = filled_in(world, instance, slug)
    status, _, headers = await platform.call(operation_id, {}, body, {"X-MS-APIM-Referrer-Prefix": prefix})
    assert status == 201
    assert headers["Location"].startswith(f"{world.stack.url}/unsubscribe/")
