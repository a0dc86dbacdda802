"""WebSockets byte by byte, over a socket that blocks."""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from readystate_server.lab import Server

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def request(path: str, **headers: str) -> bytes:
    """The request of a handshake."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [
        f"{name}: {value}" for name, value in {"Host": "localhost", **UPGRADE, **named}.items()
    ]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


@contextmanager
def asked(
    server: Server, path: str, timeout: float = 10, early: bytes = b"", **headers: Any
) -> Iterator[socket.socket]:
    """A socket that has sent the request of a handshake, and frames with it."""
    with socket.create_connection((server.host, server.port), timeout=timeout) as sock:
        sock.sendall(request(path, **headers) + early)
        yield sock


@contextmanager
def handshake(server: Server, path: str, **options: Any) -> Iterator[socket.socket]:
    """A socket whose handshake has been answered."""
    with asked(server, path, **options) as sock:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        assert head.startswith(b"HTTP/1.1 101"), head
        yield sock


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame, masked with zeros."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BBI", 0x80 | opcode, 0x80 | size, 0) + payload
    if size < 2**16:
        return struct.pack("!BBHI", 0x80 | opcode, 0x80 | 126, size, 0) + payload
    return struct.pack("!BBQI", 0x80 | opcode, 0x80 | 127, size, 0) + payload


def text(*messages: str) -> bytes:
    return b"".join(frame(1, message.encode()) for message in messages)


def read(sock: socket.socket) -> tuple[int, bytes]:
    """The server's next frame: its opcode and its payload."""
    head, size = exactly(sock, 2)
    if size == 126:
        size = int.from_bytes(exactly(sock, 2), "big")
    elif size == 127:
        size = int.from_bytes(exactly(sock, 8), "big")
    return head & 0xF, exactly(sock, size)


def exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        assert more, "the connection has ended"
        data += more
    return data


def fill(sock: socket.socket, most: int = 16 * 2**20) -> int:
    """Sends until the peer's TCP takes no more, at most `most` bytes; returns how many it took."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    sock.settimeout(0.4)
    sent = 0
    with suppress(TimeoutError):
        while sent < most:
            sent += sock.send(frame(2, bytes(1000)) * 16)
    return sent


def assert_silent(sock: socket.socket) -> None:
    sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        sock.recv(1)


def assert_reset(sock: socket.socket) -> None:
    with pytest.raises(ConnectionResetError):
        sock.recv(1)


OPCODES = {"CLOSE": 8, "PING": 9, "PONG": 10}


def play(server: Server, path: str, talk: str) -> None:
    """Has a conversation, such as "> PING hi; < PONG hi; > a text; < reset".

    Instead of a frame there may come the "end", a "reset", or "silence". BROKEN is a text that is
    not UTF-8; BYTES are told in hexadecimal. What is sent side by side is sent at once, at the
    beginning with the request.
    """
    turns = [
        (direction, [step[2:] for step in steps])
        for direction, steps in itertools.groupby(talk.split("; "), lambda step: step[0])
    ]
    early = b""
    if turns[0][0] == ">":
        early = b"".join(frame(*parsed(said)) for said in turns.pop(0)[1])
    with handshake(server, path, early=early) as sock:
        for direction, steps in turns:
            if direction == ">":
                sock.sendall(b"".join(frame(*parsed(said)) for said in steps))
            else:
                for expected in steps:
                    hear(sock, expected)


def parsed(said: str) -> tuple[int, bytes]:
    """The opcode and the payload of a frame."""
    name, _, rest = said.partition(" ")
    if name == "BROKEN":
        return 1, b"\xff"
    if name == "BYTES":
        return 2, bytes.fromhex(rest)
    if name == "CLOSE" and rest:
        code, _, reason = rest.partition(" ")
        return 8, struct.pack("!H", int(code)) + reason.encode()
    return (OPCODES[name], rest.encode()) if name in OPCODES else (1, said.encode())


def hear(sock: socket.socket, expected: str) -> None:
    if expected == "end":
        assert sock.recv(1) == b""
    elif expected == "reset":
        assert_reset(sock)
    elif expected == "silence":
        assert_silent(sock)
    else:
        assert read(sock) == parsed(expected)
