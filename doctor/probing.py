"""One look at the Customer Insights API: what a path answers, as it came and as the bridge reads it.

Every call is a GET, made with the bridge's own connection, key and token.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Self
from urllib.parse import urlsplit

import requests

from doctor.findings import Finding, wrong
from shared.errors import BridgeError, NotFoundError
from shared.insights.auth import TokenSource
from shared.insights.calls import Calls
from shared.insights.paths import Layouts, below, quoted
from shared.insights.reading import MalformedAnswerError, Omissions, Reader
from shared.insights.sessions import new_session
from shared.insights.transport import Answer, Call
from shared.settings import Settings

PATIENCE: Final = timedelta(seconds=20)

type Json = Any


class Noted(Omissions):
    """Notes what the bridge leaves out of answers instead of logging it."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: dict[str, None] = {}

    def warn(self, source: str, item: str, reason: str) -> None:
        """Note an item that is left out."""
        del source
        self.notes[f"{item}: {reason}"] = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a path answered: the document as it came, the items the bridge makes of it, and what it leaves out.

    `error` says why there is nothing.
    """

    path: str
    document: Json = None
    items: Sequence[Any] = ()
    left_out: Sequence[str] = ()
    error: BridgeError | None = None

    @property
    def answers(self) -> bool:
        """Whether there is an answer."""
        return self.error is None

    @property
    def is_missing(self) -> bool:
        """Whether nothing is at this path."""
        return isinstance(self.error, NotFoundError)

    def omissions(self) -> list[Finding]:
        """What the bridge cannot read of the answer."""
        do = "The bridge goes on without it. Report what stands here, so that it learns to read it."
        return [wrong(f"Unreadable, {note}.", do) for note in self.left_out]


@dataclass(slots=True)
class Api:
    """The API as the bridge calls it; `challenges` are what answers with 401 asked for, the latest last."""

    calls: Calls
    host: str
    workflow: str
    challenges: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, settings: Settings, tokens: TokenSource, patience: timedelta = PATIENCE) -> Self:
        """Prepare to call the API of these settings."""
        session = new_session()
        calls = Calls(
            endpoint=settings.insights_endpoint,
            workflow=settings.workflow,
            subscription_key=settings.insights_subscription_key,
            tokens=tokens,
            patience=patience,
            session=session,
        )
        api = cls(calls, urlsplit(settings.insights_endpoint).hostname or "", settings.workflow)
        session.hooks["response"].append(api.note_challenge)
        return api

    def note_challenge(self, response: requests.Response, **_: object) -> None:
        """Remember what a refusal asks for: the key or the token."""
        if response.status_code == requests.codes.unauthorized:
            self.challenges.append(response.headers.get("WWW-Authenticate", ""))

    def see(
        self, path: str, *readers: Reader[Any, Any], query: Mapping[str, str] | None = None, one: bool = False
    ) -> Seen:
        """Ask at a path; the items are those of the first reader, what is left out is so by any of them."""
        noted = Noted()

        def read(answer: Answer) -> Seen:
            body = answer.body()
            try:
                document = json.loads(body)
            except (ValueError, RecursionError):
                raise MalformedAnswerError("it is not JSON, or it is cut off") from None
            if one:
                found = [reader.one(body, "", noted) for reader in readers]
                items = [[] if each is None else [each] for each in found]
            else:
                items = [reader.all([body], "", noted) for reader in readers]
            return Seen(path, document, items[0] if items else (), list(noted.notes))

        try:
            return self.calls.ask(Call("GET", path, query or {}), read)
        except BridgeError as error:
            return Seen(path, error=error)

    def see_in_both(
        self,
        instance_id: str,
        layouts: Layouts,
        tail: str,
        *readers: Reader[Any, Any],
        query: Mapping[str, str] | None = None,
    ) -> tuple[Seen, Seen]:
        """Ask at a path in both of its layouts, whichever answers."""
        first, second = (self.see(below(instance_id, layout + tail), *readers, query=query) for layout in layouts)
        return first, second

    def of_workflow(self, what: str) -> str:
        """The end of a path that leads to something in the workflow."""
        return f"/{quoted(self.workflow)}/{what}"


def values_at(document: Json, *keys: str) -> list[Json]:
    """All values at a path of keys in a document; lists on the way are entered."""
    if isinstance(document, list):
        return [value for item in document for value in values_at(item, *keys)]
    if not keys:
        return [] if document is None else [document]
    if not isinstance(document, dict):
        return []
    return values_at(document.get(keys[0]), *keys[1:])
