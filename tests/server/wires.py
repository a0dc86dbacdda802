"""Connections of sessions, as their client has them: within this process, or real ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TypeAlias

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.protocol import State

from readystate_server.sessions import SUBPROTOCOL
from readystate_server.sessions.store import Message


class MemoryEnd:
    """One end of a connection within this process; the server's is a Transport."""

    def __init__(self, origin: str | None) -> None:
        self.origin = origin
        self.close_code: int | None = None
        self.close_reason = ""
        self.peer = self
        self.has_ended = False
        # Cleared, it takes nothing more, as TCP does when nobody reads.
        self.takes = asyncio.Event()
        self.takes.set()
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()

    async def receive(self) -> Message | None:
        if self.has_ended and self._queue.empty():
            return None
        return await self._queue.get()

    async def send(self, message: Message) -> None:
        await self.takes.wait()
        if self.has_ended:
            raise ConnectionResetError("the connection has ended")
        self.peer._queue.put_nowait(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.takes.wait()
        if not self.has_ended:
            self.peer.close_code, self.peer.close_reason = code, reason
            self._finish()

    def abort(self) -> None:
        """What has not been received by now is lost."""
        if not self.has_ended:
            for end in (self, self.peer):
                while not end._queue.empty():
                    end._queue.get_nowait()
            self._finish()

    def _finish(self) -> None:
        for end in (self, self.peer):
            end.has_ended = True
            end._queue.put_nowait(None)


def memory_pair(origin: str | None = "https://example.org") -> tuple[MemoryEnd, MemoryEnd]:
    """A connection: the client's end, and the server's."""
    client, server = MemoryEnd(None), MemoryEnd(origin)
    client.peer, server.peer = server, client
    return client, server


class WebSocketWire:
    """A real connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.send = connection.send
        self.close = connection.close
        self.close_code: int | None = None
        self.close_reason = ""

    async def receive(self) -> Message | None:
        try:
            return await self._connection.recv()
        except websockets.ConnectionClosed:
            self.close_code = self._connection.close_code
            self.close_reason = self._connection.close_reason or ""
            return None

    def hang_up(self) -> None:
        """Ends TCP in order, but without a close frame."""
        self._connection.transport.close()


Wire: TypeAlias = MemoryEnd | WebSocketWire
"""The client's end of a connection."""


@contextlib.asynccontextmanager
async def connect(
    url: str, *, origin: str = "https://example.org", subprotocol: str = SUBPROTOCOL
) -> AsyncIterator[WebSocketWire]:
    """A wire to a server, aborted at the end if it is still there."""
    connection = await websockets.connect(
        url,
        origin=websockets.Origin(origin),
        subprotocols=[websockets.Subprotocol(subprotocol)],
        proxy=None,
        max_size=None,
        max_queue=1,
        compression=None,
    )
    try:
        yield WebSocketWire(connection)
    finally:
        if connection.state is not State.CLOSED:
            connection.transport.abort()
        await connection.wait_closed()


async def until_closed(wire: Wire) -> int | None:
    """Reads to the end; returns the code of the close frame."""
    while await wire.receive() is not None:
        pass
    return wire.close_code


async def until_heard(wire: Wire, message: Message) -> None:
    """Reads to this message."""
    while (heard := await wire.receive()) != message:
        assert heard is not None, "the connection has ended"
