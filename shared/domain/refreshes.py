"""Refreshes: which have completed since the checkpoint, told by three feeds of which any may be missing?

Sightings of one refresh, each a completion that one feed shows, are gathered into one; what is later than the
checkpoint is news. What is remembered of a data source is its latest refreshes, as each feed showed them. What is said
here of data sources holds for all that has workflow nodes and tasks of its own; see `exports`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain import ids, resources
from shared.domain.events.data_sources import DataSourceRefreshed, DataSourceRefreshFailed, DataSourceRefreshSucceeded
from shared.domain.events.envelope import Event
from shared.domain.faults import error_of, warned_of
from shared.domain.jobs import has_ended
from shared.domain.refresh_marks import DataSourceMark, DataSourcesState, Feed, KnownRefresh, Outcome
from shared.domain.resources import DataSource, Fault, Job
from shared.domain.sightings import Feeds, Sighting, Snapshot, sort

# Completions from different feeds that lie closer than this are one refresh.
SAME_REFRESH = timedelta(seconds=60)
# Assumption: a feed shows a completion at most so much later than `refreshState` turns.
FEED_LAG = timedelta(minutes=10)
# A feed that lags is expected to catch up before so many more refreshes have completed.
MAX_RECENT = 3
# One job refreshes a data source; a node may name another that asked for it.
MAX_LINKS = 3
# How likely a sighting is of a refresh: it has the very time that was told; it was seen before; it has the very time
# that another feed shows; a job links them; it is near.
_TOLD, _SEEN, _EXACT, _LINKED, _NEAR = range(5)
# A data source that is missing for so long is forgotten.
FORGET_AFTER = timedelta(days=1)


@dataclass(slots=True)
class _Refresh:
    """The sightings of one refresh; `told` is what the checkpoint remembers of it."""

    sightings: dict[Feed, Sighting] = field(default_factory=dict)
    told: KnownRefresh | None = None

    @property
    def jobs(self) -> frozenset[str]:
        return frozenset().union(*(s.jobs for s in self.sightings.values()))

    @property
    def links(self) -> frozenset[str]:
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
        return self.outcome == "succeeded"

    @property
    def last_at(self) -> datetime:
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


@dataclass(frozen=True, slots=True)
class Completion:
    """A completed refresh as an event tells it; `occurrence` names it among those of the same kind."""

    at: datetime
    outcome: Outcome | None
    occurrence: Sequence[str]
    job_id: str | None
    submission_kind: str | None
    fault: Fault | None
    errors: Sequence[Fault]
    has_timed_out: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """What is refreshed: the operation type of its nodes and tasks, and the event of a completion, if it has one."""

    operation_type: str
    event: Callable[[str, DataSource, Completion], Event | None]


def enough(state: DataSourcesState | None, jobs: Sequence[Job]) -> bool:
    """Whether this list of the latest jobs reaches back to the time up to which everything is known."""
    if state is None:
        return True
    return any((job.submitted_at or job.ended_at or state.horizon) <= state.horizon for job in jobs)


def compare(
    state: DataSourcesState | None, snapshot: Snapshot, instance_id: str, now: datetime, kind: Kind | None = None
) -> tuple[DataSourcesState, list[Event]]:
    """Compare what a poll saw with what is remembered; gives what to remember, and the events in time order.

    `kind` is what is refreshed; data sources, where nothing is said. `now` is when the poll looked: the time of a
    failure for which no feed shows one. The very state comes back where nothing changed. A data source that was not
    seen is remembered as it was.
    """
    kind = kind or DATA_SOURCES
    feeds = sort(snapshot, state.marks if state is not None else {}, now, kind.operation_type)
    if state is None:
        marks = {ds_id: _named(ds, _baseline(ds, feeds), feeds) for ds_id, ds in feeds.data_sources.items()}
        return DataSourcesState(marks=marks, horizon=feeds.horizon or now), []
    marks, events = _kept(state.marks, feeds, now), list[Event]()
    for ds_id, ds in feeds.data_sources.items():
        mark = state.marks.get(ds_id, DataSourceMark(since=state.horizon, name=feeds.name_of(ds)))
        mark, found = _follow(ds, mark, feeds, instance_id, kind)
        marks[ds_id] = _named(ds, mark, feeds, now)
        events += found
    horizon = max(state.horizon, feeds.horizon or state.horizon)
    if marks == state.marks and horizon == state.horizon:
        return state, []
    after = state.model_copy(update={"marks": marks, "horizon": horizon})
    return after, sorted(events, key=lambda event: event.time)


def last_success(state: DataSourcesState, data_source_id: str) -> datetime | None:
    """When the latest successful refresh of a data source completed, as it was told; None where none is known."""
    mark = state.marks.get(ids.key(data_source_id), DataSourceMark())
    return max((known.at for known in mark.recent if known.outcome == "succeeded"), default=None)


def _kept(marks: Mapping[str, DataSourceMark], feeds: Feeds, now: datetime) -> dict[str, DataSourceMark]:
    """The marks without those of data sources that have been missing for long."""
    kept = dict[str, DataSourceMark]()
    for ds_id, mark in marks.items():
        if ds_id in feeds.data_sources:
            kept[ds_id] = mark
        elif mark.gone_at is None:
            kept[ds_id] = mark.model_copy(update={"gone_at": now})
        elif now - mark.gone_at < FORGET_AFTER:
            kept[ds_id] = mark
    return kept


def _named(ds: DataSource, mark: DataSourceMark, feeds: Feeds, now: datetime | None = None) -> DataSourceMark:
    """The mark with the name that the data source bears alone: a new one is its own from now on, for who had it?"""
    name = feeds.name_of(ds)
    if mark.name == name and mark.gone_at is None:
        return mark
    named_at = mark.named_at if mark.name in {None, name} else now
    return mark.model_copy(update={"name": name, "named_at": named_at, "gone_at": None})


def _gather(ds: DataSource, mark: DataSourceMark, feeds: Feeds) -> list[_Refresh]:
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
            _Refresh({seen.feed: seen})
            for sighting, seen in enumerate(sightings)
            if sighting not in seated and (mark.since is None or seen.at > mark.since)
        ]
    return refreshes


def _remembered(known: KnownRefresh) -> _Refresh:
    links = frozenset(known.jobs)
    return _Refresh(
        {feed: Sighting(feed, at, known.outcome, remembered=links) for feed, at in known.times.items()}, told=known
    )


def _settled(refresh: _Refresh, refreshes: Sequence[_Refresh], ds: DataSource, feeds: Feeds) -> bool:
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


def _supersedes(other: _Refresh, failed: _Refresh) -> bool:
    """Whether a failed attempt was followed by a success, or by another job's attempt: it can heal no more."""
    later = other.told is None and other.main.at > failed.main.at
    return later and (other.main.outcome == "succeeded" or other.links.isdisjoint(failed.links))


def _remember(mark: DataSourceMark, refreshes: Sequence[_Refresh]) -> DataSourceMark:
    """The mark with the latest of these refreshes and the latest success; those that it forgets are old from now on."""
    in_order = sorted(refreshes, key=lambda r: r.last_at)
    forgotten, kept = in_order[:-MAX_RECENT], in_order[-MAX_RECENT:]
    if not any(r.succeeded for r in kept):
        kept = [*[r for r in forgotten if r.succeeded][-1:], *kept]
    recent = tuple(
        KnownRefresh(
            times={feed: s.at for feed, s in r.sightings.items()},
            at=r.told.at if r.told else r.main.at,
            outcome=r.outcome,
            jobs=tuple(sorted(r.links))[:MAX_LINKS],
        )
        for r in kept
    )
    since = max((*(r.last_at for r in forgotten), *((mark.since,) if mark.since else ())), default=None)
    return mark.model_copy(update={"recent": recent, "since": since})


def _baseline(ds: DataSource, feeds: Feeds) -> DataSourceMark:
    """All that is there and settled is old; so is what shows up later and completed before."""
    refreshes = _gather(ds, DataSourceMark(), feeds)
    settled = [r for r in refreshes if _settled(r, refreshes, ds, feeds)]
    newest = max((r.last_at for r in settled), default=None)
    since = newest or (feeds.horizon if not refreshes else None)
    return _remember(DataSourceMark(refresh_state=ds.refresh_state, since=since), settled)


def _follow(
    ds: DataSource, mark: DataSourceMark, feeds: Feeds, instance_id: str, kind: Kind
) -> tuple[DataSourceMark, list[Event]]:
    refreshes = _gather(ds, mark, feeds)
    settled = [r for r in refreshes if r.told is not None or _settled(r, refreshes, ds, feeds)]
    news = sorted((r for r in settled if r.told is None), key=lambda r: r.main.at)
    mark = _remember(mark, settled)
    events = [
        event
        for refresh in news
        if not (refresh.main.outcome == "failed" and _told_without_time(mark, refresh.main.at))
        and (event := kind.event(instance_id, ds, _completion(ds, refresh, feeds)))
    ]
    if news:
        last_failed = news[-1].main.outcome == "failed"
        expected = last_failed and ds.refresh_state != resources.UPDATE_FAILED
        mark = mark.model_copy(update={"turn_expected": expected, "untimed_at": None})
    told = mark.turn_expected or (bool(news) and news[-1].main.outcome == "failed")
    if not told and _turned_without_time(ds, mark):
        node = feeds.node_of(ds)
        if node is not None and node.status == "running":
            return mark, events  # its end, and with it the time, is about to show
        events.append(_untimed_failure(ds, instance_id, feeds.now))
        mark = mark.model_copy(update={"untimed_at": feeds.now})
    return _with_state(ds, mark), events


def _told_without_time(mark: DataSourceMark, at: datetime) -> bool:
    return mark.untimed_at is not None and abs(mark.untimed_at - at) <= FEED_LAG


def _turned_without_time(ds: DataSource, mark: DataSourceMark) -> bool:
    """Whether `refreshState` has turned to failed: a failure of its own where no feed shows a time for it."""
    return ds.refresh_state == resources.UPDATE_FAILED and mark.refresh_state not in {None, resources.UPDATE_FAILED}


def _with_state(ds: DataSource, mark: DataSourceMark) -> DataSourceMark:
    if ds.refresh_state is None:
        return mark
    expected = mark.turn_expected and ds.refresh_state != resources.UPDATE_FAILED
    return mark.model_copy(update={"refresh_state": ds.refresh_state, "turn_expected": expected})


def _untimed_failure(ds: DataSource, instance_id: str, now: datetime) -> Event:
    data = DataSourceRefreshFailed(
        instance_id=instance_id, data_source_id=ds.id, name=ds.name, friendly_name=ds.friendly_name, kind=ds.kind
    )
    return Event.of(data, time=now, occurrence=[ids.key(ds.id), "turned", now.isoformat()])


def _completion(ds: DataSource, refresh: _Refresh, feeds: Feeds) -> Completion:
    main, job_id = refresh.main, _job_id(refresh, feeds)
    job = feeds.jobs.get(job_id) if job_id else None
    same = [s for s in (main, *refresh.sightings.values()) if s.outcome == main.outcome]
    return Completion(
        at=main.at,
        outcome=main.outcome,
        occurrence=[ids.key(ds.id), main.at.isoformat(), main.task_id or job_id or main.feed],
        job_id=job.id if job else job_id,
        submission_kind=job.submission_kind if job else None,
        fault=next((s.fault for s in (main, *refresh.sightings.values()) if s.fault is not None), None),
        errors=next((s.errors for s in same if s.errors), ()),
        has_timed_out=main.has_timed_out,
    )


def _data_source_event(instance_id: str, ds: DataSource, completion: Completion) -> Event:
    told = {
        "instance_id": instance_id,
        "data_source_id": ds.id,
        "name": ds.name,
        "friendly_name": ds.friendly_name,
        "kind": ds.kind,
        "completed_at": completion.at,
        "job_id": completion.job_id,
        "submission_kind": completion.submission_kind,
    }
    data: DataSourceRefreshed
    if completion.outcome == "succeeded":
        data = DataSourceRefreshSucceeded(**told, warnings=warned_of(completion.errors))
    else:
        data = DataSourceRefreshFailed(**told, error=error_of(completion.fault))
    return Event.of(data, time=completion.at, occurrence=completion.occurrence)


DATA_SOURCES = Kind(resources.INGESTION, _data_source_event)


def _job_id(refresh: _Refresh, feeds: Feeds) -> str | None:
    """The key of its job, where known."""
    main = refresh.main
    if main.job is not None:
        return ids.key(main.job.id)
    listed = [job_id for job_id in feeds.jobs if job_id in refresh.jobs]
    return listed[0] if listed else min(refresh.jobs, default=None)
