"""The API over the real use cases and the fakes of the ports: a call finds its route as the host would have it."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import azure.functions as func

from shared.composition import STAND_IN
from tests.fakes import PollStoreFake, TimerStoreFake, WaitingFake
from tests.functions import FUNCTIONS
from tests.triggers.bridge import QUEUES, over
from tests.usecases.world import World

HERE = "http://bridge.test/api"


@dataclass(frozen=True)
class Answered:
    status: int
    body: Any

    @property
    def wrong(self) -> set[str]:
        """The fields of a refusal."""
        assert self.status == 400, self
        return {one["field"] for one in self.body["errors"]}


def _routes() -> list[tuple[str, re.Pattern[str], Any]]:
    found = []
    for function in FUNCTIONS:
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] == "httpTrigger":
            pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", f"/api/{trigger['route']}"))
            found += [(str(getattr(method, "value", method)), pattern, function) for method in trigger["methods"]]
    return found


ROUTES = _routes()


class Api:
    """`world` is what is behind it; `queues` count what waits in each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.polls = PollStoreFake()
        self.timers = TimerStoreFake()
        self.queues = {name: WaitingFake() for name in QUEUES}
        self.bridge = over(world, self.polls, self.timers, self.queues)

    async def __call__(self, method: str, address: str, body: object = None) -> Answered:
        """Call a path of the API, or an address that it has given."""
        url = urlsplit(address if "://" in address else HERE + address)
        function, match = next(
            (function, match)
            for its_method, pattern, function in ROUTES
            if its_method == method and (match := pattern.fullmatch(url.path))
        )
        request = func.HttpRequest(
            method=method,
            url=url.geturl(),
            params=dict(parse_qsl(url.query)),
            route_params={name: unquote(value) for name, value in match.groupdict().items()},
            body=b"" if body is None else json.dumps(body).encode(),
        )
        before = STAND_IN.set(self.bridge)
        try:
            answer = await function.get_user_function()(request)
        finally:
            STAND_IN.reset(before)
        content = answer.get_body()
        return Answered(answer.status_code, json.loads(content) if content else None)

    async def get(self, address: str) -> Answered:
        return await self("GET", address)

    async def post(self, address: str, body: object = None) -> Answered:
        return await self("POST", address, body)

    async def all_of(self, address: str) -> list[Any]:
        """A list, page by page."""
        found: list[Any] = []
        next_link: str | None = address
        while next_link is not None:
            page = await self.get(next_link)
            assert page.status == 200, page
            found += page.body["value"]
            next_link = page.body.get("nextLink")
        return found
