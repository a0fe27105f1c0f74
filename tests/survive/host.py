"""The host: starts and loses processes, hands them the messages of the queues, and runs the timers."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any

from shared.errors import BridgeError
from shared.usecases.poll import REFRESHES, THRESHOLDS
from tests.survive.cloud import Cloud, Process, seconds
from tests.survive.stores import Message, SharedQueue
from tests.survive.worker import Outside, Settings, Worker

# A message whose function failed shows again after the first, and one whose process died after the second. Seconds.
AFTER_FAILURE, AFTER_DEATH = 10.0, 600.0
MINUTE, HOUR = 60, 3_600
# A process that died is there again after this, and as much more at most.
RESTART = (1.0, 30.0)


class Host:
    """`bugs` is what left a use case that no use case says it raises."""

    def __init__(self, cloud: Cloud, outside: Outside, settings: Settings, *, polls: bool) -> None:
        self.workers: dict[str, Worker] = {}
        self.bugs: list[str] = []
        self.deaths: list[tuple[float, Process]] = []
        self.polls = polls
        self.timers_stand_still = False
        self._cloud, self._outside, self._settings = cloud, outside, settings
        self._started = 0
        self._running: dict[str, tuple[Process, asyncio.Task[object]]] = {}
        self._busy: dict[asyncio.Task[object], None] = {}
        cloud.on_death = self.kill
        for queue in outside.storage.queues.values():
            queue.on_show = self._show

    def start(self) -> Worker:
        """Start one more process."""
        self._started += 1
        process = Process(f"p{self._started}")
        worker = self.workers[process.name] = Worker(process, self._outside, self._settings)
        if len(self.workers) == 1:
            for queue in self._outside.storage.queues.values():
                for message in list(queue.messages.values()):
                    if message.shows_at <= seconds():
                        queue.hide(message, 0)
        return worker

    def kill(self, process: Process, *, restart: bool = True) -> None:
        """Let a process die, and another come in its place."""
        if process.is_dead:
            return
        self.deaths.append((seconds(), process))
        del self.workers[process.name]
        process.die()
        if restart or not self.workers:
            chance = self._cloud.chance("restart", self._started) / 2e7
            asyncio.get_running_loop().call_later(RESTART[0] + chance * (RESTART[1] - RESTART[0]), self.start)

    def any_worker(self, name: str, number: int) -> Worker | None:
        """One of those that run, as the seed will have it."""
        running = list(self.workers.values())
        return running[self._cloud.chance(name, number) % len(running)] if running else None

    def does(self, worker: Worker, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        """Have a worker do something, and count as busy until it is done."""
        task = worker.process.spawn(work)
        self._busy[task] = None
        task.add_done_callback(lambda done: self._busy.pop(done, None))
        return task

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs, waits in a queue or is due later; the heartbeat goes round for ever."""
        storage = self._outside.storage
        waiting = any(queue.messages for name, queue in storage.queues.items() if name != "polls")
        running = any(worker.process.tasks for worker in self.workers.values())
        return not (waiting or running or storage.tables["due"].rows)

    async def run_timers(self) -> None:
        """Run the timers, each in one process at a time, for ever."""
        now = 0
        while True:
            await asyncio.sleep(now - seconds())
            if not self.timers_stand_still:
                for name, every, offset in self._timers():
                    if now % every == offset:
                        self.tick(name)
            now += 30

    def _timers(self) -> list[tuple[str, int, int]]:
        polls = [("refreshes", MINUTE, 0), ("thresholds", 5 * MINUTE, 30)] if self.polls else []
        purges = HOUR if self._settings.keep > timedelta(hours=1) else 5 * MINUTE
        return [*polls, ("advance", MINUTE, 0), ("observe", 5 * MINUTE, 0), ("purge", purges, purges // 2)]

    def tick(self, name: str, *, beside: bool = False) -> None:
        """Run a timer now, unless it still runs; `beside`: even then, as after a lost lease."""
        process, task = self._running.get(name, (None, None))
        if task is not None and process is not None and not beside and not (task.done() or process.is_dead):
            return
        worker = self.any_worker(f"timer {name}", int(seconds()) + beside)
        if worker is not None:
            work = self._work_of(worker)[name]
            self._running[name] = worker.process, self.does(worker, self._safely(name, work))

    def _work_of(self, worker: Worker) -> Mapping[str, Callable[[], Awaitable[object]]]:
        async def observe() -> None:
            await worker.subscriptions.tidy(worker.process.clock())
            await worker.delivering.notify.sweep()

        return {
            "refreshes": lambda: worker.polling.timers.tick(REFRESHES),
            "thresholds": lambda: worker.polling.timers.tick(THRESHOLDS),
            "advance": worker.delivering.agenda.advance,
            "observe": observe,
            "purge": worker.delivering.purge,
        }

    async def _safely(self, what: str, work: Callable[[], Awaitable[object]]) -> bool:
        """Do something as the host does: a failure stays in its function. Whether it went well."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - as the host
            self._judge(what, error)
            return False
        return True

    def _judge(self, what: str, error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup):
            for one in error.exceptions:
                self._judge(what, one)
        elif not isinstance(error, BridgeError):
            self.bugs.append(f"{what}: {type(error).__name__}: {error}")

    def _show(self, queue: SharedQueue, message: Message) -> None:
        worker = self.any_worker(f"{queue.name}", 31 * message.number + message.tries)
        if worker is None:
            return  # whoever starts first finds it
        if queue.name == "polls" and not self.polls:
            queue.remove(message)
            return
        message.tries += 1
        taken = f"queue {queue.name}.taken"
        number = self._cloud.calls[taken]
        self._cloud.calls[taken] += 1
        twice = not self._cloud.is_calm and (taken, number) in self._cloud.faults
        queue.hide(message, self._cloud.chance(taken, number) % 30 if twice else AFTER_DEATH)
        self.does(worker, self._work_on(worker, queue, message))

    async def _work_on(self, worker: Worker, queue: SharedQueue, message: Message) -> None:
        text, tries = message.text, message.tries
        work: Mapping[str, Callable[[], Awaitable[None]]] = {
            "events": lambda: worker.delivering.dispatch(text),
            "deliveries": lambda: worker.delivering.deliver(text, tries),
            "releases": lambda: worker.delivering.release(text),
            "polls": lambda: worker.polling.message(text),
        }
        is_done = await self._safely(
            queue.name, lambda: worker.delivering.patience(queue.name, text, message.added_at, work[queue.name])
        )
        try:
            if is_done:
                await self._cloud.call(worker.process, f"queue {queue.name}.done", lambda: queue.remove(message))
                return
        except BridgeError:
            pass
        if not worker.process.is_dead and not message.is_gone:
            queue.hide(message, AFTER_FAILURE)
