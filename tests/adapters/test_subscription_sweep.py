"""The sweep of subscriptions: what is missing is written, what leads nowhere is removed, all else stays."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.subscription_rows import NO_ROW, signposts
from shared.errors import FormatError, LostRaceError
from tests.adapters.conftest import Stored, made_event
from tests.adapters.subscriptions import found_by, subscription

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOON, SETTLED = timedelta(minutes=14), timedelta(minutes=16)


async def test_what_leads_nowhere_is_swept_once_it_has_settled(stored: Stored) -> None:
    stays, before = subscription(name="stays"), subscription(dataSourceId="web")
    after = replace(subscription(dataSourceId="sales"), rule_id="other")
    await stored.store.put(stays, None)
    # The process died after the subscription was moved and before its old place was cleared.
    await stored.store.put(after, await stored.store.put(before, None))
    event = made_event("1", instanceId="instance", dataSourceId="web")
    assert await stored.store.tidy(stored.now + SOON) == 0
    assert await found_by(stored.store, event) == ["s", "stays"]
    assert await stored.store.tidy(stored.now + SETTLED) == 2
    assert await found_by(stored.store, event) == ["stays"]
    assert [await stored.store.id_of(each.fingerprint) for each in (stays, after)] == ["stays", "s"]
    assert await stored.store.tidy(stored.now + SETTLED) == 0


async def test_what_is_missing_is_written_and_told(stored: Stored, caplog: pytest.LogCaptureFixture) -> None:
    made = [subscription(name=f"{number}") for number in range(5)]
    for each in made:
        await stored.store.put(each, None)
    await stored.remove(*signposts(made[1]), signposts(made[3])[0])
    assert await stored.store.tidy(stored.now) == 3
    assert caplog.text.count("subscription.mended id=1 ") == 2
    assert caplog.text.count("subscription.mended id=3 ") == 1
    assert await found_by(stored.store, made_event("1", instanceId="instance")) == ["0", "1", "2", "3", "4"]
    assert await stored.store.id_of(made[1].fingerprint) == "1"


async def test_what_another_version_has_written_is_left_alone(stored: Stored, caplog: pytest.LogCaptureFixture) -> None:
    version = await stored.store.put(subscription(), None)
    await stored.store.put(subscription(name="known"), None)
    await stored.table.put({"PartitionKey": "subscription|s", "RowKey": NO_ROW, "v": 2, "other": "form"})
    await stored.table.put({"PartitionKey": "callback|x", "RowKey": NO_ROW, "v": 2, "other": "form"})
    rows = await stored.rows()
    with pytest.raises(FormatError):
        await stored.store.get("s")
    with pytest.raises(FormatError):
        await stored.store.id_of("x")
    with pytest.raises(LostRaceError):
        await stored.store.put(subscription(), None)
    with pytest.raises(LostRaceError):
        await stored.store.put(subscription(), version, subscription())
    assert [each.id async for each in stored.store.all()] == ["known"]
    assert "subscription.unreadable key=subscription|s" in caplog.text
    assert await stored.store.tidy(stored.now + SETTLED) == 0
    assert await stored.rows() == rows
