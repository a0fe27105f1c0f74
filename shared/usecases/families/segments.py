"""Segments: their member counts against the rules that subscribers set, and what goes wrong with them."""

from dataclasses import replace

from shared.domain import evaluations, thresholds, watching
from shared.domain.checkpoints import Family
from shared.domain.events.segments import SegmentThresholdCrossed
from shared.domain.rules import Rule
from shared.domain.watching import ValuesState
from shared.errors import BridgeError
from shared.usecases.families.feeds import Feeds, side_by_side
from shared.usecases.families.room import Compared, Room
from shared.usecases.families.values import compared, missed, with_gaps


async def compare(state: ValuesState | None, feeds: Feeds) -> Compared:
    """Compare all segments; with their history where evaluations of a watched one can have been missed."""
    rules, segments = await side_by_side(
        feeds.rules(SegmentThresholdCrossed, Rule), feeds.insights.segments(feeds.instance_id)
    )
    changed = watching.changed(state, segments, watching.seen_segment)
    gaps = await with_gaps(state, changed, rules, evaluations.SEGMENTS, feeds)
    if not gaps:
        return await compared(state, changed, segments, rules, feeds)
    names = {w.name for w in gaps}
    days = thresholds.history_days(state or ValuesState(), names, feeds.now())
    try:
        segments = await feeds.insights.segments(feeds.instance_id, days)
    except BridgeError as error:
        # Without their history, they stay as remembered.
        found = await compared(state, [w for w in changed if w.name not in names], segments, rules, feeds)
        return replace(found, failures=[error])
    changed = watching.changed(state, segments, watching.seen_segment)
    unseen = missed(Family.SEGMENTS, state, (w for w in changed if w.name in names), feeds)
    return (await compared(state, changed, segments, rules, feeds)).with_news(unseen)


ROOM = Room[ValuesState](Family.SEGMENTS, compare)
