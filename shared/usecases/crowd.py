"""Crowd: how long a running function waits for a flow's answer.

A host runs so many functions at a time. While few wait for slow flows, each waits for its own; beyond that, who has
waited longest leaves its attempt to go on alone, so that slow flows, however many, keep the others' places free.
"""

import asyncio

# So many functions may wait for slow flows at a time.
PLACES = 8
# A flow that takes longer to answer is slow. Seconds.
BRISK = 0.5


class Crowd:
    """Those that wait for slow flows in this process."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], None] = {}

    async def wait[T](self, attempt: asyncio.Task[T]) -> bool:
        """Wait until an attempt has ended, or until its place is others'; whether it has ended."""
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        slow = loop.call_later(BRISK, self._take_place, over)
        attempt.add_done_callback(lambda _: _end(over))
        try:
            await over
        finally:
            slow.cancel()
            self._waiting.pop(over, None)
        return attempt.done()

    def _take_place(self, over: asyncio.Future[None]) -> None:
        """Let one wait for a slow flow; where too many do, who has waited longest is over."""
        self._waiting[over] = None
        if len(self._waiting) > PLACES:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            _end(longest)


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
