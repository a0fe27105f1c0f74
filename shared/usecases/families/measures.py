"""Measures: the values of scalar ones against the rules that subscribers set."""

from shared.domain import thresholds
from shared.domain.checkpoints import Family
from shared.domain.events import MeasureThresholdCrossed
from shared.domain.thresholds import ValuesState
from shared.errors import BridgeError, NotFoundError
from shared.usecases.families.feeds import Feeds, side_by_side
from shared.usecases.families.room import Compared, Room
from shared.usecases.families.values import compared


async def compare(state: ValuesState | None, feeds: Feeds) -> Compared:
    """Compare all measures; with its history where a watched one was evaluated again."""
    rules, measures = await side_by_side(
        feeds.rules(MeasureThresholdCrossed), feeds.insights.measures(feeds.instance_id)
    )
    watched = {measure.name: thresholds.watch_measure(measure) for measure in measures}
    failures: list[BridgeError] = []
    for moved in thresholds.moved(state, watched.values(), rules):
        try:
            measure = await feeds.insights.measure(feeds.instance_id, moved.name)
            watched[moved.name] = thresholds.watch_measure(measure)
        except NotFoundError:
            del watched[moved.name]  # deleted since it was listed
        except BridgeError as error:
            del watched[moved.name]  # it stays as remembered, and the next poll catches up
            failures.append(error)
    return await compared(feeds.instance_id, state, list(watched.values()), rules, failures)


ROOM = Room[ValuesState](Family.MEASURES, compare)
