"""When did polls last find something, and did all of it go out? The checkpoints tell, as far as they can.

A poll that finds nothing new leaves its checkpoint as it is, so the age of one alone says nothing bad.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import unquote

from azure.core.exceptions import ResourceNotFoundError

from doctor.findings import Finding, fine, listed, minute, sentence, unseen, wrong
from doctor.services import Services
from shared.adapters.checkpoint_blobs import CONTAINER, CheckpointBlobs
from shared.domain.checkpoints import Family
from shared.errors import CheckpointError

# A poll publishes what it has found within seconds, and an environment is refreshed every day or so.
PUBLISHED_WITHIN: Final = timedelta(minutes=10)
JOBS_WITHIN: Final = timedelta(days=2)
# Each family has its turn within minutes of the first.
ALL_POLLED_WITHIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Written:
    """When a checkpoint was first and last written."""

    first: datetime
    last: datetime


async def check_polls(services: Services, checkpoints: CheckpointBlobs, now: datetime) -> Sequence[Finding]:
    """Look at every checkpoint."""
    written = await _written(services)
    if not written:
        return [
            unseen(
                "No poll has succeeded yet.",
                "Where the bridge has run for some minutes, the failed invocations of poll_refreshes say why.",
            )
        ]
    findings: list[Finding] = []
    for instance, families in written.items():
        findings += judge(instance, families, now)
        for family, each in families.items():
            if now - each.last > PUBLISHED_WITHIN:
                findings += await _outbox(checkpoints, instance, family, each.last)
    return findings


async def _written(services: Services) -> Mapping[str, dict[Family, Written]]:
    """The checkpoints of each environment."""
    written: dict[str, dict[Family, Written]] = defaultdict(dict)
    try:
        async for blob in services.blobs.get_container_client(CONTAINER).list_blobs():
            instance, _, family = blob.name.removesuffix(".json").rpartition("/")
            if family in set(Family):
                written[unquote(instance)][Family(family)] = Written(blob.creation_time, blob.last_modified)
    except ResourceNotFoundError:
        pass  # told where the container is looked at
    return written


def judge(instance: str, families: Mapping[Family, Written], now: datetime) -> Sequence[Finding]:
    """What the times of an environment's checkpoints tell."""
    findings: list[Finding] = []
    missing = sorted(set(Family) - families.keys())
    if missing and now - min(each.first for each in families.values()) > ALL_POLLED_WITHIN:
        findings.append(
            wrong(
                f"Of the environment {instance} these were never polled with success: {listed(missing)}.",
                "The failed invocations of poll_refreshes and poll_thresholds say why.",
            )
        )
    latest = max(each.last for each in families.values())
    text = f"The polls of the environment {instance} last found something new at {minute(latest)}"
    jobs = families.get(Family.JOBS)
    if jobs is not None and now - jobs.last > JOBS_WITHIN:
        findings.append(
            unseen(
                f"{text}, and of a job at {minute(jobs.last)}.",
                "Either nothing ran there since, or polls fail: see whether poll_refreshes succeeds.",
            )
        )
    else:
        findings.append(fine(f"{text}."))
    return findings


async def _outbox(checkpoints: CheckpointBlobs, instance: str, family: Family, at: datetime) -> Sequence[Finding]:
    """What was found and has not gone out."""
    try:
        checkpoint, _ = await checkpoints.load(instance, family)
    except CheckpointError as error:
        return [wrong(sentence(str(error)))]
    if not checkpoint.outbox:
        return []
    return [
        wrong(
            f"Events of {family} of the environment {instance}, found by {minute(at)} and not published: "
            f"{len(checkpoint.outbox)}.",
            "The topic does not take them, or no poll has run since: the invocations of poll_refreshes and "
            "poll_thresholds say which.",
        )
    ]
