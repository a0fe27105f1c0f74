import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, sys
from shared.heap import give_back_large_blocks

class Heap(ctypes.Structure):  # `struct mallinfo2` of malloc.h; `hblkhd` is what has pages of its own
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Heap
give_back_large_blocks()
large = bytes(20_000_000)
del large
before = mallinfo().hblkhd
smaller = bytes(10_000_000)
print(mallinfo().hblkhd - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="another C library")
def test_a_large_block_has_pages_of_its_own_after_a_larger_one() -> None:
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert int(done.stdout) >= 10_000_000
