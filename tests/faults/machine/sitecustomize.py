"""The name server of a host under test: names are looked up in the file `FAULTS_NAMES`, and nowhere else.

Python imports this when it starts with this folder on its path. Each line of the file is a name and a port: the name
leads to that port on loopback. Who asks in vain is written down in the file `FAULTS_ASKED_IN_VAIN`.
"""  # noqa: INP001 - a folder of modules, not a package

import os
import socket
from pathlib import Path
from typing import Any

_NAMES, _IN_VAIN = Path(os.environ["FAULTS_NAMES"]), Path(os.environ["FAULTS_ASKED_IN_VAIN"])
_of_the_system = socket.getaddrinfo


def _getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> list[Any]:  # noqa: ANN401 - as the system's
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name == "localhost" or name.replace(".", "").isdigit():
        return list(_of_the_system(host, port, *args, **options))
    known = dict(line.split() for line in _NAMES.read_text("ascii").splitlines())
    if name not in known:
        with _IN_VAIN.open("a", encoding="ascii") as file:
            file.write(f"{name}\n")
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return list(_of_the_system("127.0.0.1", known[name], *args, **options))


socket.getaddrinfo = _getaddrinfo
