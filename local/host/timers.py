"""Timer triggers: six-field NCRONTAB schedules in UTC.

A timer never overlaps itself, and ticks missed while it ran, or while the host was down, are not replayed: this host
keeps no schedule monitor, so `IsPastDue` is always false.
"""

import asyncio
import contextlib
import json
from datetime import UTC, datetime

from azure_functions_runtime.bindings.datumdef import Datum
from cronsim import CronSim, CronSimError

from local.host.errors import HostError
from local.host.worker import Function, Outcome, Worker


class Schedule:
    """An NCRONTAB expression: second, minute, hour, day, month, day of week."""

    def __init__(self, expression: str) -> None:
        fields = expression.split()
        try:
            CronSim(expression, datetime.now(UTC))
        except CronSimError as error:
            raise HostError(f"{expression!r} is not an NCRONTAB expression: {error}") from error
        # NCRONTAB wants both days to match, the cron library either; better to refuse than to run on the wrong day.
        if not (fields[-3].startswith("*") or fields[-1].startswith("*")):
            raise HostError(f"{expression!r} restricts day and day of week at once, which this host cannot evaluate")
        self.expression = expression

    def after(self, moment: datetime) -> datetime:
        """Return the first tick after `moment`."""
        return next(CronSim(self.expression, moment))


class Timer:
    """One timer function."""

    def __init__(self, worker: Worker, function: Function, schedule: Schedule) -> None:
        self.function = function
        self.schedule = schedule
        self._worker = worker
        self._turn = asyncio.Lock()

    async def run(self, stopping: asyncio.Event) -> None:
        """Run the function at every tick until `stopping`; the run under way then is finished."""
        if self.function.trigger.get("runOnStartup"):
            await self.fire()
        while await self._tick(stopping):
            await self.fire()

    async def fire(self) -> Outcome:
        """Run the function now, or after the run that is under way."""
        async with self._turn:
            return await self._worker.invoke(self.function, self._request())

    async def _tick(self, stopping: asyncio.Event) -> bool:
        """Wait for the next tick; false when the host stops first."""
        due = self.schedule.after(datetime.now(UTC))
        # A sleep may end a little before the clock shows the time.
        while not stopping.is_set() and (remaining := (due - datetime.now(UTC)).total_seconds()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), remaining)
        return not stopping.is_set()

    def _request(self) -> Datum:
        next_tick = self.schedule.after(datetime.now(UTC)).isoformat()
        value = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {"Last": "0001-01-01T00:00:00", "Next": next_tick, "LastUpdated": "0001-01-01T00:00:00"},
            "IsPastDue": False,
        }
        return Datum(json.dumps(value), "json")
