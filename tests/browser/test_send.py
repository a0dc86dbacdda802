"""https://websockets.spec.whatwg.org/#dom-websocket-send

What ``send()`` throws in each state, and how messages arrive, tests/engines/cases shows in all
engines. Here is what crosses between Python and a browser: each kind of object, at each size.
"""

from __future__ import annotations

import array
import ctypes
from typing import Any

import pytest

from readystate import WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import (
    event,
    opened,
    raises,
    until,
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
async def test_text_comes_back_as_it_was_but_for_lone_surrogates() -> None:
    import enum

    class Command(enum.StrEnum):
        GO = "go"

    ws = await opened()
    for text in ("a", "\r\n", "\x00", "\uffff", Command.GO):
        assert await echoed(ws, text) == text
    assert await echoed(ws, "\udc00") == "\ufffd"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 65537])
@in_browser
async def test_sizes_at_the_borders_of_the_frame_header(size: int) -> None:
    ws = await binary_socket()
    data = bytes(index % 251 for index in range(size))
    assert await echoed(ws, data) == data
    assert await echoed(ws, "y" * size) == "y" * size


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
