"""The timers: poll Customer Insights, let the logs forget, and measure what waits."""

import azure.functions as func

from shared.composition import bridge
from shared.settings import schedule
from shared.usecases.poll import REFRESHES, THRESHOLDS

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


@blueprint.timer_trigger(arg_name="timer", schedule=schedule("POLL_REFRESHES_SCHEDULE"), run_on_startup=False)
async def poll_refreshes(timer: func.TimerRequest) -> None:
    """Poll jobs and data sources."""
    del timer
    await bridge().prepare()
    await bridge().timers.tick(REFRESHES)


@blueprint.timer_trigger(arg_name="timer", schedule=schedule("POLL_THRESHOLDS_SCHEDULE"), run_on_startup=False)
async def poll_thresholds(timer: func.TimerRequest) -> None:
    """Poll segments and measures."""
    del timer
    await bridge().prepare()
    await bridge().timers.tick(THRESHOLDS)


@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *", run_on_startup=False)
async def advance(timer: func.TimerRequest) -> None:
    """Move what is due soon from its table into the queues."""
    del timer
    await bridge().agenda.advance()


@blueprint.timer_trigger(arg_name="timer", schedule="0 30 * * * *", run_on_startup=False)
async def purge_logs(timer: func.TimerRequest) -> None:
    """Remove what the logs have kept long enough, and give up what was held for so long."""
    del timer
    await bridge().purge()


@blueprint.timer_trigger(arg_name="timer", schedule="0 */5 * * * *", run_on_startup=False)
async def observe(timer: func.TimerRequest) -> None:
    """Mend what leads events to subscriptions, measure queues and subscriptions, and tell what was left to be told."""
    del timer
    await bridge().tidy()
    await bridge().observe()
    await bridge().notify.sweep()
