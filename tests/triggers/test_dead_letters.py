"""The routes of dead letters."""

import pytest

from shared.domain.callbacks import Answer
from tests.triggers.api import Api
from tests.triggers.test_deliveries import EVENTS, api_of, at
from tests.usecases.world import EVENT, subscription

UNREADABLE = "no JSON, and https://prod-1.logic.azure.com/workflows/x?sig=s3cret"


async def with_letters(*answers: Answer) -> Api:
    """Five events that the flow has refused, and a message that nobody can read."""
    api = api_of(*answers, events=EVENTS)
    await api.world.run()
    await api.world.bury.message("events", UNREADABLE, "unreadable: neither JSON nor base64 of JSON")
    return api


async def test_dead_letters_say_what_and_why_and_not_what_was_in_them() -> None:
    api = await with_letters(Answer(400))
    found = await api.all_of("/dead-letters?limit=2")
    assert len(found) == 6
    assert "s3cret" not in str(found)
    (message,) = [one for one in found if one["kind"] == "message"]
    assert message == {
        "id": message["id"],
        "kind": "message",
        "reason": "queue events: unreadable: neither JSON nor base64 of JSON",
        "recordedAt": at(0),
        "attempts": 0,
    }
    (letter,) = [one for one in found if one.get("eventId") == EVENT.id]
    assert letter == {
        "id": letter["id"],
        "kind": "delivery",
        "reason": "HTTP 400",
        "recordedAt": at(0),
        "subscriptionId": "s1",
        "eventId": EVENT.id,
        "eventType": EVENT.type,
        "attempts": 1,
        "status": 400,
    }
    assert (await api.get(f"/dead-letters/{letter['id']}")).body == {**letter, "event": EVENT.raw}
    assert (await api.get(f"/dead-letters/{message['id']}")).body == {**message, "message": UNREADABLE}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("kind=message", 1),
        ("kind=delivery", 5),
        ("subscriptionId=s1", 5),
        ("subscriptionId=s2", 0),
        (f"since={at(0)}", 6),
        (f"until={at(0)}", 0),
    ],
)
async def test_dead_letters_are_picked_by_what_and_when(query: str, count: int) -> None:
    api = await with_letters(Answer(400))
    assert len(await api.all_of(f"/dead-letters?limit=1&{query}")) == count


@pytest.mark.parametrize("query", ["kind=event", "limit=0", "since=today", f"since={at(1)}&until={at(0)}"])
async def test_each_wrong_parameter_is_named(query: str) -> None:
    field = query.rpartition("&")[2].partition("=")[0]
    assert (await api_of(events=[]).get(f"/dead-letters?{query}")).wrong == {field}


async def test_a_dead_letter_is_delivered_all_the_same_and_then_it_is_none() -> None:
    api = await with_letters(*[Answer(400)] * 5, Answer(202))
    (letter,) = [one for one in await api.all_of("/dead-letters") if one.get("eventId") == EVENT.id]
    answer = await api.post(f"/dead-letters/{letter['id']}/redeliver")
    assert (answer.status, answer.body) == (202, {"eventId": EVENT.id})
    assert (await api.get(f"/dead-letters/{letter['id']}")).status == 404
    await api.world.run()
    assert (await api.get(f"/subscriptions/s1/deliveries/{EVENT.id}")).body["stage"] == "delivered"


async def test_what_can_go_nowhere_is_refused_with_the_reason() -> None:
    api = await with_letters(Answer(400))
    found = await api.all_of("/dead-letters")
    (message,) = [one for one in found if one["kind"] == "message"]
    answer = await api.post(f"/dead-letters/{message['id']}/redeliver")
    assert (answer.status, "no delivery" in answer.body["detail"]) == (409, True)
    assert (await api("DELETE", "/subscriptions/s1")).status == 204
    letter = next(one for one in found if one["kind"] == "delivery")
    answer = await api.post(f"/dead-letters/{letter['id']}/redeliver")
    assert (answer.status, "is gone" in answer.body["detail"]) == (409, True)
    assert len(await api.all_of("/dead-letters")) == 6


@pytest.mark.parametrize("body", [None, {}, {"subscriptionId": "s1"}, {"since": at(0)}])
async def test_all_are_delivered(body: object) -> None:
    api = await with_letters(*[Answer(400)] * 5, Answer(202))
    answer = await api.post("/dead-letters/redeliver", body)
    assert (answer.status, answer.body) == (202, {"count": 5})
    await api.world.run()
    assert {one["stage"] for one in await api.all_of("/subscriptions/s1/deliveries")} == {"delivered"}
    assert [one["kind"] for one in await api.all_of("/dead-letters")] == ["message"]


@pytest.mark.parametrize("body", [{"subscriptionId": "s2"}, {"since": at(1)}, {"until": at(0)}])
async def test_others_are_left_alone(body: object) -> None:
    api = await with_letters(Answer(400))
    api.world.subscriptions.rows["s2"] = subscription(id_="s2"), "v"
    assert (await api.post("/dead-letters/redeliver", body)).body == {"count": 0}
    assert len(await api.all_of("/dead-letters")) == 6


@pytest.mark.parametrize(
    ("body", "field"),
    [({"until": "x"}, "until"), ({"since": at(1), "until": at(0)}, "until"), ({"kind": "message"}, "kind")],
)
async def test_each_wrong_key_is_named(body: object, field: str) -> None:
    assert (await api_of(events=[]).post("/dead-letters/redeliver", body)).wrong == {field}


async def test_a_dead_letter_is_given_up_for_good() -> None:
    api = await with_letters(Answer(400))
    (letter, *others) = await api.all_of("/dead-letters")
    assert (await api("DELETE", f"/dead-letters/{letter['id']}")).status == 204
    assert await api.all_of("/dead-letters") == others
    assert (await api("DELETE", f"/dead-letters/{letter['id']}")).status == 404
