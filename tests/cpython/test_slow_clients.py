"""A page that is busy, or frozen, and reads or acknowledges nothing for longer than it may."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from readystate.session.control import Window
from readystate_server.sessions import ServerSession, Sessions
from readystate_server.testing.inpage import until
from tests.server.session_client import SessionClient, WebSocketWire, connect
from tests.server.session_server import websockets_server

COUNT = 300
SIZE = 2**16


@contextlib.asynccontextmanager
async def serving(handler: Any, **options: Any) -> AsyncIterator[tuple[str, Sessions]]:
    """A server in this event loop: its URL, and its sessions."""
    sessions = Sessions(handler, **options)
    async with websockets_server(sessions) as url:
        yield url, sessions


async def test_a_client_that_does_not_read_loses_its_connection_and_no_message() -> None:
    """Its process stands still: what the server sends fills the buffers of TCP."""

    async def handler(session: ServerSession) -> None:
        for number in range(COUNT):
            await session.send(str(number).ljust(SIZE))
        await session.drain()

    options = {"ack_timeout": 0.2, "max_unconfirmed_bytes": 2**26, "max_pending_bytes": 2**26}
    client = SessionClient(window=Window(10_000, 2**26))
    async with serving(handler, resume_burst=100, **options) as (url, sessions):
        async with connect(url, max_queue=1) as wire:
            await begin(client, wire)
            await until(lambda: not sessions._connections)
        client.core.disconnect()
        assert len(sessions) == 1
        while len(client.received) < COUNT:
            # More than one is needed if this machine is slow.
            async with connect(url) as wire, client.connected(wire):
                await client.until(
                    lambda: len(client.received) == COUNT or client.connection.done()
                )
    assert [int(message) for message in client.received] == [*range(COUNT)]


async def begin(client: SessionClient, wire: WebSocketWire) -> None:
    """Begins a session, and does nothing more."""
    await wire.send(client.core.hello())
    assert client.core.receive([str(await wire.receive())]) == []
