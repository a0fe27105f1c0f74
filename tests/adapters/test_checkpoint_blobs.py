"""Checkpoints on real storage: made once, replaced only in the version that was read, never overwritten unread."""

import asyncio
import gc

import pytest

from shared.adapters.checkpoint_blobs import CheckpointBlobs
from shared.adapters.storage import Account
from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.jobs import JobsState
from shared.errors import CheckpointError, ConfigurationError, LostRaceError, TransientError
from tests.adapters.conftest import Opened, Storage

pytestmark = pytest.mark.asyncio(loop_scope="session")

JOBS = Family.JOBS
ODD_IDS = ["plain", "a/b", "a#b", "a?b", "a%2Fb", "a b", "Größe-日本", "x" * 100]


@pytest.fixture
def checkpoints(storage: Storage, opened: Opened[CheckpointBlobs]) -> CheckpointBlobs:
    return opened(CheckpointBlobs(storage.account))


def noted(*ids: str) -> Checkpoint:
    return Checkpoint(None, [{"id": each} for each in ids])


async def test_before_the_first_save_there_is_nothing(checkpoints: CheckpointBlobs, storage: Storage) -> None:
    assert await checkpoints.load("a", JOBS) == (Checkpoint(), None)
    assert await storage.names() == set()


async def test_a_checkpoint_comes_back_as_saved(checkpoints: CheckpointBlobs) -> None:
    version = await checkpoints.save("a", JOBS, Checkpoint(JobsState(), [{"id": "é", "n": 1.5}]), None)
    assert await checkpoints.load("a", JOBS) == (Checkpoint(JobsState(), [{"id": "é", "n": 1.5}]), version)


async def test_a_save_gives_the_version_that_the_next_one_needs(checkpoints: CheckpointBlobs) -> None:
    version = await checkpoints.save("a", JOBS, noted("1"), None)
    version = await checkpoints.save("a", JOBS, noted("2"), version)
    version = await checkpoints.save("a", JOBS, noted("3"), version)
    assert await checkpoints.load("a", JOBS) == (noted("3"), version)


async def test_the_first_save_is_made_once(checkpoints: CheckpointBlobs) -> None:
    await checkpoints.save("a", JOBS, noted("1"), None)
    with pytest.raises(LostRaceError):
        await checkpoints.save("a", JOBS, noted("2"), None)
    assert (await checkpoints.load("a", JOBS))[0] == noted("1")


async def test_an_older_version_is_not_replaced(checkpoints: CheckpointBlobs) -> None:
    first = await checkpoints.save("a", JOBS, noted("1"), None)
    await checkpoints.save("a", JOBS, noted("2"), first)
    with pytest.raises(LostRaceError):
        await checkpoints.save("a", JOBS, noted("3"), first)
    assert (await checkpoints.load("a", JOBS))[0] == noted("2")


async def test_a_deleted_checkpoint_does_not_come_back_through_an_old_version(
    checkpoints: CheckpointBlobs, storage: Storage
) -> None:
    version = await checkpoints.save("a", JOBS, noted("1"), None)
    await storage.blobs.get_blob_client("checkpoints", "a/jobs.json").delete_blob()
    with pytest.raises(LostRaceError):
        await checkpoints.save("a", JOBS, noted("2"), version)
    assert await checkpoints.load("a", JOBS) == (Checkpoint(), None)


@pytest.mark.parametrize("is_first", [True, False])
async def test_of_many_writers_one_wins(checkpoints: CheckpointBlobs, *, is_first: bool) -> None:
    version = None if is_first else await checkpoints.save("a", JOBS, noted("0"), None)
    outcomes = await asyncio.gather(
        *(checkpoints.save("a", JOBS, noted(str(n)), version) for n in range(1, 9)), return_exceptions=True
    )
    won = [n for n, outcome in enumerate(outcomes, 1) if isinstance(outcome, str)]
    assert len(won) == 1
    assert all(isinstance(outcome, str | LostRaceError) for outcome in outcomes)
    assert (await checkpoints.load("a", JOBS))[0] == noted(str(won[0]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"version":99,"family":"jobs","state":null,"outbox":[]}',
        b'{"version":1,"family":"segments","state":null,"outbox":[]}',
        b'{"version":1,"family":"jobs","state":5,"outbox":[]}',
        b'{"version":1,"family":"jobs","state":null}',
    ],
)
async def test_an_unreadable_checkpoint_is_named_and_left_as_it_is(
    checkpoints: CheckpointBlobs, storage: Storage, content: bytes
) -> None:
    version = await checkpoints.save("a", JOBS, noted("1"), None)
    blob = storage.blobs.get_blob_client("checkpoints", "a/jobs.json")
    await blob.upload_blob(content, overwrite=True)
    with pytest.raises(CheckpointError, match=r"checkpoints/a/jobs\.json"):
        await checkpoints.load("a", JOBS)
    for stale in (None, version):
        with pytest.raises(LostRaceError):
            await checkpoints.save("a", JOBS, noted("2"), stale)
    assert await (await blob.download_blob()).readall() == content


async def test_odd_ids_and_families_stand_apart(checkpoints: CheckpointBlobs) -> None:
    for instance_id in ODD_IDS:
        for family in Family:
            await checkpoints.save(instance_id, family, noted(instance_id, family), None)
    for instance_id in ODD_IDS:
        for family in Family:
            assert (await checkpoints.load(instance_id, family))[0] == noted(instance_id, family)


async def test_the_container_is_created_when_missing(checkpoints: CheckpointBlobs, storage: Storage) -> None:
    await checkpoints.check()
    assert await storage.names() == {"container checkpoints"}
    await storage.clear()
    await checkpoints.save("a", JOBS, noted("1"), None)
    assert await storage.names() == {"container checkpoints"}


async def test_a_refused_key_is_for_somebody_to_mend(storage: Storage, opened: Opened[CheckpointBlobs]) -> None:
    connection = str(storage.account.connection_string)
    key = next(part for part in connection.split(";") if part.startswith("AccountKey="))
    refused = opened(CheckpointBlobs(Account(connection.replace(key, "AccountKey=d3Jvbmc="))))
    with pytest.raises(ConfigurationError, match="AzureWebJobsStorage") as caught:
        await refused.load("a", JOBS)
    assert "d3Jvbmc" not in str(caught.value)


async def test_storage_that_is_away_is_transient(
    opened: Opened[CheckpointBlobs], unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_wait(_seconds: float) -> None:
        return None

    monkeypatch.setattr("azure.core.pipeline.transport._aiohttp.AioHttpTransport.sleep", lambda _self, s: no_wait(s))
    monkeypatch.setattr("azure.storage.blob._shared.policies_async.asyncio.sleep", no_wait)
    service = f"http://127.0.0.1:{unused_tcp_port}/devstoreaccount1"
    away = opened(
        CheckpointBlobs(
            Account(f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=d3Jvbmc=;BlobEndpoint={service}")
        )
    )
    with pytest.raises(TransientError):
        await away.load("a", JOBS)


async def test_closing_leaves_no_connection_open(storage: Storage) -> None:
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    try:
        checkpoints = CheckpointBlobs(storage.account)
        await checkpoints.load("a", JOBS)
        await checkpoints.close()
        del checkpoints
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert complaints == []


async def test_an_instance_has_one_checkpoint_however_its_id_is_spelled(checkpoints: CheckpointBlobs) -> None:
    version = await checkpoints.save("2a9f", JOBS, noted("1"), None)
    assert await checkpoints.load("{2A9F}", JOBS) == (noted("1"), version)
    with pytest.raises(LostRaceError):
        await checkpoints.save("2A9F ", JOBS, noted("2"), None)
