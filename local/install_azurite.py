"""`python -m local.install_azurite`: install the locked Azurite into local/azurite/node_modules.

`install` does the same for any folder that has a lock file.

Costs nothing when that is done already: a stamp there holds the hash of the lock file it was installed from. No script
of any package is run.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from local.node import NodeMissingError, find_node

FOLDER = Path(__file__).parent / "azurite"


class InstallError(Exception):
    """npm failed; the message is what it wrote."""


def install(folder: Path = FOLDER) -> bool:
    """Install what a folder's lock file names; false when it was there. Raises `NodeMissingError` or `InstallError`."""
    stamp = folder / "node_modules" / ".installed"
    # Two test runs at once wait for each other here.
    with (folder / "package-lock.json").open("rb") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        wanted = hashlib.sha256(lock_file.read()).hexdigest()
        if stamp.exists() and stamp.read_text("utf-8") == wanted:
            return False
        _npm_ci(folder)
        stamp.write_text(wanted, "utf-8")
        return True


def _npm_ci(folder: Path) -> None:
    node = find_node()
    # npm starts `node` by its name now and then: let it find the one it belongs to.
    path = os.pathsep.join([str(Path(node.program).parent), os.environ.get("PATH", "")])
    result = subprocess.run(  # noqa: S603 - npm of the Node.js found, with fixed arguments
        [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        raise InstallError(f"npm ci failed:\n{result.stdout}")


def main() -> int:
    """Install and say so; 1 when it fails."""
    try:
        done = "installed" if install() else "is installed already"
    except (InstallError, NodeMissingError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command talks to its user
        return 1
    print(f"Azurite {done}")  # noqa: T201 - the same
    return 0


if __name__ == "__main__":
    sys.exit(main())
