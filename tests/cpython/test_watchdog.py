"""A heartbeat without a message, and how long a reply takes."""

from __future__ import annotations

from typing import Any

import pytest

from readystate import Heartbeat, QueuedWebSocket
from readystate_server.testing.inpage import journal, until, url

from .conftest import AT_ONCE, echoed_heartbeat


async def test_a_watchdog_replaces_a_silent_connection_and_sends_nothing(id: str) -> None:
    async with QueuedWebSocket(
        url("/ws/echo", id=id), heartbeat=Heartbeat(timeout=0.1), backoff=AT_ONCE
    ) as ws:
        await until(lambda: ws.stats.reconnects >= 2)
    assert all(connection["messages"] == [] for connection in await journal(id))


async def test_a_watchdog_keeps_a_connection_over_which_something_arrives() -> None:
    async with QueuedWebSocket(
        url("/ws/flood", count=20, size=4, number=1, interval=0.05),
        heartbeat=Heartbeat(timeout=5),
        backoff=AT_ONCE,
    ) as ws:
        async for message in ws:
            if int(message) == 19:
                break
        assert ws.stats.attempts == 1


async def test_a_watchdog_confirms_nothing_of_its_own() -> None:
    async with QueuedWebSocket(url("/ws/echo"), heartbeat=Heartbeat(timeout=30)) as ws:
        delivery = ws.send("abc")
        await delivery
        assert delivery.reason == "left the page"
        assert ws.latency is None


@pytest.mark.parametrize(
    ("path", "options"),
    [("/ws/echo", {"heartbeat": echoed_heartbeat()}), ("/ws/session", {"session": True})],
)
async def test_the_latency(id: str, path: str, options: Any) -> None:
    async with QueuedWebSocket(url(path, id=id), **options) as ws:
        assert ws.latency is None
        await ws.send("abc")
        assert ws.latency is not None
        assert 0 < ws.latency < 10
