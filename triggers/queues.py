"""The queue functions: dispatch events, deliver them, let backlogs out, and see to what the host has given up.

What may leave a function, and what that costs, stands in `shared.usecases.patience`.
"""

import azure.functions as func

from shared.composition import bridge

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


def _text(message: func.QueueMessage) -> str:
    return message.get_body().decode(errors="replace")


@blueprint.queue_trigger(arg_name="message", queue_name="events", connection="AzureWebJobsStorage")
async def dispatch(message: func.QueueMessage) -> None:
    """Send an event on to its subscribers."""
    text, since, app = _text(message), message.insertion_time, bridge()
    await app.patience("events", text, since, lambda: app.dispatch(text, since))


@blueprint.queue_trigger(arg_name="message", queue_name="deliveries", connection="AzureWebJobsStorage")
async def deliver(message: func.QueueMessage) -> None:
    """Look at a delivery, and do with it what may be done now."""
    text, tries, app = _text(message), message.dequeue_count or 1, bridge()
    await app.patience("deliveries", text, message.insertion_time, lambda: app.deliver(text, tries))


@blueprint.queue_trigger(arg_name="message", queue_name="releases", connection="AzureWebJobsStorage")
async def release(message: func.QueueMessage) -> None:
    """Let out a subscription's backlog."""
    text, app = _text(message), bridge()
    await app.patience("releases", text, message.insertion_time, lambda: app.release(text))


@blueprint.queue_trigger(arg_name="message", queue_name="polls", connection="AzureWebJobsStorage")
async def poll(message: func.QueueMessage) -> None:
    """Poll some of many instances, or see whether the timers run."""
    text, app = _text(message), bridge()
    await app.patience("polls", text, message.insertion_time, lambda: app.poll_message(text))


@blueprint.queue_trigger(arg_name="message", queue_name="events-poison", connection="AzureWebJobsStorage")
async def retry_event(message: func.QueueMessage) -> None:
    """Send an event back to its queue, or record it as a dead letter."""
    await bridge().patience.poisoned("events", _text(message))


@blueprint.queue_trigger(arg_name="message", queue_name="polls-poison", connection="AzureWebJobsStorage")
async def give_up_poll(message: func.QueueMessage) -> None:
    """Record as a dead letter what was to be polled: its slot is over, and the next has done it."""
    await bridge().patience.poisoned("polls", _text(message))


@blueprint.queue_trigger(arg_name="message", queue_name="deliveries-poison", connection="AzureWebJobsStorage")
async def retry_delivery(message: func.QueueMessage) -> None:
    """Send a delivery back to its queue, or record it as a dead letter."""
    await bridge().patience.poisoned("deliveries", _text(message))
