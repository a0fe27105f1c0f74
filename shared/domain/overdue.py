"""Overdue: which data sources, and which full refreshes, are older than subscribers allow?"""

from collections.abc import Sequence
from datetime import datetime

from shared.domain import ids, lapses
from shared.domain.events.data_sources import DataSourceRefreshOverdue
from shared.domain.events.envelope import Event
from shared.domain.events.jobs import SystemRefreshOverdue
from shared.domain.jobs import JobsState
from shared.domain.lapses import Lapsed
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.refreshes import last_success
from shared.domain.resources import DataSource
from shared.domain.rules import AgeRule


def data_sources(
    state: DataSourcesState,
    listed: Sequence[DataSource],
    rules: Sequence[AgeRule],
    instance_id: str,
    told_time: datetime | None,
) -> tuple[DataSourcesState, list[Event]]:
    """Compare the age of data sources with the rules; gives what to remember, and the events in time order.

    Only those that are listed are judged: what is deleted is refreshed by nobody. The very state comes back where
    nothing changed.
    """
    by_key = {ids.key(ds.id): ds for ds in listed}
    now = told_time if by_key else None
    judged = [rule for rule in rules if rule.name in by_key]
    after, lapsed = lapses.compare(state.lapses, judged, lambda rule: last_success(state, rule.name or ""), now)
    after |= {rule.id: state.lapses[rule.id] for rule in rules if rule.id not in after and rule.id in state.lapses}
    events = [_data_source(instance_id, by_key[one.rule.name or ""], one) for one in lapsed]
    return (state if after == state.lapses else state.model_copy(update={"lapses": after})), events


def full_refreshes(
    state: JobsState, rules: Sequence[AgeRule], instance_id: str, told_time: datetime | None
) -> tuple[JobsState, list[Event]]:
    """Compare the age of the latest full refresh with the rules; see `data_sources`."""
    after, lapsed = lapses.compare(state.lapses, rules, lambda _: state.full_at, told_time)
    events = [_full_refresh(instance_id, one) for one in lapsed]
    return (state if after == state.lapses else state.model_copy(update={"lapses": after})), events


def _data_source(instance_id: str, ds: DataSource, one: Lapsed) -> Event:
    data = DataSourceRefreshOverdue(
        instance_id=instance_id,
        data_source_id=ds.id,
        name=ds.name,
        friendly_name=ds.friendly_name,
        last_completed_at=one.last,
        max_age_hours=one.rule.hours,
        rule_id=one.rule.id,
    )
    return Event.of(data, time=one.at, occurrence=[ids.key(ds.id), one.rule.id, one.at.isoformat()])


def _full_refresh(instance_id: str, one: Lapsed) -> Event:
    data = SystemRefreshOverdue(
        instance_id=instance_id, last_completed_at=one.last, max_age_hours=one.rule.hours, rule_id=one.rule.id
    )
    return Event.of(data, time=one.at, occurrence=[one.rule.id, one.at.isoformat()])
