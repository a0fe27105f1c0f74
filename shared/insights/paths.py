"""Where the resources stand below the endpoint, and which of two layouts a tenant's API follows.

Builds and remembers paths; sends nothing.
"""

from typing import Final
from urllib.parse import quote

from shared.errors import NotFoundError

# An assumption, because nothing published reconciles the two: Microsoft's client (2021) asks at the first path of each
# pair, its documentation (since March 2024) at the second. A tenant answers at one of them, and at the other with 404.
WORKFLOWS: Final = ("workflows", "manage/workflows")
DATA_SOURCES: Final = ("manage/datasources", "manage/datasources/v2")

type Layouts = tuple[str, str]


class LearnedPaths:
    """Remembers for each instance and kind of resource which layout answered.

    Safe to share between threads: each step is one operation on one dict. Only instances that answered are kept, so it
    grows no larger than the tenant.
    """

    def __init__(self) -> None:
        self._orders: dict[tuple[str, Layouts], Layouts] = {}

    def ordered(self, instance_id: str, layouts: Layouts) -> Layouts:
        """Return the two layouts, the one to try first in front."""
        return self._orders.get((instance_id, layouts), layouts)

    def prefer(self, instance_id: str, layouts: Layouts, order: Layouts) -> None:
        """Remember the order in which to try the two layouts from now on."""
        self._orders[instance_id, layouts] = order


def below(instance_id: str, *segments: str) -> str:
    """Return a path below an instance; the segments are parts of the path already, only the id is quoted."""
    return "/".join(("/instances", quoted(instance_id), *segments))


def quoted(name: str) -> str:
    """Return an id or a name as one segment of a path.

    Raises `NotFoundError` for the names that no URL can hold as a segment, quoted or not: they would lead elsewhere.
    """
    if name in {"", ".", ".."}:
        raise NotFoundError(f"Nothing in Customer Insights is called {name!r}.")
    return quote(name, safe="")
