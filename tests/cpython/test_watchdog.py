"""A heartbeat without a message, and how long a reply takes."""

from __future__ import annotations

import asyncio

import pytest

from readystate import Backoff, Heartbeat, QueuedWebSocket, State
from readystate_server.testing.inpage import journal, new_id, until, url

AT_ONCE = Backoff(0, 0)


async def test_a_watchdog_replaces_a_silent_connection_and_sends_nothing() -> None:
    id = new_id()
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


async def test_the_latency_of_a_heartbeat() -> None:
    heartbeat = Heartbeat("beat", interval=60, timeout=60, is_reply=lambda m: m == "beat")
    async with QueuedWebSocket(url("/ws/echo"), heartbeat=heartbeat) as ws:
        assert ws.latency is None
        await ws.send("abc")
        assert ws.latency is not None
        assert 0 < ws.latency < 10


async def test_the_latency_of_a_session() -> None:
    async with QueuedWebSocket(url("/ws/session", id=new_id()), session=True) as ws:
        assert ws.latency is None
        await ws.send("abc")
        assert ws.latency is not None
        assert 0 < ws.latency < 10


@pytest.mark.parametrize("path", ["/ws/stall"])
async def test_a_connection_that_dies_without_a_word_is_found_out(path: str) -> None:
    async with QueuedWebSocket(
        url(path), heartbeat=Heartbeat(timeout=0.1), backoff=Backoff(60, 60, jitter=0)
    ) as ws:
        await ws.wait_open()
        await until(lambda: ws.state is State.WAITING)
        await asyncio.sleep(0)
