"""Stand-ins for cloud flows: callback URLs that answer as Power Automate's do.

Each flow has its own signed URL, which must come back byte for byte: another signature, or the same one spelled with
other escapes, is a 401. A flow's behaviour decides its answers, and every call is recorded and told to whoever watches.
"""

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from aiohttp import web

from local.loopback import serve

PATH = "/workflows/{name}/triggers/manual/run"
QUERY = "api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig="


@dataclass(frozen=True, slots=True)
class Answer:
    """What a flow answers, and after how many seconds."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    error_code: str | None = None
    error_message: str = ""
    delay: float = 0

    def response(self) -> web.Response:
        """Return it as an HTTP response; a success has no body."""
        if self.error_code is None:
            return web.Response(status=self.status, headers=self.headers)
        error = {"code": self.error_code, "message": self.error_message}
        return web.json_response({"error": error}, status=self.status, headers=self.headers)


class Behaviour(Protocol):
    """Decides the answer to a flow's call; attempts are counted from 1, anew with each behaviour."""

    def answer(self, attempt: int) -> Answer:
        """Return the answer to the `attempt`-th call."""
        ...


@dataclass(frozen=True, slots=True)
class Healthy:
    """Starts a run: 202."""

    def answer(self, attempt: int) -> Answer:  # noqa: ARG002 - every call is answered alike
        """Accept."""
        return Answer(202, {"x-ms-workflow-run-id": secrets.token_hex(16)})


@dataclass(frozen=True, slots=True)
class Throttled:
    """Has had too many calls: 429 for the first `times`, with Retry-After in seconds."""

    times: int
    retry_after: int = 5

    def answer(self, attempt: int) -> Answer:
        """Refuse the first calls."""
        if attempt > self.times:
            return Healthy().answer(attempt)
        return Answer(429, {"Retry-After": str(self.retry_after)}, "TooManyRequests", "Rate limit is exceeded.")


@dataclass(frozen=True, slots=True)
class Disabled:
    """Was turned off, or deleted: both are answered with this 400."""

    def answer(self, attempt: int) -> Answer:  # noqa: ARG002 - every call is answered alike
        """Refuse."""
        message = "Could not execute workflow trigger 'manual' with state 'Disabled': trigger is not enabled."
        return Answer(400, error_code="WorkflowTriggerIsNotEnabled", error_message=message)


@dataclass(frozen=True, slots=True)
class Picky:
    """Wants other content in its first `times` calls: 400, as when a body does not fit the trigger's schema."""

    times: int

    def answer(self, attempt: int) -> Answer:
        """Reject the first calls."""
        if attempt > self.times:
            return Healthy().answer(attempt)
        return Answer(400, error_code="TriggerInputSchemaMismatch", error_message="The input body does not fit.")


@dataclass(frozen=True, slots=True)
class Slow:
    """Accepts the first `times` calls only after so many seconds, later than the caller waits."""

    times: int
    seconds: float

    def answer(self, attempt: int) -> Answer:
        """Accept, the first calls late."""
        return Answer(202, delay=self.seconds) if attempt <= self.times else Healthy().answer(attempt)


@dataclass(frozen=True, slots=True)
class Failing:
    """Is broken: 500 for the first `times`."""

    times: int

    def answer(self, attempt: int) -> Answer:
        """Fail the first calls."""
        if attempt > self.times:
            return Healthy().answer(attempt)
        return Answer(500, error_code="InternalServerError", error_message="Encountered internal server error.")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a flow, recorded when it came; `delay` is how many seconds later it is answered."""

    flow: str
    status: int
    at: datetime
    headers: Mapping[str, str]
    body: bytes
    delay: float = 0

    @property
    def event(self) -> Mapping[str, Any]:
        """The CloudEvent that was posted; empty when the body is none."""
        try:
            event = json.loads(self.body)
        except ValueError:
            return {}
        return event if isinstance(event, dict) else {}

    @property
    def accepted(self) -> bool:
        """Whether a run was started."""
        return self.status == 202  # noqa: PLR2004 - Accepted, the one answer of a flow that runs


class Flows:
    """The flows of one environment. `async with flows.serving()` makes their URLs work."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._address = ""
        self._signatures: dict[str, str] = {}
        self._behaviours: dict[str, Behaviour] = {}
        self._attempts: dict[str, int] = {}
        self._watchers: list[asyncio.Queue[Call]] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve the callback URLs on a free loopback port; yields the address."""
        app = web.Application()
        app.router.add_post(PATH, self._run)
        async with serve(app) as self._address:
            yield self._address

    def url(self, name: str) -> str:
        """Return the callback URL of a flow, which is made on first use."""
        return self._address + self._target(name)

    def behave(self, name: str, behaviour: Behaviour) -> None:
        """Let a flow answer so from now on; without this it is healthy."""
        self._behaviours[name] = behaviour
        self._attempts[name] = 0

    def of(self, name: str) -> list[Call]:
        """Return the calls of one flow, in order."""
        return [call for call in self.calls if call.flow == name]

    @contextmanager
    def watch(self) -> Iterator[asyncio.Queue[Call]]:
        """Yield a queue that gets every call from now on."""
        queue: asyncio.Queue[Call] = asyncio.Queue()
        self._watchers.append(queue)
        try:
            yield queue
        finally:
            self._watchers.remove(queue)

    async def wait_until(self, enough: Callable[[Sequence[Call]], bool], *, within: float) -> None:
        """Wait until the calls so far are `enough`. Raises `TimeoutError` after `within` seconds."""
        with self.watch() as queue:
            async with asyncio.timeout(within):
                while not enough(self.calls):
                    await queue.get()

    async def _run(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        answer = self._answer(name, request)
        body = await request.read()
        self._record(Call(name, answer.status, datetime.now(UTC), dict(request.headers), body, answer.delay))
        await asyncio.sleep(answer.delay)
        return answer.response()

    def _answer(self, name: str, request: web.Request) -> Answer:
        if name not in self._signatures:
            return Answer(
                404, error_code="WorkflowNotFound", error_message=f"The workflow '{name}' could not be found."
            )
        if "sig" not in request.query:
            message = "The request must be authenticated with a signature or a token."
            return Answer(401, error_code="DirectApiAuthorizationRequired", error_message=message)
        # The whole target, not the decoded signature: a caller that spells the escapes anew breaks the signature.
        if not hmac.compare_digest(request.raw_path.encode(), self._target(name).encode()):
            message = "The provided signature is not valid."
            return Answer(401, error_code="DirectApiInvalidAuthorizationSignature", error_message=message)
        self._attempts[name] = self._attempts.get(name, 0) + 1
        return self._behaviours.get(name, Healthy()).answer(self._attempts[name])

    def _record(self, call: Call) -> None:
        self.calls.append(call)
        for watcher in self._watchers:
            watcher.put_nowait(call)

    def _target(self, name: str) -> str:
        signature = self._signatures.setdefault(name, secrets.token_urlsafe(32))
        return f"{PATH.format(name=name)}?{QUERY}{signature}"
