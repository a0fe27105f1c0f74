"""The tables that docs/operations.md asks have the columns it names: tried on real tables, with rows of the bridge."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from shared.adapters.logs import DeadLetterTable, DeliveryTable

from shared.adapters.subscription_table import SubscriptionTable
from shared.domain.deliveries import DeadLetter, Stage
from tests.adapters.conftest import NOW, Opened, Storage, made_event, opened, storage
from tests.adapters.test_logs import delivery, started
from tests.adapters.test_subscription_table import subscription
from tests.infra.pages import page
from tests.pages import commands

__all__ = ["opened", "storage"]  # fixtures of the adapters, used here too

QUERIES = [line for line in commands(page("operations.md")) if re.match(r"store entity query .*--select", line)]


def asked(line: str) -> tuple[str, Sequence[str], str]:
    """The table, the columns and the filter of a query; what a reader puts into the filter is that of the rows here."""
    (table,), (columns,) = re.findall(r"--table-name (\w+)", line), re.findall(r"--select ((?:\w+ ?)+)", line)
    given = re.search(r'--filter "([^"]+)"', line)
    wanted = given[1] if given else ""
    wanted = wanted.replace("<event id>", made_event("a").id).replace("$(field eventId)", made_event("a").id)
    return table, columns.split(), wanted.replace("$(field subscriptionId)", "s")


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("line", QUERIES)
async def test_a_query_finds_one_row_with_all_its_columns(line: str, storage: Storage, opened: Opened[Any]) -> None:
    event = made_event("a")
    letter = DeadLetter("letter", "delivery", "HTTP 400", NOW, event.encode(), "s", event.id, event.type, 1, 400)
    ended = replace(started(delivery(event)), stage=Stage.DEAD, status=400, reason="HTTP 400")
    suspended = replace(subscription(), status="suspended", status_reason="HTTP 410")
    await opened(DeadLetterTable(storage.account)).record(letter)
    await opened(DeliveryTable(storage.account)).put(ended, None)
    await opened(SubscriptionTable(storage.account)).put(suspended, None)
    table, columns, wanted = asked(line)
    [row] = [dict(one) async for one in storage.tables.get_table_client(table).query_entities(wanted)]
    assert set(columns) - set(row) == set()


def test_queries_are_found() -> None:
    assert {asked(line)[0] for line in QUERIES} >= {"deadletters", "deliveries", "subscriptions"}
