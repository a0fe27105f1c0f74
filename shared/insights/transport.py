"""Asks the API: one call with its headers, time limits and repetitions, and the only table of what its failures mean.

The only module that names the exceptions of requests. Nothing here knows what the answers say. It reads no environment
and follows no redirect: requests would take the subscription key along to another host.
"""

import io
import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final, Literal, Self
from urllib.parse import quote, urlencode

import requests

from shared.domain import exact_json
from shared.errors import (
    AccessError,
    BridgeError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    PermanentError,
    RefusedError,
    ThrottledError,
    TimedOutError,
    TransientError,
)
from shared.insights.auth import TokenSource
from shared.insights.budget import Budget
from shared.insights.clock import Clock
from shared.insights.dates import Dates, date_of
from shared.insights.own_words import own_words
from shared.insights.reading import MalformedAnswerError
from shared.insights.sessions import pieces

_JSON: Final = {"Content-Type": "application/json"}
_CHARSET: Final = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_NO_URL: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)
_AGAIN: Final = "the next attempt may succeed"

# Seconds. No server means more by Retry-After, and what is passed on must stay a number one can wait.
_LONGEST_WAIT: Final = 86_400.0

# Seconds before the second attempt; doubled before each further one, and spread so that callers do not march in step.
_FIRST_WAIT: Final = 0.5
_SPREAD: Final = (0.75, 1.25)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a call may take with all its attempts, and how many those may be; timeouts of one attempt in seconds.

    One that `takes_turns` is made when the budget has room for it, any other at once.
    """

    patience: timedelta
    attempts: int
    connect_timeout: float
    read_timeout: float
    takes_turns: bool

    @classmethod
    def patient(cls, patience: timedelta) -> Self:
        """For polls: nobody waits, and an answer may be large."""
        return cls(patience, attempts=3, connect_timeout=5, read_timeout=30, takes_turns=True)

    @classmethod
    def hurried(cls, patience: timedelta) -> Self:
        """For a caller who waits: one attempt, of which the API says itself whether it takes it."""
        return cls(patience, attempts=1, connect_timeout=3, read_timeout=30, takes_turns=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to ask: `path` is quoted and stands below the endpoint, `query` is not quoted, `body` becomes JSON.

    `told` is the path as errors, and with them the log, tell it: for a call whose address or answer may hold what is
    known of a person, such as the mail address that is a row's key or stands in a filter. Without it, it is `path`.
    """

    method: Literal["GET", "POST", "PUT", "PATCH"]
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: object = field(default=None, repr=False)
    told: str | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether asking twice does no more than asking once; a job would be started twice."""
        return self.method == "GET"

    def __str__(self) -> str:
        return f"{self.method} {self.path if self.told is None else self.told}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status; its body, which may be large, comes in pieces, and once."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]

    def body(self) -> bytes:
        """The whole body."""
        body = io.BytesIO()  # which never holds it twice
        body.writelines(self.pieces)
        return body.getvalue()


@dataclass(frozen=True, slots=True, repr=False)
class Transport:
    """Calls the API below `endpoint` with the bridge's key and token, as often and as long as its `pace` allows."""

    endpoint: str
    subscription_key: str
    tokens: TokenSource
    session: requests.Session
    pace: Pace
    clock: Clock
    budget: Budget
    dates: Dates

    def paced(self, pace: Pace) -> Self:
        """Return a transport over the same connections with another pace."""
        return replace(self, pace=pace)

    def deadline(self, patience: timedelta | None = None) -> float:
        """Return the moment on the clock at which what starts now must be over; by itself a call's own."""
        return self.clock.monotonic() + (patience or self.pace.patience).total_seconds()

    def ask[T](self, call: Call, read: Callable[[Answer], T], deadline: float) -> T:
        """Ask, and return what `read` makes of the answer.

        Raises `TransientError` (`TimedOutError` among them), `ConfigurationError` (`AccessError` among them) or
        `PermanentError` (`NotFoundError`, `ConflictError`, `RefusedError`). An answer that `read` rejects with
        `MalformedAnswerError` is asked for again like one that never came.
        """
        attempt = 1
        while True:
            try:
                return self._attempt(call, read, deadline)
            except TransientError as error:
                wait = max(_backoff(attempt), error.retry_after or 0)
                is_last = attempt == self.pace.attempts or not call.is_repeatable
                if is_last or self.clock.monotonic() + wait >= deadline:
                    raise
            self.clock.sleep(wait)
            attempt += 1

    def _attempt[T](self, call: Call, read: Callable[[Answer], T], deadline: float) -> T:
        response, token = self._authorised(call, deadline)
        with response:
            pieces = _in_utf8(self._pieces(call, response, deadline), response.headers.get("Content-Type", ""))
            answer = Answer(response.status_code, response.headers, pieces)
            if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
                raise _refusal(call, answer, self.subscription_key, token)
            try:
                return read(answer)
            except MalformedAnswerError as error:
                message = f"The answer of Customer Insights to {call} is unreadable: {error}"
                if call.is_repeatable:
                    raise TransientError(f"{message}.") from error
                raise PermanentError(f"{message}; what was asked for may have been done.") from error

    def _authorised(self, call: Call, deadline: float) -> tuple[requests.Response, str]:
        """Send with the token at hand, once more with a new one if the API rejects it; return the one that counted."""
        token = self.tokens.token()
        response = self._request(call, token, deadline)
        if response.status_code == HTTPStatus.UNAUTHORIZED and self.tokens.renew(token):
            response.close()
            token = self.tokens.token()
            response = self._request(call, token, deadline)
        return response, token

    def _request(self, call: Call, token: str, deadline: float) -> requests.Response:
        """Send one request; its answer has begun. Nothing but this and `_pieces` sees the exceptions of requests."""
        if self.pace.takes_turns:
            self._wait_for_room(call, deadline)
        else:
            self.budget.count()
        left = deadline - self.clock.monotonic()
        if left <= 0:
            raise _late(call)
        try:
            response = self._sent(call, token, left)
        except requests.RequestException as error:
            failure = _failure(call, error)
        else:
            self.dates.heard(call.path, response.headers)
            if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                self.budget.refused(_retry_after(response.headers))
            else:
                self.budget.taken()
            return response
        # Out here: what is raised while an exception is handled carries it along, and requests' own quote the address.
        raise failure

    def _wait_for_room(self, call: Call, deadline: float) -> None:
        while wait := self.budget.take():
            if self.clock.monotonic() + wait >= deadline:
                raise ThrottledError(
                    f"Customer Insights takes no more calls for now, so {call} was not made; {_AGAIN}.",
                    retry_after=wait,
                )
            self.clock.sleep(wait)

    def _sent(self, call: Call, token: str, left: float) -> requests.Response:
        return self.session.request(
            call.method,
            self.endpoint + call.path,
            # Percent-encoded throughout: whether `+` is a space depends on who reads it.
            params=urlencode(call.query, quote_via=quote, safe="$"),
            data=None if call.body is None else exact_json.write(call.body),
            headers=self._headers(token) if call.body is None else self._headers(token) | _JSON,
            timeout=(min(self.pace.connect_timeout, left), min(self.pace.read_timeout, left)),
            allow_redirects=False,
            stream=True,
        )

    def _pieces(self, call: Call, response: requests.Response, deadline: float) -> Iterator[bytes]:
        """The body, but no longer than the deadline: a timeout only limits the pauses between its pieces.

        The time that somebody takes to read a piece is not the API's.
        """
        try:
            for piece in pieces(response):
                came_at = self.clock.monotonic()
                if came_at > deadline:
                    raise _late(call)
                yield piece
                deadline += self.clock.monotonic() - came_at
        except requests.RequestException as error:
            failure = _failure(call, error)
        else:
            return
        raise failure  # out here, as above

    def _headers(self, token: str) -> dict[str, str]:
        secrets = {"CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY": self.subscription_key, "The access token": token}
        for name, secret in secrets.items():
            # Checked here because the error that requests raises for such a header quotes it.
            if not (secret.isascii() and secret.isprintable() and secret == secret.strip()):
                raise AccessError(f"{name} holds characters (spaces, line breaks, accents) that no header can carry.")
        return {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Authorization": f"Bearer {token}",
            "Ocp-Apim-Subscription-Key": self.subscription_key,
        }


_MEANINGS: Final[Mapping[int, tuple[type[BridgeError], str]]] = {
    401: (
        AccessError,
        "it refuses the key or the token; check CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY and the bridge's identity",
    ),
    403: (
        AccessError,
        "the bridge's identity may not do this; give it a role in Customer Insights under Settings > Permissions",
    ),
    404: (NotFoundError, "it does not exist"),
    408: (TimedOutError, _AGAIN),
    409: (ConflictError, "it clashes with what exists"),
    429: (ThrottledError, _AGAIN),
    504: (TimedOutError, _AGAIN),
}


def _meaning(status: int) -> tuple[type[BridgeError], str]:
    """Say what an answer that is no success means, and what to do: the table of all of them."""
    if status in _MEANINGS:
        return _MEANINGS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransientError, _AGAIN
    if status >= HTTPStatus.BAD_REQUEST:
        return RefusedError, "the same request will never succeed"
    return ConfigurationError, "it leads elsewhere, and the key must not follow; check CUSTOMER_INSIGHTS_ENDPOINT"


def _refusal(call: Call, answer: Answer, *secrets: str) -> BridgeError:
    error, advice = _meaning(answer.status)
    if error is ConflictError and call.is_repeatable:
        error = RefusedError  # nothing that is only read clashes with anything
    words, target = own_words(answer.body(), *secrets)
    # What the API says of a call that is not told in full may repeat what is left out of it.
    quoted = f' ("{words}")' if words and call.told is None else ""
    message = f"Customer Insights answered {call} with {answer.status}{quoted}: {advice}."
    if issubclass(error, TransientError):
        return error(message, retry_after=_retry_after(answer.headers))
    if error is RefusedError:
        return RefusedError(message, words=words, target=target)
    return ConflictError(message, words=words) if error is ConflictError else error(message)


def _in_utf8(pieces: Iterator[bytes], content_type: str) -> Iterator[bytes]:
    """The text in UTF-8, the encoding of JSON; another that is declared counts only where it is not in UTF-8."""
    declared = _CHARSET.search(content_type)
    if declared is None or declared[1].lower() == "utf-8":
        yield from pieces
        return
    body = b"".join(pieces)
    try:
        body.decode()
    except UnicodeError:
        with suppress(LookupError, UnicodeError):
            body = body.decode(declared[1]).encode()
    yield body


def _failure(call: Call, error: requests.RequestException) -> BridgeError:
    """Say what it means that there is no answer."""
    if isinstance(error, requests.Timeout):
        return _late(call)
    if isinstance(error, _NO_URL):
        return ConfigurationError("CUSTOMER_INSIGHTS_ENDPOINT is not a URL that can be called.")
    kind = type(error).__name__
    return TransientError(f"The connection to Customer Insights failed at {call} ({kind}); {_AGAIN}.")


def _late(call: Call) -> TimedOutError:
    return TimedOutError(f"Customer Insights did not answer {call} in time; {_AGAIN}.")


def _backoff(attempt: int) -> float:
    spread = random.uniform(*_SPREAD)  # noqa: S311 - nothing is kept secret by it
    return _FIRST_WAIT * 2.0 ** (attempt - 1) * spread


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the answer asks to wait: it gives a number of them or a date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_WAIT)
    if (moment := date_of(value)) is None:
        return None
    return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT)
