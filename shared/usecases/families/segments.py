"""Segments: their member counts against the rules that subscribers set."""

from shared.domain import thresholds
from shared.domain.checkpoints import Family
from shared.domain.events import SegmentThresholdCrossed
from shared.domain.thresholds import ValuesState
from shared.usecases.families.feeds import Feeds, side_by_side
from shared.usecases.families.room import Compared, Room
from shared.usecases.families.values import compared


async def compare(state: ValuesState | None, feeds: Feeds) -> Compared:
    """Compare all segments; with their history where a watched one was evaluated again."""
    rules, segments = await side_by_side(
        feeds.rules(SegmentThresholdCrossed), feeds.insights.segments(feeds.instance_id)
    )
    watched = [thresholds.watch_segment(segment) for segment in segments]
    if state is not None and (moved := thresholds.moved(state, watched, rules)):
        days = thresholds.history_days(state, [w.name for w in moved], feeds.now())
        segments = await feeds.insights.segments(feeds.instance_id, days)
        watched = [thresholds.watch_segment(segment) for segment in segments]
    return await compared(feeds.instance_id, state, watched, rules)


ROOM = Room[ValuesState](Family.SEGMENTS, compare)
