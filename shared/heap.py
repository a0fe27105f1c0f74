"""The heap of this process: what is let go of goes back to the system, or to whoever needs memory next.

The C library of Linux (glibc) gives a large block pages of its own, but takes for large only what is larger than any
such block that was let go of before; and it has many heaps, of which each keeps what its threads once needed
(mallopt(3)). After a poll, each thread that reads answers would keep as much as those took.
"""

import ctypes
import gc
from typing import Final

# What a socket is read into stays below it: pages of its own for each read would cost more than they give back.
_LARGE: Final = 1_000_000  # bytes
# One for all: in Python, threads wait for one another all the same.
_HEAPS: Final = 1
_M_MMAP_THRESHOLD: Final = -3  # malloc.h
_M_ARENA_MAX: Final = -8


def keep_heap_small() -> None:
    """Have blocks of a megabyte and more go back, and threads share a heap; other C libraries have their own rules."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _LARGE)
        set_option(_M_ARENA_MAX, _HEAPS)


def pass_over_what_stays() -> None:
    """Have the garbage collector leave alone what there is now, once all that stays is there.

    Modules and what they define are a hundred thousand objects. Whenever a large answer has been read, the collector
    would go over all of them, and the event loop would stand still meanwhile.
    """
    gc.collect()
    gc.freeze()
