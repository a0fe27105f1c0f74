"""Crowd: how long a running function waits for a flow's answer.

A host runs so many functions at a time. While few wait for slow flows, each waits for its own; beyond that, who has
waited longest leaves its attempt to go on alone, so that slow flows, however many, keep the others' places free.
"""

import asyncio
from collections import deque

# So many functions may wait for slow flows at a time.
PLACES = 8
# A flow that takes longer to answer is slow. Seconds.
BRISK = 0.5


class Crowd:
    """Those that wait for slow flows in this process."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait[T](self, attempt: asyncio.Task[T]) -> bool:
        """Wait until an attempt has ended, or until its place is others'; whether it has ended."""
        await asyncio.wait({attempt}, timeout=BRISK)
        if attempt.done():
            return True
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        if len(self._waiting) > PLACES:
            self._waiting.popleft().set_result(None)
        try:
            await asyncio.wait({attempt, place}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not place.done():
                self._waiting.remove(place)
        return attempt.done()
