"""Pages and times: what is asked for, what is refused, and where the next page is."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.composition import STAND_IN
from shared.domain.logs import Between
from shared.errors import InvalidInputError
from tests.triggers.api import Api
from tests.usecases.world import World
from triggers.deliveries import DeliveryQuery
from triggers.lists import FIRST, LAST, TimedQuery, next_link
from triggers.requests import parse_parameters

zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def wrong(**parameters: str) -> set[str]:
    with pytest.raises(InvalidInputError) as caught:
        parse_parameters(parameters, TimedQuery)
    return set(caught.value.fields)


@given(st.datetimes(timezones=zones), st.sampled_from(["T", "t", " "]))
def test_a_time_with_its_zone_is_taken_in_utc(at: datetime, between: str) -> None:
    since = parse_parameters({"since": at.isoformat(between)}, TimedQuery).since
    assert since is not None
    assert since.tzinfo is UTC
    assert since in {at, FIRST, LAST}


@given(st.datetimes())
def test_a_time_without_zone_is_refused(at: datetime) -> None:
    assert wrong(until=at.isoformat()) == {"until"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1763600000",
        "2026-11-20",
        "2026-11-20T03:00Z",
        "20261120T030000Z",
        "2026-W47-5T03:00:00Z",
        "2026-13-20T03:00:00Z",
        "2026-11-20T25:00:00Z",
        "2026-11-20T03:00:00+24:00",
        "2026-11-20T03:00:00 01:00",
        "\uff12\uff10\uff12\uff16-11-20T03:00:00Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    assert wrong(since=text) == {"since"}


@given(st.datetimes(timezones=zones), st.datetimes(timezones=zones))
def test_a_time_does_not_end_before_it_begins(since: datetime, until: datetime) -> None:
    asked = {"since": since.isoformat(), "until": until.isoformat()}
    if max(FIRST, since) > until:
        assert wrong(**asked) == {"until"}
    else:
        between = parse_parameters(asked, TimedQuery).between
        assert between == Between(between.since, between.until)
        assert between.since is not None
        assert between.until is not None
        assert between.since <= between.until


@pytest.mark.parametrize(
    ("limit", "is_right"), [("0", False), ("1", True), ("500", True), ("501", False), ("x", False)]
)
def test_a_page_has_a_size(limit: str, *, is_right: bool) -> None:
    if is_right:
        assert parse_parameters({"limit": limit}, TimedQuery).part.limit == int(limit)
    else:
        assert wrong(limit=limit) == {"limit"}


def test_the_next_page_is_asked_for_as_this_one_was_but_without_the_key() -> None:
    asked = {"limit": "7", "stage": "held", "since": "2026-11-20T03:00:00+01:00", "code": "s3cret", "other": "x"}
    query = parse_parameters(asked, DeliveryQuery)
    req = func.HttpRequest("GET", "http://bridge.test/api/x?code=s3cret", params=asked, body=b"")
    before = STAND_IN.set(Api(World(events=[])).bridge)
    link = next_link(req, "/subscriptions/s1/deliveries", query, "a+/=&b")
    STAND_IN.reset(before)
    assert link is not None
    address = urlsplit(link)
    assert (address.netloc, address.path) == ("bridge.test", "/api/subscriptions/s1/deliveries")
    assert parse_qs(address.query) == {
        "limit": ["7"],
        "stage": ["held"],
        "since": ["2026-11-20T03:00:00+01:00"],
        "cursor": ["a+/=&b"],
    }
    assert next_link(req, "/x", query, None) is None
