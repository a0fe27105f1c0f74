"""Gathering: which sightings are of one refresh, and is that refresh final?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain import resources
from shared.domain.jobs import has_ended
from shared.domain.refresh_marks import DataSourceMark, Feed, KnownRefresh, Outcome
from shared.domain.resources import DataSource
from shared.domain.sightings import Feeds, Sighting

# Completions from different feeds that lie closer than this are one refresh.
SAME_REFRESH = timedelta(seconds=60)
# How likely a sighting is of a refresh: it has the very time that was told; it was seen before; it has the very time
# that another feed shows; a job links them; it is near.
_TOLD, _SEEN, _EXACT, _LINKED, _NEAR = range(5)


@dataclass(slots=True)
class Refresh:
    """The sightings of one refresh; `told` is what the checkpoint remembers of it."""

    sightings: dict[Feed, Sighting] = field(default_factory=dict)
    told: KnownRefresh | None = None

    @property
    def jobs(self) -> frozenset[str]:
        """The keys of the jobs that its sightings name."""
        return frozenset().union(*(s.jobs for s in self.sightings.values()))

    @property
    def links(self) -> frozenset[str]:
        """The keys of the jobs that may link another sighting with it."""
        return frozenset().union(*(s.links for s in self.sightings.values()))

    @property
    def main(self) -> Sighting:
        """The sighting that speaks for it: the task's, else the node's; of two that disagree, the later."""
        told = [s for feed in ("task", "node") if (s := self.sightings.get(feed)) is not None]
        if len(told) > 1 and told[0].outcome != told[1].outcome:
            return max(told, key=lambda s: s.at)
        return told[0] if told else self.sightings["own"]

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, as it was told; else as its main sighting has it."""
        return (self.told and self.told.outcome) or self.main.outcome

    @property
    def succeeded(self) -> bool:
        """Whether it ended in success."""
        return self.outcome == "succeeded"

    @property
    def last_at(self) -> datetime:
        """The latest time that a feed shows for it."""
        return max(s.at for s in self.sightings.values())

    def unlikeness(self, sighting: Sighting) -> tuple[int, timedelta] | None:
        """How unlike it is that a sighting is of this refresh; None: it is of another."""
        links = self.links
        if links and sighting.links and links.isdisjoint(sighting.links):
            return None
        if self.told is not None and self.told.at == sighting.at:
            return _TOLD, timedelta(0)
        mine = self.sightings.get(sighting.feed)
        if mine is not None and (self.told is None or abs(mine.at - self.told.at) < SAME_REFRESH):
            return (_SEEN, timedelta(0)) if mine.at == sighting.at else None
        # One that only a job has linked gives way to one that is nearer.
        others = (s.at for feed, s in self.sightings.items() if feed != sighting.feed)
        distance = min(abs(at - sighting.at) for at in (*others, *((self.told.at,) if self.told else ())))
        if not distance:
            return _EXACT, distance
        if links & sighting.links and not self._contradicts(sighting):
            return _LINKED, distance
        return (_NEAR, distance) if distance < SAME_REFRESH else None

    def _contradicts(self, sighting: Sighting) -> bool:
        others = (s for feed, s in self.sightings.items() if feed != "own")
        return sighting.feed != "own" and any(s.outcome not in {None, sighting.outcome} for s in others)


def gather(ds: DataSource, mark: DataSourceMark, feeds: Feeds) -> list[Refresh]:
    """The refreshes of a data source that are not old, the remembered ones included, as far as the feeds show them.

    Feed by feed, all sightings of a feed are matched at once with the refreshes that memory and the feeds before show:
    those at the very time that was told first, then those at another's very time, then those that a job links, then
    those that are near; of equals the nearest. What is left over is a refresh of its own.

    For example, a job `j` refreshed a data source twice: its first task failed at 13:00, the second succeeded at 13:20.
    A poll that sees the node alone, `succeeded at 13:20 in j`, tells that success and remembers it. The next poll sees
    both tasks, and `j` links both with what was told. The second one's time is the very one that was told: it is that
    refresh. The first one is left over, and told as the failure that it was.
    """
    refreshes = [_remembered(known) for known in mark.recent]
    for sightings in feeds.sightings_of(ds):
        likely = sorted(
            (unlikeness, refresh, sighting)
            for refresh, one in enumerate(refreshes)
            for sighting, seen in enumerate(sightings)
            if (unlikeness := one.unlikeness(seen)) is not None
        )
        taken, seated = set[int](), set[int]()
        for _, refresh, sighting in likely:
            if refresh not in taken and sighting not in seated:
                taken.add(refresh)
                seated.add(sighting)
                refreshes[refresh].sightings[sightings[sighting].feed] = sightings[sighting]
        refreshes += [
            Refresh({seen.feed: seen})
            for sighting, seen in enumerate(sightings)
            if sighting not in seated and (mark.since is None or seen.at > mark.since)
        ]
    return refreshes


def _remembered(known: KnownRefresh) -> Refresh:
    links = frozenset(known.jobs)
    return Refresh(
        {feed: Sighting(feed, at, known.outcome, remembered=links) for feed, at in known.times.items()}, told=known
    )


def is_settled(refresh: Refresh, refreshes: Sequence[Refresh], ds: DataSource, feeds: Feeds) -> bool:
    """Whether a refresh is final: a failed attempt may still heal while its job runs."""
    main = refresh.main
    if main.outcome != "failed":
        return main.outcome is not None
    jobs = [feeds.jobs[job_id] for job_id in refresh.jobs if job_id in feeds.jobs]
    if (main.job is not None and has_ended(main.job)) or (jobs and all(has_ended(job) for job in jobs)):
        return True
    if ds.refresh_state is None:
        return not jobs
    return ds.refresh_state != resources.UPDATING or any(_supersedes(other, refresh) for other in reversed(refreshes))


def _supersedes(other: Refresh, failed: Refresh) -> bool:
    """Whether a failed attempt was followed by a success, or by another job's attempt: it can heal no more."""
    later = other.told is None and other.main.at > failed.main.at
    return later and (other.main.outcome == "succeeded" or other.links.isdisjoint(failed.links))
