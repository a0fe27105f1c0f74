"""What stands still: poison queues, dead letters, suspended subscriptions, and polls that find nothing any more."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables import UpdateMode

from doctor.findings import Finding, Verdict
from doctor.operation import MOST_LETTERS, check_operation
from doctor.polls import Written, judge
from shared.adapters.checkpoint_blobs import CheckpointBlobs
from shared.adapters.delivery_table import DeliveryTable
from shared.adapters.letter_table import DeadLetterTable
from shared.adapters.subscription_table import SubscriptionTable
from shared.domain.checkpoints import Checkpoint, Family
from shared.domain.deliveries import Delivery, New
from shared.domain.jobs import JobsState
from shared.domain.letters import DeadLetter
from tests.adapters.test_subscription_table import subscription
from tests.doctor.conftest import Patient
from tests.usecases.world import event_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SOON, LATER = timedelta(minutes=1), timedelta(hours=2)


def told(findings: Sequence[Finding], verdict: Verdict) -> list[str]:
    return [finding.what for finding in findings if finding.verdict is verdict]


class TestStorage:
    pytestmark = pytest.mark.asyncio(loop_scope="session")

    async def test_what_waits_for_somebody_is_wrong(self, patient: Patient) -> None:
        storage = patient.storage
        poison = storage.queues.get_queue_client("deliveries-poison")
        await poison.create_queue()
        await poison.send_message("x")
        letters = DeadLetterTable(storage.account)
        for number in range(2):
            letter = DeadLetter(str(number), "delivery", "HTTP 400", NOW + timedelta(minutes=number), "s3cret")
            await letters.record(letter)
        await letters.close()
        table = SubscriptionTable(storage.account)
        for id_, status in (("off", "suspended"), ("ill", "failing"), ("quiet", "paused")):
            await table.put(replace(subscription(), id=id_, status=status, callback=b"x", fingerprint=id_), None)
        await table.close()
        deliveries = DeliveryTable(storage.account, lambda: NOW)
        for number in range(3):
            await deliveries.put(Delivery.held(New("off", event_of(number), NOW), NOW))
        await deliveries.close()
        found = await check_operation(storage.account, datetime.now(UTC))
        assert told(found, Verdict.WRONG) == [
            "Messages in the queue deliveries-poison: about 1.",
            "Dead letters: 2, the latest of 2026-11-25 12:01 UTC.",
            "Of 4 subscriptions, 1 are suspended: off. Held for them: 3.",
            "Of 4 subscriptions, 1 are failing: ill. Held for them: 0.",
        ]
        assert "Of 4 subscriptions, 1 are paused: quiet. Held for them: 0." in told(found, Verdict.OPEN)
        assert "There is no queue events-poison: no message was given up." in told(found, Verdict.FINE)
        assert "s3cret" not in str(found)

    async def test_many_dead_letters_are_not_counted_to_the_end(self, patient: Patient) -> None:
        table = patient.storage.tables.get_table_client("deadletters")
        for start in range(0, MOST_LETTERS + 100, 100):
            rows = [
                {"PartitionKey": "letters", "RowKey": str(start + each), "recordedAt": NOW.isoformat()}
                for each in range(100)
            ]
            await table.submit_transaction([("upsert", row, {"mode": UpdateMode.REPLACE}) for row in rows])
        found = await check_operation(patient.storage.account, NOW)
        assert f"Dead letters: {MOST_LETTERS:,} or more, the latest of 2026-11-25 12:00 UTC." in told(
            found, Verdict.WRONG
        )

    async def test_events_that_were_found_and_not_published_are_wrong(self, patient: Patient) -> None:
        checkpoints = CheckpointBlobs(patient.storage.account)
        await checkpoints.save("i/1", Family.JOBS, Checkpoint(JobsState(), [{"id": "e"}]), None)
        await checkpoints.save("i/1", Family.SEGMENTS, Checkpoint(), None)
        await checkpoints.close()
        now = datetime.now(UTC)
        found = await check_operation(patient.storage.account, now + timedelta(seconds=10))
        assert told(found, Verdict.WRONG) == []
        assert any(line.startswith("The polls of the environment i/1 last") for line in told(found, Verdict.FINE))
        published, missing = told(await check_operation(patient.storage.account, now + LATER), Verdict.WRONG)[::-1]
        assert published.startswith("Events of jobs of the environment i/1, found by")
        assert published.endswith("and not published: 1.")
        assert missing == "Of the environment i/1 these were never polled with success: data-sources, measures."


def written(first: timedelta, last: timedelta) -> Written:
    return Written(NOW - first, NOW - last)


@pytest.mark.parametrize(
    ("families", "verdicts"),
    [
        (dict.fromkeys(Family, written(LATER, SOON)), [Verdict.FINE]),
        ({Family.JOBS: written(SOON, SOON)}, [Verdict.FINE]),
        ({Family.JOBS: written(LATER, SOON)}, [Verdict.WRONG, Verdict.FINE]),
        (dict.fromkeys(Family, written(timedelta(days=9), timedelta(days=3))), [Verdict.OPEN]),
        # An age alone is no fault: values may stand still for long.
        (
            {**dict.fromkeys(Family, written(timedelta(days=9), timedelta(days=8))), Family.JOBS: written(LATER, SOON)},
            [Verdict.FINE],
        ),
    ],
)
def test_what_the_times_of_checkpoints_tell(families: dict[Family, Written], verdicts: list[Verdict]) -> None:
    assert [finding.verdict for finding in judge("i", families, NOW)] == verdicts
