"""Jobs: the full refreshes and unifications of an instance."""

from dataclasses import replace

from shared.domain import jobs
from shared.domain.checkpoints import Family
from shared.domain.jobs import JobsState
from shared.errors import BridgeError, NotFoundError
from shared.usecases.families.catching_up import caught_up, waiting
from shared.usecases.families.feeds import Feeds
from shared.usecases.families.room import Compared, Room


async def compare(state: JobsState | None, feeds: Feeds) -> Compared:
    """Compare the latest jobs, back to one that is known, and some older ones that have not ended."""
    latest = await feeds.jobs(lambda found: jobs.enough(state, found))
    if wait := waiting(state, feeds):
        return replace(wait, going_on=latest)
    listed, gone = [*latest], list[str]()
    failures: list[BridgeError] = [feeds.unread] if feeds.unread else []
    for job_id in jobs.to_ask(state, listed, feeds.now()):
        try:
            listed.append(await feeds.insights.job(feeds.instance_id, job_id))
        except NotFoundError:
            gone.append(job_id)
        except BridgeError as error:
            failures.append(error)
    after, events = jobs.compare(caught_up(state), listed, feeds.instance_id, feeds.now(), gone)
    return Compared(after, events, failures, going_on=latest)


ROOM = Room[JobsState](Family.JOBS, compare)
