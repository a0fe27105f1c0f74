import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, sys
from shared.heap import keep_heap_small

class Heap(ctypes.Structure):  # `struct mallinfo2` of malloc.h; `hblkhd` is what has pages of its own
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Heap
keep_heap_small()
large = bytes(20_000_000)
del large
before = mallinfo().hblkhd
smaller = bytes(10_000_000)
print(mallinfo().hblkhd - before)
"""


HEAPS = """
import ctypes, sys, threading
from shared.heap import keep_heap_small

keep_heap_small()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
together = threading.Barrier(6)

def allocate():
    together.wait()
    libc.malloc(1_000)
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
out = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""


STAYS = """
import gc
from shared.heap import pass_over_what_stays

class Node:
    pass

gone = Node()
gone.itself = gone
stays = Node()
del gone
pass_over_what_stays()
print(any(isinstance(each, Node) for each in gc.get_objects()), gc.get_freeze_count() > 1_000, len(gc.get_objects()))
"""


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    return done.stdout


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="another C library")
def test_a_large_block_has_pages_of_its_own_after_a_larger_one() -> None:
    assert int(run(SCRIPT)) >= 10_000_000


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="another C library")
def test_threads_share_a_heap() -> None:
    assert run(HEAPS).count("<heap nr=") == 1


def test_the_collector_passes_over_what_stays() -> None:
    goes_over_it, is_spared, left = run(STAYS).split()
    assert (goes_over_it, is_spared) == ("False", "True")
    assert int(left) < 100
