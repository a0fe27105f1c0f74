"""Change: write a subscription over what stands there, however many others do the same."""

from collections.abc import Callable

from shared.domain.subscriptions import Subscription
from shared.errors import LostRaceError, TransientError
from shared.ports.subscriptions import SubscriptionStore

MAX_RACES = 16


async def change(
    subscriptions: SubscriptionStore, subscription_id: str, how: Callable[[Subscription], Subscription | None]
) -> Subscription | None:
    """Replace a subscription by what `how` makes of it (None: nothing); gives it as it then stands, or None.

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
        try:
            await subscriptions.put(new, version, old)
        except LostRaceError:
            continue
        return new
    raise TransientError("the subscription is being changed by others; try again")
