"""Measures: the values of scalar ones against the rules that subscribers set."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from shared.domain import evaluations, thresholds
from shared.domain.checkpoints import Family
from shared.domain.events.measures import MeasureThresholdCrossed
from shared.domain.thresholds import ValuesState
from shared.errors import BridgeError, NotFoundError
from shared.usecases.families.feeds import Feeds, side_by_side
from shared.usecases.families.room import Compared, Room
from shared.usecases.families.values import compared, with_gaps

# A history costs a call for each measure; what is not read in one poll is read in the next ones. A poll has a deadline,
# and what it has read by then would be lost.
MAX_HISTORIES: Final = 50
HISTORIES_UNTIL: Final = timedelta(seconds=20)


async def compare(state: ValuesState | None, feeds: Feeds) -> Compared:
    """Compare all measures; with its history where evaluations of a watched one can have been missed."""
    rules, measures = await side_by_side(
        feeds.rules(MeasureThresholdCrossed), feeds.insights.measures(feeds.instance_id)
    )
    changed = {w.name: w for w in thresholds.changed(state, measures, thresholds.seen_measure)}
    failures: list[BridgeError] = []
    gaps = await with_gaps(state, list(changed.values()), rules, evaluations.MEASURES, feeds)
    until = feeds.now() + HISTORIES_UNTIL
    for number, gap in enumerate(gaps):
        # Without its history, it stays as remembered.
        del changed[gap.name]
        if number >= MAX_HISTORIES or feeds.now() >= until:
            continue
        days = thresholds.history_days(state or ValuesState(), [gap.name], feeds.now())
        try:
            measure = await feeds.insights.measure(feeds.instance_id, gap.name, days)
        except NotFoundError:
            continue  # deleted since it was listed
        except BridgeError as error:
            failures.append(error)
        else:
            changed |= {w.name: w for w in thresholds.changed(state, [measure], thresholds.seen_measure)}
    return replace(await compared(state, list(changed.values()), measures, rules, feeds), failures=failures)


ROOM = Room[ValuesState](Family.MEASURES, compare)
