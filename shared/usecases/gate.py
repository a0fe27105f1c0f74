"""Gate: which deliveries this running instance may send straight to a flow.

The rate of a flow holds over all instances together. As long as each sends no more than its share, they need not know
of each other; what is beyond it goes into the subscription's backlog, which has one way out.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

# A slow flow may hold so many attempts at a time; the rest of an instance's capacity is the others'.
MAX_UNDER_WAY = 8
# An attempt that takes longer than this shows that the flow is slow: nobody waits for a place with it. Seconds.
BRISK = 1.0
# How long to wait for a place with a brisk flow. Seconds.
PATIENCE = 1.0
# The rate holds over so many seconds.
WINDOW = 10.0
# So many instances may send at a time. More are started only when far more waits than one flow's events.
INSTANCES = 4


def share(per_second: int) -> int:
    """How many deliveries an instance may send straight to one flow in any `WINDOW` seconds.

    A flow that gets less than one a second never exceeds it, unless even that is close to what it may get.
    """
    allowed = per_second * WINDOW
    return int(max(min(WINDOW, allowed / INSTANCES), allowed / (2 * INSTANCES)))


@dataclass(slots=True)
class _Lane:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_UNDER_WAY))
    under_way: dict[object, float] = field(default_factory=dict)
    begun: deque[float] = field(default_factory=deque)
    waiting: int = 0

    def is_idle(self, now: float) -> bool:
        return not self.under_way and not self.waiting and (not self.begun or self.begun[-1] <= now - WINDOW)


class Gate:
    """Lets deliveries through, by subscription; `seconds` is a clock that only goes forward."""

    def __init__(self, per_second: int, seconds: Callable[[], float] = time.monotonic) -> None:
        self._share = share(per_second)
        self._seconds = seconds
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()

    def __len__(self) -> int:
        """How many subscriptions it remembers."""
        return len(self._lanes)

    async def enter(self, subscription_id: str, delivery: object) -> bool:
        """Whether a delivery may be sent now; then call `leave` after it."""
        lane = self._lane(subscription_id)
        if not self._has_share(lane):
            return False
        lane.waiting += 1
        try:
            if not await self._place(lane):
                return False
        finally:
            lane.waiting -= 1
        if not self._has_share(lane):  # others may have begun meanwhile
            lane.places.release()
            return False
        now = self._seconds()
        lane.begun.append(now)
        lane.under_way[delivery] = now
        return True

    def leave(self, subscription_id: str, delivery: object) -> None:
        """Say that a delivery that was let through has ended."""
        lane = self._lanes[subscription_id]
        del lane.under_way[delivery]
        lane.places.release()

    def _lane(self, subscription_id: str) -> _Lane:
        """The subscription's lane; of those not used for longest, the idle are forgotten."""
        now = self._seconds()
        lane = self._lanes.setdefault(subscription_id, _Lane())
        self._lanes.move_to_end(subscription_id)
        while (oldest := next(iter(self._lanes))) != subscription_id and self._lanes[oldest].is_idle(now):
            del self._lanes[oldest]
        return lane

    def _has_share(self, lane: _Lane) -> bool:
        now = self._seconds()
        while lane.begun and lane.begun[0] <= now - WINDOW:
            lane.begun.popleft()
        return len(lane.begun) < self._share

    async def _place(self, lane: _Lane) -> bool:
        if not lane.places.locked():
            return await lane.places.acquire()
        now = self._seconds()
        if min(lane.under_way.values(), default=now) < now - BRISK:
            return False
        try:
            await asyncio.wait_for(lane.places.acquire(), PATIENCE)
        except TimeoutError:
            return False
        return True
