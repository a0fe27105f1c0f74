"""What is outside the bridge: the flows that it calls, and the topic that carries its events."""

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.domain.callbacks import Answer
from shared.domain.events.wire import json_text
from shared.errors import BridgeError
from tests.survive.cloud import Cloud, Process, seconds
from tests.survive.stores import SharedQueue

TIMEOUT = 30.0

# How a flow answers: in time; late; not at all; that it is busy, broken, off, gone, not for the bridge, not for that.
type Mood = Literal["takes", "slow", "hangs", "unreachable", "busy", "broken", "off", "gone", "denies", "rejects"]

ANSWERS: Mapping[Mood, Answer] = {
    "takes": Answer(202),
    "slow": Answer(202),
    "hangs": Answer(failure="no answer in time"),
    "unreachable": Answer(failure="no connection"),
    "busy": Answer(429, retry_after=25.0),
    "broken": Answer(503),
    "off": Answer(400, body="WorkflowTriggerIsNotEnabled"),
    "gone": Answer(404),
    "denies": Answer(401),
    "rejects": Answer(400),
}
MOODS: Sequence[Mood] = tuple(ANSWERS)


@dataclass(slots=True, eq=False)
class Call:
    """A call of a flow; `answer` is what the bridge was told, at `ended_at`, and None where it was told nothing."""

    number: int
    url: str
    event_id: str
    body: bytes
    process: Process
    began_at: float
    mood: Mood
    answer: Answer | None = None
    ended_at: float | None = None

    @property
    def was_taken(self) -> bool:
        """Whether the bridge was told that the flow has taken the event."""
        return self.answer is not None and self.answer.status == ANSWERS["takes"].status


def flow_called(call: Call) -> int:
    """The flow that is called."""
    return int(call.url.split("/")[2].split(".")[0].removeprefix("flow"))


@dataclass(slots=True)
class Flows:
    """The flows, by URL; `on_call` is told of each call as it begins, `on_end` as the bridge hears of it."""

    cloud: Cloud
    moods: dict[str, Mood] = field(default_factory=lambda: defaultdict(lambda: "takes"))
    calls: list[Call] = field(default_factory=list)
    on_call: Callable[[Call], None] = lambda _call: None
    on_end: Callable[[Call], None] = lambda _call: None


class Callbacks:
    """One process's way to the flows."""

    def __init__(self, flows: Flows, process: Process) -> None:
        self._flows, self._process = flows, process

    async def admit(self, url: str) -> str:
        return url.split("/")[2]

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        flows, cloud = self._flows, self._flows.cloud
        if self._process.is_dead:
            raise asyncio.CancelledError
        call = Call(len(flows.calls), url, headers["webhook-id"], body, self._process, seconds(), flows.moods[url])
        flows.calls.append(call)
        flows.on_call(call)
        try:
            await cloud.call(self._process, "flow.call", lambda: None)
            await asyncio.sleep(self._takes(call))
            answer = ANSWERS[call.mood]
        except BridgeError:
            answer = Answer(failure="the connection was lost")
        if self._process.is_dead:
            raise asyncio.CancelledError
        call.answer, call.ended_at = answer, seconds()
        flows.on_end(call)
        return answer

    def _takes(self, call: Call) -> float:
        chance = self._flows.cloud.chance("flow.answer", call.number)
        if call.mood == "hangs":
            return TIMEOUT
        return 1 + chance % 26_000 / 1_000 if call.mood == "slow" else chance % 200 / 1_000


class Topic:
    """The topic: what it has taken goes into the queue of events, once or more often, in any order."""

    def __init__(self, cloud: Cloud, queue: SharedQueue) -> None:
        self.published: list[tuple[float, Mapping[str, Any]]] = []
        self._cloud, self._queue = cloud, queue
        self._numbers = itertools.count()

    def take(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Have events published."""
        for event in events:
            text = json_text(event)
            self.published.append((seconds(), json.loads(text)))
            chance = self._cloud.chance("topic", next(self._numbers))
            self._queue.put(text, chance % 3_000 / 1_000)
            if chance % 11 == 0 and not self._cloud.is_calm:
                self._queue.put(text, chance % 40_000 / 1_000)


class Publisher:
    """One process's way to the topic."""

    def __init__(self, topic: Topic, cloud: Cloud, process: Process) -> None:
        self._topic, self._cloud, self._process = topic, cloud, process

    async def publish(self, events: Sequence[Mapping[str, Any]]) -> None:
        await self._cloud.call(self._process, "topic.publish", lambda: self._topic.take(events))
