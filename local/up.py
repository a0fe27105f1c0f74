"""`python -m local.up`: the bridge on this machine until Ctrl-C, with a lively simulated tenant or a real one.

A real tenant is polled when CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY is in the environment. A flow waits to be subscribed.
"""

import asyncio
import json
import os
import random
import shlex
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from local.command import run
from local.demo.observing import shown
from local.demo.screen import Screen
from local.simulated import Access
from local.stack import PROJECT, Stack
from local.tenant.life import contoso, live

FLOW = "my-flow"
TIMEOUT = 10  # seconds that the bridge waits for a flow
SETTINGS = {
    "POLL_REFRESHES_SCHEDULE": "*/5 * * * * *",
    "POLL_THRESHOLDS_SCHEDULE": "*/5 * * * * *",
    "CALLBACK_TIMEOUT_SECONDS": str(TIMEOUT),
    "DELIVERY_RETRY_SECONDS": "2,5,10,30",
}
ANY_INSTANCE = "<instance id>"


async def stay_up(screen: Screen, environment: Mapping[str, str]) -> int:
    """Run until cancelled; 1 when the host ends by itself."""
    if environment.get("CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY"):
        screen.say("CUSTOMER_INSIGHTS_SUBSCRIPTION_KEY is set: the real tenant is polled, nothing is simulated.")
        instances = environment.get("CUSTOMER_INSIGHTS_INSTANCES", "*")
        instance_id = ANY_INSTANCE if instances == "*" else instances.partition(",")[0].strip()
        return await _serve(screen, instance_id)
    screen.say("A simulated tenant lives on by itself; set CUSTOMER_INSIGHTS_* to poll a real one.")
    tenant, access = contoso(datetime.now(UTC)), Access()
    rng = random.Random()  # noqa: S311 - a story, no secret
    life = asyncio.create_task(live(tenant.instance, rng, lambda: datetime.now(UTC), _teller(screen)))
    try:
        return await _serve(screen, tenant.instance.id, access.app(tenant.tenant), access.settings)
    finally:
        life.cancel()


async def _serve(
    screen: Screen,
    instance_id: str,
    tenant: web.Application | None = None,
    settings: Mapping[str, str] | None = None,
) -> int:
    async with Stack(app=PROJECT, tenant=tenant, settings={**SETTINGS, **(settings or {})}) as stack:
        screen.say("Azurite and the Functions host start ...")
        await stack.start_host()
        key, callback_url = stack.settings["FUNCTIONS_KEY"], stack.flows.url(FLOW)
        screen.say(instructions(stack.url, key, instance_id, callback_url, datetime.now(UTC)))
        async with shown(stack, screen, timeout=TIMEOUT):
            while stack.is_host_running:  # noqa: ASYNC110 - another process ends or not
                await asyncio.sleep(1)
        screen.say("The host has ended:\n" + "\n".join(list(stack.host.lines)[-10:]), style="red")
        return 1


def instructions(url: str, key: str, instance_id: str, callback_url: str, since: datetime) -> str:
    """Tell how to use what is running `since` a time, in commands to paste."""
    base = shlex.quote(f"{url}/triggers/data-source-refresh-succeeded/subscriptions")
    key_header = shlex.quote(f"x-functions-key: {key}")
    body = shlex.quote(json.dumps({"callbackUrl": callback_url, "instanceId": instance_id, "label": FLOW}))
    replay = shlex.quote(json.dumps({"since": since.strftime("%Y-%m-%dT%H:%M:%SZ"), "which": "all"}))
    content = "-H 'Content-Type: application/json'"

    def at(path: str) -> str:
        return shlex.quote(url + path)

    return f"""
The bridge is ready. Ctrl-C stops it and forgets everything.

Open the console, and enter the key:
  {url}/console
  {key}

Where "Create a flow" says @{{listCallbackUrl()}}, the flow "{FLOW}", which is running here, has:
  {callback_url}

Subscribe it to every refresh of a data source that succeeds:
  curl -i -X POST {base} -H {key_header} {content} -d {body}

List the subscriptions, and how the bridge is:
  curl {at("/subscriptions")} -H {key_header}
  curl {at("/status")} -H {key_header}

See what was delivered to one, or is held for it, and send it a test event:
  curl {at("/subscriptions/<id>/deliveries")} -H {key_header}
  curl {at("/subscriptions/<id>/deliveries?stage=held")} -H {key_header}
  curl -i -X POST {at("/subscriptions/<id>/test")} -H {key_header}

Hold its events for a while, and let them out again:
  curl -X PATCH {at("/subscriptions/<id>")} -H {key_header} {content} -d '{{"status": "paused"}}'
  curl -X PATCH {at("/subscriptions/<id>")} -H {key_header} {content} -d '{{"status": "active"}}'

Send again what happened since a time, or one event, as often as you like:
  curl -X POST {at("/subscriptions/<id>/replay")} -H {key_header} {content} -d {replay}
  curl -i -X POST {at("/subscriptions/<id>/deliveries/<eventId>/redeliver")} -H {key_header}

See what was given up, and send all of it again:
  curl {at("/dead-letters")} -H {key_header}
  curl -X POST {at("/dead-letters/redeliver")} -H {key_header} {content} -d '{{}}'

Unsubscribe (or DELETE the address in the Location header of the first answer, which needs no key):
  curl -i -X DELETE {at("/subscriptions/<id>")} -H {key_header}

Health:
  curl -i {at("/health")}

Before you poll a real tenant, or when something is wrong with one, see what is missing:
  make doctor
"""


def _teller(screen: Screen) -> Callable[[str], None]:
    return lambda sentence: screen.happening("tenant", sentence)


def main() -> int:
    """Run until Ctrl-C, which is how it is meant to end."""
    return run(stay_up(Screen(), os.environ))


if __name__ == "__main__":
    sys.exit(main())
