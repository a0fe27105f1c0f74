"""Served: which instances the bridge polls, shows and takes subscriptions for. No other place decides it.

Ids are compared by their keys. Each is spelled as the settings spell it; where these name none, as the API does.
"""

from collections.abc import Awaitable, Callable, Sequence

from shared.domain import catalog, ids
from shared.domain.resources import Instance
from shared.errors import NotFoundError


class Served:
    """The instances that the settings name; none: all that the API lists."""

    def __init__(self, instances: Sequence[str] = ()) -> None:
        self._spelled = {ids.key(instance): instance for instance in instances}

    def __call__(self, instance_id: str) -> str:
        """The id of an instance as the settings spell it. Raises `NotFoundError` for one that is not served."""
        if not self._spelled:
            return instance_id
        if ids.key(instance_id) not in self._spelled:
            raise NotFoundError(f"The bridge does not serve the instance {instance_id!r}.")
        return self._spelled[ids.key(instance_id)]

    def among(self, instances: Sequence[catalog.Instance]) -> Sequence[catalog.Instance]:
        """Those of the instances that are served."""
        return [one for one in instances if not self._spelled or ids.key(one.instance_id) in self._spelled]

    async def all(self, listed: Callable[[], Awaitable[Sequence[Instance]]]) -> Sequence[Instance]:
        """All that are served, each once; the API's list is asked for where it decides."""
        if self._spelled:
            return [Instance(instance_id) for instance_id in self._spelled.values()]
        return list({ids.key(one.id): one for one in reversed(await listed())}.values())[::-1]
