"""The queue functions: dispatch events, deliver them, and record what they could not finish as dead letters.

A function that returns has done its work or recorded why not; one that raises leaves its message in the queue.
"""

import azure.functions as func

from shared.composition import bridge

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


def _text(message: func.QueueMessage) -> str:
    return message.get_body().decode(errors="replace")


@blueprint.queue_trigger(arg_name="message", queue_name="events", connection="AzureWebJobsStorage")
async def dispatch(message: func.QueueMessage) -> None:
    """Send an event on to its subscribers."""
    await bridge().dispatch(_text(message))


@blueprint.queue_trigger(arg_name="message", queue_name="deliveries", connection="AzureWebJobsStorage")
async def deliver(message: func.QueueMessage) -> None:
    """Make one attempt of one delivery."""
    await bridge().deliver(_text(message))


@blueprint.queue_trigger(arg_name="message", queue_name="events-poison", connection="AzureWebJobsStorage")
async def bury_event(message: func.QueueMessage) -> None:
    """Record an event that could not be dispatched."""
    await bridge().bury.poison("events", _text(message))


@blueprint.queue_trigger(arg_name="message", queue_name="deliveries-poison", connection="AzureWebJobsStorage")
async def bury_delivery(message: func.QueueMessage) -> None:
    """Record a delivery that could not be made."""
    await bridge().bury.poison("deliveries", _text(message))
