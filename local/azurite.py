"""Azurite, Microsoft's storage emulator, as a child process on free loopback ports.

It starts what `local.install_azurite` has installed, and installs nothing itself.
"""

import base64
import os
import secrets
from pathlib import Path

from local.child import Child
from local.install_azurite import FOLDER
from local.loopback import LOOPBACK
from local.node import find_node

ACCOUNT = "devstoreaccount1"
SERVICES = ("Blob", "Queue", "Table")
START_WITHIN = 60.0  # seconds


class Azurite:
    """A storage account of its own with a random key; in memory unless `folder` is given."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._key = base64.b64encode(secrets.token_bytes(64)).decode()
        self._child: Child | None = None
        self._endpoints: dict[str, str] = {}

    @property
    def connection_string(self) -> str:
        """The storage connection string for any SDK, once started."""
        account = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={self._key}"
        return ";".join(
            [account, *(f"{service}Endpoint={address}/{ACCOUNT}" for service, address in self._endpoints.items())]
        )

    async def start(self) -> None:
        """Start it and wait until all three services listen. Raises `ChildError` or `NodeMissingError`."""
        self._child = await Child.start(
            *self._command(), env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self._key}"}
        )
        for service in SERVICES:
            listening = rf"{service} service is successfully listening at (\S+)"
            match = await self._child.wait_for_line(listening, within=START_WITHIN)
            self._endpoints[service] = match[1]

    async def stop(self) -> None:
        """Stop it; it may be stopped already."""
        if self._child:
            await self._child.stop()

    def _command(self) -> list[str]:
        script = FOLDER / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
        command = [find_node().program, str(script), "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        for service in SERVICES:
            # Port 0: Azurite takes a free one and says which.
            command += [f"--{service.lower()}Host", LOOPBACK, f"--{service.lower()}Port", "0"]
        return command + (["--location", str(self._folder)] if self._folder else ["--inMemoryPersistence"])
