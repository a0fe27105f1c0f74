"""People and flows: what they ask of the bridge. Who gets no answer asks again, as people do."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from shared.domain.deliveries import EventKey
from shared.domain.logs import ALWAYS
from shared.domain.triggers import TRIGGERS
from shared.domain.wishes import Wish
from shared.errors import BridgeError, ConflictError, NotFoundError, PermanentError
from shared.usecases.edit import Edits
from shared.usecases.replay import Wanted as Replayed
from tests.survive.cloud import seconds
from tests.survive.host import Host
from tests.survive.schedule import Wanted
from tests.survive.worker import Worker
from tests.virtual_time import NOON

PATIENCE = 6.0
MOST_TRIES = 30
ENDS, CHANGES = {"unsubscribe", "leave"}, {"edit"}


@dataclass(slots=True)
class Asked:
    """Something that was asked for: from when, until when it was (None: it never was), and of which event."""

    what: str
    flow: int
    began_at: float
    ended_at: float | None = None
    event_id: str | None = None
    tries: int = 0
    # Whether the bridge has answered that there is no such thing.
    is_refused: bool = False
    # The events for which something must come of it.
    concerns: frozenset[str] = frozenset()


@dataclass(slots=True)
class People:
    """Who asks; `ids` are the subscriptions of the flows, as far as they know them."""

    host: Host
    wanted: Sequence[Wanted]
    asked: list[Asked] = field(default_factory=list)
    ids: dict[int, str] = field(default_factory=dict)
    tokens: dict[int, str] = field(default_factory=dict)
    # The events that a flow has been called with, in the order of their first calls.
    known: dict[int, list[EventKey]] = field(default_factory=dict)
    on_ask: Callable[[Asked], None] = lambda _asked: None

    def url(self, flow: int) -> str:
        """Where a flow is called."""
        return f"https://flow{flow}.logic.azure.com/x"

    def have_ended(self, subscription_id: str) -> bool:
        """Whether anybody has asked for the end of a subscription."""
        return any(one.what in ENDS and self.ids.get(one.flow) == subscription_id for one in self.asked)

    async def ask(self, what: str, flow: int) -> None:
        """Ask for something until it is done."""
        if what != "subscribe" and flow not in self.ids:
            return
        asked = Asked(what, flow, seconds())
        self.asked.append(asked)
        self.on_ask(asked)
        while asked.tries < MOST_TRIES:
            asked.tries += 1
            worker = self.host.any_worker(f"person {what}", len(self.asked) + asked.tries)
            if worker is not None and await self._try(worker, asked):
                asked.ended_at = seconds()
                return
            await asyncio.sleep(PATIENCE)

    async def _try(self, worker: Worker, asked: Asked) -> bool:
        """Ask one worker; whether it has answered that it is done, or that it can never be."""
        task = self.host.does(worker, self._request(worker, asked))
        await asyncio.wait([task])
        return not task.cancelled() and bool(task.result())

    async def _request(self, worker: Worker, asked: Asked) -> bool:
        try:
            await self._do(worker, asked)
        except (NotFoundError, ConflictError):
            asked.is_refused = True
            return True
        except PermanentError as error:
            self.host.bugs.append(f"{asked.what}: {type(error).__name__}: {error}")
            return True
        except BridgeError:
            return False
        except Exception as error:  # noqa: BLE001 - as the host
            self.host.bugs.append(f"{asked.what}: {type(error).__name__}: {error}")
        return True

    async def _do(self, worker: Worker, asked: Asked) -> None:
        flow, edit = asked.flow, worker.managing.edit
        wanted, id_ = self.wanted[flow], self.ids.get(flow, "")
        actions: Mapping[str, Callable[[], Awaitable[object]]] = {
            "subscribe": lambda: self._subscribe(worker, flow),
            "unsubscribe": lambda: worker.managing.unsubscribe.by_id(TRIGGERS[wanted.slug], id_),
            "leave": lambda: worker.managing.unsubscribe.by_token(self.tokens[flow]),
            "pause": lambda: edit(id_, Edits(status="paused")),
            "activate": lambda: edit(id_, Edits(status="active")),
            "discard": lambda: edit(id_, Edits(status="active", backlog="discard")),
            "relabel": lambda: edit(id_, Edits(label=f"flow {seconds():.0f}")),
            "edit": lambda: self._edit(worker, flow),
            "replay": lambda: worker.managing.replay(id_, Replayed(since=NOON.replace(year=2020))),
            "replay all": lambda: worker.managing.replay(id_, Replayed(since=NOON.replace(year=2020), which="all")),
            "redeliver": lambda: self._redeliver(worker, asked, id_),
            "redeliver letters": lambda: worker.managing.redeliver.letters(id_, ALWAYS),
            "test": lambda: worker.managing.redeliver.test(id_),
        }
        await actions[asked.what]()

    async def _subscribe(self, worker: Worker, flow: int) -> None:
        wanted = self.wanted[flow]
        trigger = TRIGGERS[wanted.slug]
        wish = Wish(trigger, wanted.instance_id, trigger.filters.model_validate(wanted.filters), self.url(flow))
        done = await worker.managing.subscribe(wish, f"s{flow}" if wanted.is_chosen else None)
        self.ids[flow], self.tokens[flow] = done.subscription.id, done.token

    async def _edit(self, worker: Worker, flow: int) -> None:
        """Ask for something else, where there is a choice: the other data source, a threshold near by."""
        changed: dict[str, object] = {}
        if "threshold" in self.wanted[flow].filters:
            changed = {"threshold": Decimal(60)}
        elif self.wanted[flow].slug.startswith("data-source-refresh"):
            changed = {"dataSourceId": "d2"}
        await worker.managing.edit(self.ids[flow], Edits(filters=changed))

    async def _redeliver(self, worker: Worker, asked: Asked, id_: str) -> None:
        known = self.known.get(asked.flow, [])
        if known:
            key = known[len(self.asked) % len(known)]
            asked.event_id = asked.event_id or key.id
            await worker.managing.redeliver.delivery(id_, asked.event_id)
