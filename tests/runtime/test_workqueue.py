"""The work queue: nothing lost, nothing done twice at once."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_controller.kube.workqueue import QueueClosed, QueueHooks, TokenBucket, WorkQueue
from tests.runtime.virtual import in_virtual_time, now, stopped

keys = st.sampled_from("abcde")
adds = st.lists(
    st.tuples(
        st.floats(0, 3),  # pause before
        keys,
        st.sampled_from(["add", "after", "rate limited"]),
        st.floats(0, 20),  # delay
        st.booleans(),  # cancel a worker that waits, then
    ),
    max_size=40,
)


@settings(max_examples=80)
@given(adds, st.integers(1, 4), st.floats(0, 5))
def test_each_add_is_worked_on_afterwards_and_no_key_twice_at_once(
    adds: list[tuple[float, str, str, float, bool]], workers: int, seconds: float
) -> None:
    async def scenario() -> None:
        queue = WorkQueue[str](first_retry_seconds=0.5)
        running: Counter[str] = Counter()
        started: dict[str, float] = {}

        async def work() -> None:
            while True:
                key = await queue.get()
                running[key] += 1
                assert running[key] == 1, f"{key} is worked on twice at once"
                started[key] = now()
                try:
                    await asyncio.sleep(seconds)
                finally:
                    running[key] -= 1
                    queue.done(key)

        tasks = [asyncio.create_task(work()) for _ in range(workers)]
        due: dict[str, float] = {}
        for pause, key, how, delay, cancels in adds:
            await asyncio.sleep(pause)
            if cancels:  # at any moment, also between being handed a key and running
                queue.add(key)
                await stopped(tasks[0])
                tasks[0] = asyncio.create_task(work())
            if how == "add":
                queue.add(key)
                due[key] = max(due.get(key, 0), now())
            elif how == "after":
                queue.add_after(key, delay)
            else:
                queue.add_rate_limited(key)
        await asyncio.sleep(200 + 60 * seconds)
        for key, asked_at in due.items():
            assert started.get(key, -1) >= asked_at, f"{key} was lost"
        assert {key for _, key, *_ in adds} <= started.keys()
        assert len(queue) == 0
        await stopped(*tasks)

    in_virtual_time(scenario())


def test_ten_causes_are_one_piece_of_work() -> None:
    async def scenario() -> None:
        queue = WorkQueue[str]()
        for _ in range(10):
            queue.add("a")
        assert len(queue) == 1
        assert await queue.get() == "a"
        assert len(queue) == 0

    in_virtual_time(scenario())


def test_what_is_added_while_it_runs_runs_again_once_afterwards() -> None:
    async def scenario() -> None:
        queue = WorkQueue[str]()
        queue.add("a")
        key = await queue.get()
        for _ in range(5):
            queue.add("a")
        assert len(queue) == 0, "not handed to a second worker"
        queue.done(key)
        assert len(queue) == 1

    in_virtual_time(scenario())


def test_keys_are_served_in_the_order_of_asking() -> None:
    async def scenario() -> None:
        queue = WorkQueue[str]()
        for key in "abcab":
            queue.add(key)
        assert [await queue.get() for _ in range(3)] == ["a", "b", "c"]

    in_virtual_time(scenario())


def test_of_several_times_the_earliest_counts_and_counts_once() -> None:
    async def scenario() -> None:
        queue = WorkQueue[str]()
        for seconds in (50, 10, 30):
            queue.add_after("a", seconds)
        await queue.get()
        assert now() == pytest.approx(10, abs=0.01)
        queue.done("a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1000):
                await queue.get()

    in_virtual_time(scenario())


def test_a_failing_key_waits_longer_each_time_up_to_a_limit() -> None:
    async def scenario() -> None:
        queue = WorkQueue[str](first_retry_seconds=1, longest_retry_seconds=10)
        delays = []
        for _ in range(6):
            at = now()
            queue.add_rate_limited("a")
            queue.done(await queue.get())
            delays.append(round(now() - at))
        assert delays == [1, 2, 4, 8, 10, 10]
        assert queue.failures("a") == 6
        queue.forget("a")
        at = now()
        queue.add_rate_limited("a")
        await queue.get()
        assert now() - at == pytest.approx(1, abs=0.01)

    in_virtual_time(scenario())


def test_a_thousand_failing_objects_are_no_storm() -> None:
    async def scenario() -> None:
        queue = WorkQueue[int](first_retry_seconds=0.01, retries_per_second=20, retry_burst=100)
        for key in range(1000):
            queue.add_rate_limited(key)
        await asyncio.sleep(10)
        assert 290 <= len(queue) <= 305
        await asyncio.sleep(60)
        assert len(queue) == 1000

    in_virtual_time(scenario())


def test_a_bucket_that_was_idle_gives_its_burst_and_no_more() -> None:
    bucket = TokenBucket(per_second=10, burst=5)
    for at in (0.0, 1000.0):
        waits = [bucket.reserve_seconds(at) for _ in range(8)]
        assert waits == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2, 0.3])


def test_a_closed_queue_gives_out_what_it_has_and_then_sends_all_workers_home() -> None:
    async def scenario() -> None:
        queue = WorkQueue[str]()
        done: list[str] = []

        async def work() -> None:
            while True:
                key = await queue.get()
                done.append(key)
                queue.done(key)

        workers = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.sleep(1)
        queue.add("a")
        queue.add_after("later", 5)
        queue.close()
        queue.add("b")
        ends = await asyncio.gather(*workers, return_exceptions=True)
        assert [type(end) for end in ends] == [QueueClosed] * 3
        assert done == ["a"]
        assert len(queue) == 0

    in_virtual_time(scenario())


def test_depth_and_latency_are_told() -> None:
    async def scenario() -> None:
        depths: list[int] = []
        waits: list[float] = []
        works: list[float] = []
        hooks = QueueHooks(
            depth=depths.append, wait_seconds=waits.append, work_seconds=works.append
        )
        queue = WorkQueue[str](hooks=hooks)
        queue.add("a")
        queue.add("b")
        await asyncio.sleep(3)
        key = await queue.get()
        await asyncio.sleep(2)
        queue.done(key)
        assert (depths, waits, works) == ([1, 2, 1], [3], [2])

    in_virtual_time(scenario())
