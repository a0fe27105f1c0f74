"""Is the description of the API true? Schemathesis makes requests from it, good and bad, and judges the answers.

Real ids, names and keys are mixed in, so that calls get past 404. `make fuzz` runs the same for long and at random.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response
from schemathesis.hooks import HookContext, HookDispatcher, HookScope
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import function_app  # noqa: F401 - declares the operations
from local.tenant.model import Instance
from local.tenant.tables import DECIMAL, GUID, INTEGER, STRING
from tests.integration.conftest import SEGMENT, World, now, shown
from triggers.openapi import describe
from triggers.operations import OPERATIONS

pytestmark = pytest.mark.asyncio(loop_scope="session")

# How many requests of each kind to make for each operation; with a number given they differ from run to run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
FEW = 8
# Schemathesis leaves out the operation that serves the description itself.
LABELS = {
    f"{method.upper()} {path}": operation
    for path, operations in describe(OPERATIONS, "http://localhost/api")["paths"].items()
    for method, operation in operations.items()
    if path != "/openapi.json"
}
# Every token fits: the answer tells nobody which exist.
CHOOSY = [
    label
    for label, one in LABELS.items()
    if (one["parameters"] or "requestBody" in one) and label != "DELETE /unsubscribe/{token}"
]
# A request can fit the description and be refused all the same, for what only the settings, Customer Insights or
# another field can tell.
JUDGED_BEYOND_SCHEMAS = {
    *("callbackUrl", "instanceId", "dataSourceId", "segmentName", "measureName", "identifiers"),
    *("until", "cursor"),
    *("backlog", "threshold", "direction", "rearmMargin", "dimensions", "aggregate", "maxAgeHours"),
}
REFUSED_UPSTREAM = "Customer Insights refuses the request:"
# The host's server answers a longer address with a 400 of its own: the app does not see the request.
LONGEST_ADDRESS = 8_000


@dataclass(frozen=True, slots=True)
class Target:
    """The served description, and what a call needs."""

    schema: BaseSchema
    key: str
    instance: Instance
    hooks: dict[GenerationMode, HookDispatcher]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def target(running: World) -> AsyncIterator[Target]:
    stack, instance = running.stack, running.instance()
    if not stack.is_host_running:
        await stack.start_host()
    source = next(iter(instance.data_sources.values()))
    columns = {"CustomerId": STRING, "Name": STRING, "Points": INTEGER, "Spent": DECIMAL, "Card": GUID}
    people = [{"CustomerId": f"C{number}", "Name": f"Name {number}", "Points": number} for number in range(5)]
    instance.add_table("Customer", columns, people, partitions=2, header=True)
    instance.add_table("Orders", {"OrderId": STRING, "Total": DECIMAL}, [{"OrderId": "O 1/2"}], source=source)
    job = instance.start_refresh(source.id, now())
    subscription = await subscribed(running, instance)
    sent = (await stack.call("POST", f"/subscriptions/{subscription['id']}/test")).json()
    values: dict[str, list[str]] = {
        "path.instanceId": [instance.id],
        "path.name": ["Big_Spenders", "Revenue"],
        "path.table": list(instance.tables),
        "path.itemId": ["C1", "C2", "O 1/2"],
        "path.partition": [one.name for one in instance.tables["Customer"].partitions],
        "path.jobId": [job.id],
        "path.id": [subscription["id"], "my-flow", "my.other_flow"],
        "path.eventId": [sent["eventId"]],
        "path.eventType": ["CustomerInsights.Segment.ThresholdCrossed"],
        "query.instanceId": [instance.id],
        "query.filter": ["Points gt 1", "Name eq 'Name 1'", "Nothing eq 1"],
        "query.select": ["CustomerId,Points", "Nothing"],
        "query.orderBy": ["Points desc"],
        "body.callbackUrl": [stack.flows.url("fuzzed")],
        "body.instanceId": [instance.id],
        "body.dataSourceId": [source.id],
        "body.segmentName": ["Big_Spenders"],
        "body.measureName": ["Revenue"],
    }
    config = SchemathesisConfig.from_dict(
        {
            "generation": {"with-security-parameters": False, "allow-x00": False},
            "dictionaries": {name: {"values": known} for name, known in values.items()},
            "parameters": {name: {"dictionary": name, "probability": 0.9} for name in values},
        }
    )
    key = stack.settings["FUNCTIONS_KEY"]
    schema = await asyncio.to_thread(
        schemathesis.openapi.from_url,
        f"{stack.url}/openapi.json",
        config=config,
        headers={"x-functions-key": key},
    )
    yield Target(
        schema,
        key,
        instance,
        {GenerationMode.POSITIVE: rows_of(columns), GenerationMode.NEGATIVE: without_empty_values()},
    )
    listed = await stack.call("GET", f"/subscriptions?instanceId={instance.id}")
    for one in shown(listed)["value"]:
        await stack.call("DELETE", f"/triggers/{one['trigger']}/subscriptions/{one['id']}")
    del running.api.tenant.instances[instance.id]


def rows_of(columns: dict[str, str]) -> HookDispatcher:
    """Bodies that are rows of the table: the description only says that they are objects."""
    hooks = HookDispatcher(scope=HookScope.TEST)
    kinds = {
        INTEGER: st.integers(),
        DECIMAL: st.floats(allow_nan=False, allow_infinity=False),
        GUID: st.uuids().map(str),
    }
    values = {name: kinds.get(kind, st.text(max_size=10)) for name, kind in columns.items()}
    key = {"CustomerId": values.pop("CustomerId")}
    optional = {name: st.none() | value for name, value in values.items()}

    def before_generate_body(context: HookContext, strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        if "/items" not in context.operation.path:
            return strategy
        needed = key if context.operation.method == "post" else {}
        return strategy | st.fixed_dictionaries(needed, optional=optional)

    hooks.register_hook_with_name(before_generate_body, "before_generate_body")
    return hooks


def without_empty_values() -> HookDispatcher:
    """Queries without empty values: the host drops those, so that nothing is there to be refused."""
    hooks = HookDispatcher(scope=HookScope.TEST)

    def filter_query(context: HookContext, query: dict[str, Any]) -> bool:
        del context
        return not query or not any(value in ("", [], [""]) for value in query.values())

    hooks.register_hook_with_name(filter_query, "filter_query")
    return hooks


def a_refusal_has_a_reason(context: CheckContext, response: Response, case: Case) -> None:
    """A problem says what it is, and what fits the description is only refused for what no description can tell."""
    del context
    if response.status_code < 400:
        return
    problem = response.json()
    assert problem["status"] == response.status_code
    if response.status_code == 400:
        fields = {one["field"] for one in problem["errors"]}
        assert fields, "a refusal names the fields"
        fits = case.meta is not None and case.meta.generation.mode.is_positive
        if fits and not problem["detail"].startswith(REFUSED_UPSTREAM):
            assert fields <= JUDGED_BEYOND_SCHEMAS, f"the description allows it: {problem['errors']}"


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    a_refusal_has_a_reason,
]


def drive(target: Target, label: str, mode: GenerationMode) -> None:
    """Call an operation again and again, each time with other values."""
    operation = next(one.ok() for one in target.schema.get_all_operations() if one.ok().label == label)
    cases = operation.as_strategy(mode, hooks=target.hooks[mode])

    @settings(
        max_examples=EXAMPLES or FEW,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def calls(case: Case) -> None:
        response = case.call(session=session, headers={"x-functions-key": target.key})
        if len(response.request.path_url) < LONGEST_ADDRESS:
            case.validate_response(response, CHECKS)

    with requests.Session() as session:
        calls()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def there_is_a_subscription(running: World, target: Target) -> None:
    """Whatever the calls before have made of it."""
    await subscribed(running, target.instance)


async def subscribed(world: World, instance: Instance) -> dict[str, Any]:
    """Asked for again, it is the same."""
    return await world.subscribe(SEGMENT, "fuzzed", instance, segmentName="Big_Spenders", threshold=1000)


@pytest.mark.parametrize("label", LABELS)
async def test_what_fits_the_description_is_answered_as_it_says(target: Target, label: str) -> None:
    await asyncio.to_thread(drive, target, label, GenerationMode.POSITIVE)


@pytest.mark.parametrize("label", CHOOSY)
async def test_what_does_not_fit_the_description_is_refused(target: Target, label: str) -> None:
    await asyncio.to_thread(drive, target, label, GenerationMode.NEGATIVE)


async def test_the_served_description_is_valid_openapi(target: Target) -> None:
    OpenAPIV31SpecValidator(target.schema.raw_schema).validate()
