"""A child process of the local stack: started on a leash, its output read line by line, stopped by its process id."""

import asyncio
import contextlib
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from local import leash

KEPT_LINES = 5_000
LONGEST_LINE = 16 * 1024 * 1024  # bytes
LAST_LINES_WITHIN = 1.0  # seconds after its end
STOP_WITHIN = 15.0  # seconds, after which a child that was asked to stop is killed


class ChildError(Exception):
    """A child process ended, or did not say what was awaited; the message ends with its last lines."""


class Child:
    """A running process. Make one with `Child.start`; `lines` are the last ones it wrote, to either output."""

    def __init__(self, process: asyncio.subprocess.Process, on_line: Callable[[str], None] | None) -> None:
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process = process
        self._on_line = on_line
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(lambda _: self._news.set())

    @classmethod
    async def start(
        cls,
        *command: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Self:
        """Start a command; `on_line` is called with each line it writes."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", leash.__file__, str(os.getpid()), *command),
            env=env,
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LONGEST_LINE,
            # Ctrl-C is for the parent, which stops its children in order.
            start_new_session=True,
        )
        return cls(process, on_line)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.returncode is None

    async def wait_for_line(self, pattern: str, *, within: float) -> re.Match[str]:
        """Wait up to `within` seconds for a line that holds the pattern. Raises `ChildError`."""

        def found() -> re.Match[str] | None:
            return next((match for line in self.lines if (match := re.search(pattern, line))), None)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not (found() or self._reading.done()):
                    self._news.clear()
                    await self._news.wait()
        if match := found():
            return match
        state = "is running" if self.is_running else "ended"
        raise ChildError(f"No line with {pattern!r}; the process {state}:\n" + "\n".join(list(self.lines)[-30:]))

    async def stop(self, *, within: float = STOP_WITHIN) -> int:
        """Ask it to stop, kill it when it does not in time, and return its exit code."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), within)
        return await self.kill()

    async def kill(self) -> int:
        """Kill it at once (SIGKILL) and return its exit code."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        code = await self._process.wait()
        # A process that it started itself may keep the output open.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._reading, LAST_LINES_WITHIN)
        return code

    async def _read(self) -> None:
        output = self._process.stdout
        while output and (raw := await output.readline()):
            line = raw.decode("utf-8", "replace").rstrip()
            self.lines.append(line)
            if self._on_line:
                self._on_line(line)
            self._news.set()
