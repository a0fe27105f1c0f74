"""A bridge to examine: real Azurite, a topic and a simulated tenant, and the doctor's own command."""

import asyncio
import base64
import json
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from doctor.__main__ import main
from local.loopback import serve
from local.tenant.api import Family, TenantApi
from local.tenant.life import Contoso, contoso
from local.topic import Topic
from shared.adapters.cipher import CallbackCipher
from shared.adapters.subscription_table import SubscriptionTable
from shared.composition import compose
from shared.settings import DEFAULTS, Settings
from tests.adapters.conftest import Storage, storage
from tests.adapters.test_subscription_table import subscription

__all__ = ["storage"]  # a fixture of the adapters, used here too

PROJECT = Path(__file__).parent.parent.parent
CALLBACK = "https://prod-1.westeurope.logic.azure.com/workflows/1/triggers/manual/run?sig=s3cret-signature"
OURS = ("CUSTOMER_INSIGHTS_", "EVENT_GRID_", "AzureWebJobs", "CALLBACK_", "WEBSITE_", "APPLICATIONINSIGHTS_")


@dataclass(frozen=True)
class Told:
    """What the doctor said, and its exit code."""

    code: int
    text: str

    def lines(self, verdict: str) -> list[str]:
        return [line.split(maxsplit=1)[1] for line in self.text.splitlines() if line.strip().startswith(f"{verdict} ")]


@dataclass
class Patient:
    """All that the doctor examines. `settings` are what it is given."""

    storage: Storage
    world: Contoso
    api: TenantApi
    topic: Topic
    settings: dict[str, str]
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    known_secrets: set[str] = field(default_factory=set)

    async def examine(self, *arguments: str, **settings: str) -> Told:
        """Run the command's entry point with these arguments and settings, too."""
        for name in os.environ:
            if name.startswith(OURS) or name in DEFAULTS:
                self.monkeypatch.delenv(name)
        for name, value in {**self.settings, **settings}.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.chdir(self.folder)
        return await asyncio.to_thread(self._run, arguments)

    def _run(self, arguments: Sequence[str]) -> Told:
        with pytest.MonkeyPatch.context() as patch:
            out = self.folder / "out.txt"
            with out.open("w", encoding="utf-8") as written:
                patch.setattr(sys, "stdout", written)
                patch.setattr(sys, "stderr", written)
                code = main(arguments)
        return Told(code, out.read_text("utf-8"))

    async def command(self) -> Told:
        """Run `python -m doctor` as a process of its own."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "doctor"),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **self.settings},
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        return Told(process.returncode or 0, out.decode())

    def answer_instead(self, pattern: str, document: Any) -> None:  # noqa: ANN401 - any JSON
        """Have the API answer calls whose path matches with this document."""
        body = json.dumps(document).encode()
        headers = {"Content-Type": "application/json"}
        self.api.faults.add(pattern, times=100, status=200, headers=headers, body=body)

    async def written(self) -> Mapping[str, object]:
        """All that stands in the storage account, with the versions of it."""
        content: dict[str, object] = {"names": await self.storage.names()}
        for name in [each.name async for each in self.storage.tables.list_tables()]:
            rows = self.storage.tables.get_table_client(name).list_entities()
            content[f"table {name}"] = [(row.metadata["etag"], sorted(row)) async for row in rows]
        for name in [each.name async for each in self.storage.queues.list_queues()]:
            peeked = await self.storage.queues.get_queue_client(name).peek_messages(32)
            content[f"queue {name}"] = [message.id for message in peeked]
        for name in [each.name async for each in self.storage.blobs.list_containers()]:
            blobs = self.storage.blobs.get_container_client(name).list_blobs()
            content[f"container {name}"] = [(blob.name, blob.etag) async for blob in blobs]
        return content


@pytest.fixture
def family() -> Family:
    return "client"


@pytest_asyncio.fixture(loop_scope="session")
async def patient(
    storage: Storage, family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Patient]:
    token, key, topic_key = (secrets.token_hex() for _ in range(3))
    callback_key = secrets.token_bytes(32)
    world = contoso(datetime.now(UTC))
    api = TenantApi(world.tenant, token=token, key=key, family=family)
    connection = str(storage.account.connection_string)
    topic = Topic(key=topic_key, connection_string=connection)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(topic)
        tenant_url = await stack.enter_async_context(serve(api.app()))
        topic_url = await stack.enter_async_context(serve(topic.app))
        settings = {
            "AzureWebJobsStorage": connection,
            "CUSTOMER_INSIGHTS_ENDPOINT": f"{tenant_url}/v1",
            "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": key,
            "CUSTOMER_INSIGHTS_ACCESS_TOKEN": token,
            "EVENT_GRID_TOPIC_ENDPOINT": f"{topic_url}/api/events",
            "EVENT_GRID_TOPIC_KEY": topic_key,
            "CALLBACK_ENCRYPTION_KEY": base64.b64encode(callback_key).decode(),
        }
        await prepare(settings)
        await subscribe(storage, callback_key)
        account_key = connection.partition("AccountKey=")[2].partition(";")[0]
        known = {
            token,
            key,
            topic_key,
            settings["CALLBACK_ENCRYPTION_KEY"],
            account_key,
            connection,
            "s3cret-signature",
        }
        yield Patient(storage, world, api, topic, settings, tmp_path, monkeypatch, known)
    logging.disable(logging.NOTSET)


async def prepare(settings: Mapping[str, str]) -> None:
    """Have the bridge make its containers, queues and tables."""
    bridge = compose(Settings.load(settings))
    await bridge.prepare()
    for check in bridge.checks:
        await check.__self__.close()


async def subscribe(storage: Storage, key: bytes) -> None:
    """Store a subscription whose callback URL is encrypted under the key."""
    table = SubscriptionTable(storage.account)
    sealed = CallbackCipher(key).seal(CALLBACK, context="s")
    await table.put(replace(subscription(), callback=sealed), None)
    await table.close()
