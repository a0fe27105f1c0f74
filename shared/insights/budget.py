"""The budget: how many calls the API takes of the bridge, learned from what it takes and refuses.

Microsoft publishes no limit for this API (its connector is allowed 100 calls a minute), so none is presumed. Once the
API refuses a call (429), all polls wait for as long as it says, and from then on they ask no more in a minute than it
took before; each call that it takes raises that a little. The limit is the tenant's key's: what callers ask for who
wait for the answer is asked at once, and counts.
"""

import threading
from collections import deque
from typing import Final

from shared.insights.clock import Clock

# Seconds. The limits that gateways set are mostly by the minute.
_WINDOW: Final = 60.0
# So many calls an idle poll of an instance makes: no more polls are begun than there is room for.
CALLS_OF_A_POLL: Final = 5
# No limit below this is believed: two polls a minute.
_LEAST: Final = 10.0
# By how much a refusal lowers the limit, and a call that is taken raises it: the more, the longer none was refused.
_LOWERED: Final = 0.9
_RAISED: Final = 0.02
_MOST_RAISED: Final = 0.2
_DOUBLED_AFTER: Final = 300.0
# Seconds to wait after a refusal that does not say how long, and at most, whatever it says.
_REST: Final = 5.0
_LONGEST_REST: Final = 3_600.0
_SOON: Final = 1.0
# No wait is shorter, so that it ends after what is waited for.
_SHORTEST: Final = 0.01


class Budget:
    """What may be asked now; safe for threads.

    `take` is for each call of a poll, `begin` and `end` are for the poll, `count` is for any other call.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sent: deque[float] = deque()
        self._limit: float | None = None
        self._closed_until = 0.0
        self._polls = 0

    def take(self) -> float:
        """Count a call that is made now; or give the seconds to wait before there is room for it."""
        with self._lock:
            wait = self._wait(1)
            if not wait:
                self._sent.append(self._clock.monotonic())
            return wait

    def count(self) -> None:
        """Count a call that is made now, whatever there is room for."""
        with self._lock:
            self._sent.append(self._clock.monotonic())

    def begin(self) -> float:
        """Keep room for a poll until its `end`; or give the seconds after which to ask again."""
        with self._lock:
            wait = self._wait(CALLS_OF_A_POLL * (self._polls + 1))
            if not wait:
                self._polls += 1
            # Polls that go on keep more room than they need, and give it up when they end.
            return min(wait, _SOON) if self._polls else wait

    def end(self) -> None:
        """Give up the room of a poll: what it has asked counts by itself."""
        with self._lock:
            self._polls -= 1

    def taken(self) -> None:
        """Note that the API took a call."""
        with self._lock:
            if self._limit is not None:
                quiet = max(0.0, self._clock.monotonic() - self._closed_until)
                self._limit += min(_MOST_RAISED, _RAISED * (1 + quiet / _DOUBLED_AFTER))

    def refused(self, retry_after: float | None) -> None:
        """Note that the API refused a call for its number; `retry_after` is what it said, in seconds."""
        with self._lock:
            now = self._clock.monotonic()
            self._forget(now)
            if self._sent:
                self._sent.pop()
            took = float(len(self._sent))
            if self._limit is not None:
                took = min(took, self._limit)
            # Many calls are refused at once: the first of them lowers the limit, the others say only what was taken.
            is_first = now >= self._closed_until
            self._limit = max(_LEAST, took * _LOWERED if is_first else took)
            rest = min(_REST if retry_after is None else retry_after, _LONGEST_REST)
            self._closed_until = max(self._closed_until, now + rest)

    def _wait(self, calls: int) -> float:
        now = self._clock.monotonic()
        self._forget(now)
        wait = max(0.0, self._closed_until - now)
        if self._limit is None:
            return wait
        over = len(self._sent) + calls - int(self._limit)
        if over <= 0:
            return wait
        if over > len(self._sent):  # polls that go on keep the room
            return max(wait, _SOON)
        return max(wait, self._sent[over - 1] + _WINDOW - now, _SHORTEST)

    def _forget(self, now: float) -> None:
        while self._sent and self._sent[0] <= now - _WINDOW:
            self._sent.popleft()
