"""A poll reads its feeds one after the other, and they may show different moments: each refresh is told once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from shared.domain.refreshes import compare
from shared.domain.resources import DataSource, Job, Node, Task
from shared.domain.sightings import Snapshot

T0 = datetime(2026, 5, 4, 6, tzinfo=UTC)
# The baseline's refresh, and two more that lie closer than the distance at which feeds are taken to mean the same.
TIMES = (T0, T0 + timedelta(hours=1), T0 + timedelta(hours=1, seconds=3))
NOW = T0 + timedelta(hours=2)

type Moment = tuple[int, int, int]


def job(n: int) -> Job:
    task = Task(
        operation_type="ingestion",
        status="successful",
        id=f"t{n}",
        friendly_name="S",
        job_ids=(f"j{n}",),
        ended_at=TIMES[n],
    )
    return Job(
        id=f"j{n}",
        status="successful",
        operation_type="ingestion",
        submitted_at=TIMES[n] - timedelta(seconds=1),
        ended_at=TIMES[n],
        tasks=(task,),
    )


def seen(moment: Moment) -> Snapshot:
    """What the data source, its node and the jobs show when each is at the moment after so many refreshes."""
    own, node, jobs = moment
    return Snapshot(
        data_sources=[DataSource(id="s", friendly_name="S", refresh_state="updated", last_refresh=TIMES[own])],
        nodes=[
            Node(
                operation_type="ingestion",
                identifier="s",
                status="successful",
                job_ids=(f"j{node}",),
                ended_at=TIMES[node],
                success_job_ids=(f"j{node}",),
                succeeded_at=TIMES[node],
            )
        ],
        jobs=[job(n) for n in range(jobs, -1, -1)],
    )


def in_turn() -> Iterator[tuple[Moment, Moment]]:
    """Two polls, each with feeds that may lag; the jobs of a later poll show what an earlier one's node did."""
    moments = [(own, node, jobs) for own, node, jobs in product(range(3), repeat=3) if own <= node]
    for one, two in product(moments, repeat=2):
        if all(before <= after for before, after in zip(one, two, strict=True)) and one[1] <= two[2]:
            yield one, two


@pytest.mark.parametrize(("one", "two"), [*in_turn()])
def test_every_refresh_is_told_once_whatever_each_feed_shows_when(one: Moment, two: Moment) -> None:
    state, _ = compare(None, seen((0, 0, 0)), "i", T0)
    told = []
    for moment in (one, two, (2, 2, 2), (2, 2, 2)):
        state, events = compare(state, seen(moment), "i", NOW)
        told += [event.time for event in events]
    assert sorted(told) == [TIMES[1], TIMES[2]]
