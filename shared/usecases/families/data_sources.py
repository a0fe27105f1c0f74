"""Data sources: their refreshes, told by three feeds of which any may be missing; their age and their credentials."""

from collections.abc import Sequence

from shared.domain import credentials, gaps, overdue, refreshes
from shared.domain.checkpoints import Family
from shared.domain.events.data_sources import DataSourceRefreshOverdue
from shared.domain.events.envelope import Event
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.rules import AgeRule
from shared.domain.sightings import Snapshot
from shared.errors import ConfigurationError
from shared.usecases.families.catching_up import caught_up, waiting
from shared.usecases.families.feeds import Feeds, aside, if_offered, side_by_side
from shared.usecases.families.room import Compared, Room


async def compare(state: DataSourcesState | None, feeds: Feeds) -> Compared:
    """Compare what the three feeds show."""
    # First: what their `refreshState` tells, the nodes and jobs that are read after it show as well.
    data_sources, rules = await side_by_side(feeds.data_sources(), feeds.rules(DataSourceRefreshOverdue, AgeRule))
    jobs = if_offered(feeds.jobs(lambda found: refreshes.enough(state, found)))
    snapshot = Snapshot(data_sources, *await side_by_side(feeds.nodes(), jobs))
    if snapshot.data_sources is None and snapshot.nodes is None:
        raise ConfigurationError(
            f"Customer Insights shows no data sources of instance {feeds.instance_id}: "
            "check CUSTOMER_INSIGHTS_INSTANCES and CUSTOMER_INSIGHTS_WORKFLOW"
        )
    if wait := waiting(state, feeds):
        return wait
    # After a gap there may be much to compare.
    tasks = sum(len(job.tasks or ()) for job in snapshot.jobs or ())
    count = len(snapshot.data_sources or ()) + len(snapshot.nodes or ()) + tasks
    after, events = await aside(lambda: _compare(caught_up(state), snapshot, rules, feeds), count)
    if not feeds.unread or state is None:
        return Compared(after, events)
    until = gaps.oldest(snapshot.jobs or (), feeds.now())
    news = gaps.missed(feeds.instance_id, Family.DATA_SOURCES, state.horizon, until, gaps.NOT_IN_TIME)
    return Compared(after, [news, *events], [feeds.unread])


def _compare(
    state: DataSourcesState | None, snapshot: Snapshot, rules: Sequence[AgeRule], feeds: Feeds
) -> tuple[DataSourcesState, list[Event]]:
    instance_id, now, listed = feeds.instance_id, feeds.now(), snapshot.listed()
    after, events = refreshes.compare(state, snapshot, instance_id, now)
    after, turned = credentials.compare(state, after, listed, instance_id, now)
    if state is None:
        return after, []
    after, late = overdue.data_sources(after, listed, rules, instance_id, feeds.told_time)
    return after, [*events, *turned, *late]


ROOM = Room[DataSourcesState](Family.DATA_SOURCES, compare)
