"""Lines out of chunks, events out of lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_controller.kube.errors import Gone, Unavailable
from tandem_controller.kube.watch_stream import LineBuffer, WatchEventType, decode_event
from tests.runtime.fault_server import error_line

line = st.binary(max_size=12).filter(lambda raw: b"\n" not in raw)


@given(st.lists(line), line, st.data())
def test_however_a_stream_is_cut_its_whole_lines_are_the_same(
    lines: list[bytes], torn: bytes, data: st.DataObject
) -> None:
    raw = b"".join(line + b"\n" for line in lines) + torn
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)))))
    buffer = LineBuffer()
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        got += buffer.feed(raw[start:end])
    assert got == lines


def test_an_event_holds_its_object_as_it_was_sent() -> None:
    event = decode_event(b'{"type":"MODIFIED","object":{"a": [1, 2]},"more":1}')
    assert event.type is WatchEventType.MODIFIED
    assert event.object == b'{"a": [1, 2]}'


def test_an_error_event_is_raised_as_what_it_says() -> None:
    with pytest.raises(Gone):
        decode_event(error_line(410, "Expired"))


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"type":"ADDED"}', b'{"type":"X","object":{}}']
)
def test_what_is_no_event_is_a_broken_stream(raw: bytes) -> None:
    with pytest.raises(Unavailable, match="unreadable"):
        decode_event(raw)


@pytest.mark.parametrize("status", [b"5", b'"text"', b"{}"])
def test_an_error_without_a_status_is_the_servers_fault(status: bytes) -> None:
    with pytest.raises(Unavailable):
        decode_event(b'{"type":"ERROR","object":' + status + b"}")
