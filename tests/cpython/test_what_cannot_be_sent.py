"""What is neither text nor binary is refused in all classes, with what to do."""

from __future__ import annotations

import array
import ctypes
import dataclasses
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from readystate import Connection, QueuedWebSocket, SendQueue, WebSocket, connect
from readystate_server.sessions.server_session import sized
from readystate_server.testing.inpage import new_id, raises, url


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
Send = Callable[[Any], Awaitable[object]]


def later(send: Callable[[Any], object]) -> Send:
    async def call(data: Any) -> object:
        return send(data)

    return call


async def senders(connection: Connection) -> dict[str, Send]:
    queue, queued = SendQueue(), QueuedWebSocket(url("/ws/echo"))
    open_socket = connection._ws  # type: ignore[attr-defined]
    return {
        "WebSocket.send": later(open_socket.send),
        "WebSocket.send, before open": later(WebSocket(url("/ws/echo")).send),
        "Connection.send": connection.send,
        "SendQueue.send": later(queue.send),
        "SendQueue.put": queue.put,
        "QueuedWebSocket.send": later(queued.send),
        "QueuedWebSocket.put": queued.put,
        "ServerSession.send": later(sized),
    }


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_neither_text_nor_binary(what: str) -> None:
    data, told = REFUSED[what]
    async with connect(url("/ws/echo", id=new_id())) as connection:
        for name, send in (await senders(connection)).items():
            with raises(TypeError, match=told):
                await send(data)
                raise AssertionError(f"{name} took it")
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
