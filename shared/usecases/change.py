"""Change: write a subscription over what stands there, however many others do the same.

What its change is worth telling stands in the subscription from that very write; `Notify` tells it.
"""

from collections.abc import Callable

from shared.domain.notices import owing
from shared.domain.subscriptions import Subscription
from shared.errors import LostRaceError, TransientError
from shared.ports.subscriptions import SubscriptionStore

MAX_RACES = 16


async def change(
    subscriptions: SubscriptionStore,
    subscription_id: str,
    how: Callable[[Subscription], Subscription | None],
    held: int = 0,
) -> Subscription | None:
    """Replace a subscription by what `how` makes of it (None: nothing); gives it as it then stands, or None.

    `held` of its deliveries are let out where it takes events again.
    Raises `TransientError` when others write all the time.
    """
    for _ in range(MAX_RACES):
        found = await subscriptions.get(subscription_id)
        if found is None:
            return None
        old, version = found
        new = how(old)
        if new is None or new == old:
            return old
        new = owing(old, new, held)
        try:
            await subscriptions.put(new, version, old)
        except LostRaceError:
            continue
        return new
    raise TransientError("the subscription is being changed by others; try again")
