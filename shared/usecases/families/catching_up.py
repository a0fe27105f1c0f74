"""Catching up: what a family does when the jobs cannot be read back to what it knows.

After a gap there may be more jobs than the API shows in time. The family waits for some polls; then it goes on from
the jobs that it could read, and says so: better some refreshes untold than all that come after them.
"""

from typing import Final

from shared.domain.jobs import JobsState
from shared.domain.refresh_marks import DataSourcesState
from shared.usecases.families.feeds import Feeds
from shared.usecases.families.room import Compared

PATIENCE: Final = 10


def waiting[S: (JobsState, DataSourcesState)](state: S | None, feeds: Feeds) -> Compared | None:
    """The state that waits for one more poll; None: nothing is missing, or it has waited long enough."""
    if feeds.unread is None or state is None or state.behind >= PATIENCE:
        return None
    return Compared(state.model_copy(update={"behind": state.behind + 1}), (), [feeds.unread])


def caught_up[S: (JobsState, DataSourcesState)](state: S | None) -> S | None:
    """The state as one that misses nothing: the very same, unless it waited."""
    return state.model_copy(update={"behind": 0}) if state is not None and state.behind else state
