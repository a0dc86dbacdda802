"""https://websockets.spec.whatwg.org/#dom-websocket-send"""

from __future__ import annotations

import array
import ctypes
from typing import Any

import pytest

from readystate import Blob, InvalidStateError, WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import (
    closed,
    event,
    journal,
    new_id,
    opened,
    raises,
    until,
    url,
)


async def echoed(ws: WebSocket, data: Any) -> object:
    """What the server sends back."""
    reply = event(ws, "message")
    ws.send(data)
    return (await reply).data


async def binary_socket() -> WebSocket:
    ws = await opened()
    ws.binaryType = "arraybuffer"
    return ws


@in_browser
async def test_while_connecting_it_raises_and_sends_nothing() -> None:
    id = new_id()
    ws = WebSocket(url("/ws/echo", id=id, delay=0.05))
    for data in ("text", b"binary"):
        with raises(InvalidStateError) as caught:
            ws.send(data)
        assert (caught.value.name, caught.value.code) == ("InvalidStateError", 11)
    assert ws.bufferedAmount == 0
    await event(ws, "open")
    await closed(ws)
    (connection,) = await journal(id, closed=1)
    assert connection["messages"] == []


@in_browser
async def test_bad_data_is_a_type_error_even_while_connecting() -> None:
    """Web IDL converts the argument before the method's own steps."""
    ws = WebSocket(url("/ws/echo"))
    with raises(TypeError):
        ws.send(None)  # type: ignore[arg-type]


@in_browser
async def test_in_the_open_handler_it_sends() -> None:
    ws = WebSocket(url("/ws/echo"))
    reply = event(ws, "message")
    ws.onopen = lambda _: ws.send("on time")
    assert (await reply).data == "on time"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "é",
        "日本語",
        "😀",
        "\x00",
        "a\x00b",
        "\r\n",
        "\ufeff",
        "\uffff",
        "x" * 125,
        "x" * 126,
    ],
)
@in_browser
async def test_text_comes_back_as_it_was(text: str) -> None:
    assert await echoed(await opened(), text) == text


@in_browser
async def test_subclasses_of_str_are_text() -> None:
    import enum

    class Command(enum.StrEnum):
        GO = "go"

    ws = await opened()
    assert await echoed(ws, Command.GO) == "go"


@in_browser
async def test_lone_surrogates_become_replacement_characters() -> None:
    ws = await opened()
    assert await echoed(ws, "a\ud800b") == "a\ufffdb"
    assert await echoed(ws, "\udc00") == "\ufffd"
    assert await echoed(ws, "\ud83d\ude00") == "😀"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 65537])
@in_browser
async def test_sizes_at_the_borders_of_the_frame_header(size: int) -> None:
    ws = await binary_socket()
    data = bytes(index % 251 for index in range(size))
    assert await echoed(ws, data) == data
    assert await echoed(ws, "y" * size) == "y" * size


@in_browser
async def test_16_mebibytes() -> None:
    import hashlib

    ws = await binary_socket()
    data = bytes(range(256)) * (16 * 2**12)
    reply = await echoed(ws, data)
    assert isinstance(reply, bytes)
    assert len(reply) == 16 * 2**20
    assert hashlib.sha256(reply).digest() == hashlib.sha256(data).digest()


@in_browser
async def test_any_object_with_the_buffer_protocol_is_sent_as_its_bytes() -> None:
    class Pair(ctypes.Structure):
        _fields_ = [("a", ctypes.c_uint8), ("b", ctypes.c_uint8)]

    ws = await binary_socket()
    base = bytes(range(24))
    view = memoryview(base)
    for data in (
        base,
        bytearray(base),
        view,
        view[3:11],
        view[::2],
        view[::-1],
        view[5:5],
        view.cast("B", (4, 6)),
        view.cast("B", (2, 3, 4)),
        view.cast("I"),
        view.cast("d")[::2],
        view.cast("?"),
        view.cast("c"),
        view.cast("b"),
        view.cast("e"),  # type: ignore[call-overload]
        array.array("i", [1, -2, 3]),
        array.array("d", [0.5]),
        array.array("H", []),
        (ctypes.c_int * 3)(1, 2, 3),
        (Pair * 2)(Pair(1, 2), Pair(3, 4)),
    ):
        assert await echoed(ws, data) == memoryview(data).tobytes(), data
    # What has no dimensions may be meant as a number.
    with raises(TypeError, match=r"not Pair: .* send its bytes\(\)"):
        ws.send(Pair(1, 2))
    assert await echoed(ws, bytes(Pair(1, 2))) == b"\1\2"


@in_browser
async def test_it_is_copied_when_it_is_sent() -> None:
    ws = await binary_socket()
    data = bytearray(b"before")
    reply = event(ws, "message")
    ws.send(data)
    data[:] = b"after!"
    data.append(0)
    assert (await reply).data == b"before"


@in_browser
async def test_much_is_copied_when_it_is_sent_too() -> None:
    ws = await binary_socket()
    data = bytearray(b"x" * 2**20)
    view = memoryview(data)
    replies = []
    ws.onmessage = lambda event: replies.append(event.data)
    for part in (data, view[1:], view[::2], view.cast("I")):
        ws.send(part)
    # Nothing refers to it any more: it may change, and even its size may.
    data[:] = b"y" * 2**20
    view.release()
    await until(lambda: len(replies) == 4)
    assert replies == [b"x" * size for size in (2**20, 2**20 - 1, 2**19, 2**20)]


@in_browser
async def test_javascript_buffers_and_blobs_pass_through() -> None:
    import js
    from pyodide.ffi import to_js

    ws = await binary_socket()
    whole = to_js(b"abcdef")
    for data, expected in (
        (whole, b"abcdef"),
        (whole.buffer, b"abcdef"),
        (js.Uint8Array.new(whole.buffer, 1, 3), b"bcd"),
        (js.DataView.new(whole.buffer, 2), b"cdef"),
        (js.Uint16Array.new(whole.buffer), b"abcdef"),
        (js.Float64Array.new(0), b""),
        (js.ArrayBuffer.new(0), b""),
        (js.Blob.new([whole, "gh"]), b"abcdefgh"),
        (js.File.new(["file"], "name"), b"file"),
        (Blob(js.Blob.new(["wrapped"])), b"wrapped"),
    ):
        assert await echoed(ws, data) == expected, expected


@pytest.mark.parametrize("bad", [None, 5, 1.5, True, ["text"], ("text",), {"a": 1}, {1}])
@in_browser
async def test_anything_else_is_a_type_error_that_names_the_type(bad: Any) -> None:
    id = new_id()
    ws = await opened(id=id)
    with raises(TypeError, match=rf"not {type(bad).__name__}: encode it first"):
        ws.send(bad)
    await closed(ws)
    (connection,) = await journal(id, closed=1)
    assert connection["messages"] == []


@in_browser
async def test_other_javascript_objects_are_a_type_error_too() -> None:
    import js
    from pyodide.ffi import jsnull

    ws = await opened()
    for bad, name in (
        (js.Object.new(), "a JavaScript Object"),
        (js.Array.new(), "a JavaScript Array"),
        (js.URL.new("ws://host/"), "a JavaScript URL"),
        (js.Date, "a JavaScript Function"),
        (jsnull, "JavaScript's null"),
    ):
        with raises(TypeError, match=rf"not {name}: encode it first"):
            ws.send(bad)


@in_browser
async def test_a_released_memoryview_is_an_error() -> None:
    ws = await opened()
    view = memoryview(b"abc")
    view.release()
    with raises(ValueError, match="released"):
        ws.send(view)


@in_browser
async def test_buffered_amount_counts_the_bytes_of_the_payload() -> None:
    import js

    ws = await binary_socket()
    ws.send("a")
    assert ws.bufferedAmount == 1
    ws.send("é")
    assert ws.bufferedAmount == 3
    ws.send(b"1234567")
    assert ws.bufferedAmount == 10
    ws.send(array.array("i", [1, 2]))
    assert ws.bufferedAmount == 18
    ws.send(js.Blob.new(["12"]))
    assert ws.bufferedAmount == 20


@in_browser
async def test_buffered_amount_falls_when_the_data_has_left() -> None:
    ws = await opened("/ws/sink", ack=0)
    ws.send("x" * 1000)
    assert ws.bufferedAmount == 1000
    await until(lambda: ws.bufferedAmount == 0)


@in_browser
async def test_after_close_it_raises_nothing_and_discards() -> None:
    """The trap: only bufferedAmount grows, and it never falls again."""
    id = new_id()
    ws = await opened(id=id)
    ws.send("sent")
    future = event(ws, "close")
    ws.close()
    before = ws.bufferedAmount
    ws.send("a")
    ws.send("é")
    ws.send(b"1234")
    assert ws.readyState == WebSocket.CLOSING
    assert ws.bufferedAmount - before == 7
    await future
    after = ws.bufferedAmount
    ws.send("x")
    assert ws.readyState == WebSocket.CLOSED
    assert ws.bufferedAmount == after + 1
    (connection,) = await journal(id, closed=1)
    assert [message["data"] for message in connection["messages"]] == ["sent"]


@in_browser
async def test_messages_arrive_in_order_text_and_binary_alike() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    for number in range(100):
        ws.send(f"{number}")
        ws.send(str(number).encode())
    await closed(ws)
    (connection,) = await journal(id, closed=1)
    assert [message["kind"] for message in connection["messages"]] == ["text", "binary"] * 100
    assert [message["data"] for message in connection["messages"][::2]] == [
        str(number) for number in range(100)
    ]


@in_browser
async def test_a_message_that_is_too_big_for_the_server_closes_the_connection() -> None:
    ws = await opened()
    future = event(ws, "close")
    ws.send(bytes(16 * 2**20 + 1))
    assert (await future).code == 1009
