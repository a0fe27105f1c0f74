"""What callers see of subscriptions, and what a request says beside its body."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.wishes import Wish
from shared.errors import InvalidInputError
from tests.fakes import NOON
from tests.usecases.world import URL, subscription
from triggers.operations import shown
from triggers.parameters import TriggerPath
from triggers.subscriptions import SubscribedView, SubscriptionView, _wish, viewed

BODY = {"callbackUrl": URL, "instanceId": "i1"}


def wish_of(headers: dict[str, str], **body: object) -> Wish:
    content = json.dumps({**BODY, **body}).encode()
    request = func.HttpRequest(method="POST", url="https://app/api", headers=headers, body=content)
    return _wish(TriggerPath(trigger="data-source-refresh-failed"), request)


def test_a_subscription_is_shown_with_all_that_the_contract_names() -> None:
    one = replace(
        subscription(id_="s1", dataSourceId="d1"),
        label="Ours",
        status="failing",
        status_reason="5 failures in a row",
        status_since=NOON + timedelta(hours=1),
        failing_since=NOON,
        secret=b"sealed",
    )
    assert shown(viewed(one, 3)) == {
        "id": "s1",
        "trigger": "data-source-refresh-succeeded",
        "eventType": "CustomerInsights.DataSource.RefreshSucceeded",
        "instanceId": "i1",
        "dataSourceId": "d1",
        "label": "Ours",
        "status": "failing",
        "statusReason": "5 failures in a row",
        "statusSince": "2026-11-20T13:00:00Z",
        "failingSince": "2026-11-20T12:00:00Z",
        "switchOffAt": "2026-12-04T12:00:00Z",
        "held": 3,
        "signed": True,
        "createdAt": "2026-11-20T12:00:00Z",
        "updatedAt": "2026-11-20T12:00:00Z",
        "callbackHost": "prod-1.logic.azure.com",
    }


def test_one_that_is_not_failing_is_not_switched_off() -> None:
    one = shown(viewed(replace(subscription(), failures=1, failing_since=NOON), 0))
    assert {"failingSince", "switchOffAt"}.isdisjoint(one)


def test_one_that_never_changed_its_status_has_it_since_it_was_made() -> None:
    seen = viewed(subscription(), 0)
    assert (seen.status_since, seen.signed) == (NOON, False)


def test_only_the_answer_to_its_flow_can_show_a_secret() -> None:
    assert "secret" in SubscribedView.model_fields
    assert "secret" not in SubscriptionView.model_fields
    assert "secret" not in str(shown(SubscribedView(**viewed(subscription(), 0).model_dump())))


@pytest.mark.parametrize(("body", "signed"), [({}, False), ({"signed": True}, True), ({"signed": None}, False)])
def test_a_body_says_whether_deliveries_are_signed(body: dict[str, Any], *, signed: bool) -> None:
    assert wish_of({}, **body).signed is signed


@pytest.mark.parametrize("value", [1, 0, "true", "", [], {}])
def test_signed_is_true_or_false_and_nothing_else(value: object) -> None:
    with pytest.raises(InvalidInputError) as wrong:
        wish_of({}, signed=value)
    assert set(wrong.value.fields) == {"signed"}


def test_headers_tell_of_the_flow_whatever_their_case() -> None:
    asked = wish_of({"X-MS-Environment-Id": "Default-1", "x-ms-workflow-name": "93a1-c7"})
    assert (asked.environment_hint, asked.flow_hint) == ("Default-1", "93a1-c7")


@given(st.text(), st.text())
def test_no_header_fails_a_request(environment: str, flow: str) -> None:
    asked = wish_of({"x-ms-environment-id": environment, "x-ms-workflow-name": flow})
    assert all(each is None or each.isascii() for each in (asked.environment_hint, asked.flow_hint))
