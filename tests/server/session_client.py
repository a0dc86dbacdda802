"""A client of sessions, made of the core that the package has for it, over any wire."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import websockets
from websockets.asyncio.client import ClientConnection

from readystate import Delivery
from readystate.core.outbox import Outbox
from readystate.session import control
from readystate.session.control import Window
from readystate.session.core import ClientCore
from readystate_server.sessions import SUBPROTOCOL
from readystate_server.sessions.store import Message

WINDOW = Window(1024, 2**20)
TIMEOUT = 20.0
"""Seconds after which a test has waited for long enough."""


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

    async def until_closed(self) -> int | None:
        """Reads to the end; returns the code of the close frame."""
        while await self.receive() is not None:
            pass
        return self.close_code

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
    """A real connection.

    Attributes:
        left: After how many messages it is to be torn down.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.left: float = math.inf

    async def send(self, message: Message) -> None:
        try:
            await self._connection.send(message)
        except websockets.ConnectionClosed as error:
            raise ConnectionResetError("the connection has ended") from error

    async def receive(self) -> Message | None:
        if not self.left:
            self.abort()
            return None
        self.left -= 1
        try:
            return await self._connection.recv()
        except websockets.ConnectionClosed:
            self.close_code = self._connection.close_code
            self.close_reason = self._connection.close_reason
            return None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._connection.close(code, reason)

    def abort(self) -> None:
        self._connection.transport.abort()

    def hang_up(self) -> None:
        """Ends TCP in order, but without a close frame."""
        self._connection.transport.close()


@contextlib.asynccontextmanager
async def connect(
    url: str,
    *,
    origin: str = "https://example.org",
    subprotocol: str = SUBPROTOCOL,
    max_queue: int | None = 16,
) -> AsyncIterator[WebSocketWire]:
    """A wire to a server, aborted at the end if it is still there."""
    connection = await websockets.connect(
        url,
        origin=websockets.Origin(origin),
        subprotocols=[websockets.Subprotocol(subprotocol)],
        proxy=None,
        max_size=None,
        max_queue=max_queue,
        compression=None,
    )
    try:
        yield WebSocketWire(connection)
    finally:
        connection.transport.abort()
        await connection.wait_closed()


Wire: TypeAlias = MemoryEnd | WebSocketWire
"""The client's end of a connection."""


class SessionClient:
    """A client, done with each message as soon as it has arrived.

    Attributes:
        received: All messages that have arrived.
        connection: Uses the last wire; its result is the code of the close frame.
    """

    connection: asyncio.Task[int | None]

    def __init__(self, *, window: Window = WINDOW) -> None:
        outbox = Outbox(
            max_pending=None,
            max_pending_bytes=None,
            on_full="raise",
            in_doubt="resend",
            max_unconfirmed=1024,
            max_unconfirmed_bytes=2**20,
        )
        self.core = ClientCore(outbox, window)
        self.received: list[Message] = []
        self.acknowledges = True
        self._awake = asyncio.Event()
        self._changed = asyncio.Event()

    def send(self, message: Message) -> Delivery:
        size = len(message.encode() if isinstance(message, str) else message)
        delivery = self.core.outbox.accept(message, size)
        self._awake.set()
        return delivery

    async def serve(self, wire: Wire) -> int | None:
        """Uses a connection to its end; returns the code of its close frame."""
        writer = asyncio.create_task(self._write(wire))
        try:
            while (message := await wire.receive()) is not None:
                self.received += self.core.receive([message])
                assert self.core.failure is None
                if self.acknowledges:
                    self.core.finish(self.core.received, 0)
                self._awake.set()
                self._changed.set()
        finally:
            writer.cancel()
            await asyncio.wait((writer,))
            self.core.disconnect()
            self._changed.set()
        return wire.close_code

    @contextlib.asynccontextmanager
    async def connected(self, wire: Wire) -> AsyncIterator[asyncio.Task[int | None]]:
        """Uses a connection while the block runs, which ends it without a close frame."""
        task = self.connection = asyncio.create_task(self.serve(wire))
        try:
            yield task
        finally:
            wire.abort()
            await task

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until something holds that depends on what has arrived."""
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_received(self, count: int) -> None:
        await self.until(lambda: len(self.received) >= count)

    async def until_joined(self) -> None:
        # What was refused has ended again, perhaps before anybody could see it.
        await self.until(lambda: self.core.is_joined or self.connection.done())

    async def until_confirmed(self) -> None:
        outbox = self.core.outbox
        await self.until(lambda: not outbox.pending and not outbox.unconfirmed)

    async def _write(self, wire: Wire) -> None:
        core = self.core
        with contextlib.suppress(ConnectionError):
            await wire.send(core.hello())
            while True:
                self._awake.clear()
                for message in self._next_batch():
                    await wire.send(message)
                await self._awake.wait()

    def _next_batch(self) -> list[Message]:
        core = self.core
        controls = core.controls()
        if not core.is_joined:
            return []
        again, core.again = core.again, []
        deliveries = [*again, *core.outbox.take()]
        if core.has_unasked:
            core.ask()
        messages = control.escape([delivery.message for delivery in deliveries])
        return [*controls, *messages, *core.controls()]
