"""Credentials, whatever the states and the polls: a data source that begins to ask is told once per turn."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain import credentials, refreshes
from shared.domain.events.envelope import Event
from shared.domain.refresh_marks import DataSourcesState
from shared.domain.resources import DataSource
from shared.domain.sightings import Snapshot

T0 = datetime(2026, 11, 20, 4, tzinfo=UTC)
ASKING = "refreshCredentials"
states = st.sampled_from([ASKING, ASKING, "active", "creating", None])


def run(polls: list[list[DataSource]]) -> list[Event]:
    state: DataSourcesState | None = None
    told: list[Event] = []
    for number, listed in enumerate(polls):
        now = T0 + timedelta(minutes=number)
        after, _ = refreshes.compare(state, Snapshot(listed, [], []), "i1", now)
        state, events = credentials.compare(state, after, listed, "i1", now)
        state = DataSourcesState.model_validate_json(state.model_dump_json())
        told += events
    return told


def turns(shown: list[str | None]) -> list[int]:
    """In which polls one that is listed from the first on begins to ask."""
    found, asks = list[int](), shown[0] == ASKING
    for number, state in enumerate(shown[1:], start=1):
        if state == ASKING and not asks:
            found.append(number)
        asks = asks if state is None else state == ASKING
    return found


@given(st.lists(st.tuples(states, states), min_size=1, max_size=12))
def test_each_turn_is_told_once(shown: list[tuple[str | None, str | None]]) -> None:
    polls = [
        [DataSource(name, name, provisioning_state=state) for name, state in zip(("a", "b"), both, strict=True)]
        for both in shown
    ]
    told = run(polls)
    expected = sorted(
        (T0 + timedelta(minutes=number), f"data-sources/{name}")
        for at, name in enumerate(("a", "b"))
        for number in turns([both[at] for both in shown])
    )
    assert sorted((event.time, event.raw["subject"]) for event in told) == expected
    assert len({event.id for event in told}) == len(told)


def test_one_that_is_first_seen_asking_is_no_news() -> None:
    old, new = DataSource("a", "a", provisioning_state="active"), DataSource("b", "b", provisioning_state=ASKING)
    assert run([[old], [old, new], [old, new]]) == []
