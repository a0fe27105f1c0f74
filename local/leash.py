"""Runs a command that must not outlive the process that started it: `leash.py PARENT_PID COMMAND...`.

On Linux the kernel kills the command when its parent dies, however the parent dies; the setting outlives the exec, so
the process id stays the same. Elsewhere it only runs the command: there an orderly stop is what ends it. Standard
library only, and nothing of this project: it is run as a file.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def main() -> None:
    """Become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was told
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command is our own, and there is no shell to misread it


if __name__ == "__main__":
    main()
