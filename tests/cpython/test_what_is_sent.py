"""What is sent, and as what; all else is refused, in all classes, with what to do."""

from __future__ import annotations

import array
import ctypes
import dataclasses
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from readystate import Blob, Connection, QueuedWebSocket, SendQueue, WebSocket, connect
from readystate._host.cpython.values import NativeBlob, NativeBuffer
from readystate_server.sessions.server_session import sized
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


# What is refused


@dataclasses.dataclass
class Point:
    x: int = 1


class Scalar:
    """As NumPy's: a buffer without dimensions, and tobytes()."""

    def __new__(cls) -> Any:
        class Double(ctypes.c_double):
            def tobytes(self) -> bytes:
                return bytes(self)

        return Double(1.5)


class Frame:
    """As pandas's: iterable, over its columns' names."""

    def __iter__(self) -> Any:
        return iter(["a", "b"])

    def to_json(self) -> str:
        return "{}"


ENCODE = r"encode it first, as with json\.dumps\(\)"
REFUSED = {
    "None": (None, f"not NoneType: {ENCODE}$"),
    "a dict": ({"a": 1}, f"not dict: {ENCODE}$"),
    "a number": (1, f"not int: {ENCODE}$"),
    "a set": ({"a"}, f"not set: {ENCODE}$"),
    "a dataclass": (Point(), r"not Point: .*json\.dumps\(dataclasses\.asdict\(...\)\)$"),
    "a ctypes number": (ctypes.c_double(1.5), r"not c_double: .*json\.dumps\(\), or .*bytes\(\)"),
    "a NumPy scalar": (Scalar(), r"not Double: .*json\.dumps\(\), or send its \.tobytes\(\)$"),
    "a view of a number": (memoryview(ctypes.c_int(1)), r"not memoryview: .*\.tobytes\(\)$"),
    "a data frame": (Frame(), r"not Frame: encode it first, as with its to_json\(\)$"),
}


def senders(connection: Connection) -> list[Callable[[Any], Any]]:
    """Each class's, over an open socket, too."""
    queue, queued, ws = SendQueue(), QueuedWebSocket(url("/ws/echo")), WebSocket(url("/ws/echo"))
    open_socket = connection._ws  # type: ignore[attr-defined]
    classes = [ws.send, open_socket.send, connection.send, queue.send, queue.put]
    return [*classes, queued.send, queued.put, sized]


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_neither_text_nor_binary(what: str) -> None:
    data, told = REFUSED[what]
    async with connect(url("/ws/echo")) as connection:
        for send in senders(connection):
            with raises(TypeError, match=told):
                await send(data)
                raise AssertionError(f"{send} took it")
        await connection.send("still open")
        assert await connection.recv() == "still open"


LISTS = [[1, 2], ["a", 1], ("a", b"b"), [None], [["a"]], [ctypes.c_int(1)], iter([{}])]
ITERABLES = [{"a": "b"}.keys(), {"a"}, Frame(), {"a": "b"}]


@pytest.mark.parametrize("data", [*LISTS, *ITERABLES])
async def test_iterables_of_anything_but_fragments(data: Any) -> None:
    told = r"to send a list, encode it first, as with json\.dumps\(\)"
    async with connect(url("/ws/echo")) as connection:
        with raises(TypeError, match=told if data in LISTS else "encode it first"):
            await connection.send(data)


async def test_fragments_are_joined() -> None:
    async def generator() -> Any:
        yield "a"
        yield "b"

    async with connect(url("/ws/echo")) as connection:
        await connection.send([])  # which is nothing
        text: list[Any] = [["a", "b"], ("a", "b"), iter("ab"), generator(), deque("ab")]
        for fragments in text:
            await connection.send(fragments)
            assert await connection.recv() == "ab"
        parts: list[Any] = [b"a", bytearray(b"b"), array.array("B", [99]), memoryview(b"ed")[::-1]]
        await connection.send(parts)
        assert await connection.recv() == b"abcde"
        await connection.send([b"caf\xc3", b"\xa9"], text=True)
        assert await connection.recv() == "café"
