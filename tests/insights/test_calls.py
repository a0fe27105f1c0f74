import asyncio
import threading

from tests.insights.fakes import calls


async def test_calls_that_hang_leave_the_event_loop_and_the_polls_their_threads() -> None:
    polls = calls()
    waited_for, release = polls.hurried(), threading.Event()
    hanging = [asyncio.create_task(waited_for.run(release.wait)) for _ in range(100)]
    try:
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: "the loop's") == "the loop's"
            assert await polls.run(lambda: "the polls'") == "the polls'"
        assert not any(task.done() for task in hanging)
    finally:
        release.set()
        await asyncio.gather(*hanging)


async def test_items_of_a_blocking_iterator_come_one_by_one() -> None:
    assert [item async for item in calls().each(iter([1, None, 3]))] == [1, None, 3]
