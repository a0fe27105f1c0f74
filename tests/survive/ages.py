"""Ages: what is given up for its age is that old, and what goes out is not."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from shared.adapters.columns import time_in
from tests.survive.worker import Settings
from tests.tables import Row

# What is claimed has been found young enough so long ago, at most.
FOUND_AGO = timedelta(seconds=12)
# A flow that is busy asks for so long a wait. Seconds.
ASKS = 25


def wrong_age(settings: Settings, now: datetime, before: Row | None, after: Row) -> Iterator[str]:
    """What is wrong with the age of a delivery whose record is written."""
    since = time_in(after, "patientSince")
    began = time_in(after, "dispatchedAt") if before is None else time_in(before, "patientSince")
    assert since is not None
    assert began is not None
    was, is_by_hand = (before or {}).get("stage"), "was" in after
    if after["stage"] == "dead" != was:
        yield from _given_up(settings, after.get("reason", ""), now - since)
    if since != began and not (was == "held" or is_by_hand or after["replayed"]):
        yield f"was as old as since {began}, and is so since {since}"
    most = settings.keep if (before or {}).get("line") else settings.max_age
    if after["stage"] == "attempting" and not is_by_hand and now - began > most + FOUND_AGO:
        yield f"goes out {now - began - most} too late"


def _given_up(settings: Settings, reason: str, age: timedelta) -> Iterator[str]:
    least = {
        "older than DELIVERY_MAX_AGE_HOURS": settings.max_age,
        "until DELIVERY_MAX_AGE_HOURS": settings.max_age - timedelta(seconds=max(ASKS, *settings.retry_seconds)),
        "its function kept failing": settings.max_age,
        "held for EVENT_RETENTION_DAYS": settings.keep,
    }
    for why, least_age in least.items():
        if why in reason and age < least_age:
            yield f"is a dead letter ({reason}) at the age of {age}"
