"""Credentials: which data sources have begun to ask for new ones since the checkpoint?"""

from collections.abc import Sequence
from datetime import datetime

from shared.domain import ids
from shared.domain.events.data_sources import DataSourceCredentialsExpired
from shared.domain.events.envelope import Event
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.resources import REFRESH_CREDENTIALS, DataSource


def compare(
    before: DataSourcesState | None,
    after: DataSourcesState,
    data_sources: Sequence[DataSource],
    instance_id: str,
    now: datetime,
) -> tuple[DataSourcesState, list[Event]]:
    """Compare the states that a poll saw with those before; gives what to remember, and the events.

    A data source that is first seen asking is no news. One whose state does not show, or that is not listed, is
    remembered as it was.
    """
    states = {ids.key(ds.id): ds.provisioning_state for ds in data_sources if ds.provisioning_state is not None}
    asking = {ds_id for ds_id, state in states.items() if state == REFRESH_CREDENTIALS}
    known = frozenset(before.asking or ()) if before is not None else frozenset[str]()
    kept = asking | {ds_id for ds_id in known if ds_id not in states and ds_id in after.marks}
    if before is None or before.asking is None:
        return after.model_copy(update={"asking": tuple(sorted(kept))}), []
    if kept == known:
        return after, []
    news = [ds for ds in data_sources if (key := ids.key(ds.id)) in asking - known and key in before.marks]
    return after.model_copy(update={"asking": tuple(sorted(kept))}), [_event(instance_id, ds, now) for ds in news]


def _event(instance_id: str, ds: DataSource, now: datetime) -> Event:
    data = DataSourceCredentialsExpired(
        instance_id=instance_id, data_source_id=ds.id, name=ds.name, friendly_name=ds.friendly_name, kind=ds.kind
    )
    return Event.of(data, time=now, occurrence=[ids.key(ds.id), now.isoformat()])
