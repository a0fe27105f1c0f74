"""Jobs: the full refreshes, unifications and stages of an instance, and its exports."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from shared.domain import exports, gaps, jobs, overdue, refreshes
from shared.domain.checkpoints import Family
from shared.domain.events.envelope import Event
from shared.domain.events.jobs import SystemRefreshOverdue
from shared.domain.jobs import JobsState
from shared.domain.resources import Job, Node
from shared.domain.rules import AgeRule
from shared.errors import BridgeError, NotFoundError
from shared.usecases.families.catching_up import caught_up, waiting
from shared.usecases.families.feeds import Feeds, side_by_side
from shared.usecases.families.room import Compared, Room


async def compare(state: JobsState | None, feeds: Feeds) -> Compared:
    """Compare the latest jobs, back to one that is known, and some older ones that have not ended."""
    latest, rules = await side_by_side(feeds.jobs(_enough(state)), feeds.rules(SystemRefreshOverdue, AgeRule))
    if wait := waiting(state, feeds):
        return replace(wait, going_on=latest)
    listed, gone, news = [*latest], list[str](), list[Event]()
    failures: list[BridgeError] = [feeds.unread] if feeds.unread else []
    if (feeds.unread and state) or gaps.is_cut_off(state, latest):
        reason = gaps.NOT_IN_TIME if feeds.unread else gaps.NOT_LISTED
        since, until = gaps.known_until(state), gaps.oldest(latest, feeds.now())
        news.append(gaps.missed(feeds.instance_id, Family.JOBS, since, until, reason))
    for job_id in jobs.to_ask(state, listed, feeds.now()):
        try:
            listed.append(await feeds.insights.job(feeds.instance_id, job_id))
        except NotFoundError:
            gone.append(job_id)
        except BridgeError as error:
            failures.append(error)
    instance_id, now = feeds.instance_id, feeds.now()
    before = caught_up(state)
    after, events = jobs.compare(before, listed, instance_id, now, gone)
    after, failed = await _exports(after, listed, feeds)
    if before is not None:
        after, late = overdue.full_refreshes(after, rules, instance_id, feeds.told_time)
        events += [*failed, *late]
    return Compared(after, [*news, *events], failures, going_on=latest)


async def _exports(state: JobsState, listed: Sequence[Job], feeds: Feeds) -> tuple[JobsState, Sequence[Event]]:
    """Compare the exports. Where their nodes cannot be read, which is the data sources' to tell, they wait."""
    try:
        nodes: Sequence[Node] | None = await feeds.nodes()
    except BridgeError:
        return state, []
    after, events = exports.compare(state.exports, nodes, listed, feeds.instance_id, feeds.now())
    return (state if after is state.exports else state.model_copy(update={"exports": after})), events


def _enough(state: JobsState | None) -> Callable[[Sequence[Job]], bool]:
    known = state.exports if state is not None else None
    return lambda found: jobs.enough(state, found) and refreshes.enough(known, found)


ROOM = Room[JobsState](Family.JOBS, compare)
