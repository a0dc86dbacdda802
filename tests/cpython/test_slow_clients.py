"""A page that is busy, or frozen, and reads or acknowledges nothing for longer than it may."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

import websockets
from websockets.asyncio.server import ServerConnection

from readystate import Backoff, QueuedWebSocket, SessionExpired
from readystate.session.control import SUBPROTOCOL, Window, decode, encode, is_control
from readystate_server.sessions import ServerSession, Sessions
from readystate_server.sessions.websockets import serve
from readystate_server.testing.inpage import until

COUNT = 300
SIZE = 2**16
SUBPROTOCOLS = [websockets.Subprotocol(SUBPROTOCOL)]


@contextlib.asynccontextmanager
async def serving(handler: Any, **options: Any) -> AsyncIterator[tuple[str, Sessions]]:
    """A server in this event loop: its URL, and its sessions."""
    sessions = Sessions(handler, **options)

    async def connected(connection: ServerConnection) -> None:
        await serve(sessions, connection)

    async with websockets.serve(connected, "127.0.0.1", 0, subprotocols=SUBPROTOCOLS) as server:
        (listener,) = server.sockets
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/", sessions
        await sessions.close()


class Raw:
    """A client that does nothing by itself; it knows what the protocol looks like."""

    def __init__(self, connection: websockets.ClientConnection, window: Window) -> None:
        self.connection = connection
        self.window = window
        self.received: list[str] = []

    async def say(self, kind: str, value: Any) -> None:
        await self.connection.send(encode(kind, value))

    async def open(self) -> str:
        """Begins a session; returns its id."""
        await self.say("open", {"window": self.window})
        kind, said = decode(str(await self.connection.recv()))
        assert kind == "opened"
        return str(said["session"])

    async def resume(self, session: str, received: int, *, connection: int = 2) -> None:
        """Goes on with a session, over this connection of it."""
        hello = {"session": session, "connection": connection, "received": received}
        await self.say("resume", {**hello, "window": self.window})
        kind, _ = decode(str(await self.connection.recv()))
        assert kind == "resumed"

    async def receive(self) -> None:
        """Receives one message of the application, or a control, which is not heeded."""
        message = await self.connection.recv()
        if not is_control(message):
            self.received.append(str(message))


@contextlib.asynccontextmanager
async def raw(url: str, **options: Any) -> AsyncIterator[Raw]:
    async with websockets.connect(
        url, subprotocols=SUBPROTOCOLS, compression=None, proxy=None, close_timeout=1, **options
    ) as connection:
        yield Raw(connection, Window(10_000, 2**26))


async def count_up(session: ServerSession) -> None:
    for number in range(COUNT):
        await session.send(str(number))
    await session.drain()


async def test_a_client_that_acknowledges_nothing_loses_its_connection_and_no_message() -> None:
    """It reads what comes, as browsers do for a page that is blocked."""
    options = {"ack_timeout": 0.2, "max_unconfirmed": 100, "max_pending": 100}
    async with serving(count_up, **options) as (url, sessions):
        async with raw(url) as blocked:
            session = await blocked.open()
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    await blocked.receive()
        assert blocked.connection.close_code == 1013
        assert len(blocked.received) == 100
        assert len(sessions) == 1
        async with raw(url) as back:
            await back.resume(session, 100)
            await back.say("ack", 100)
            while len(back.received) < COUNT - 100:
                await back.receive()
                await back.say("ack", 100 + len(back.received))
    assert blocked.received + back.received == [str(number) for number in range(COUNT)]


async def test_a_client_that_does_not_read_loses_its_connection_and_no_message() -> None:
    """Its process stands still: what the server sends fills the buffers of TCP."""

    async def handler(session: ServerSession) -> None:
        for number in range(COUNT):
            await session.send(str(number).ljust(SIZE))
        await session.drain()

    options = {"ack_timeout": 0.2, "max_unconfirmed_bytes": 2**26, "max_pending_bytes": 2**26}
    options |= {"resume_burst": 100}
    async with serving(handler, **options) as (url, sessions):
        async with raw(url, max_queue=1) as client:
            session = await client.open()
            await until(lambda: not sessions._connections)
            client.connection.transport.abort()
        assert len(sessions) == 1
        received: list[str] = []
        connection = 2
        while len(received) < COUNT:
            # More than one is needed if this machine is slow.
            async with raw(url) as back:
                await back.resume(session, len(received), connection=connection)
                with contextlib.suppress(websockets.ConnectionClosed):
                    while len(received) + len(back.received) < COUNT:
                        await back.receive()
                received += back.received
            connection += 1
    assert [int(message) for message in received] == [*range(COUNT)]


async def test_a_client_that_is_slow_to_say_which_session_it_has_may_try_again() -> None:
    async with serving(count_up, handshake_timeout=0.05) as (url, _), raw(url) as client:
        with contextlib.suppress(websockets.ConnectionClosed):
            await client.connection.recv()
        assert client.connection.close_code == 1013


async def test_a_queue_goes_on_when_its_page_is_no_longer_blocked() -> None:
    """Nobody receives for longer than ``ack_timeout``, several times over."""
    options = {"ack_timeout": 0.1, "max_unconfirmed": 50, "max_pending": 50}
    async with (
        serving(count_up, **options) as (url, sessions),
        QueuedWebSocket(url, session=True, backoff=Backoff(0.01, 0.01)) as ws,
    ):

        def has_reconnected(count: int) -> bool:
            return ws.stats.reconnects > count

        received = []
        for count in range(3):
            await until(functools.partial(has_reconnected, count))
            assert len(sessions) == 1
            received += [await ws.recv() for _ in range(60)]
        received += [await ws.recv() for _ in range(COUNT - len(received))]
        assert received == [str(number) for number in range(COUNT)]


async def test_a_client_that_is_slow_for_too_long_has_expired() -> None:
    ends: asyncio.Queue[Exception] = asyncio.Queue()

    async def handler(session: ServerSession) -> None:
        try:
            await count_up(session)
        except SessionExpired as error:
            ends.put_nowait(error)

    options = {"ack_timeout": 0.1, "expires": 0.1, "max_unconfirmed": 50, "max_pending": 50}
    async with serving(handler, **options) as (url, _), raw(url) as client:
        await client.say("open", {"window": [10_000, 2**20]})
        error = await ends.get()
        assert "did not reconnect in time" in str(error)
