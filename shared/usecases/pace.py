"""Pace: how many deliveries may be under way to one subscription, and how many may begin in a second.

Nothing waits here longer than a second: a delivery that is not let through is told when to come back. Each
running instance of the app keeps its own pace.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta

# A slow flow may hold so many attempts at a time; the rest of an instance's capacity is the others'.
MAX_UNDER_WAY = 8
# An attempt that takes longer than this shows that the flow is slow: nobody waits for a place with it.
BRISK = 1.0
# How long to wait for a place with a brisk flow.
PATIENCE = 1.0
SLOW_FLOW_DELAY = timedelta(seconds=2)
WINDOW = 1.0


@dataclass(slots=True)
class _Lane:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_UNDER_WAY))
    under_way: dict[object, float] = field(default_factory=dict)
    begun: deque[float] = field(default_factory=deque)
    next_at: float = 0.0


class Pace:
    """Lets deliveries through, by subscription."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._lanes: dict[str, _Lane] = {}

    async def enter(self, subscription_id: str, delivery: object) -> timedelta | None:
        """Begin a delivery now (None: call `leave` after it), or be told how long to stay away."""
        lane = self._lanes.setdefault(subscription_id, _Lane())
        if (delay := self._too_soon(lane)) is not None:
            return delay
        if not await _place(lane):
            return SLOW_FLOW_DELAY
        if (delay := self._too_soon(lane)) is not None:  # others may have begun meanwhile
            lane.places.release()
            return delay
        now = _now()
        lane.begun.append(now)
        lane.under_way[delivery] = now
        return None

    def leave(self, subscription_id: str, delivery: object) -> None:
        """Say that a delivery that was let through has ended."""
        lane = self._lanes[subscription_id]
        del lane.under_way[delivery]
        lane.places.release()
        if not lane.under_way and (not lane.begun or lane.begun[-1] < _now() - WINDOW) and lane.next_at < _now():
            del self._lanes[subscription_id]

    def _too_soon(self, lane: _Lane) -> timedelta | None:
        now = _now()
        while lane.begun and lane.begun[0] <= now - WINDOW:
            lane.begun.popleft()
        if len(lane.begun) < self._per_second:
            return None
        # Those sent away come back one after the other, at the permitted rate.
        lane.next_at = max(lane.next_at, now + WINDOW) + WINDOW / self._per_second
        return timedelta(seconds=lane.next_at - now)


async def _place(lane: _Lane) -> bool:
    if lane.places.locked() and min(lane.under_way.values(), default=_now()) < _now() - BRISK:
        return False
    try:
        await asyncio.wait_for(lane.places.acquire(), PATIENCE)
    except TimeoutError:
        return False
    return True


def _now() -> float:
    return asyncio.get_running_loop().time()
