"""Ids are compared without regard to case, braces and blanks: whoever spells them how, the same events come out."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain import ids, jobs, refreshes
from shared.domain.events.data_sources import DataSourceRefreshFailed
from shared.domain.events.envelope import Event
from shared.domain.jobs import JobsState
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.resources import DataSource, Job, Node, Task
from shared.domain.routes import routes_of, rules_partition
from shared.domain.sightings import Snapshot
from shared.domain.triggers import TRIGGERS
from shared.domain.wishes import Wish
from tests.usecases.world import subscription

T0 = datetime(2026, 11, 20, 3, tzinfo=UTC)
INSTANCE, SOURCE = "2a9f2f3c-7c0f-4b7e-9a57-0f5a4f3b7d11", "b7a1c9d2-4e52-4f0b-8f3a-6c1d2e3f4a5b"
JOBS = (
    "0c9d8e7f-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
    "5d0a7c11-8f3e-4a6b-9c2d-1e0f2a3b4c5d",
    "a1b2c3d4-0000-4000-8000-00000000000f",
)

type Spelling = Callable[[str], str]


def spellings_of(id_: str) -> st.SearchStrategy[str]:
    """Any mix of upper and lower case, with or without braces, between blanks."""
    letters = st.tuples(*(st.sampled_from([letter.lower(), letter.upper()]) for letter in id_)).map("".join)
    blanks = st.sampled_from(["", " ", "\t", "\n "])
    return st.tuples(blanks, letters, blanks, st.booleans()).map(
        lambda of: f"{of[0]}{{{of[1]}}}{of[2]}" if of[3] else "".join(of[:3])
    )


def as_it_is(id_: str) -> str:
    return id_


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def run(number: int, end: float, spell: Spelling) -> Job:
    """A full refresh with an ingestion and a merge; every other one fails to refresh the data source."""
    status = "failed" if number % 2 else "successful"
    job_ids = (spell(JOBS[number]),)
    tasks = [
        Task("ingestion", status, spell(f"{JOBS[number]}-t1"), "Sales", job_ids, at(end - 3)),
        Task("merge", "successful", spell(f"{JOBS[number]}-t2"), None, job_ids, at(end - 1)),
    ]
    return Job(spell(JOBS[number]), status, "all", "scheduled", "full", at(end - 9), at(end), tasks)


def seen(count: int, spell: Spelling) -> Snapshot:
    """What the three feeds show after so many runs; the node's clock is a little ahead of the tasks'."""
    last, good = count - 1, 10.0 * (count - 1 - (count - 1) % 2)
    status = "failed" if last % 2 else "successful"
    node = Node(
        "ingestion",
        spell(SOURCE),
        status,
        "Sales",
        (spell(JOBS[last]),),
        at(10 * last - 2.5),
        (spell(JOBS[last - last % 2]),),
        at(good - 2.5),
    )
    state = "updateFailed" if last % 2 else "updated"
    source = DataSource(spell(SOURCE), "sales", "Sales", "powerQuery", state, at(good - 2.6))
    return Snapshot([source], [node], [run(number, 10.0 * number, spell) for number in range(last, -1, -1)])


def told(spell: Spelling) -> list[Event]:
    """All events of four polls, between which the state is stored and read again."""
    found: list[Event] = []
    runs: JobsState | None = None
    sources: DataSourcesState | None = None
    for count in (1, 2, 3, 3):
        snapshot = seen(count, spell)
        assert jobs.enough(runs, snapshot.jobs or ())
        runs, of_runs = jobs.compare(runs, snapshot.jobs or (), spell(INSTANCE), at(99))
        sources, of_sources = refreshes.compare(sources, snapshot, spell(INSTANCE), at(99))
        found += [*of_runs, *of_sources]
        runs = JobsState.model_validate_json(runs.model_dump_json(exclude_defaults=True))
        sources = DataSourcesState.model_validate_json(sources.model_dump_json(exclude_defaults=True))
    return found


# Each id of each feed of each poll has a spelling of its own: that is what the example is, and no smaller one would do.
@settings(deadline=None, suppress_health_check=[HealthCheck.large_base_example, HealthCheck.data_too_large])
@given(st.data())
def test_one_occurrence_is_one_event_with_one_id_however_the_feeds_spell_it(data: st.DataObject) -> None:
    expected = told(as_it_is)
    kinds = [event.type.split(".")[1] for event in expected]
    assert [kind for kind in kinds if kind != "Stage"] == ["Unification", "System", "DataSource"] * 2
    assert kinds.count("Stage") == 4
    events = told(lambda id_: data.draw(spellings_of(id_)))
    assert [event.id for event in events] == [event.id for event in expected]
    for event, plain in zip(events, expected, strict=True):
        for name in ("instanceId", "jobId", "dataSourceId"):
            assert ids.key(event.data.get(name, "")) == plain.data.get(name, "")


@given(st.text())
def test_a_key_is_its_own_key(text: str) -> None:
    assert ids.key(ids.key(text)) == ids.key(text)


@given(spellings_of(JOBS[0]), spellings_of(JOBS[1]))
def test_different_ids_stay_different(one: str, other: str) -> None:
    assert ids.key(one) != ids.key(other)


@given(spellings_of(SOURCE))
def test_what_an_earlier_release_kept_in_another_spelling_is_known(spelled: str) -> None:
    known = {"known": {spelled: {"ended": True, "at": at(5).isoformat()}}, "floor": at(0).isoformat()}
    state = JobsState.model_validate_json(json.dumps(known))
    job = Job(SOURCE, "successful", "all", submitted_at=at(1), ended_at=at(5))
    after, events = jobs.compare(state, [job], INSTANCE, at(9))
    assert (after.known.keys(), events) == (state.known.keys(), [])


@given(spellings_of(INSTANCE), spellings_of(SOURCE), spellings_of(INSTANCE), spellings_of(SOURCE))
def test_a_subscription_gets_its_events_however_either_is_spelled(
    instance: str, source: str, its_instance: str, its_source: str
) -> None:
    data = DataSourceRefreshFailed(instance_id=instance, data_source_id=source)
    event = Event.of(data, time=T0, occurrence=["x"])
    slug = "data-source-refresh-failed"
    mine = subscription(slug=slug, instance_id=its_instance, data_source_id=its_source)
    assert mine.wants(event)
    assert mine.route.partition in [route.partition for route in routes_of(event)]
    assert subscription(slug=slug, instance_id=its_instance).wants(event)
    assert not subscription(slug=slug, instance_id=its_instance, data_source_id=JOBS[0]).wants(event)
    threshold = TRIGGERS["segment-threshold-crossed"]
    assert rules_partition(threshold, instance) == rules_partition(threshold, its_instance)


@given(spellings_of(INSTANCE), spellings_of(SOURCE))
def test_the_same_wish_has_one_fingerprint(instance: str, source: str) -> None:
    trigger = TRIGGERS["data-source-refresh-failed"]

    def fingerprint(instance_id: str, data_source_id: str | None) -> str:
        return Wish(trigger, instance_id, trigger.filters(data_source_id=data_source_id), "https://x").fingerprint

    assert fingerprint(instance, source) == fingerprint(INSTANCE, SOURCE)
    assert fingerprint(instance, None) != fingerprint(instance, source)
