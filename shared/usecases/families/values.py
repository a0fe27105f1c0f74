"""Values: what segments and measures, which have values to compare with rules, have in common."""

import asyncio
from collections.abc import Sequence

from shared.domain import thresholds
from shared.domain.rules import Rule
from shared.domain.thresholds import ValuesState, Watched
from shared.errors import BridgeError
from shared.usecases.families.room import Compared


async def compared(
    instance_id: str,
    state: ValuesState | None,
    watched: Sequence[Watched],
    rules: Sequence[Rule],
    failures: Sequence[BridgeError] = (),
) -> Compared:
    """What comparing them gives: in a thread, for there may be many."""
    after, crossings = await asyncio.to_thread(thresholds.compare, state, watched, rules)
    resources = {w.name: w.resource for w in watched} if crossings else {}
    events = [thresholds.event(instance_id, crossing, resources[crossing.rule.name]) for crossing in crossings]
    return Compared(after, events, failures)
