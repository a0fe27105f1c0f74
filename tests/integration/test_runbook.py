"""Each recipe of the runbook that calls the bridge's routes does what the page says, pasted into a shell as it is."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from local.flows import Answer, Healthy
from local.tenant.model import Instance
from shared.domain.events.data_sources import DataSourceRefreshFailed
from tests.integration.conftest import DATA_SOURCE_FAILED, World, now, shown, until
from tests.pages import PAGES, commands

pytestmark = pytest.mark.asyncio(loop_scope="session")

COMMANDS = commands(PAGES["docs/operations.md"])
DEFINITIONS = [line for line in COMMANDS if re.match(r"(bridge|show)\(\)", line)]
LOOKS = sorted({line for line in COMMANDS if line.startswith("show ")})
MENDS = sorted({line for line in COMMANDS if line.startswith("bridge ")})


class Rejecting:
    """Refuses what it gets, for good."""

    def answer(self, attempt: int) -> Answer:
        del attempt
        return Answer(400, error_code="TriggerInputSchemaMismatch", error_message="The input body does not fit.")


@dataclass
class Trouble:
    """A flow that refused one event, took the next, and is paused, so that the third is held."""

    world: World
    instance: Instance
    flow: str
    subscription: str
    letter: str
    refused: str
    taken: str
    held: str

    async def paste(self, line: str) -> str:
        """Paste a line of the page; gives what it prints. What stands there as an example is put right."""
        given = {"subscription": self.subscription, "letter": self.letter, "event": self.held}
        yesterday, tomorrow = (now() + timedelta(days=days) for days in (-1, 1))
        line = line.replace("<environment id>", self.instance.id)
        line = line.replace("2026-11-20T", f"{yesterday:%Y-%m-%dT}").replace("2026-11-21T", f"{tomorrow:%Y-%m-%dT}")
        stack = self.world.stack
        given |= {"url": stack.url.removesuffix("/api"), "key": stack.settings["FUNCTIONS_KEY"]}
        script = [*(f"{name}='{value}'" for name, value in given.items()), *DEFINITIONS, line]
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", "\n".join(script)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, told = await process.communicate()
        assert process.returncode == 0, (line, out, told)
        return out.decode()

    async def ask(self, path: str) -> Any:  # noqa: ANN401 - whatever JSON the app sends
        return shown(await self.world.stack.call("GET", path))

    async def stage(self, event: str) -> str:
        return str((await self.ask(f"/subscriptions/{self.subscription}/deliveries/{event}"))["stage"])

    async def stages(self) -> list[str]:
        """Of the refused, the taken and the held one."""
        return [await self.stage(event) for event in (self.refused, self.taken, self.held)]

    async def status(self) -> str:
        return str((await self.ask(f"/subscriptions/{self.subscription}"))["status"])

    async def letters(self) -> list[str]:
        return [each["id"] for each in (await self.ask(f"/dead-letters?subscriptionId={self.subscription}"))["value"]]

    def calls(self) -> list[Mapping[str, Any]]:
        """The events that the flow has taken."""
        return [call.event for call in self.world.stack.flows.of(self.flow) if call.accepted]

    async def gets(self, event: str, count: int = 2) -> None:
        """Wait until the flow has taken so many in all, this event the last."""

        async def is_there() -> bool:
            return len(self.calls()) >= count

        await until(is_there)
        assert [one["id"] for one in self.calls()][-1] == event
        await self.world.settle()


@pytest_asyncio.fixture(loop_scope="session")
async def trouble(world: World) -> Trouble:
    instance = world.instance()
    flow = f"flow-{instance.id}"
    await world.cycle()
    subscription = (await world.subscribe(DATA_SOURCE_FAILED, flow, instance))["id"]
    source, events, began = instance.data_source("Web").id, list[str](), now() - timedelta(minutes=9)
    for number in range(3):
        world.stack.flows.behave(flow, Healthy() if number else Rejecting())
        if number == 2:  # the last
            await world.stack.call("PATCH", f"/subscriptions/{subscription}", {"status": "paused"})
        at = began + timedelta(minutes=number)
        instance.refresh_data_source(source, ok=False, at=at, took=timedelta(seconds=1))
        await world.cycle()
        of = f"instanceId={instance.id}&type={DataSourceRefreshFailed.event_type}"
        [latest] = shown(await world.stack.call("GET", f"/events?{of}&limit=1"))["value"]
        events.append(latest["id"])
    found = Trouble(world, instance, flow, subscription, "", *events)

    async def is_ready() -> bool:
        return await found.stages() == ["dead", "delivered", "held"]

    await until(is_ready)
    [found.letter] = await found.letters()
    return found


async def redelivered(trouble: Trouble, said: str) -> None:
    assert json.loads(said) == {"eventId": trouble.refused}
    await trouble.gets(trouble.refused)
    assert (await trouble.letters(), await trouble.status()) == ([], "paused")


async def all_redelivered(trouble: Trouble, said: str) -> None:
    assert json.loads(said)["count"] >= 1
    assert await trouble.letters() == []
    assert await trouble.stages() == ["held", "delivered", "held"]


async def given_up(trouble: Trouble, said: str) -> None:
    assert said.strip() == ""
    assert await trouble.letters() == []
    assert await trouble.stages() == ["dead", "delivered", "held"]


async def sent_now(trouble: Trouble, said: str) -> None:
    assert json.loads(said) == {"eventId": trouble.held}
    await trouble.gets(trouble.held)
    assert await trouble.status() == "paused"


async def only_counted(trouble: Trouble, said: str) -> None:
    assert json.loads(said) == {"count": 1}
    assert await trouble.stages() == ["dead", "delivered", "held"]


async def replayed(trouble: Trouble, said: str) -> None:
    assert json.loads(said) == {"count": 1}
    assert await trouble.stages() == ["held", "delivered", "held"]


async def all_replayed(trouble: Trouble, said: str) -> None:
    assert json.loads(said) == {"count": 2}
    assert await trouble.stages() == ["held", "held", "held"]


async def paused(trouble: Trouble, said: str) -> None:
    assert await trouble.status() == "paused"
    assert (json.loads(said)["status"], json.loads(said)["held"]) == ("paused", 1)


async def resumed(trouble: Trouble, said: str) -> None:
    assert json.loads(said)["status"] == "active"
    await trouble.gets(trouble.held)


async def discarded(trouble: Trouble, said: str) -> None:
    assert json.loads(said)["status"] == "active"
    assert await trouble.stages() == ["dead", "delivered", "dead"]
    listed = (await trouble.ask(f"/dead-letters?subscriptionId={trouble.subscription}"))["value"]
    assert {each["eventId"]: each["reason"] for each in listed}[trouble.held] == "discarded by hand"
    assert [event["id"] for event in trouble.calls()] == [trouble.taken]


async def sampled(trouble: Trouble, said: str) -> None:
    await trouble.gets(json.loads(said)["eventId"])
    assert trouble.calls()[-1]["data"]["test"] is True


async def ended(trouble: Trouble, said: str) -> None:
    assert said.strip() == ""
    assert (await trouble.world.stack.call("GET", f"/subscriptions/{trouble.subscription}")).status == 404


# What each line does, by what tells it from the others.
DONE: Mapping[str, Callable[[Trouble, str], Awaitable[None]]] = {
    'bridge POST "/dead-letters/$letter/redeliver"': redelivered,
    r'bridge POST /dead-letters/redeliver "{\"subscriptionId': all_redelivered,
    """bridge POST /dead-letters/redeliver '{"since""": all_redelivered,
    'bridge DELETE "/dead-letters/$letter"': given_up,
    'bridge POST "/subscriptions/$subscription/deliveries/$event/redeliver"': sent_now,
    '"dryRun": true': only_counted,
    'replay" \'{"since": "2026-11-20T00:00:00Z", "until"': replayed,
    '"which": "all"': all_replayed,
    '"status": "paused"': paused,
    '"status": "active"}': resumed,
    '"backlog": "discard"': discarded,
    'bridge POST "/subscriptions/$subscription/test"': sampled,
    'bridge DELETE "/subscriptions/$subscription"': ended,
}


@pytest.mark.parametrize("line", MENDS)
async def test_what_mends_does_what_the_page_says(trouble: Trouble, line: str) -> None:
    [check] = [check for begin, check in DONE.items() if begin in line]
    await check(trouble, await trouble.paste(line))


async def test_every_check_has_its_line() -> None:
    assert len(DEFINITIONS) == 2
    assert all(any(begin in line for line in MENDS) for begin in DONE)


async def test_what_looks_shows_what_is_there(trouble: Trouble) -> None:
    assert len(LOOKS) > 10
    said = {line: json.loads(await trouble.paste(line)) for line in LOOKS}
    assert said["show /status"]["held"]["count"] >= 1
    assert trouble.letter in [each["id"] for each in said["show '/dead-letters?limit=20'"]["value"]]
    assert trouble.subscription in [each["id"] for each in said["show '/subscriptions?status=paused'"]["value"]]
    assert said['show "/dead-letters/$letter"']["event"]["id"] == trouble.refused
    [copy] = said['show "/events/$event"']["deliveries"]
    assert (copy["subscriptionId"], copy["stage"]) == (trouble.subscription, "held")
    [held] = [each["value"] for line, each in said.items() if "stage=held" in line]
    assert [each["eventId"] for each in held] == [trouble.held]
    [events] = [each["value"] for line, each in said.items() if "/events?" in line]
    failures = [event["id"] for event in events if event["type"] == DataSourceRefreshFailed.event_type]
    assert failures == [trouble.held, trouble.taken, trouble.refused]


async def test_a_refusal_is_shown_and_not_swallowed(trouble: Trouble) -> None:
    trouble.letter = "none"
    with pytest.raises(AssertionError, match="There is no such dead letter"):
        await trouble.paste('show "/dead-letters/$letter"')
