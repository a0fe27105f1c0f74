"""Jobs: the full refreshes and unifications of an instance."""

from dataclasses import replace

from shared.domain import gaps, jobs
from shared.domain.checkpoints import Family
from shared.domain.events.envelope import Event
from shared.domain.jobs import JobsState
from shared.errors import NotFoundError
from shared.usecases.families.catching_up import caught_up, waiting
from shared.usecases.families.feeds import Feeds
from shared.usecases.families.room import Compared, Room


async def compare(state: JobsState | None, feeds: Feeds) -> Compared:
    """Compare the latest jobs, back to one that is known, and some older ones that have not ended."""
    latest = await feeds.jobs(lambda found: jobs.enough(state, found))
    if wait := waiting(state, feeds):
        return replace(wait, going_on=latest)
    listed, gone, news = [*latest], list[str](), list[Event]()
    if (feeds.unread and state) or gaps.is_cut_off(state, latest):
        reason = gaps.NOT_IN_TIME if feeds.unread else gaps.NOT_LISTED
        since, until = gaps.known_until(state), gaps.oldest(latest, feeds.now())
        news.append(gaps.missed(feeds.instance_id, Family.JOBS, since, until, reason))
    for job_id in jobs.to_ask(state, listed, feeds.now()):
        try:
            listed.append(await feeds.insights.job(feeds.instance_id, job_id))
        except NotFoundError:
            gone.append(job_id)
    after, events = jobs.compare(caught_up(state), listed, feeds.instance_id, feeds.now(), gone)
    return Compared(after, [*news, *events], [feeds.unread] if feeds.unread else [], going_on=latest)


ROOM = Room[JobsState](Family.JOBS, compare)
