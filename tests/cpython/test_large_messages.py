"""Messages that are longer than all that may be held."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from readystate import ConnectionClosedError, QueuedWebSocket, connect
from readystate_server.testing.inpage import raises, until, url

from .conftest import Sockets

LONG = "x" * 5000
LIMIT = 1000


@pytest.mark.parametrize("make", [connect, QueuedWebSocket])
@pytest.mark.parametrize("on_overflow", ["close", "drop-oldest", "drop-newest"])
@pytest.mark.parametrize("waits", [True, False], ids=["somebody waits", "nobody waits"])
async def test_one_message_is_always_held(
    make: Any, on_overflow: str, waits: bool, sockets: Sockets
) -> None:
    async with make(url("/ws/echo"), max_queue_bytes=LIMIT, on_overflow=on_overflow) as ws:
        for _ in range(3):
            received = asyncio.ensure_future(ws.recv()) if waits else None
            sockets.arrived.clear()
            await asyncio.sleep(0)
            await ws.send(LONG)
            await until(lambda: sockets.arrived)
            await asyncio.sleep(0.01)  # in which what is held would be dropped
            assert await (received or ws.recv()) == LONG
        assert ws.dropped == 0


@pytest.mark.parametrize(("on_overflow", "kept"), [("drop-oldest", "b"), ("drop-newest", "a")])
async def test_of_two_that_are_too_long_one_is_held(
    on_overflow: Any, kept: str, sockets: Sockets
) -> None:
    async with connect(url("/ws/echo"), max_queue_bytes=LIMIT, on_overflow=on_overflow) as ws:
        await ws.send("a" * 5000)
        await ws.send("b" * 5000)
        await until(lambda: ws.dropped)
        assert await ws.recv() == kept * 5000


async def test_two_that_are_too_long_close_the_connection(sockets: Sockets) -> None:
    async with connect(url("/ws/echo"), max_queue_bytes=LIMIT) as ws:
        await ws.send("a" * 5000)
        await ws.send("b" * 5000)
        await ws.wait_closed()
        assert [await ws.recv(), await ws.recv()] == ["a" * 5000, "b" * 5000]
        with raises(ConnectionClosedError, match="4008"):
            await ws.recv()
