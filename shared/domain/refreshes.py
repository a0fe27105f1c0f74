"""Refreshes: which have completed since the checkpoint, told by three feeds of which any may be missing?

Sightings of one refresh, each a completion that one feed shows, are gathered into one (see `gathering`); what is later
than the checkpoint is news. What is remembered of a data source is its latest refreshes, as each feed showed them.
What is said here of data sources holds for all that has workflow nodes and tasks of its own; see `exports`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain import ids, resources
from shared.domain.events.data_sources import DataSourceRefreshed, DataSourceRefreshFailed, DataSourceRefreshSucceeded
from shared.domain.events.envelope import Event
from shared.domain.faults import error_of, warned_of
from shared.domain.gathering import Refresh, gather, is_settled
from shared.domain.jobs import has_ended
from shared.domain.refresh_marks import DataSourceMark, DataSourcesState, KnownRefresh, Outcome
from shared.domain.resources import DataSource, Fault, Job
from shared.domain.sightings import Feeds, Snapshot, sort

# Assumption: a feed shows a completion at most so much later than `refreshState` turns.
FEED_LAG = timedelta(minutes=10)
# A feed that lags is expected to catch up before so many more refreshes have completed.
MAX_RECENT = 3
# One job refreshes a data source; a node may name another that asked for it.
MAX_LINKS = 3
# A data source that is missing for so long is forgotten.
FORGET_AFTER = timedelta(days=1)


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
    """Whether this list of the latest jobs reaches back to one that had ended when all was known for the last time.

    One that had only begun by then may have ended since, and so may those before it.
    """
    return state is None or any(_had_ended(job, state.horizon) for job in jobs)


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


def _had_ended(job: Job, by: datetime) -> bool:
    if job.ended_at is None and not has_ended(job):
        return False
    return (job.ended_at or job.submitted_at or by) <= by


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


def _remember(mark: DataSourceMark, refreshes: Sequence[Refresh]) -> DataSourceMark:
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
    refreshes = gather(ds, DataSourceMark(), feeds)
    settled = [r for r in refreshes if is_settled(r, refreshes, ds, feeds)]
    newest = max((r.last_at for r in settled), default=None)
    since = newest or (feeds.horizon if not refreshes else None)
    return _remember(DataSourceMark(refresh_state=ds.refresh_state, since=since), settled)


def _follow(
    ds: DataSource, mark: DataSourceMark, feeds: Feeds, instance_id: str, kind: Kind
) -> tuple[DataSourceMark, list[Event]]:
    refreshes = gather(ds, mark, feeds)
    settled = [r for r in refreshes if r.told is not None or is_settled(r, refreshes, ds, feeds)]
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


def _completion(ds: DataSource, refresh: Refresh, feeds: Feeds) -> Completion:
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


def _job_id(refresh: Refresh, feeds: Feeds) -> str | None:
    """The key of its job, where known."""
    main = refresh.main
    if main.job is not None:
        return ids.key(main.job.id)
    listed = [job_id for job_id in feeds.jobs if job_id in refresh.jobs]
    return listed[0] if listed else min(refresh.jobs, default=None)
