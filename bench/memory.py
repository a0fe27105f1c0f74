"""The memory of this process."""

import resource
import sys
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_UNIT: Final = 1 if sys.platform == "darwin" else 1024  # of what the system tells, in bytes


def peak() -> int:
    """The most that it has held, in bytes."""
    if _STATUS.exists():
        # What `getrusage` tells counts from before the program was started: it would be that of the parent.
        return next(int(line.split()[1]) * 1024 for line in _STATUS.read_text("utf-8").splitlines() if "VmHWM" in line)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
