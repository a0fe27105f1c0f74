"""The flows of a soak: what each wants, and how it fares, which changes every few seconds."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal

from local.demo.flows import DemoFlow, Rule
from local.flows import Behaviour, Disabled, Failing, Flows, Healthy, Slow, Throttled
from local.tenant.life import Contoso
from local.tenant.life.occurrences import (
    MEASURE_CROSSED,
    REFRESH_FAILED,
    REFRESH_SUCCEEDED,
    SEGMENT_CROSSED,
    STAGE_ENDED,
    SYSTEM_REFRESHED,
    UNIFIED,
)
from local.tenant.life.retailer import GOLD, REVENUE, SHOP
from tests.integration.many import Always
from tests.soak.accounting import REJECTED, TIMEOUT

STEADY = "always-well"
OFF_AT_LAST = "turned-off-at-last"
PAUSED_AT_LAST = "paused-at-last"
AT_LAST = (OFF_AT_LAST, PAUSED_AT_LAST)

type Mood = Callable[[random.Random], Behaviour]

# How a flow may fare for a while, and how likely that is.
MOODS: Mapping[Mood, int] = {
    lambda _: Healthy(): 6,
    lambda chance: Failing(chance.randint(1, 12)): 2,
    lambda chance: Slow(chance.randint(1, 4), TIMEOUT + 1): 2,
    lambda chance: Throttled(chance.randint(1, 4), retry_after=2): 1,
    lambda _: Always(202, after=TIMEOUT / 2): 2,
    lambda _: Always(REJECTED): 1,
    lambda _: Always(404): 1,
    lambda _: Disabled(): 1,
}
GONE = 404


def soak_flows(tenant: Contoso) -> Sequence[DemoFlow]:
    """Choose flows for all that a lively tenant brings about."""
    shop = f"data-sources/{tenant.instance.data_source(SHOP).id}"
    return (
        DemoFlow(STEADY, STAGE_ENDED),
        DemoFlow("every-failure", REFRESH_FAILED),
        DemoFlow("every-success", REFRESH_SUCCEEDED),
        DemoFlow("the-shop", REFRESH_SUCCEEDED, shop),
        DemoFlow("gold-customers", SEGMENT_CROSSED, f"segments/{GOLD}", Rule(Decimal(9_460), "either")),
        DemoFlow("revenue", MEASURE_CROSSED, f"measures/{REVENUE}", Rule(Decimal(74_153), "either")),
        DemoFlow("dashboards", SYSTEM_REFRESHED),
        DemoFlow("profiles", UNIFIED),
        DemoFlow("every-stage", STAGE_ENDED),
        DemoFlow(OFF_AT_LAST, REFRESH_SUCCEEDED),
        DemoFlow(PAUSED_AT_LAST, STAGE_ENDED, "stages/segments"),
    )


async def have_moods(
    flows: Flows, flow: DemoFlow, chance: random.Random, subscribe: Callable[[DemoFlow], Awaitable[object]]
) -> None:
    """Let a flow fare now so, now so; one that was off subscribes when it is turned on, as its platform has it do."""
    while True:
        behaviour = chance.choices(list(MOODS), list(MOODS.values()))[0](chance)
        flows.behave(flow.name, behaviour)
        await asyncio.sleep(chance.uniform(4, 20))
        if is_off(behaviour):
            flows.behave(flow.name, Healthy())
            await subscribe(flow)


def is_off(behaviour: Behaviour) -> bool:
    """Whether a flow that behaves so is turned off, or gone."""
    return isinstance(behaviour, Disabled) or behaviour.answer(1).status == GONE
