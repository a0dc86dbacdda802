"""The port on CPython: native sockets, against real servers on loopback.

What the standard says of them is in the cases of all engines, see test_cases.py.
"""

from __future__ import annotations

import array
import asyncio
import base64
import gc
import itertools
import logging
import socket
import ssl
import struct
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.utils import accept_key

from readystate import DOMSyntaxError, WebSocket
from readystate._host.cpython import page, runtime, sockets, streams, wire
from readystate._host.cpython.event_target import NativeEventTarget
from readystate._host.cpython.events import NativeBlob, NativeEvent, new_close_event
from readystate._host.cpython.inbox import Inbox
from readystate._host.cpython.listeners import NativeListener
from readystate._host.cpython.outlet import Outlet
from readystate._host.cpython.sockets import new_websocket
from readystate._host.cpython.timers import Timer
from readystate._host.cpython.urls import parse_url
from readystate._host.cpython.values import (
    NativeBuffer,
    byte_length,
    describe,
    is_blob,
    is_buffer,
    is_null,
    tag,
)
from readystate_server.testing.inpage import event, reported, turns, until

from .. import processes
from .conftest import taken

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]
LOST = (1006, "", False)


class Watched:
    """A native socket, and what has happened to it."""

    def __init__(self, url: str, protocols: Any = None) -> None:
        self.native = new_websocket(url, protocols)
        self.native.binaryType = "arraybuffer"
        self.seen: list[tuple[str, int]] = []
        self.messages: list[str | bytes] = []
        self.end: tuple[int, str, bool] | None = None
        self._changed = asyncio.Event()
        self._listener = NativeListener(self.native, self._on_event)
        for type in ("open", "message", "error", "close"):
            self._listener.listen(type)

    def _on_event(self, event: Any) -> None:
        if event.type == "message":
            data = event.data
            self.messages.append(data if isinstance(data, str) else data.to_bytes())
        else:
            self.seen.append((event.type, self.native.readyState))
        if event.type == "close":
            self.end = event.code, event.reason, event.wasClean
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def opened(self) -> Watched:
        await self.until(lambda: self.seen)
        assert self.seen == [("open", 1)]
        return self

    async def received(self, count: int) -> list[str | bytes]:
        await self.until(lambda: len(self.messages) >= count)
        return self.messages

    async def ended(self) -> tuple[int, str, bool]:
        """Waits for the end, which is told once; what it was."""
        await self.until(lambda: self.end)
        assert self.end is not None
        told = [("close", 3)] if self.end[2] else [("error", 3), ("close", 3)]
        assert [(kind, state) for kind, state in self.seen if kind != "open"] == told
        return self.end

    async def failed(self) -> None:
        """Waits for the end of one that was never open."""
        assert await self.ended() == LOST
        assert self.seen == [("error", 3), ("close", 3)]


@asynccontextmanager
async def server(
    handler: Callable[[ServerConnection], Awaitable[None]], **options: Any
) -> AsyncIterator[str]:
    """A server of the ``websockets`` library; its URL."""
    options = {"max_size": None, "ping_interval": None, **options}
    async with serve(handler, "127.0.0.1", 0, **options) as running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def raw(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """A TCP server, each of whose connections is ``handler``'s; its URL."""
    tasks: set[Any] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reader, writer)
            writer.close()
            await writer.wait_closed()
        writer.transport.abort()

    running = await asyncio.start_server(handle, "127.0.0.1", 0, **options)
    try:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"
    finally:
        await turns(5)  # for connections that are about to be accepted
        running.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await turns(1)  # in which they are closed


async def request_of(reader: asyncio.StreamReader) -> dict[str, str]:
    """The headers of the opening handshake."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    return {"request": lines[0], **headers}


async def accepted(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *headers: str
) -> None:
    """Accepts the connection, without compression."""
    key = accept_key((await request_of(reader))["Sec-WebSocket-Key"])
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"Sec-WebSocket-Accept: {key}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())


def frame(opcode: int, data: bytes = b"", *, fin: bool = True) -> bytes:
    assert len(data) < 126
    return bytes([opcode | (0x80 if fin else 0), len(data)]) + data


def reset(writer: asyncio.StreamWriter) -> None:
    """Has the connection end with a TCP reset."""
    raw_socket = writer.get_extra_info("socket")
    raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
BYE = frame(CLOSE, b"\x03\xe8")
ALL = -1


def script(
    *steps: bytes | int | asyncio.Event | Callable[[asyncio.StreamWriter], None],
    answers: list[bytes] | None = None,
) -> Handler:
    """Accepts the connection, takes the steps, and ends TCP.

    A step is to send bytes, to read so many, or all that come, which are ``answers``, to wait for
    an event, or to call a function.
    """
    read = [] if answers is None else answers

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted(reader, writer)
        for step in steps:
            if isinstance(step, bytes):
                writer.write(step)
            elif isinstance(step, int):
                read.append(await (reader.read() if step == ALL else reader.readexactly(step)))
            elif isinstance(step, asyncio.Event):
                await step.wait()
            else:
                step(writer)

    return handler


async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accepted(reader, writer)
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.Event().wait()


# Arguments


URLS = {
    "ws://h": "ws://h/",
    " ws://h/a\n": "ws://h/a",
    "WS://EXAMPLE.org:80/A?b c": "ws://example.org/A?b%20c",
    "wss://h:443": "wss://h/",
    "wss://h:80": "wss://h:80/",
    "http://h:8080": "ws://h:8080/",
    "https://h": "wss://h/",
    "ws:h": "ws://h/",
    "ws:\\\\h\\a": "ws://h/a",
    "ws://h?": "ws://h/?",
    "ws://h:": "ws://h/",
    "ws://h/a/./b/../c/%2E%2e/d/..": "ws://h/a/",
    "ws://h/ä b?ü'": "ws://h/%C3%A4%20b?%C3%BC%27",
    "ws://h/%41?%41": "ws://h/%41?%41",
    "ws://user:pa%20ss@h/": "ws://user:pa%20ss@h/",
    "ws://user@h/": "ws://user@h/",
    "ws://u@v@h/": "ws://u%40v@h/",
    "ws://[::1]:80/": "ws://[::1]/",
    "ws://[0:0::0:1]:81/": "ws://[::1]:81/",
    "ws://127.1/": "ws://127.0.0.1/",
    "ws://0x7f000001/": "ws://127.0.0.1/",
    "ws://127.0.0.1./": "ws://127.0.0.1/",
    "ws://bücher.example/": "ws://xn--bcher-kva.example/",
    "ws://%65xample/": "ws://example/",
    "ws://h/\ud800": "ws://h/%EF%BF%BD",
}


@pytest.mark.parametrize("url", URLS)
def test_urls_are_written_as_browsers_write_them(url: str) -> None:
    address = parse_url(url)
    assert address.url == URLS[url]
    assert parse_url(address.url) == address


BAD_URLS = """
    h /path //h/path ws: ws:// ws:/// ws://?a ws://h# ws://h/#fragment ws://h:65536/ ws://h:-1/
    ws://h:1a/ ws://[ ws://[::1 ws://[::1%25lo]/ ws://[::1]a/ ws://1.2.3.4.5/ ws://256.1.1.1/
    ws://a%00b/ ws://a<b/ ftp://h/ about:blank wss;//h
"""


@pytest.mark.parametrize("url", ["", "ws://a b/", *BAD_URLS.split()])
def test_bad_urls(url: str) -> None:
    with pytest.raises(DOMSyntaxError) as caught:
        new_websocket(url, None)
    assert (caught.value.name, caught.value.code) == ("SyntaxError", 12)
    assert caught.value.js_error is None


@pytest.mark.parametrize(
    ("url", "protocols", "message"),
    [
        (None, None, "url must be a str, not NoneType"),
        (b"ws://h", None, "url must be a str, not bytes"),
        ("ws://h", 5, "protocols must be a str or an iterable of str, not int"),
        ("#", [b"a"], "a subprotocol must be a str, not bytes: b'a'"),
    ],
)
def test_arguments_of_wrong_types(url: Any, protocols: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        new_websocket(url, protocols)
    assert str(caught.value) == message


def test_it_needs_an_event_loop() -> None:
    with pytest.raises(RuntimeError, match="running event loop"):
        new_websocket("ws://127.0.0.1/", None)


# Opening


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_an_echo(compression: str | None) -> None:
    """Of 64 MiB, too."""
    large: str | bytes = "é" * 2**25 if compression else bytes(range(256)) * 2**18
    async with server(echo, compression=compression) as url:
        ws = await Watched(url.upper().replace("WS", "ws")).opened()
        assert ws.native.extensions.startswith("permessage-deflate" if compression else "")
        ws.native.send("é" * 1000)
        # It counts no framing.
        assert ws.native.bufferedAmount == 2000
        ws.native.send(b"x" * 300)
        ws.native.send("")
        assert ws.native.bufferedAmount == 2300
        await asyncio.sleep(0)
        assert ws.native.bufferedAmount == 0
        sent = ["text", "Grüße, 世界, 😀", "a\0b", b"", bytes(range(256)), large]
        for data in (*sent, NativeBlob(b"blob"), NativeBuffer(b"buffer"), array.array("H")):
            ws.native.send(data)
        expected = ["é" * 1000, b"x" * 300, "", *sent, b"blob", b"buffer", b""]
        assert await ws.received(len(expected)) == expected
        assert ws.native.bufferedAmount == 0
        ws.native.close(3000, "done")
        assert ws.native.readyState == 2
        assert await ws.ended() == (3000, "done", True)
        assert len(ws.messages) == len(expected)


async def test_the_handshake_is_a_browsers() -> None:
    headers: dict[str, str] = {}

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        headers.update(await request_of(reader))

    async with raw(handler) as url:
        ws = Watched(url.replace("//", "//us%20er:pass@") + "a b?c", ["one", "two"])
        assert await ws.ended() == LOST
    assert headers["request"] == "GET /a%20b?c HTTP/1.1"
    assert headers["Sec-WebSocket-Protocol"] == "one, two"
    assert headers["Sec-WebSocket-Extensions"] == "permessage-deflate; client_max_window_bits"
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"us er:pass").decode()
    assert headers["Host"] == url.removeprefix("ws://").removesuffix("/")
    assert "Origin" not in headers
    assert "User-Agent" in headers


@pytest.mark.parametrize(
    ("protocols", "header"),
    [
        (["json"], ""),
        (["json"], "Sec-WebSocket-Protocol: other"),
        (["json"], "Sec-WebSocket-Protocol: "),
        (["json", "text"], "Sec-WebSocket-Protocol: json, text"),
        (None, "Sec-WebSocket-Protocol: json"),
        (None, "Sec-WebSocket-Extensions: permessage-unknown"),
    ],
)
async def test_an_answer_that_does_not_fit(protocols: Any, header: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted(reader, writer, *([header] if header else []))
        assert await reader.read() == b""

    async with raw(handler) as url:
        await Watched(url, protocols).failed()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\n\r\nuntil the end",
        b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: wrong\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"x" * 10_000,
    ],
)
async def test_a_handshake_that_fails(answer: bytes) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(answer)

    async with raw(handler) as url:
        await Watched(url).failed()


async def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    caplog.set_level(logging.DEBUG, "readystate")
    for url in (f"ws://user:secret@127.0.0.1:{port}/?secret", "ws://nowhere.invalid/"):
        await Watched(url).failed()
    assert f"cannot connect to ws://127.0.0.1:{port}/" in caplog.text
    assert "secret" not in caplog.text


async def test_it_takes_too_long_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "OPEN_TIMEOUT", 0.05)
    async with raw(lambda reader, writer: reader.read()) as url:
        assert await Watched(url).ended() == LOST


@pytest.mark.parametrize("count", [*range(12), *range(12, 40, 3)])
async def test_close_at_any_time(count: int) -> None:
    async with server(echo) as url:
        ws = Watched(url)
        await turns(count)
        was_open = ws.native.readyState == 1
        ws.native.close(3000, "done")
        assert ws.native.readyState == 2
        ws.native.send("x")
        ws.native.close()
        assert ws.native.bufferedAmount == 1
        if was_open:
            assert await ws.ended() == (3000, "done", True)
        else:
            await ws.failed()


async def test_messages_right_behind_the_handshake() -> None:
    """Who waits for "open" in a task can listen before the first message is delivered."""
    async with raw(script(frame(TEXT, b"first") + frame(TEXT, b"2") + BYE, ALL)) as url:
        ws = WebSocket(url)
        await event(ws, "open")
        seen: list[Any] = []
        ws.onmessage = lambda message: seen.append(message.data)
        await event(ws, "close")
        assert seen == ["first", "2"]


# Sending, and bufferedAmount


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("count", [1, 512])
async def test_buffered_amount_while_the_server_does_not_read(
    scheme: str, count: int, certificate: ssl.SSLContext
) -> None:
    """A message counts by the part of it that is left, and all of that when it is lost."""
    piece = bytes(2**25 // count)
    async with raw(never_reads, ssl=certificate if scheme == "wss" else None) as url:
        ws = await Watched(url.replace("ws://127.0.0.1", f"{scheme}://localhost")).opened()
        for _ in range(count):
            ws.native.send(piece)
        amounts = [ws.native.bufferedAmount]
        for _ in range(2000):
            await asyncio.sleep(0)
            amounts.append(ws.native.bufferedAmount)
        assert amounts == sorted(amounts, reverse=True)
        left = amounts[-1]
        assert 2**24 < left < amounts[0] == 2**25
        assert left == amounts[-50]
        ws.native._wire.abort()  # type: ignore[union-attr]
        assert await ws.ended() == LOST
        assert left <= ws.native.bufferedAmount <= min(left + len(piece), 2**25 - 1)


async def test_a_flood_over_a_server_that_reads_slowly() -> None:
    """What waits here for long costs no more for each message than what does not."""
    read, answers = asyncio.Event(), list[bytes]()
    async with raw(script(read, ALL, answers=answers)) as url:
        ws = await Watched(url).opened()
        for _ in range(50_000):
            ws.native.send(bytes(200))
        assert ws.native.bufferedAmount == 10_000_000
        await turns(100)
        assert 0 < ws.native.bufferedAmount < 10_000_000
        read.set()
        amounts = [10_000_000]
        while amounts[-1]:
            await asyncio.sleep(0)
            amounts.append(ws.native.bufferedAmount)
        assert amounts == sorted(amounts, reverse=True)
        ws.native._wire.abort()  # type: ignore[union-attr]
        await ws.ended()
        await until(lambda: answers)
    # Each frame has a header of 8 bytes: two, two of length, four of masking.
    assert len(answers[0]) <= 50_000 * 208


# Receiving


async def test_fragments_and_control_frames() -> None:
    euro, answers = "€".encode(), list[bytes]()
    frames = [
        *(frame(TEXT, euro[:1], fin=False), frame(PING, b"are you there?"), frame(PONG)),
        *(frame(CONT, euro[1:2], fin=False), frame(CONT, euro[2:])),
        *(frame(BINARY, b"a", fin=False), frame(CONT), frame(TEXT), frame(CLOSE)),
    ]
    async with raw(script(b"".join(frames), 6 + 14, 6, answers=answers)) as url:
        ws = Watched(url)
        assert await ws.ended() == (1005, "", True)
        assert ws.messages == ["€", b"a", ""]
    pong, close = answers
    assert pong[:2] == bytes([0x80 | PONG, 0x80 | 14])
    mask = itertools.cycle(pong[2:6])
    assert bytes(a ^ b for a, b in zip(pong[6:], mask, strict=False)) == b"are you there?"
    assert close[:2] == bytes([0x80 | CLOSE, 0x80])


@pytest.mark.parametrize(
    "wrong",
    [
        frame(TEXT, b"\xff"),
        frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"x"),
        frame(CONT),
        frame(TEXT, fin=False) + frame(TEXT),
        frame(3),
        bytes([0x80 | TEXT, 0x80]) + bytes(4),
        bytes([0xC0 | TEXT, 0]),
        frame(PING, fin=False),
        frame(CLOSE, b"\x03"),
        frame(CLOSE, b"\x03\xe8\xff"),
        frame(TEXT, fin=False) + frame(CLOSE, b"\x03\xe8"),
    ],
)
async def test_what_no_server_may_send(wrong: bytes) -> None:
    """What came before is delivered, and then the connection fails."""

    frames, answers = frame(TEXT, b"before") + wrong + frame(TEXT, b"after"), list[bytes]()
    async with raw(script(frames, ALL, answers=answers)) as url:
        ws = Watched(url)
        assert await ws.ended() == LOST
        assert ws.messages == ["before"]
        await until(lambda: answers)
    assert answers[0][0] == 0x80 | CLOSE


async def test_listeners_to_events_that_a_script_makes() -> None:
    target, signal = NativeEventTarget(), SimpleNamespace(aborted=False)
    seen: list[str] = []

    def noted(name: str) -> Callable[[Any], None]:
        return lambda event: seen.append(f"{name} {event.isTrusted}")

    def stop(event: Any) -> None:
        event.preventDefault()
        event.stopImmediatePropagation()

    target.addEventListener("x", noted("once"), {"once": True})
    target.addEventListener("x", noted("signal"), {"signal": signal})
    target.addEventListener("x", fail)
    target.addEventListener("x", SimpleNamespace(handleEvent=noted("object")))
    target.addEventListener("x", noted("capture"), True)
    assert target.dispatchEvent(NativeEvent("x", is_trusted=True)) is True
    assert "a listener for 'x' of <" in str(reported)
    assert [*map(type, taken())] == [LookupError]
    target.removeEventListener("x", fail)
    signal.aborted = True
    target.addEventListener("x", stop, True)
    assert target.dispatchEvent(NativeEvent("x", cancelable=True)) is False
    assert target.dispatchEvent(NativeEvent("x")) is True
    target.removeEventListener("x", stop, True)
    target.dispatchEvent(NativeEvent("x"))
    names = ["capture", "once", "signal", "object", *["capture"] * 3, "object"]
    assert seen == [f"{name} False" for name in names]


# Closing


async def test_the_state_while_the_server_closes() -> None:
    go_on = asyncio.Event()
    frames = frame(TEXT, b"last") + BYE + frame(TEXT, b"too late")
    async with raw(script(frames, go_on)) as url:
        ws = Watched(url)
        states: list[int] = []

        def answer(_: Any) -> None:
            # The close frame has arrived, but is not told yet.
            states.append(ws.native.readyState)
            ws.native.send("lost")
            assert ws.native.bufferedAmount == 4

        ws.native.addEventListener("message", answer)
        await ws.received(1)
        await asyncio.sleep(0)
        assert ws.native.readyState == 2
        ws.native.send("x")
        ws.native.close(4000)
        assert ws.seen == [("open", 1)]
        go_on.set()
        assert await ws.ended() == (1000, "", True)
        assert states == [1]
        assert ws.native.bufferedAmount == 5
        assert ws.messages == ["last"]


@pytest.mark.parametrize(
    ("steps", "when", "code", "end", "messages"),
    [
        # The server's close frame has arrived, but is not told yet: this side sends none.
        ((frame(TEXT, b"last") + BYE, ALL), "message", 4000, (1000, "", True), ["last"]),
        # Nothing is received after close().
        ((frame(TEXT, b"x") * 10, 6, frame(CLOSE)), "message", None, (1005, "", True), ["x"]),
        # Both sides close at once. This side's frame has 8 bytes; the server does not answer it.
        ((8, frame(TEXT, b"too late") + BYE), "open", 4000, (1000, "", True), []),
        # The server does not end TCP, whoever has closed.
        ((8, BYE, asyncio.Event()), "open", 1000, (1000, "", True), []),
        ((BYE, asyncio.Event()), "close", 1000, (1000, "", True), []),
    ],
)
async def test_close_when_something_happens(
    steps: Any, when: str, code: Any, end: Any, messages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "END_TIMEOUT", 0.05)
    async with raw(script(*steps)) as url:
        ws = Watched(url)
        inbox = Inbox(ws.native, lambda _: None)
        ws.native.addEventListener(when, lambda _: ws.native.close(code))
        assert await ws.ended() == end
        assert ws.messages == inbox.take() == messages


async def test_one_that_was_given_up_reports_nothing_more() -> None:
    """Neither what came together with the last message."""
    async with raw(script(frame(TEXT, b"x") * 1000, ALL)) as url:
        ws = Watched(url)
        ws.native.addEventListener("message", lambda _: ws.native._wire.abort())  # type: ignore[union-attr]
        assert await ws.ended() == LOST
        assert ws.messages == ["x"]


@pytest.mark.parametrize("end", [reset, lambda writer: None])
async def test_the_connection_is_lost(end: Callable[[asyncio.StreamWriter], None]) -> None:
    frames = frame(TEXT, b"before") + frame(TEXT, b"half", fin=False)
    async with raw(script(frames, 1, end)) as url:
        ws = await Watched(url).opened()
        await ws.received(1)
        ws.native.send("go")
        assert await ws.ended() == LOST
        assert ws.messages == ["before"]
        assert ws.native.bufferedAmount == 0


async def test_the_server_ends_only_its_half() -> None:
    async with raw(script(asyncio.StreamWriter.write_eof, asyncio.Event())) as url:
        ws = Watched(url)
        ws.native.addEventListener("open", lambda _: ws.native.send(bytes(2**24)))
        assert await ws.ended() == LOST
        assert ws.native.bufferedAmount > 0


@pytest.mark.parametrize(("handler", "size"), [(script(ALL), 0), (never_reads, 2**24)])
async def test_nobody_answers_the_close_frame(
    handler: Handler, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or nobody reads what is before it."""
    monkeypatch.setattr(wire, "CLOSE_TIMEOUT", 0.05)
    async with raw(handler) as url:
        ws = await Watched(url).opened()
        ws.native.send(bytes(size))
        ws.native.close()
        assert await ws.ended() == LOST
        left = ws.native.bufferedAmount
        assert 0 < left < size if size else left == 0


async def test_close_waits_as_long_as_something_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted(reader, writer)
        while True:
            await reader.readexactly(2**20)
            await asyncio.sleep(0.05)

    monkeypatch.setattr(wire, "CLOSE_TIMEOUT", 0.5)
    async with raw(handler) as url:
        ws = await Watched(url).opened()
        ws.native.send(bytes(24 * 2**20))
        loop = asyncio.get_running_loop()
        begin = loop.time()
        ws.native.close(1000)
        assert await ws.ended() == LOST
        assert loop.time() - begin > 1
        assert ws.native.bufferedAmount == 0


# The other parts of the port


def fail(_: Any) -> None:
    raise LookupError


async def test_inbox_and_outlet() -> None:
    async with server(echo) as url:
        ws = await Watched(url).opened()
        calls: list[Any] = []
        inbox, failing = Inbox(ws.native, calls.append), Inbox(ws.native, fail)
        outlet = Outlet(ws.native)
        assert (outlet.is_open, outlet.native) == (True, ws.native)
        inbox.arm()
        failing.arm()
        outlet.send_all(["a", b"b", "c"], 3)
        outlet.send("d")
        assert inbox.take() == []
        assert await ws.received(4) == ["a", b"b", "c", "d"]
        assert (calls, inbox.is_armed) == (["a"], False)
        assert inbox.take() == failing.take() == ["a", b"b", "c", "d"]
        assert [*map(type, taken())] == [LookupError]  # which has stopped nothing
        inbox.arm()
        inbox.destroy()
        outlet.send("x")
        await ws.received(5)
        assert (calls, inbox.take(), failing.take()) == (["a"], [], ["x"])
        ws.native.close()
        await ws.ended()
        assert not outlet.is_open


async def test_timers() -> None:
    never = Mock()
    cancelled = Timer(3600, never)
    cancelled.cancel()
    cancelled.cancel()
    alive = weakref.ref(never)
    del never
    gc.collect()
    assert alive() is None
    fire = Mock(side_effect=ValueError)
    timer = Timer(-1, fire)
    endless = Timer(float("inf"), fire)
    await until(lambda: fire.called)
    timer.cancel()
    endless.cancel()
    assert [context["message"] for context in reported] == ["Exception in a timer"]
    taken()


async def test_values() -> None:
    blob, buffer = NativeBlob(b"abc"), NativeBuffer(b"abcd")
    numbers = array.array("H", [1])
    assert [*map(byte_length, ("é", b"ab", blob, buffer, numbers))] == [*(1, 2, 3, 4, 2)]
    assert (tag(blob), describe(blob), describe(5)) == ("Blob", "a native Blob", "int")
    assert (is_blob(blob), is_blob(buffer)) == (True, False)
    assert (is_buffer(buffer), is_buffer(blob)) == (True, False)
    assert (is_null(None), is_null(0)) == (True, False)
    assert await NativeBlob(b"\xff\xfea").text() == "\ufffd\ufffda"
    assert (await blob.arrayBuffer()).to_bytes() == b"abc"
    event = new_close_event(1006, "why", False)
    assert (event.type, event.code, event.reason, event.wasClean) == ("close", 1006, "why", False)


def test_what_there_is_not() -> None:
    events = page.PageEvents(lambda _: None)
    assert events.is_online
    events.destroy()
    with pytest.raises(RuntimeError, match="there is no sessionStorage here"):
        page.save("key", "text")
    with pytest.raises(RuntimeError, match="there is no sessionStorage here"):
        page.restore("key")
    assert not sockets.has_websocket_stream()
    with pytest.raises(RuntimeError, match="WebSocketStream"):
        streams.new_stream("ws://h", None)
    assert runtime.has_sockets()
    assert not runtime.can_run_sync()
    with pytest.raises(NotImplementedError):
        runtime.run_sync(None)


# Memory, and the end of the event loop


async def test_a_closed_socket_is_let_go_of() -> None:
    """At once, and not only when the garbage collector finds it."""
    async with server(echo) as url:
        ws = await Watched(url).opened()
        ws.native.send("x")
        gc.disable()
        try:
            ws.native.close()
            await ws.ended()
            ws._listener.destroy()
            await asyncio.sleep(0)
            alive = weakref.ref(ws.native)
            del ws
            assert alive() is None
        finally:
            gc.enable()


async def test_sockets_that_fail_leave_nothing_behind() -> None:
    alive = []
    for _ in range(3):
        ws = Watched("ws://127.0.0.1:1/")
        await ws.ended()
        alive.append(weakref.ref(ws.native))
    del ws
    await asyncio.sleep(0)
    gc.collect()
    assert [each() for each in alive] == [None] * 3


async def test_an_open_socket_lives_without_being_referred_to() -> None:
    over = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        gc.collect()
        await connection.close(4000)

    async with server(handler) as url:

        def begin() -> None:
            native = new_websocket(url, None)
            native.addEventListener("open", lambda event: event.target.send("x"))
            native.addEventListener("close", lambda _: over.set())

        begin()
        gc.collect()
        await over.wait()


async def test_an_idle_socket_has_no_task() -> None:
    async with server(echo) as url:
        for _ in range(5):
            await Watched(url).opened()
        # The server has some for each.
        names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
        assert len(names) > 5
        assert not [name for name in names if "NativeWebSocket" in name]


AT_EXIT = """
import asyncio
from readystate._host.cpython.sockets import new_websocket

async def main():
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    native = new_websocket(f"ws://127.0.0.1:{port}/", None)
    native.addEventListener("error", lambda _: print("an event"))
    for _ in range(%d):
        await asyncio.sleep(0)
    return native

native = asyncio.run(main())
native.close()
native.close()
assert native.readyState == 3
print("done")
"""


@pytest.mark.parametrize("count", [0, 1, 2, 5, 20])
def test_a_loop_that_ends_first(count: int) -> None:
    assert processes.python(AT_EXIT % count) == "done\n"


# TLS


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """The server's TLS context, whose certificate is trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    wire._tls.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    yield context
    wire._tls.cache_clear()


async def test_tls(certificate: ssl.SSLContext) -> None:
    async with server(echo, ssl=certificate, compression=None) as url:
        address = url.replace("ws://127.0.0.1", "wss://localhost")
        ws = await Watched(address).opened()
        assert ws.native.url == f"{address}/"
        sent = ["x", bytes(2**24), "y" * 2**17]
        for data in sent:
            ws.native.send(data)
        assert ws.native.bufferedAmount == 1 + 2**24 + 2**17
        assert await ws.received(3) == sent
        assert ws.native.bufferedAmount == 0
        ws.native.close(1000)
        assert await ws.ended() == (1000, "", True)
        # Its name is not the certificate's.
        ws = Watched(url.replace("ws://", "wss://"))
        assert await ws.ended() == LOST
