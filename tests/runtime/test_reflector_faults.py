"""The reflector against an API server that fails in every way it can."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from tandem_controller.kube.errors import Gone, TooManyRequests, Unavailable
from tests.runtime.fault_server import Fault, answer, body, error_line, hang, hang_in_stream, stream
from tests.runtime.reflecting import Setup
from tests.runtime.virtual import in_virtual_time, now, stopped, until


def test_a_deletion_during_an_outage_is_found_by_the_next_list(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await reflector.has_synced.wait()
            await setup.server.stop()
            setup.server.remove("a")
            setup.server.put("b", color="black")
            setup.server.put("c")
            setup.server.compact()
            await asyncio.sleep(100)
            await setup.server.start()
            await until(setup.equal)
            assert isinstance(reflector.last_error, Gone)
            assert sorted(setup.changes[2:]) == [("changed", "b"), ("gone", "a"), ("new", "c")]

    in_virtual_time(scenario())


def test_an_object_made_again_during_an_outage_is_gone_and_new(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await reflector.has_synced.wait()
            await setup.server.stop()
            setup.server.remove("a")
            setup.server.put("a")
            setup.server.compact()
            await setup.server.start()
            await until(setup.equal)
            assert setup.changes[2:] == [("gone", "a"), ("new", "a")]

    in_virtual_time(scenario())


def test_a_short_outage_is_resumed_without_a_list(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            setup.server.streams[0].cut()
            setup.server.put("a", color="green")
            at = now()
            await until(setup.equal)
            assert now() - at <= 0.9
            assert setup.changes[2:] == [("changed", "a")]
            assert len(setup.server.requests("LIST")) <= 1
            assert "sendInitialEvents" not in setup.server.requests("WATCH")[-1].query

    in_virtual_time(scenario())


def test_a_torn_line_is_no_event_and_is_read_again(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            open_stream = setup.server.streams[0]
            open_stream.frozen = True
            setup.server.put("c", color="new")
            await open_stream.send_raw(b'{"type":"ADDED","object":{"metadata":{"na')
            open_stream.cut()
            await until(setup.equal)
            assert setup.changes[2:] == [("new", "c")]

    in_virtual_time(scenario())


@pytest.mark.parametrize("garbage", [b"<html>\n", b"\n", b'{"type":"NEW","object":{}}\n', b"{}\n"])
def test_garbage_in_the_stream_is_a_broken_stream(setup: Setup, garbage: bytes) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            await setup.server.streams[0].send_raw(garbage)
            await until(lambda: isinstance(reflector.last_error, Unavailable))
            setup.server.put("c")
            await until(setup.equal)

    in_virtual_time(scenario())


def test_an_event_in_many_small_pieces_is_one_event(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            open_stream = setup.server.streams[0]
            line = b'{"type":"ADDED","object":{"metadata":{"name":"c","resourceVersion":"900"}}}\n'
            for index in range(0, len(line), 7):
                await open_stream.send_raw(line[index : index + 7])
                await asyncio.sleep(0.1)
            await until(lambda: setup.store.get("", "c"))
            assert reflector.last_error is None

    in_virtual_time(scenario())


def test_an_object_of_three_megabytes_passes(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await reflector.has_synced.wait()
            setup.server.put("c", color="x" * 3_000_000)
            await until(setup.equal)
            assert reflector.last_error is None

    in_virtual_time(scenario())


def test_a_half_open_stream_is_noticed_within_75_seconds_of_its_last_bookmark(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            await asyncio.sleep(61)  # the first bookmark
            setup.server.streams[0].frozen = True
            setup.server.put("c")
            at = now()
            await until(setup.equal)
            assert now() - at <= 76

    in_virtual_time(scenario())


def test_a_stream_half_open_from_its_start_is_noticed_where_bookmarks_are_known(
    setup: Setup,
) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            await asyncio.sleep(61)
            setup.server.fail_next("WATCH", hang_in_stream())
            setup.server.streams[0].cut()
            setup.server.put("c")
            at = now()
            await until(setup.equal)
            assert now() - at <= 78

    in_virtual_time(scenario())


def test_a_watch_whose_headers_never_come_is_given_up_after_thirty_seconds(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            setup.server.fail_next("WATCH", hang())
            setup.server.streams[0].cut()
            setup.server.put("c")
            at = now()
            await until(setup.equal)
            assert now() - at <= 33

    in_virtual_time(scenario())


@pytest.mark.parametrize(
    "fault",
    [
        answer(500),
        answer(503),
        answer(403),
        answer(401),
        answer(400),
        answer(429),
        answer(410, reason="Expired"),
        answer(302),
        body(b"<html>a proxy</html>\n"),
        hang(),
    ],
    ids=["500", "503", "403", "401", "400", "429", "410", "302", "html", "hang"],
)
def test_no_answer_ends_the_reflector(setup: Setup, fault: Fault) -> None:
    async def scenario() -> None:
        setup.server.fail_next("ANY", *[fault] * 6)
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            assert setup.equal()
            setup.server.fail_next("ANY", *[fault] * 6)
            setup.server.streams[0].cut()
            setup.server.put("c")
            await until(setup.equal)

    in_virtual_time(scenario())


@pytest.mark.parametrize("code", [410, 500, 504, 0])
def test_no_error_inside_a_stream_ends_the_reflector(setup: Setup, code: int) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            setup.server.fail_next("WATCH", *[stream(error_line(code))] * 4)
            setup.server.streams[0].cut()
            setup.server.put("c")
            await until(setup.equal)

    in_virtual_time(scenario())


def test_while_410_persists_lists_grow_apart(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            await setup.server.streams[0].send_raw(error_line(410, "Expired"))
            if setup.watch_list:
                faults = [answer(410, reason="Expired")] * 100
            else:
                faults = [stream(error_line(410, "Expired"))] * 100
            setup.server.fail_next("WATCH", *faults)
            start = now()
            await asyncio.sleep(120)
            requests = [s for s in setup.server.requests("LIST", "WATCH") if s.at > start]
            assert len(requests) <= 2 * 12

    in_virtual_time(scenario())


def test_a_server_that_lists_and_then_answers_410_is_not_listed_in_a_loop(tmp_path: Path) -> None:
    setup = Setup(tmp_path, watch_list=True)

    async def list_then_expire() -> None:
        while True:
            await until(lambda: setup.server.streams)
            with suppress(ConnectionError):
                await setup.server.streams[-1].send_raw(error_line(410, "Expired"))
            await asyncio.sleep(0.1)

    async def scenario() -> None:
        async with setup.reflecting():
            expiring = asyncio.create_task(list_then_expire())
            await asyncio.sleep(120)
            assert len(setup.server.requests("WATCH")) <= 12
            await stopped(expiring)

    in_virtual_time(scenario())


def test_watches_that_end_at_once_grow_apart(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            setup.server.fail_next("WATCH", *[stream()] * 1000)
            setup.server.streams[0].cut()
            start = now()
            await asyncio.sleep(120)
            assert len([s for s in setup.server.seen if s.at > start]) <= 12

    in_virtual_time(scenario())


def test_retry_after_is_honoured(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            setup.server.fail_next("WATCH", answer(429, headers={"Retry-After": "50"}))
            setup.server.streams[0].cut()
            await until(lambda: isinstance(reflector.last_error, TooManyRequests))
            refused_at = now()
            setup.server.put("c")
            await until(setup.equal)
            assert 49 <= now() - refused_at <= 52

    in_virtual_time(scenario())


def test_the_delay_starts_anew_after_a_stream_that_lasted(setup: Setup) -> None:
    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            setup.server.fail_next("WATCH", *[answer(500)] * 8)
            setup.server.streams[0].cut()
            await until(lambda: setup.server.streams and now() > 60)
            await asyncio.sleep(30)
            setup.server.streams[0].cut()
            at = now()
            setup.server.put("c")
            await until(setup.equal)
            assert now() - at <= 0.9

    in_virtual_time(scenario())


def test_a_store_restored_from_a_backup_is_taken_over(setup: Setup) -> None:
    """Versions then run backwards; a new list is the truth."""

    async def scenario() -> None:
        async with setup.reflecting() as reflector:
            await setup.following(reflector)
            setup.server.version += 500
            setup.server.put("a", color="late")
            await until(setup.equal)
            await setup.server.stop()
            setup.server.restore(200)
            setup.server.put("a", color="restored")
            setup.server.remove("b")
            await setup.server.start()
            too_large = error_line(504, "Timeout", cause="ResourceVersionTooLarge")
            setup.server.fail_next("WATCH", stream(too_large))
            await until(setup.equal)

    in_virtual_time(scenario())
