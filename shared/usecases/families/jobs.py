"""Jobs: the full refreshes and unifications of an instance."""

from shared.domain import jobs
from shared.domain.checkpoints import Family
from shared.domain.jobs import JobsState
from shared.usecases.families.feeds import Feeds
from shared.usecases.families.room import Compared, Room


async def compare(state: JobsState | None, feeds: Feeds) -> Compared:
    """Compare the latest jobs, back to one that is known."""
    listed = await feeds.jobs(lambda found: jobs.enough(state, found))
    return Compared(*jobs.compare(state, listed, feeds.instance_id, feeds.now()))


ROOM = Room[JobsState](Family.JOBS, compare)
