"""The edges of the bridge: a stack whose host reaches each of them over a proxy, by a name and over TLS."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from local.loopback import serve
from local.stack import PROJECT, Stack
from tests.faults.authority import Authority
from tests.faults.entra import HOST, Entra
from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from aiohttp import web

API, TOKEN, TOPIC, BLOB, QUEUE, TABLE, CALLBACK = "API", "token", "topic", "blob", "queue", "table", "callback"
EDGES = (API, TOKEN, TOPIC, BLOB, QUEUE, TABLE, CALLBACK)
_MACHINE = Path(__file__).parent / "machine"
_TENANT, _CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000"


@dataclass
class Names:
    """What the host's name server knows, and who has asked it in vain."""

    known: Path
    in_vain: Path
    _ports: dict[str, int] = field(default_factory=dict)

    def add(self, proxy: Proxy) -> None:
        """Have a proxy's name found."""
        self._write(self._ports | {proxy.name: proxy.port})

    def remove(self, proxy: Proxy) -> None:
        """Have it found no more."""
        self._write({name: port for name, port in self._ports.items() if name != proxy.name})

    def misses(self, proxy: Proxy) -> int:
        """How often a proxy's name was not found."""
        return self.in_vain.read_text("ascii").splitlines().count(proxy.name)

    def _write(self, ports: dict[str, int]) -> None:
        self._ports = ports
        new = self.known.with_suffix(".new")
        new.write_text("".join(f"{name} {port}\n" for name, port in self._ports.items()), "ascii")
        new.replace(self.known)  # at once: somebody may be reading


@dataclass
class Edges:
    """The proxies by edge, and what the host needs to find them."""

    proxies: dict[str, Proxy]
    settings: dict[str, str]
    names: Names
    secret: str

    def callback(self, stack: Stack, flow: str) -> str:
        """The callback URL of a flow that is called over the proxy."""
        proxy, direct = self.proxies[CALLBACK], stack.flows.url(flow)
        return proxy.url + direct[direct.index("/", len("http://")) :]


@asynccontextmanager
async def before(stack: Stack, token: str, folder: Path) -> AsyncIterator[Edges]:
    """Stand before all edges of a stack that has started."""
    (folder / "trusted").mkdir()
    (folder / "strange").mkdir()
    trusted, strange = Authority(folder / "trusted"), Authority(folder / "strange")
    names = Names(folder / "names", folder / "asked-in-vain")
    names.in_vain.touch()
    secret = secrets.token_urlsafe(24)
    entra: web.Application = Entra(tenant=_TENANT, client=_CLIENT, secret=secret, token=token).app
    storage = dict(part.split("=", 1) for part in stack.settings["AzureWebJobsStorage"].split(";"))
    async with AsyncExitStack() as opened:
        addresses = {
            API: str(stack.tenant_url),
            TOKEN: await opened.enter_async_context(serve(entra)),
            TOPIC: stack.settings["EVENT_GRID_TOPIC_ENDPOINT"],
            CALLBACK: stack.flows.url("any"),
        } | {edge: storage[f"{edge.capitalize()}Endpoint"] for edge in (BLOB, QUEUE, TABLE)}
        proxies: dict[str, Proxy] = {}
        for edge in EDGES:
            name = HOST if edge == TOKEN else f"{edge.lower()}.test"
            proxies[edge] = Proxy(
                name, addresses[edge], names, trusted=trusted.server(name), strange=strange.server(name)
            )
            await opened.enter_async_context(proxies[edge].serving())
        for edge in (BLOB, QUEUE, TABLE):
            account = storage[f"{edge.capitalize()}Endpoint"].rsplit("/", 1)[1]
            storage[f"{edge.capitalize()}Endpoint"] = f"{proxies[edge].url}/{account}"
        settings = {
            "AzureWebJobsStorage": ";".join(f"{key}={value}" for key, value in storage.items()),
            "CUSTOMER_INSIGHTS_ENDPOINT": f"{proxies[API].url}/v1",
            "CUSTOMER_INSIGHTS_ACCESS_TOKEN": "",
            "CUSTOMER_INSIGHTS_TENANT_ID": _TENANT,
            "CUSTOMER_INSIGHTS_CLIENT_ID": _CLIENT,
            "CUSTOMER_INSIGHTS_CLIENT_SECRET": secret,
            "EVENT_GRID_TOPIC_ENDPOINT": f"{proxies[TOPIC].url}/api/events",
            "CALLBACK_ALLOWED_HOSTS": f"{proxies[CALLBACK].name},127.0.0.1",
            "PYTHONPATH": f"{_MACHINE}:{PROJECT}",
            "SSL_CERT_FILE": str(trusted.path),
            "REQUESTS_CA_BUNDLE": str(trusted.path),
            "FAULTS_NAMES": str(names.known),
            "FAULTS_ASKED_IN_VAIN": str(names.in_vain),
        }
        yield Edges(proxies, settings, names, secret)
