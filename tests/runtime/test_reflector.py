"""The reflector on a healthy server: what arrives, and what it costs."""

import asyncio
import json
from pathlib import Path

from tandem_controller.kube.store import Key
from tests.runtime.fault_server import answer, error_line
from tests.runtime.reflecting import Setup
from tests.runtime.things import decode_thing
from tests.runtime.virtual import in_virtual_time, now, until


def test_the_store_is_complete_when_it_says_so(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await reflector.has_synced.wait()
            assert setup.names == ["a", "b"]
            assert setup.changes == [("new", "a"), ("new", "b")]
            assert not reflector.absent

    in_virtual_time(scenario())


def test_changes_and_deletions_arrive_by_watch_alone(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await reflector.has_synced.wait()
            lists = len(setup.server.requests("LIST"))
            setup.server.put("a", color="green")
            setup.server.put("c")
            setup.server.remove("b")
            await until(setup.equal)
            assert setup.changes[2:] == [("changed", "a"), ("new", "c"), ("gone", "b")]
            assert [t.metadata.name for t in setup.store.by_index("color", "green")] == ["a"]
            assert setup.store.by_index("color", "red") == ()
            assert len(setup.server.requests("LIST")) == lists

    in_virtual_time(scenario())


def test_a_long_list_is_read_page_by_page_as_one_version(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    for number in range(1200):
        setup.server.put(f"n{number:04}")

    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await reflector.has_synced.wait()
            assert len(setup.store) == 1202
            assert len(setup.server.requests("LIST")) == 3

    in_virtual_time(scenario())


def test_at_rest_a_kind_costs_at_most_one_request_in_five_minutes(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            await asyncio.sleep(4 * 3600)
            times = [seen.at for seen in setup.server.seen]
            gaps = [b - a for a, b in zip(times[-20:], times[-19:], strict=False)]
            assert min(gaps) >= 300
            assert max(gaps) <= 600.1
            assert len(set(gaps)) > 5, "replicas must not re-watch in step"
            assert not setup.server.requests("LIST")[1:]

    in_virtual_time(scenario())


def test_the_same_rest_holds_on_a_server_without_bookmarks(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    setup.server.bookmarks = False

    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            await asyncio.sleep(2 * 3600)
            assert len(setup.server.seen) <= 2 + 2 * 12

    in_virtual_time(scenario())


def test_bookmarks_move_the_version_that_a_watch_resumes_from(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await reflector.has_synced.wait()
            setup.server.put("elsewhere", plural="others")
            setup.server.version += 1000
            await asyncio.sleep(70)
            setup.server.compact()  # from before the bookmark there is no resuming
            await until(lambda: len(setup.server.requests("WATCH")) > 1)
            await asyncio.sleep(1)
            resumed = setup.server.requests("WATCH")[-1].query["resourceVersion"]
            assert resumed == str(setup.server.version)
            assert len(setup.changes) == 2
            assert reflector.last_error is None

    in_virtual_time(scenario())


def test_a_kind_that_is_not_served_is_absent_and_looked_for_rarely(setup: Setup) -> None:
    setup.server.served.remove("things")

    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await reflector.has_synced.wait()
            assert reflector.absent
            await asyncio.sleep(3600)
            assert len(setup.server.seen) <= 13
            setup.server.served.add("things")
            await until(setup.equal)
            assert not reflector.absent

    in_virtual_time(scenario())


def test_a_kind_that_appears_is_looked_for_at_once_when_told(setup: Setup) -> None:
    setup.server.served.remove("things")

    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await reflector.has_synced.wait()
            await asyncio.sleep(10)
            setup.server.served.add("things")
            reflector.retry_now()
            at = now()
            await until(setup.equal)
            assert now() - at < 1

    in_virtual_time(scenario())


def test_one_404_does_not_make_objects_look_deleted(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            setup.server.fail_next("WATCH", answer(404))
            setup.server.fail_next("LIST", answer(404))
            setup.server.streams[0].cut()
            await asyncio.sleep(30)
            assert setup.equal()
            assert len(setup.changes) == 2
            assert not reflector.absent

    in_virtual_time(scenario())


def test_when_the_kind_is_removed_its_objects_are_gone(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            setup.server.served.remove("things")
            setup.server.streams[0].cut()
            await until(lambda: reflector.absent)
            assert setup.changes[2:] == [("gone", "a"), ("gone", "b")]

    in_virtual_time(scenario())


def test_without_watch_list_on_the_server_the_list_is_used_at_once(tmp_path: Path) -> None:
    setup = Setup(tmp_path, watch_list=True)
    setup.server.watch_list = False

    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await reflector.has_synced.wait()
            assert now() < 0.1
            assert [seen.verb for seen in setup.server.seen] == ["WATCH", "LIST"]

    in_virtual_time(scenario())


def test_an_unreadable_object_neither_stops_its_kind_nor_looks_deleted(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            setup.server.put("a", color=5)
            setup.server.put("c", color=6)
            setup.server.put("d", color="fine")
            await until(lambda: setup.store.get("ns", "d"))
            assert set(reflector.unreadable) == {Key("ns", "a"), Key("ns", "c")}
            kept = setup.store.get("ns", "a")
            assert kept is not None
            assert kept.spec.color == "red"
            await setup.server.streams[0].send_raw(error_line(410))
            await asyncio.sleep(5)
            assert ("gone", "a") not in setup.changes
            setup.server.put("a", color="green")
            setup.server.remove("c")
            await until(setup.equal)
            assert reflector.unreadable == {}

    in_virtual_time(scenario())


def test_a_write_seen_early_is_not_undone_by_the_watch(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            open_stream = setup.server.streams[0]
            open_stream.frozen = True
            older = setup.server.put("a", color="older")
            ours = setup.server.put("a", color="ours")
            decoded = decode_thing(json.dumps(ours))
            assert setup.store.observe_write(decoded)
            await open_stream.send("MODIFIED", older)
            await asyncio.sleep(1)
            assert setup.store.get("ns", "a") == decoded
            await open_stream.send("MODIFIED", ours)
            await until(lambda: ("changed", "a") in setup.changes)

    in_virtual_time(scenario())
