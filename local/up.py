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
        screen.say(instructions(stack.url, stack.settings["FUNCTIONS_KEY"], instance_id, stack.flows.url(FLOW)))
        async with shown(stack, screen, timeout=TIMEOUT):
            while stack.is_host_running:  # noqa: ASYNC110 - another process ends or not
                await asyncio.sleep(1)
        screen.say("The host has ended:\n" + "\n".join(list(stack.host.lines)[-10:]), style="red")
        return 1


def instructions(url: str, key: str, instance_id: str, callback_url: str) -> str:
    """Tell how to use what is running, in commands to paste."""
    base = shlex.quote(f"{url}/triggers/data-source-refresh-succeeded/subscriptions")
    key_header = shlex.quote(f"x-functions-key: {key}")
    body = shlex.quote(json.dumps({"callbackUrl": callback_url, "instanceId": instance_id, "label": FLOW}))
    listing = shlex.quote(f"{url}/subscriptions")
    one = shlex.quote(f"{url}/triggers/data-source-refresh-succeeded/subscriptions/") + "'<id>'"
    return f"""
The bridge is ready. Ctrl-C stops it and forgets everything.

Subscribe the flow "{FLOW}", which is running here, to every refresh of a data source that succeeds:
  curl -i -X POST {base} -H {key_header} -H 'Content-Type: application/json' -d {body}

List the subscriptions:
  curl {listing} -H {key_header}

Unsubscribe (or DELETE the address in the Location header of the first answer, which needs no key):
  curl -i -X DELETE {one} -H {key_header}

Health:
  curl -i {shlex.quote(f"{url}/health")}

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
