import json

import pytest

from shared.errors import (
    AccessError,
    BridgeError,
    CheckpointError,
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    LostRaceError,
    NotFoundError,
    PermanentError,
    RefusedError,
    SettingsError,
    TimedOutError,
    TooLargeError,
    TransientError,
)
from triggers.answers import encode, of_error

SECRET = "word-that-nobody-may-see"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInputError({"a": "is wrong"}), 400),
        (RefusedError("no", words="no", target="a"), 400),
        (NotFoundError("gone"), 404),
        (ConflictError("clash"), 409),
        (AccessError(SECRET), 502),
        (PermanentError("never"), 502),
        (TooLargeError("too large"), 502),
        (TransientError(SECRET), 503),
        (TransientError(SECRET, retry_after=5), 503),
        (ConfigurationError(SECRET), 503),
        (SettingsError(SECRET), 503),
        (CheckpointError(SECRET), 503),
        (LostRaceError(SECRET), 503),
        (BridgeError(SECRET), 503),
        (TimedOutError(SECRET), 504),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_a_caller_is_told_of_each_error(error: BridgeError, status: int) -> None:
    answer = of_error(error)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    body = json.loads(answer.get_body())
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert SECRET not in answer.get_body().decode()


@pytest.mark.parametrize(
    ("wait", "header"), [(None, "10"), (0, "10"), (0.2, "1"), (7, "7"), (7.2, "8"), (86_400, "86400")]
)
def test_says_when_to_come_again_in_whole_seconds(wait: float | None, header: str) -> None:
    assert of_error(TransientError("busy", retry_after=wait)).headers["Retry-After"] == header


def test_each_wrong_field_has_its_message() -> None:
    body = json.loads(of_error(InvalidInputError({"a": "is wrong", "b": "is missing"})).get_body())
    assert body["errors"] == [{"field": "a", "message": "is wrong"}, {"field": "b", "message": "is missing"}]


@pytest.mark.parametrize(
    ("target", "field"), [("Shoe", "Shoe"), ("$filter", "filter"), ("$orderby", "orderBy"), ("", "request")]
)
def test_a_refusal_names_our_parameter_and_gives_the_apis_words(target: str, field: str) -> None:
    body = json.loads(of_error(RefusedError("x", words="No such column.", target=target)).get_body())
    assert body["errors"] == [{"field": field, "message": "No such column."}]
    assert "No such column." in body["detail"]


def test_a_refusal_without_words_says_so() -> None:
    body = json.loads(of_error(RefusedError("x")).get_body())
    assert body["errors"][0]["message"]


@pytest.mark.parametrize("text", ["\ud800", "ß日🙂", "\x00"])
def test_any_text_can_be_answered(text: str) -> None:
    for error in (NotFoundError(text), InvalidInputError({text: text}), RefusedError(text, words=text, target=text)):
        assert of_error(error).get_body().isascii()
    assert json.loads(encode({text: text})) == {text: text}
