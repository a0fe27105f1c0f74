"""An outage: for a while Customer Insights refuses to list its segments, and what happens to them meanwhile waits."""

from collections.abc import Callable, Iterator
from datetime import datetime

from local.tenant.faults import Faults
from local.tenant.life.occurrences import Ended, polling_failed, polling_recovered

SEGMENTS = "/manage/segments"
# The bridge tells of it after so many seconds, and three polls: one a second.
TOLD_AFTER = 1
_STEPS = 2
_REFUSED = 403


def outage(faults: Faults) -> Iterator[tuple[str, Callable[[datetime], object], tuple[Ended, ...]]]:
    """Write the steps of an outage: the sentence, what is done, and what it makes."""
    yield (
        "Somebody takes the bridge's role away: Customer Insights refuses to list its segments.",
        lambda _: faults.add(SEGMENTS, times=1_000, status=_REFUSED),
        (polling_failed("segments"),),
    )
    for _ in range(_STEPS):
        yield "Nobody gives it back yet.", lambda _: None, ()
    yield "The role is given back.", lambda _: faults.end(SEGMENTS), (polling_recovered("segments"),)
