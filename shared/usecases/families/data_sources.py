"""Data sources: their refreshes, told by three feeds of which any may be missing."""

import asyncio

from shared.domain import gaps, refreshes
from shared.domain.checkpoints import Family
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.sightings import Snapshot
from shared.errors import ConfigurationError
from shared.usecases.families.catching_up import caught_up, waiting
from shared.usecases.families.feeds import Feeds, if_offered, side_by_side
from shared.usecases.families.room import Compared, Room


async def compare(state: DataSourcesState | None, feeds: Feeds) -> Compared:
    """Compare what the three feeds show."""
    # First: what their `refreshState` tells, the nodes and jobs that are read after it show as well.
    data_sources = await feeds.data_sources()
    jobs = if_offered(feeds.jobs(lambda found: refreshes.enough(state, found)))
    snapshot = Snapshot(data_sources, *await side_by_side(feeds.nodes(), jobs))
    if snapshot.data_sources is None and snapshot.nodes is None:
        raise ConfigurationError(
            f"Customer Insights shows no data sources of instance {feeds.instance_id}: "
            "check CUSTOMER_INSIGHTS_INSTANCES and CUSTOMER_INSIGHTS_WORKFLOW"
        )
    if wait := waiting(state, feeds):
        return wait
    # In a thread: after a gap there may be much to compare.
    after, events = await asyncio.to_thread(
        refreshes.compare, caught_up(state), snapshot, feeds.instance_id, feeds.now()
    )
    if not feeds.unread or state is None:
        return Compared(after, events)
    until = gaps.oldest(snapshot.jobs or (), feeds.now())
    news = gaps.missed(feeds.instance_id, Family.DATA_SOURCES, state.horizon, until, gaps.NOT_IN_TIME)
    return Compared(after, [news, *events], [feeds.unread])


ROOM = Room[DataSourcesState](Family.DATA_SOURCES, compare)
