"""What docs/troubleshooting.md quotes is what the bridge says, and what it tells to type exists."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from responses import RequestsMock

from shared.adapters.checkpoint_blobs import CheckpointBlobs
from shared.adapters.storage import named_errors
from shared.domain.callbacks import Answer, CallbackPolicy
from shared.domain.catalog import Instance, Listing
from shared.domain.checkpoints import VERSION, Family
from shared.domain.verdicts import reason
from shared.errors import (
    AccessError,
    BridgeError,
    CheckpointError,
    ConfigurationError,
    InvalidInputError,
    SettingsError,
)
from shared.insights.auth import TokenSource
from shared.settings import Settings
from shared.usecases.poll import REFRESHES
from shared.usecases.poll_many import PollFailedError
from tests.adapters.conftest import Opened, Storage, opened, storage
from tests.fakes import CheckpointStoreFake, ClockFake, PollStoreFake, PublisherFake, SubscriptionStoreFake
from tests.infra.compiler import INFRA
from tests.infra.test_deploy_page import COMMANDS as DEPLOY_COMMANDS
from tests.infra.test_deploy_page import OF_AZD, variables
from tests.infra.test_names import triggers
from tests.infra.test_operations_page import BILL
from tests.infra.test_operations_page import COMMANDS as OPERATIONS_COMMANDS
from tests.insights.fakes import ENDPOINT, client
from tests.insights.test_auth import entra
from tests.pages import PAGES, blocks, commands, fenced, shell
from tests.telemetry.test_kql import bind
from tests.test_docs import SAMPLE
from tests.usecases.polling import poll_of
from triggers.answers import answer, of_error
from triggers.health import Health
from triggers.operations import shown

__all__ = ["opened", "storage"]  # fixtures of the adapters, used here too

PAGE = PAGES["docs/troubleshooting.md"]
SHELL = shell(PAGE)
ENTRIES = re.findall(r"^### ([^\n]+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
# Commands that neither page about Azure shows.
COMMANDS = {"az functionapp function list", "azd package", "python3 -m zipfile"}

# What API Management, which stands before the API, answers for a wrong key; as its documentation has it.
WRONG_KEY = {
    "statusCode": 401,
    "message": "Access denied due to invalid subscription key. "
    "Make sure to provide a valid key for an active subscription.",
}


def told(error: BridgeError) -> str:
    return of_error(error).get_body().decode()


def settings_error() -> str:
    known = {f"CUSTOMER_INSIGHTS_{part}": "11111111-2222-3333-4444-555555555555" for part in ("TENANT_ID", "CLIENT_ID")}
    with pytest.raises(SettingsError) as caught:
        Settings.load({**SAMPLE, **known, "CUSTOMER_INSIGHTS_CLIENT_SECRET": "", "CALLBACK_ENCRYPTION_KEY": "c2hvcnQ="})
    return str(caught.value)


def unresolved_reference() -> str:
    in_azure = {
        "WEBSITE_SITE_NAME": "func-1",
        "AzureWebJobsStorage__accountName": "st1",
        "EVENT_GRID_TOPIC_ENDPOINT": "https://evgt-1.westeurope-1.eventgrid.azure.net/api/events",
        "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": "@Microsoft.KeyVault(VaultName=kv-1;SecretName=key)",
        "CALLBACK_ENCRYPTION_KEY": SAMPLE["CALLBACK_ENCRYPTION_KEY"],
    }
    with pytest.raises(SettingsError) as caught:
        Settings.load(in_azure)
    return str(caught.value)


def refused_callback() -> str:
    policy = CallbackPolicy(tuple(SAMPLE["CALLBACK_ALLOWED_HOSTS"].split(",")))
    with pytest.raises(InvalidInputError) as caught:
        policy.check_url("https://prod-1.usgovtexas.logic.azure.us/workflows/1")
    return told(caught.value)


SAID: Mapping[str, Callable[[], str]] = {
    "unhealthy": lambda: answer(shown(Health(status="unhealthy"))).get_body().decode(),
    "settings": settings_error,
    "reference": unresolved_reference,
    "no-instances": lambda: answer(shown(Listing[Instance](value=[]))).get_body().decode(),
    "no-access": lambda: told(AccessError("what only the log says")),
    "callback-host": refused_callback,
    "suspended": lambda: reason(Answer(400, body='{"error": {"code": "WorkflowTriggerIsNotEnabled"}}')),
}
LOGGED: Mapping[str, tuple[int, Any, TokenSource | None]] = {
    "insights-401": (401, WRONG_KEY, None),
    "insights-403": (403, None, None),
    "entra": (200, [], entra(ClientAuthenticationError("AADSTS7000215: Invalid client secret provided."))),
}


def quoted(name: str) -> str:
    return fenced(blocks("said", PAGE)[name]).rstrip("\n")


def test_every_quotation_is_checked() -> None:
    assert set(blocks("said", PAGE)) == SAID.keys() | LOGGED.keys() | {"checkpoint", "storage"}


@pytest.mark.parametrize("name", SAID)
def test_a_text_is_the_bridge_s(name: str) -> None:
    assert quoted(name) == SAID[name]()


async def test_the_text_about_storage_is_the_bridge_s() -> None:
    with pytest.raises(ConfigurationError) as caught:
        async with named_errors("blob storage"):
            raise ClientAuthenticationError("This request is not authorized to perform this operation.")
    assert quoted("storage") == str(caught.value)


@pytest.mark.parametrize("name", LOGGED)
async def test_a_line_of_the_log_is_the_bridge_s(name: str, caplog: pytest.LogCaptureFixture) -> None:
    status, body, tokens = LOGGED[name]
    poll = poll_of(
        insights=client(tokens=tokens),
        checkpoints=CheckpointStoreFake(),
        subscriptions=SubscriptionStoreFake(),
        publisher=PublisherFake(),
        polls=PollStoreFake(),
        clock=ClockFake(),
    )
    with RequestsMock(assert_all_requests_are_fired=False) as api:
        api.get(f"{ENDPOINT}/instances", status=status, json=body)
        with pytest.raises(PollFailedError):
            await poll(REFRESHES)
    assert quoted(name) in caplog.messages


@pytest.mark.asyncio(loop_scope="session")
async def test_the_text_about_a_checkpoint_is_the_bridge_s(storage: Storage, opened: Opened[CheckpointBlobs]) -> None:
    checkpoints = opened(CheckpointBlobs(storage.account))
    await checkpoints.check()
    blob = storage.blobs.get_blob_client("checkpoints", "i1/jobs.json")
    await blob.upload_blob(f'{{"version": {VERSION + 1}}}'.encode())
    with pytest.raises(CheckpointError) as caught:
        await checkpoints.load("i1", Family.JOBS)
    assert quoted("checkpoint") == str(caught.value).replace("i1", "<environment id>")


def test_every_entry_says_what_one_sees_why_and_what_to_do() -> None:
    assert len(ENTRIES) > 15
    for title, text in ENTRIES:
        assert re.findall(r"^\*\*(\w[\w ]+)\.\*\*", text, re.MULTILINE) == ["You see", "Why", "Do"], title


def test_every_entry_is_in_the_contents() -> None:
    contents = PAGE.partition("\n## ")[0]
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title, _ in ENTRIES]
    assert re.findall(r"\]\(#([\w-]+)\)", contents) == anchors


def test_commands_and_what_they_name_exist() -> None:
    known = (*DEPLOY_COMMANDS, *OPERATIONS_COMMANDS, *COMMANDS, "curl ", "ask ", "ask() ")
    lines = [re.sub(r"^\w+=\$\(|^\w+=(?=\S+$)", "", line) for line in commands(PAGE)]
    assert [line for line in lines if not line.startswith(known)] == []
    assert {command for command in COMMANDS if command not in SHELL} == set()
    outputs = set(re.findall(r"^output (\w+) ", (INFRA / "main.bicep").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"azd env get-value (\w+)", PAGE)) <= outputs | OF_AZD
    assert set(re.findall(r"azd env set (\w+)", PAGE)) <= set(variables())
    given = set(re.findall(r"^(\w+)=", SHELL, re.MULTILINE))
    assert set(re.findall(r"\$([a-z]\w*)", SHELL)) == given


def test_queries_bind_and_name_a_function_of_the_app() -> None:
    queries = re.findall(r"\bask '([^']*)'", SHELL)
    assert len(queries) >= 4
    found = bind({query: query for query in queries}, BILL)
    assert {query: said for query, said in found.items() if said} == {}
    named = set(re.findall(r'FunctionName == "(\w+)"', SHELL)) | set(re.findall(r"`(poll_\w+)`", PAGE))
    assert named
    assert named <= set(triggers({}))
