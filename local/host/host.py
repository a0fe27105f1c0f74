"""The host from start to clean stop: HTTP, timers and queues round one worker, on one event loop."""

import asyncio
import logging
import signal
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from local.host import console
from local.host.admin import Admin
from local.host.configuration import HostJson, connection_string, is_disabled, resolve
from local.host.errors import HostError
from local.host.queues import QueuePump
from local.host.routes import Route, RouteTable
from local.host.timers import Schedule, Timer
from local.host.web import BODY_LIMIT, HttpTriggers
from local.host.worker import Function, Worker

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve an app; `visibility` hides a queue message in work, `grace` is how long a stop may take."""

    folder: Path
    port: int
    key: str
    visibility: timedelta
    grace: timedelta


class Host:
    """Serves one app until it gets SIGINT or SIGTERM."""

    def __init__(self, options: Options, settings: Mapping[str, str]) -> None:
        self._options = options
        self._settings = settings
        self._json = HostJson.read(options.folder, settings)
        self._worker = Worker.load(options.folder)
        self._routes = [Route.of(function) for function in self._enabled("httpTrigger")]
        self._stopping = asyncio.Event()

    async def run(self) -> bool:
        """Serve; true when everything that was running has ended well within the grace time."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        console.name_functions(self._worker.current_function)
        timers = {function.name: self._timer(function) for function in self._all("timerTrigger")}
        pumps = [self._pump(function) for function in self._enabled("queueTrigger")]
        admin = Admin(timers, key=self._options.key)
        runner = await self._serve(admin)
        self._summarise(f"http://{LOOPBACK}:{runner.addresses[0][1]}", timers)
        loops = [timer.run for name, timer in timers.items() if not is_disabled(name, self._settings)]
        loops += [pump.run for pump in pumps]
        tasks = [asyncio.create_task(loop(self._stopping)) for loop in loops]
        await self._stopped(tasks)
        return await self._finish([*tasks, *_tasks(runner.cleanup(), admin.finish())])

    def _all(self, trigger: str) -> list[Function]:
        return [function for function in self._worker.functions if function.trigger["type"] == trigger]

    def _enabled(self, trigger: str) -> list[Function]:
        return [function for function in self._all(trigger) if not is_disabled(function.name, self._settings)]

    def _timer(self, function: Function) -> Timer:
        try:
            return Timer(self._worker, function, Schedule(resolve(function.trigger["schedule"], self._settings)))
        except HostError as error:
            raise HostError(f"{function.name}: {error}") from error

    def _pump(self, function: Function) -> QueuePump:
        return QueuePump(
            self._worker,
            function,
            queue=resolve(function.trigger["queueName"], self._settings),
            connection=connection_string(function.trigger.get("connection") or "AzureWebJobsStorage", self._settings),
            options=self._json.queues,
            visibility=self._options.visibility,
        )

    async def _serve(self, admin: Admin) -> web.AppRunner:
        app = web.Application(client_max_size=BODY_LIMIT)
        admin.add_to(app)
        triggers = HttpTriggers(
            self._worker, RouteTable(self._routes), prefix=self._json.route_prefix, key=self._options.key
        )
        triggers.add_to(app)
        # Longer than the grace time: it is `_finish` that decides what ended too late.
        patience = self._options.grace.total_seconds() + 60
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=patience)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, self._options.port).start()
        except OSError as error:
            raise HostError(f"Port {self._options.port} cannot be used: {error.strerror}") from error
        return runner

    def _summarise(self, address: str, timers: Mapping[str, Timer]) -> None:
        prefix = f"{address}/{self._json.route_prefix}".rstrip("/")
        lines = [f"{len(self._worker.functions)} functions:"]
        lines += [
            f"  {route.function.name}: {','.join(sorted(route.methods)) or 'any method'} {prefix}/{route.text}"
            for route in self._routes
        ]
        lines += [f"  {name}: timer {timer.schedule.expression}" for name, timer in timers.items()]
        lines += [f"  {function.name}: queue {function.trigger['queueName']}" for function in self._all("queueTrigger")]
        lines += [
            f"  {function.name}: disabled by a setting"
            for function in self._worker.functions
            if is_disabled(function.name, self._settings)
        ]
        log.info("\n".join(lines))
        # For whoever started this process: everything is served from here on.
        print(f"READY {address}", flush=True)  # noqa: T201 - standard output is for this one line

    async def _stopped(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for a signal. A timer or pump that ends before is a fault of this host: raise it."""
        stop = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _finish(self, tasks: list[asyncio.Task[Any]]) -> bool:
        log.info("Stopping: running invocations have %.0f s to end", self._options.grace.total_seconds())
        _, late = await asyncio.wait(tasks, timeout=self._options.grace.total_seconds())
        for task in late:
            task.cancel()
        if late:
            log.warning("Stopped with invocations still running")
        return not late


def _tasks(*coroutines: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(coroutine) for coroutine in coroutines]
