"""The contract of a socket, as a table: each row holds for a real one, in CPython, and for ours."""

from __future__ import annotations

import asyncio
import base64
import errno
import os
import select
import selectors
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.blocking

# Situation, call, outcome: the value that is returned, or the exception that is raised.
TABLE = """
new         | sock.getpeername()                          | raises OSError ENOTCONN
new         | sock.recv(1)                                | raises OSError ENOTCONN
new         | sock.shutdown(socket.SHUT_RDWR)             | raises OSError ENOTCONN
new         | sock.connect_ex(address)                    | 0
new         | sock.connect(address)                       | None

connected   | sock.getpeername() == address               | True
connected   | sock.connect(address)                       | raises OSError EISCONN
connected   | sock.connect_ex(address) == errno.EISCONN   | True
connected   | ready(sock)                                 | 'w'
connected   | sock.settimeout(0) or sock.recv(1)          | raises BlockingIOError EAGAIN
connected   | sock.recv(0)                                | b''

open        | sock.gettimeout()                           | None
open        | sock.fileno() >= 0                          | True
open        | sock.getpeername() == address               | True
open        | [type(one).__name__ for one in sock.getsockname()] | ['str', 'int']
open        | sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) | 0
open        | ready(sock)                                 | 'w'
open        | select.select([sock], [], [], 0.02)         | ([], [], [])
open        | select.select([sock], [], [], -1)           | raises ValueError
open        | select.select([], [sock.fileno()], [], 0) == ([], [sock.fileno()], []) | True
open        | sock.setblocking(False) or sock.recv(1)     | raises BlockingIOError EAGAIN
open        | sock.settimeout(0) or sock.recv(1)          | raises BlockingIOError EAGAIN
open        | sock.settimeout(0) or sock.recv_into(bytearray(1)) | raises BlockingIOError EAGAIN
open        | sock.settimeout(0) or sock.send(HI)         | 8
open        | sock.recv(1, socket.MSG_DONTWAIT)           | raises BlockingIOError EAGAIN
open        | sock.settimeout(0.02) or sock.recv(1)       | raises TimeoutError
open        | sock.settimeout(0.02) or sock.recv_into(bytearray(1)) | raises TimeoutError
open        | sock.settimeout(0.02) or sock.makefile('rb').read(1) | raises TimeoutError
open        | sock.settimeout(0) or sock.makefile('rb', 0).read(1) | None
open        | sock.recv(0)                                | b''
open        | sock.recv(-1)                               | raises ValueError
open        | sock.recv_into(bytearray(1), 2)             | raises ValueError
open        | sock.recv_into(bytearray(1), -1)            | raises ValueError
open        | sock.recv_into(bytearray())                 | 0
open        | sock.recv_into(b'read-only')                | raises TypeError
open        | sock.send(HI)                               | 8
open        | sock.send(memoryview(HI))                   | 8
open        | sock.sendall(HI)                            | None
open        | sock.send(b'')                              | 0
open        | sock.send('text')                           | raises TypeError
open        | echo(sock) or sock.makefile('rb').read(4)   | b'\\x81\\x02hi'
open        | sock.shutdown(9)                            | raises OSError EINVAL
open        | sock.shutdown(socket.SHUT_RD) or sock.recv(1) | b''
open        | sock.shutdown(socket.SHUT_RD) or sock.send(HI) | 8
open        | sock.shutdown(socket.SHUT_RD) or ready(sock) | 'rw'
open        | sock.shutdown(socket.SHUT_WR) or sock.send(HI) | raises BrokenPipeError EPIPE
open        | sock.shutdown(socket.SHUT_WR) or sock.sendall(HI) | raises BrokenPipeError EPIPE
open        | sock.shutdown(socket.SHUT_RDWR) or sock.recv(1) | b''
open        | sock.close()                                | None

arrived     | ready(sock)                                 | 'rw'
arrived     | select.select([sock], [], [])[0] == [sock]  | True
arrived     | sock.recv(1)                                | b'\\x81'
arrived     | [sock.recv(1), ready(sock), sock.recv(99)]  | [b'\\x81', 'rw', b'\\x02hi']
arrived     | [sock.recv(99), ready(sock)]                | [b'\\x81\\x02hi', 'w']
arrived     | [sock.recv(2, socket.MSG_PEEK), sock.recv(99)] | [b'\\x81\\x02', b'\\x81\\x02hi']
arrived     | echo(sock) or sock.recv(8, socket.MSG_WAITALL) | b'\\x81\\x02hi\\x81\\x02hi'
arrived     | sock.settimeout(20) or sock.recv(8, socket.MSG_WAITALL) | b'\\x81\\x02hi'
arrived     | [sock.recv(0), sock.recv(99)]               | [b'', b'\\x81\\x02hi']
arrived     | into(sock, 6)                               | (4, b'\\x81\\x02hi\\x00\\x00')
arrived     | into(sock, 6, 2)                            | (2, b'\\x81\\x02\\x00\\x00\\x00\\x00')
arrived     | sock.shutdown(socket.SHUT_WR) or sock.recv(99)[:4] | b'\\x81\\x02hi'

ended       | sock.recv(1)                                | b''
ended       | [sock.recv(1), sock.recv(1)]                | [b'', b'']
ended       | sock.recv_into(bytearray(1))                | 0
ended       | 'r' in ready(sock)                          | True
ended       | sock.settimeout(0) or sock.recv(1)          | b''

closed      | sock.fileno()                               | -1
closed      | sock.close()                                | None
closed      | sock.send(HI)                               | raises OSError EBADF
closed      | sock.sendall(HI)                            | raises OSError EBADF
closed      | sock.recv(1)                                | raises OSError EBADF
closed      | sock.recv_into(bytearray(1))                | raises OSError EBADF
closed      | sock.getpeername()                          | raises OSError EBADF
closed      | sock.getsockname()                          | raises OSError EBADF
closed      | sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) | raises OSError EBADF
closed      | sock.shutdown(socket.SHUT_RDWR)             | raises OSError EBADF
closed      | sock.connect(address)                       | raises OSError EBADF
closed      | sock.connect_ex(address) == errno.EBADF     | True
closed      | sock.setblocking(False)                     | raises OSError EBADF
closed      | select.select([sock], [], [], 0)            | raises ValueError

closed, but for a file | sock.fileno() >= 0               | True
closed, but for a file | (file.write(HI), file.flush(), file.read(4))[2] | b'\\x81\\x02hi'
closed, but for a file | file.close() or sock.fileno()    | -1
"""
ROWS = [tuple(cell.strip() for cell in line.split(" | ", 2)) for line in TABLE.splitlines() if line]
HI = b"\x81\x82\0\0\0\0hi"
"""A frame with the text "hi", as a client sends it; the server's is without the mask."""


async def test_each_row_of_the_table(peer: str) -> None:
    differences = [
        f"{situation}: {call}: {result}, not {outcome}"
        for situation, call, outcome in ROWS
        if (result := result_in(situation, call, peer)) != outcome
    ]
    assert not differences, "\n".join(differences)


def result_in(situation: str, call: str, peer: str) -> str:
    address = urlsplit(peer).hostname, urlsplit(peer).port
    sock = socket.socket()
    names: dict[str, Any] = {"sock": sock, "address": address}
    try:
        if situation != "new":
            sock.connect(address)
        if situation not in ("new", "connected"):
            shake_hands(sock, peer, "/abort" if situation == "ended" else "/echo")
        if situation == "arrived":
            echo(sock)
        elif situation == "ended":
            sock.sendall(HI)
            wait_readable(sock)
        elif situation == "closed":
            sock.close()
        elif situation.startswith("closed, but"):
            names["file"] = sock.makefile("rwb")
            sock.close()
        return result_of(call, names)
    finally:
        if "file" in names:
            names["file"].close()
        sock.close()


def result_of(call: str, names: dict[str, Any]) -> str:
    try:
        return repr(eval(call, {**globals(), **names}))  # noqa: S307 - the table's
    except Exception as error:
        number = errno.errorcode.get(getattr(error, "errno", None) or 0, "")
        return f"raises {type(error).__name__} {number}".strip()


def shake_hands(sock: socket.socket, peer: str, path: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {urlsplit(peer).netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    # In two parts: the first could be of any request.
    sock.sendall(head[:20])
    sock.sendall(head[20:])
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += sock.recv(1)
    assert answer.startswith(b"HTTP/1.1 101 "), answer


def echo(sock: socket.socket) -> None:
    """Has the text "hi" arrive."""
    sock.sendall(HI)
    wait_readable(sock)


def wait_readable(sock: socket.socket) -> None:
    assert select.select([sock], [], [], 20)[0] == [sock]


def ready(sock: socket.socket) -> str:
    """What it is ready for, as all that can tell say."""
    readable, writable, _ = select.select([sock], [sock], [sock], 0)
    answers = {"r" * len(readable) + "w" * len(writable)}
    for kind in (selectors.DefaultSelector, selectors.SelectSelector):
        with kind() as selector:
            selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
            events = sum(mask for _, mask in selector.select(0))
            answers.add("r" * (events & 1) + "w" * (events >> 1))
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLOUT)
    events = sum(mask for _, mask in poll.poll(0))
    answers.add("r" * bool(events & select.POLLIN) + "w" * bool(events & select.POLLOUT))
    (answer,) = answers
    return answer


def into(sock: socket.socket, room: int, size: int = 0) -> tuple[int, bytes]:
    """What ``recv_into()`` returns, and the buffer after it."""
    buffer = bytearray(room)
    return sock.recv_into(buffer, size), bytes(buffer)


async def test_the_event_loop_watches_a_socket(peer: str) -> None:
    loop = asyncio.get_running_loop()
    address = urlsplit(peer).hostname, urlsplit(peer).port
    with socket.create_connection(address, 20) as sock:
        shake_hands(sock, peer, "/echo")
        sock.setblocking(False)
        seen: asyncio.Queue[Any] = asyncio.Queue()
        assert not loop.remove_reader(sock)
        loop.add_reader(sock, lambda size: seen.put_nowait(sock.recv(size)), 3)
        sock.send(HI)
        # What is left is told of again.
        assert [await seen.get(), await seen.get()] == [b"\x81\x02h", b"i"]
        loop.add_writer(sock.fileno(), seen.put_nowait, "room")
        assert [await seen.get(), await seen.get()] == ["room", "room"]
        assert loop.remove_writer(sock.fileno())
        assert not loop.remove_writer(sock.fileno())
        assert loop.remove_reader(sock)
        sock.send(HI)
        wait_readable(sock)
        while not seen.empty():
            assert seen.get_nowait() == "room"
        # Another one takes its place.
        loop.add_reader(sock, seen.put_nowait, "first")
        loop.add_reader(sock, lambda: seen.put_nowait(sock.recv(99)))
        assert await seen.get() == b"\x81\x02hi"
        assert loop.remove_reader(sock)


async def test_many_bytes_in_both_directions(peer: str) -> None:
    address = urlsplit(peer).hostname, urlsplit(peer).port
    with socket.create_connection(address, 20) as sock:
        shake_hands(sock, peer, "/echo")
        payload = os.urandom(300_000)
        frame = b"\x82\xff" + len(payload).to_bytes(8, "big") + b"\0\0\0\0" + payload
        for _ in range(10):
            sock.sendall(frame)
            with sock.makefile("rb") as file:
                answer = file.read(10 + len(payload))
            assert answer == b"\x82\x7f" + len(payload).to_bytes(8, "big") + payload
