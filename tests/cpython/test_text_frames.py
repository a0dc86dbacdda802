"""What is sent, and as what: bytes as text, text as bytes, or each as it is."""

from __future__ import annotations

import array
from typing import Any

import pytest

from readystate import Blob, QueuedWebSocket, connect
from readystate._host.cpython.values import NativeBlob, NativeBuffer
from readystate_server.testing.inpage import raises, url

CASES: list[tuple[Any, bool | None, str | bytes]] = [
    (b"caf\xc3\xa9", True, "café"),
    (bytearray(b"text"), True, "text"),
    (memoryview(b"t_e_x_t")[::2], True, "text"),
    ("text", True, "text"),
    (b"text", False, b"text"),
    ("café", False, b"caf\xc3\xa9"),
    ("\ud800", False, b"\xef\xbf\xbd"),
    (NativeBuffer(b"text"), True, "text"),
    (b"text", None, b"text"),
    ("", None, ""),
    (bytearray(b"text"), None, b"text"),
    (memoryview(b"abcd")[::2], None, b"ac"),
    (array.array("H", [1]), None, b"\x01\x00"),
    (NativeBuffer(b"buffer"), None, b"buffer"),
    (NativeBlob(b"blob"), None, b"blob"),
    (Blob(NativeBlob(b"blob")), None, b"blob"),
]


@pytest.mark.parametrize(("data", "text", "expected"), CASES)
async def test_the_kind_of_a_message(data: Any, text: bool | None, expected: str | bytes) -> None:
    async with connect(url("/ws/echo")) as connection:
        await connection.send(data, text=text)
        assert await connection.recv() == expected
    async with QueuedWebSocket(url("/ws/echo")) as queue:
        queue.send(data, text=text)
        assert await queue.recv() == expected
        await queue.put(data, text=text)
        assert await queue.recv() == expected


async def test_bytes_that_are_no_text() -> None:
    async with connect(url("/ws/echo")) as connection:
        for send in (connection.send, QueuedWebSocket(url("/ws/echo")).put):
            with raises(UnicodeDecodeError):
                await send(b"\xff", text=True)
            with raises(TypeError, match=r"await blob\.text\(\)"):
                await send(Blob(NativeBlob(b"text")), text=True)
        await connection.send("still open")
        assert await connection.recv(decode=False) == b"still open"


async def test_what_is_sent_as_text_in_on_open() -> None:
    def on_open(ws: QueuedWebSocket) -> None:
        ws.send(b"first", text=True)

    async with QueuedWebSocket(url("/ws/echo"), on_open=on_open) as queue:
        assert await queue.recv() == "first"
