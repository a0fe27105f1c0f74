"""The heap of this process: what was large and is let go of goes back to the system.

The C library of Linux (glibc) gives a large block pages of its own, but takes for large only what is larger than any
such block that was let go of before (mallopt(3)). After an answer of 30 MB, each thread that reads answers would keep
as much.
"""

import ctypes
from typing import Final

# What a socket is read into stays below it: pages of its own for each read would cost more than they give back.
_LARGE: Final = 1_000_000  # bytes
_M_MMAP_THRESHOLD: Final = -3  # malloc.h


def give_back_large_blocks() -> None:
    """Have blocks of a megabyte and more go back, whatever came before; other C libraries have rules of their own."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _LARGE)
