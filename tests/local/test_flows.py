"""The stand-ins for cloud flows answer as Power Automate does."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from local.flows import Behaviour, Disabled, Failing, Flows, Healthy, Slow, Throttled

EVENT = {"id": "event-1", "type": "T"}


@pytest.fixture
async def flows() -> AsyncIterator[Flows]:
    flows = Flows()
    async with flows.serving():
        yield flows


async def post(url: str, within: float = 5) -> tuple[int, str, str]:
    limit = aiohttp.ClientTimeout(total=within)
    async with (
        aiohttp.ClientSession(timeout=limit) as session,
        # Byte for byte: the client must not spell the URL anew.
        session.post(URL(url, encoded=True), json=EVENT) as answer,
    ):
        return answer.status, await answer.text(), answer.headers.get("Retry-After", "")


async def statuses(flows: Flows, behaviour: Behaviour) -> list[int]:
    flows.behave("flow", behaviour)
    return [(await post(flows.url("flow")))[0] for _ in range(3)]


async def test_a_healthy_flow_accepts_and_the_call_is_recorded(flows: Flows) -> None:
    assert await post(flows.url("flow")) == (202, "", "")
    [call] = flows.of("flow")
    assert call.event == EVENT
    assert call.accepted


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Healthy(), [202, 202, 202]),
        (Throttled(times=2), [429, 429, 202]),
        (Failing(times=1), [500, 202, 202]),
        (Disabled(), [400, 400, 400]),
    ],
)
async def test_behaviours(flows: Flows, behaviour: Behaviour, expected: list[int]) -> None:
    assert await statuses(flows, behaviour) == expected


async def test_a_throttled_flow_says_when_to_come_back(flows: Flows) -> None:
    flows.behave("flow", Throttled(times=1, retry_after=7))
    assert (await post(flows.url("flow")))[2] == "7"


async def test_a_disabled_flow_says_so(flows: Flows) -> None:
    flows.behave("flow", Disabled())
    assert '"code": "WorkflowTriggerIsNotEnabled"' in (await post(flows.url("flow")))[1]


async def test_a_slow_flow_answers_too_late_at_first(flows: Flows) -> None:
    flows.behave("flow", Slow(times=1, seconds=30))
    with pytest.raises(TimeoutError):
        await post(flows.url("flow"), within=0.1)
    started = time.monotonic()
    assert (await post(flows.url("flow")))[0] == 202
    assert time.monotonic() - started < 1
    assert [call.delay for call in flows.of("flow")] == [30, 0]


async def test_only_the_exact_url_opens_a_flow(flows: Flows) -> None:
    url = flows.url("flow")
    assert (await post(flows.url("other").replace("other", "flow")))[0] == 401
    assert (await post(url.replace("%2F", "/")))[0] == 401
    assert (await post(url.partition("&sig=")[0]))[0] == 401
    assert (await post(url.replace("flow", "unheard-of")))[0] == 404
    assert (await post(url))[0] == 202


async def test_watchers_hear_of_every_call(flows: Flows) -> None:
    with flows.watch() as calls:
        await post(flows.url("flow"))
        assert calls.get_nowait().flow == "flow"
    await flows.wait_until(lambda calls: len(calls) == 1, within=1)
    with pytest.raises(TimeoutError):
        await flows.wait_until(lambda calls: len(calls) == 2, within=0.05)
