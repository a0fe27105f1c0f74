"""Measures: their values against the rules that subscribers set, and what goes wrong with them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from shared.domain import evaluations, slices, thresholds, watching
from shared.domain.checkpoints import Family
from shared.domain.events.measures import MeasureThresholdCrossed
from shared.domain.resources import Measure
from shared.domain.rows import Row
from shared.domain.rules import Rule
from shared.domain.slices import Due
from shared.domain.watching import ValuesState, Watched
from shared.errors import BridgeError, NotFoundError
from shared.usecases.families.feeds import Feeds, side_by_side
from shared.usecases.families.room import Compared, Room
from shared.usecases.families.values import compared, missed, with_gaps

# A history costs a call for each measure, and so does a table; what is not read in one poll is read in the next ones. A
# poll has a deadline, and what it has read by then would be lost.
MAX_HISTORIES: Final = 50
MAX_TABLES: Final = 50
HISTORIES_UNTIL: Final = timedelta(seconds=20)


async def compare(state: ValuesState | None, feeds: Feeds) -> Compared:
    """Compare all measures; with its history where evaluations of a watched one can have been missed."""
    rules, measures = await side_by_side(
        feeds.rules(MeasureThresholdCrossed, Rule), feeds.insights.measures(feeds.instance_id)
    )
    changed = {w.name: w for w in watching.changed(state, measures, watching.seen_measure)}
    failures, read_again = list[BridgeError](), list[Watched]()
    scalar = [rule for rule in rules if rule.dimensions is None]
    gaps = await with_gaps(state, list(changed.values()), scalar, evaluations.MEASURES, feeds)
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
            read_again += watching.changed(state, [measure], watching.seen_measure)
    changed |= {w.name: w for w in read_again}
    found = await compared(state, list(changed.values()), measures, rules, feeds)
    news = missed(Family.MEASURES, state, read_again, feeds)
    return await _with_slices(found.with_news(news), measures, rules, failures, feeds)


async def _with_slices(
    found: Compared, measures: Sequence[Measure], rules: Sequence[Rule], failures: list[BridgeError], feeds: Feeds
) -> Compared:
    """Compare the combinations that rules watch, too; what could not be read stays as remembered, and is due again."""
    state = found.state
    assert isinstance(state, ValuesState)  # noqa: S101 - tells the type checker what a family's room remembers
    due = slices.due(state, {measure.name: measure for measure in measures}, rules, feeds.now())[:MAX_TABLES]
    read = list[tuple[Due, Sequence[Row]]]()
    for one in due:
        try:
            rows = await feeds.insights.rows_of_measure(feeds.instance_id, one.measure.name, one.combinations)
        except BridgeError as error:
            failures.append(error)
        else:
            read.append((one, rows))
    after, crossings = slices.compare(state, read, rules)
    by_name = {one.measure.name: one.measure for one in due}
    crossed = [thresholds.event(feeds.instance_id, one, by_name[one.rule.name]) for one in crossings]
    return Compared(after, [*found.events, *crossed], failures)


ROOM = Room[ValuesState](Family.MEASURES, compare)
