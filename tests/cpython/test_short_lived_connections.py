"""A server that aborts TCP again and again: all that it can take arrives, and soon.

Without a session test_faults.py has that, and tests/unit for any number of messages.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets.asyncio.server

from readystate import QueuedWebSocket
from readystate_server.sessions import Sessions
from tests.server.session_server import websockets_server

from .conftest import AT_ONCE, echoed_heartbeat


@contextlib.asynccontextmanager
async def dying_sessions(before_death: int) -> AsyncIterator[tuple[str, list[Any]]]:
    """Aborts each connection of its sessions after so many messages of the application."""
    received: list[Any] = []

    async def take(session: Any) -> None:
        async for message in session:
            received.append(message)

    class Dying(websockets.asyncio.server.ServerConnection):
        left = before_death + 1

        async def recv(self, *arguments: Any) -> Any:
            if self.left == 0:
                await self.ping()
                self.transport.abort()
            self.left -= 1
            return await super().recv(*arguments)

    sessions = Sessions(take, resume_burst=1000)
    async with websockets_server(sessions, create_connection=Dying) as url:
        yield url, received


@pytest.mark.parametrize("before_death", [1, 2, 7])
async def test_a_session_goes_on_until_all_is_confirmed(before_death: int) -> None:
    async with dying_sessions(before_death) as (address, received):
        async with QueuedWebSocket(address, backoff=AT_ONCE, max_attempts=20, session=True) as ws:
            deliveries = [ws.send(f"message {number}") for number in range(20)]
            await asyncio.gather(*deliveries)
            stats = ws.stats
            ws.abort()
        assert received == [f"message {number}" for number in range(20)]
        assert stats.attempts <= 50


async def test_a_message_that_the_server_fails_on_is_dropped_if_that_is_asked() -> None:
    received: list[Any] = []

    async def fail_on_poison(connection: websockets.asyncio.server.ServerConnection) -> None:
        async for message in connection:
            if message == "poison":
                connection.transport.abort()
                return
            received.append(message)
            await connection.send(message)

    async with websockets.asyncio.server.serve(fail_on_poison, "127.0.0.1", 0) as server:
        address = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with QueuedWebSocket(
            address, backoff=AT_ONCE, max_resends=3, heartbeat=echoed_heartbeat()
        ) as ws:
            deliveries = [ws.send(message) for message in ("a", "poison", "b", "c")]
            await ws.drain()
            stats = ws.stats
    reasons = [delivery.reason for delivery in deliveries]
    assert reasons == ["heartbeat", "resent too often", "heartbeat", "heartbeat"]
    assert {*received} == {"a", "b", "c", "ping"}
    assert stats.dropped == {"resent too often": 1}
