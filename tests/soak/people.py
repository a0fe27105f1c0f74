"""What people do during a soak: they pause and resume, replay, and send again what a flow has had or has not."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from local.stack import Answer, Stack

# A request is made again for so long while nobody answers: a host is killed now and then.
PATIENCE = timedelta(minutes=4)


@dataclass(slots=True)
class People:
    """Somebody at the API; `ids` are the subscriptions by flow, `since` is when all began.

    `asked` is when somebody asked that a flow get an event that it had already; `done` counts what they did.
    """

    stack: Stack
    ids: Mapping[str, str]
    chance: random.Random
    since: datetime
    asked: dict[str, dict[str, list[datetime]]] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)

    async def meddle(self, flows: Sequence[str]) -> None:
        """Do one thing after the other with some flows, without end."""
        likely = {self._pause: 3, self._replay: 2, self._redeliver: 3, self._redeliver_dead: 2}
        while True:
            await asyncio.sleep(self.chance.uniform(1, 8))
            flow = self.chance.choice(flows)
            act = self.chance.choices(list(likely), list(likely.values()))[0]
            await act(flow)
            name = act.__name__.strip("_")
            self.done[name] = self.done.get(name, 0) + 1

    async def change(self, flow: str, status: str) -> None:
        """Pause or resume a flow's subscription."""
        answer = await self.call("PATCH", f"/subscriptions/{self.ids[flow]}", {"status": status})
        assert answer.status == 200, answer.body

    async def call(self, method: str, path: str, body: object = None) -> Answer:
        """Call the API, again and again until it answers."""
        until = datetime.now(UTC) + PATIENCE
        while True:
            try:
                answer = await self.stack.call(method, path, body)
            except aiohttp.ClientError:
                if datetime.now(UTC) > until:
                    raise
            else:
                if answer.status < 500:
                    return answer
                assert datetime.now(UTC) < until, answer.body
            await asyncio.sleep(0.2)

    async def list(self, path: str) -> list[Any]:
        """All of a list, page by page."""
        found: list[Any] = []
        following: str | None = path
        while following is not None:
            page = (await self.call("GET", following)).json()
            found += page["value"]
            following = page["nextLink"].removeprefix(self.stack.url) if "nextLink" in page else None
        return found

    async def _pause(self, flow: str) -> None:
        await self.change(flow, "paused")
        await asyncio.sleep(self.chance.uniform(1, 15))
        await self.change(flow, "active")

    async def _replay(self, flow: str) -> None:
        answer = await self.call("POST", f"/subscriptions/{self.ids[flow]}/replay", {"since": self.since.isoformat()})
        assert answer.status == 202, answer.body

    async def _redeliver(self, flow: str) -> None:
        """Have a flow get again what it has taken."""
        path = f"/subscriptions/{self.ids[flow]}/deliveries"
        taken = (await self.call("GET", f"{path}?stage=delivered&limit=20")).json()["value"]
        if not taken:
            return
        event_id = self.chance.choice(taken)["eventId"]
        self.asked.setdefault(flow, {}).setdefault(event_id, []).append(datetime.now(UTC))
        answer = await self.call("POST", f"{path}/{event_id}/redeliver")
        assert answer.status == 202, answer.body

    async def _redeliver_dead(self, flow: str) -> None:
        answer = await self.call("POST", "/dead-letters/redeliver", {"subscriptionId": self.ids[flow]})
        assert answer.status == 202, answer.body
