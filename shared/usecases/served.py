"""Which instances the bridge serves: those it polls, and no others."""

from collections.abc import Sequence

from shared.domain import ids
from shared.domain.catalog import Instance
from shared.errors import NotFoundError


class Served:
    """The instances that the settings name; none: all that the API lists."""

    def __init__(self, instances: Sequence[str]) -> None:
        self._spelled = {ids.key(instance): instance for instance in instances}

    def __call__(self, instance_id: str) -> str:
        """The id of an instance as the settings spell it. Raises `NotFoundError` for one that is not served."""
        if not self._spelled:
            return instance_id
        if ids.key(instance_id) not in self._spelled:
            raise NotFoundError(f"The bridge does not serve the instance {instance_id!r}.")
        return self._spelled[ids.key(instance_id)]

    def among(self, instances: Sequence[Instance]) -> Sequence[Instance]:
        """Those of the instances that are served."""
        return [one for one in instances if not self._spelled or ids.key(one.instance_id) in self._spelled]
