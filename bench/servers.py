"""Servers that peers keep their queues in: on loopback, on free ports, with data of their own in `.local/bench`.

Where this machine has none, apt installs it, if it may; a service that its package starts is another, and left alone.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bench.benchmark import MissingError
from bench.peers import PLACE
from local.child import Child
from local.loopback import LOOPBACK, free_port

_START_WITHIN: Final = 60.0  # seconds
_INSTALL_WITHIN: Final = 240.0  # seconds
_POSTGRES: Final = "/usr/lib/postgresql"  # where Debian has each version of it, not on PATH


@asynccontextmanager
async def redis() -> AsyncIterator[int]:
    """The port of a Redis that keeps what it is given, as BullMQ's documentation has it. Raises `MissingError`."""
    program = shutil.which("redis-server") or _installed("redis-server", "redis-server")
    folder, port = _empty("redis-data"), free_port()
    durable = ("--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", "")
    child = await Child.start(program, "--bind", LOOPBACK, "--port", str(port), "--dir", str(folder), *durable)
    try:
        await child.wait_for_line("Ready to accept connections", within=_START_WITHIN)
        yield port
    finally:
        await child.stop()


@asynccontextmanager
async def postgresql() -> AsyncIterator[str]:
    """The URL of a database in a PostgreSQL with its own settings. Raises `MissingError`."""
    program = _newest_postgres() or _installed("postgresql", None)
    folder, port = _empty("postgresql-data"), free_port()
    user = _unprivileged(folder)
    _run([*_beside(program, "initdb"), "--auth", "trust", "--username", "bench", "--pgdata", str(folder)], user)
    command = [program, "-D", str(folder), "-h", LOOPBACK, "-p", str(port), "-k", "", "-c", "max_connections=200"]
    child = await Child.start(*_as(user), *command, env={**os.environ, "LC_MESSAGES": "C"})
    try:
        await child.wait_for_line("database system is ready to accept connections", within=_START_WITHIN)
        yield f"postgresql://bench@{LOOPBACK}:{port}/postgres"
    finally:
        await child.stop()


def _beside(program: str, name: str) -> list[str]:
    return [str(Path(program).resolve().with_name(name))]


def _newest_postgres() -> str | None:
    found = sorted(Path(_POSTGRES).glob("*/bin/postgres"), key=lambda program: float(program.parts[-3]))
    return str(found[-1]) if found else shutil.which("postgres")


def _installed(package: str, name: str | None) -> str:
    """Install a package of Debian's, and find its program."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise MissingError(f"there is no {package} on this machine, and apt cannot be asked for it")
    for command in (["update"], ["install", "--yes", "--no-install-recommends", package]):
        _run([apt, "--quiet", *command], None)
    found = shutil.which(name) if name else _newest_postgres()
    if found is None:
        raise MissingError(f"{package} was installed and is not found")
    return found


def _empty(name: str) -> Path:
    folder = PLACE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _unprivileged(folder: Path) -> str | None:
    """Who PostgreSQL runs as, for it refuses root; the folder is then theirs. None: as we do."""
    if os.geteuid() != 0:
        return None
    user = next((name for name in ("postgres", "nobody") if name in {one.pw_name for one in pwd.getpwall()}), "nobody")
    shutil.chown(folder, user)
    return user


def _as(user: str | None) -> list[str]:
    if user is None:
        return []
    # With its user, a process loses that it ends with its parent: it is said anew. An interrupt is a fast shutdown.
    rights = [f"--reuid={user}", f"--regid={_group_of(user)}", "--clear-groups"]
    return ["setpriv", *rights, "--pdeathsig=INT"]


def _group_of(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _run(command: list[str], user: str | None) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs
            [*_as(user), *command],
            capture_output=True,
            text=True,
            env=environment,
            timeout=_INSTALL_WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(str(error)) from error
    if done.returncode:
        raise MissingError((done.stderr.strip().splitlines() or [f"{command[0]} failed"])[-1])
