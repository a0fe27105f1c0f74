"""The local stack: storage, topic, flows and tenant round a host that runs the app as a process of its own.

    async with Stack(app=folder, tenant=tenant_app) as stack:
        await stack.start_host()
        answer = await stack.call("GET", "/status")

Azurite and the host are child processes; topic, flows and tenant are served by this process's event loop. All of it is
on 127.0.0.1 with made-up keys, and gone when the stack stops. Nothing here knows what the app does.
"""

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from local.azurite import Azurite
from local.child import Child
from local.flows import Flows
from local.loopback import LOOPBACK, free_port, serve
from local.topic import Topic

PROJECT = Path(__file__).parent.parent
START_WITHIN = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """The app's answer to a call."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON the app sent
        """Return the body read as JSON."""
        return json.loads(self.body)


class Stack:
    """Everything the app needs, on one machine.

    `tenant` stands in for Customer Insights; the key and token it wants go into `settings`. Without a tenant, the
    `CUSTOMER_INSIGHTS_*` settings of the environment reach the app, which then talks to the real API. `settings` are
    added to the app's own, and win. `on_line` gets each line
    of the host's log. `folder` keeps the storage there instead of in memory. `visibility` is how many seconds a
    message stays hidden while it is worked on, and so how soon it comes again after a kill. `python` runs the host: the
    app can import what that interpreter can.
    """

    topic: Topic  # once started
    _session: aiohttp.ClientSession

    def __init__(  # noqa: PLR0913 - independent choices, each with a default
        self,
        app: Path,
        *,
        tenant: web.Application | None = None,
        settings: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        folder: Path | None = None,
        visibility: int = 600,
        python: Path = Path(sys.executable),
    ) -> None:
        self.flows = Flows()
        self.settings: dict[str, str] = {}
        self.tenant_url: str | None = None
        self._app = app.resolve()
        self._tenant = tenant
        self._extra = dict(settings or {})
        self._on_line = on_line
        self._azurite = Azurite(folder)
        self._visibility = visibility
        self._python = python
        self._port = free_port()
        self._key = secrets.token_urlsafe(24)
        self._host: Child | None = None
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The address of the app's HTTP API."""
        return f"http://{LOOPBACK}:{self._port}/api"

    @property
    def host(self) -> Child:
        """The host's process, running or ended."""
        if self._host is None:
            raise RuntimeError("the host was not started")
        return self._host

    @property
    def is_host_running(self) -> bool:
        """Whether the host is there."""
        return self._host is not None and self._host.is_running

    async def start(self) -> None:
        """Start everything but the host. What was started is stopped again when something fails."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the host and everything else."""
        try:
            if self._host:
                await self._host.stop()
        finally:
            await self._open.aclose()

    async def start_host(self, **settings: str) -> None:
        """Start the host and wait until it serves; `settings` are for this run only. Raises `ChildError`."""
        if self.is_host_running:
            raise RuntimeError("the host is running")
        self._host = await self._run_host(self._port, settings)
        await self._host.wait_for_line("^READY ", within=START_WITHIN)

    async def start_another_host(self, **settings: str) -> Child:
        """Start one more host on the same storage, and wait until it serves; who asks for it stops it.

        Raises `ChildError`.
        """
        host = await self._run_host(free_port(), settings)
        try:
            await host.wait_for_line("^READY ", within=START_WITHIN)
        except BaseException:
            await host.stop()
            raise
        return host

    async def stop_host(self) -> int:
        """Stop the host in good order and return its exit code."""
        return await self.host.stop()

    async def kill_host(self) -> None:
        """Kill the host in the middle of whatever it does."""
        await self.host.kill()

    async def call(self, method: str, path: str, json: object = None, *, key: bool = True) -> Answer:
        """Call the app's HTTP API: `path` is what follows `/api`, `json` is the body, if any."""
        return await self._request(method, self.url + path, json, key=key)

    async def run_timer(self, name: str) -> bool:
        """Run a timer function now; true when it succeeded."""
        address = f"http://{LOOPBACK}:{self._port}/admin/functions/{name}?wait=true"
        answer = await self._request("POST", address, {}, key=True)
        if answer.status not in {200, 500}:
            raise LookupError(f"{name}: {answer.body.decode()}")
        return answer.status == 200  # noqa: PLR2004 - OK

    async def _start(self) -> None:
        self._open.push_async_callback(self._azurite.stop)
        await self._azurite.start()
        topic_key = secrets.token_urlsafe(24)
        self.topic = await self._open.enter_async_context(
            Topic(key=topic_key, connection_string=self._azurite.connection_string)
        )
        topic_url = await self._open.enter_async_context(serve(self.topic.app))
        await self._open.enter_async_context(self.flows.serving())
        self._session = await self._open.enter_async_context(aiohttp.ClientSession())
        self.settings = {
            "AzureWebJobsStorage": self._azurite.connection_string,
            "EVENT_GRID_TOPIC_ENDPOINT": f"{topic_url}/api/events",
            "EVENT_GRID_TOPIC_KEY": topic_key,
            "CALLBACK_ALLOWED_HOSTS": LOOPBACK,
            "CALLBACK_ALLOW_INSECURE": "true",
            "CALLBACK_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "FUNCTIONS_KEY": self._key,
        }
        if self._tenant:
            await self._start_tenant(self._tenant)
        self.settings |= self._extra

    async def _run_host(self, port: int, settings: Mapping[str, str]) -> Child:
        command = [str(self._python), "-m", "local.host", "--app", str(self._app), "--port", str(port)]
        return await Child.start(
            *command,
            *("--visibility", str(self._visibility), "--verbose"),
            env={**self._environment(), **settings},
            cwd=PROJECT,
            on_line=self._on_line,
        )

    async def _start_tenant(self, tenant: web.Application) -> None:
        self.tenant_url = await self._open.enter_async_context(serve(tenant))
        self.settings["CUSTOMER_INSIGHTS_ENDPOINT"] = f"{self.tenant_url}/v1"

    def _environment(self) -> dict[str, str]:
        """Return the host's environment: with a simulated tenant, nothing of a real one."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not (self._tenant and name.startswith("CUSTOMER_INSIGHTS_"))
        }
        return inherited | self.settings

    async def _request(self, method: str, address: str, body: object, *, key: bool) -> Answer:
        headers = {"x-functions-key": self._key} if key else {}
        async with self._session.request(method, address, json=body, headers=headers, allow_redirects=False) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.read())
