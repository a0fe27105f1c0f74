"""The command on a bridge that is well, and on one whose settings, storage or topic are not."""

import base64
import json

import pytest

from local.loopback import free_port
from local.tenant.api import Family
from tests.doctor.conftest import PROJECT, Patient

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_bridge_that_is_well(patient: Patient) -> None:
    before = await patient.written()
    told = await patient.command()
    assert told.code == 0, told.text
    assert told.lines("wrong") == []
    for expected in (
        "All settings are there and well-formed.",
        "The queue events is there and can be read; messages in it: about 0.",
        "The encryption keys open the callback URLs of all 1 subscriptions.",
        "There is no queue events-poison: no message was given up.",
        "There are no dead letters.",
        "All of 1 subscriptions take events.",
        "The API takes key and token. Instances that it lists: 1.",
        "Data sources: manage/datasources answers, 5 can be read; manage/datasources/v2 does not exist.",
        "The jobs of the workflow 'main': workflows answers, 13 can be read; manage/workflows does not exist.",
        "manage/entities/{table} finds a table by qualifiedEntityName.",
    ):
        assert expected in told.lines("fine")
    assert "No poll has succeeded yet." in told.lines("open")
    assert "Whether the topic takes events from the bridge is seen only by publishing one." in told.lines("open")
    assert [secret for secret in patient.known_secrets if secret in told.text] == []
    assert await patient.written() == before
    assert {method for method, _ in patient.api.calls_by_method} == {"GET"}
    assert (patient.topic.published, patient.topic.refused) == ([], 0)


@pytest.mark.parametrize("family", ["docs"])
async def test_the_other_family_of_paths(patient: Patient, family: Family) -> None:
    told = await patient.examine()
    assert (told.code, told.lines("wrong"), family) == (0, [], "docs")
    for expected in (
        "Data sources: manage/datasources/v2 answers, 5 can be read; manage/datasources does not exist.",
        "The status of the workflow 'main': manage/workflows answers, 16 can be read; workflows does not exist.",
        "The jobs of the workflow 'main': manage/workflows answers, 13 can be read; workflows does not exist.",
        "A single job: can be read.",
    ):
        assert expected in told.lines("fine")


# -- settings


async def test_all_settings_that_are_wrong_are_named_at_once(patient: Patient) -> None:
    told = await patient.examine(CALLBACK_ENCRYPTION_KEY="s3cret-and-short", CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY="")
    assert told.code == 1
    [line] = told.lines("wrong")
    assert "CALLBACK_ENCRYPTION_KEY is not base64" in line
    assert "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY is missing" in line
    assert "s3cret-and-short" not in told.text
    assert patient.api.calls == {}


async def test_the_file_is_read_and_the_environment_wins(patient: Patient) -> None:
    values = {**patient.settings, "CUSTOMER_INSIGHTS_WORKFLOW": "night"}
    (patient.folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))
    patient.settings = {}
    told = await patient.examine(CUSTOMER_INSIGHTS_WORKFLOW="main")
    assert told.code == 0, told.text
    told = await patient.examine(CUSTOMER_INSIGHTS_WORKFLOW="other")
    assert "The jobs of the workflow 'other': neither workflows nor manage/workflows exists." in told.lines("wrong")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"IsEncrypted": true, "Values": {"a": "s3cret"}}', "encrypted: run `func settings decrypt`."),
        ('{"Values": {"a": "s3cret"', "local.settings.json cannot be read: it must be JSON with an object `Values`."),
        ('["s3cret"]', "local.settings.json cannot be read: it must be JSON with an object `Values`."),
    ],
)
async def test_a_file_that_cannot_be_used(patient: Patient, content: str, expected: str) -> None:
    (patient.folder / "local.settings.json").write_text(content)
    told = await patient.examine()
    assert told.code == 1
    assert expected in told.text
    assert "s3cret" not in told.text


async def test_what_was_never_filled_in(patient: Patient) -> None:
    sample = json.loads((PROJECT / "local.settings.sample.json").read_text())["Values"]
    names = ("CALLBACK_ENCRYPTION_KEY", "CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY", "EVENT_GRID_TOPIC_KEY")
    told = await patient.examine(**{name: sample[name] for name in names})
    assert told.code == 1
    for name in names:
        assert f"{name} still has the value of local.settings.sample.json." in told.lines("wrong")


async def test_a_reference_to_a_key_vault(patient: Patient) -> None:
    reference = "@Microsoft.KeyVault(VaultName=v;SecretName=s)"
    told = await patient.examine(EVENT_GRID_TOPIC_KEY=reference, CALLBACK_ENCRYPTION_KEY=reference)
    [line] = told.lines("wrong")
    for name in ("EVENT_GRID_TOPIC_KEY", "CALLBACK_ENCRYPTION_KEY"):
        assert f"{name} is a reference that Azure has not resolved" in line
    assert "fill in the value itself" in line


# -- storage and topic


async def test_what_is_missing_in_storage_is_named_and_not_made(patient: Patient) -> None:
    await patient.storage.queues.delete_queue("events")
    await patient.storage.tables.delete_table("deadletters")
    await patient.storage.blobs.delete_container("checkpoints")
    told = await patient.examine()
    assert told.code == 1
    assert told.lines("wrong") == [
        "The container checkpoints is missing.",
        "The queue events is missing.",
        "The table deadletters is missing.",
    ]
    assert not {"queue events", "table deadletters", "container checkpoints"} & await patient.storage.names()


async def test_a_wrong_key_of_the_storage_account(patient: Patient) -> None:
    other = base64.b64encode(b"another key that is s3cret").decode()
    key = patient.settings["AzureWebJobsStorage"].partition("AccountKey=")[2].partition(";")[0]
    told = await patient.examine(AzureWebJobsStorage=patient.settings["AzureWebJobsStorage"].replace(key, other))
    assert told.code == 1
    [line] = [line for line in told.lines("wrong") if line.startswith("Queue events refuses")]
    assert "check AzureWebJobsStorage" in line
    assert other not in told.text


async def test_storage_that_is_not_there(patient: Patient) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/a"
    services = ";".join(f"{service}Endpoint={nowhere}" for service in ("Blob", "Queue", "Table"))
    connection = f"AccountName=a;AccountKey=c2VjcmV0c2VjcmV0;{services}"
    told = await patient.examine(AzureWebJobsStorage=connection)
    assert told.code == 1
    assert "Queue deliveries cannot be reached." in told.lines("wrong")
    assert "c2VjcmV0c2VjcmV0" not in told.text


async def test_callbacks_that_no_key_opens(patient: Patient) -> None:
    told = await patient.examine(CALLBACK_ENCRYPTION_KEY=base64.b64encode(b"x" * 32).decode())
    assert told.lines("wrong") == [
        "Of 1 subscriptions, 1 have a callback URL or secret that no encryption key opens: s.",
    ]
    previous = patient.settings["CALLBACK_ENCRYPTION_KEY"]
    told = await patient.examine(CALLBACK_ENCRYPTION_KEY_PREVIOUS=previous)
    assert told.code == 0, told.text


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://127.0.0.1:{port}/api/events", "No connection to 127.0.0.1 comes about (ConnectionRefusedError)."),
        ("https://topic.invalid/api/events", "The name topic.invalid is not known."),
        (
            "{topic}/events",
            "Settings are missing or malformed: EVENT_GRID_TOPIC_ENDPOINT does not have the path /api/events",
        ),
        ("{tls}/api/events", "No secure connection to 127.0.0.1 comes about"),
    ],
)
async def test_a_wrong_address_of_the_topic(patient: Patient, endpoint: str, expected: str) -> None:
    topic = patient.settings["EVENT_GRID_TOPIC_ENDPOINT"].removesuffix("/api/events")
    tls = topic.replace("http:", "https:")  # nobody speaks TLS there
    told = await patient.examine(EVENT_GRID_TOPIC_ENDPOINT=endpoint.format(port=free_port(), topic=topic, tls=tls))
    assert told.code == 1
    [line] = told.lines("wrong")
    assert line.startswith(expected)
