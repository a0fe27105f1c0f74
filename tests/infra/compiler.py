"""The Bicep compiler: where it is, and what it makes of the templates. Run as a module, it renews the snapshots."""

import json
import os
import shutil
import subprocess
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from tests.infra.conversation import Conversation

PROJECT: Final = Path(__file__).parents[2]
INFRA: Final = PROJECT / "infra"
SAMPLES: Final = ("plain", "full")

MISSING: Final = (
    "The Bicep compiler was not found, so the templates in infra/ were not checked. Install it (`az bicep install`, or "
    "a release of github.com/Azure/bicep) and put `bicep` on PATH, or its path into BICEP."
)
# Evaluated as if for these; no such subscription exists.
SUBSCRIPTION: Final = "00000000-0000-0000-0000-000000000000"
REGION: Final = "westeurope"


def find_compiler() -> str | None:
    """The compiler that BICEP names, else the one on PATH, else None."""
    return shutil.which(os.environ.get("BICEP") or "bicep")


class Compiler:
    """The compiler at a path; used as a context, for what it keeps running."""

    def __init__(self, path: str) -> None:
        self._path = path
        # It runs where libicu is missing, too.
        self._environment = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._open.close()

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command of the compiler; its exit status is the caller's to judge."""
        return subprocess.run(  # noqa: S603 - the compiler, and our own files
            [self._path, *map(str, arguments)],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def snapshot(self, parameters: Path) -> dict[str, Any]:
        """Everything that a deployment with these parameters (`*.bicepparam`) would make."""
        place = {"subscriptionId": SUBSCRIPTION, "location": REGION}
        made = self._conversation.ask("bicep/getSnapshot", path=str(parameters), metadata=place, externalInputs=[])
        return json.loads(made["snapshot"])

    @cached_property
    def _conversation(self) -> Conversation:
        return self._open.enter_context(Conversation(self._path, self._environment))


def copy_of_infra(folder: Path) -> Path:
    """A copy of infra/ to work in; tells where."""
    return shutil.copytree(INFRA, folder / "infra")


def snapshot_text(snapshot: dict[str, Any]) -> str:
    """A snapshot as it is kept: the compiler writes the outputs in no order."""
    return json.dumps({**snapshot, "outputs": dict(sorted(snapshot["outputs"].items()))}, indent=2) + "\n"


def main() -> None:
    """Renew the snapshots."""
    path = find_compiler()
    if path is None:
        raise SystemExit(MISSING)
    with Compiler(path) as compiler:
        for name in SAMPLES:
            parameters = INFRA / "samples" / f"{name}.bicepparam"
            text = snapshot_text(compiler.snapshot(parameters))
            parameters.with_suffix(".snapshot.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
