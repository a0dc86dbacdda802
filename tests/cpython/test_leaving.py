"""Leaving a block: at once because of an exception, otherwise when all is done."""

from __future__ import annotations

import asyncio
import time

import pytest

from readystate import Heartbeat, QueuedWebSocket, State, connect
from readystate_server.testing.inpage import Logged, raises, until, url

from .conftest import AT_ONCE, forever, the_one

SOON = 3.0
"""Seconds; much less than the ten that closing may take, and more than a busy machine needs."""


class OopsError(Exception):
    pass


def unheard() -> Heartbeat:
    """A heartbeat that is never replied to, so that nothing is confirmed."""
    return Heartbeat("beat", interval=60, timeout=60, is_reply=lambda message: False)


async def left_after(seconds: float, path: str, logged: list[str]) -> QueuedWebSocket:
    """A queue whose block a timeout has left, with one message that was not confirmed."""
    since = time.monotonic()
    with raises(TimeoutError):
        async with asyncio.timeout(seconds):
            async with QueuedWebSocket(url(path), heartbeat=unheard()) as ws:
                delivery = ws.send("abc")
                await forever()
    assert time.monotonic() - since < SOON
    assert ws.state is State.CLOSED
    assert delivery.reason == "aborted"
    assert [line for line in logged if "abc" in line] == []
    return ws


@pytest.mark.parametrize("path", ["/ws/echo", "/ws/refuse?status=403", "/ws/stall"])
async def test_a_timeout_around_a_queue_is_kept(path: str) -> None:
    with Logged() as logged:
        await left_after(0.1, path, logged)
    dropped = [line for line in logged if "dropped" in line]
    assert len(dropped) == 1
    assert "CancelledError in its block: 1 unconfirmed messages of 3 bytes" in dropped[0]


async def test_an_exception_in_the_block_of_a_queue_does_not_wait() -> None:
    since = time.monotonic()
    with Logged() as logged, raises(OopsError):
        async with QueuedWebSocket(url("/ws/echo"), heartbeat=unheard()) as ws:
            deliveries = [ws.send("abc"), ws.send(b"de")]
            raise OopsError
    assert time.monotonic() - since < SOON
    assert [delivery.reason for delivery in deliveries] == ["aborted"] * 2
    assert "OopsError in its block: 2 unconfirmed messages of 5 bytes" in "".join(logged)


async def test_nothing_is_logged_of_what_is_dropped_if_nothing_is() -> None:
    with Logged() as logged, raises(OopsError):
        async with QueuedWebSocket(url("/ws/echo")) as ws:
            await ws.send("abc")
            raise OopsError
    assert not [line for line in logged if "dropped" in line]


async def test_a_cancellation_while_a_queue_closes_ends_it_at_once() -> None:
    since = time.monotonic()
    with Logged() as logged, raises(TimeoutError):
        async with (
            asyncio.timeout(0.3),
            QueuedWebSocket(url("/ws/echo"), heartbeat=unheard()) as ws,
        ):
            delivery = ws.send("abc")
    assert time.monotonic() - since < SOON
    assert (ws.state, delivery.reason) == (State.CLOSED, "aborted")
    assert "dropped" in "".join(logged)


@pytest.mark.parametrize("how", ["connect", "connection"])
async def test_a_timeout_around_a_connection_is_kept_though_the_server_does_not_close(
    how: str,
) -> None:
    since = time.monotonic()
    with raises(TimeoutError):
        async with asyncio.timeout(0.3):
            where = connect(url("/ws/stall", after=1))
            async with where if how == "connect" else await where as ws:
                await ws.send("the server reads no more")
                await forever()
    assert time.monotonic() - since < SOON
    assert ws.close_code == 1006


async def test_a_connection_says_what_had_not_left() -> None:
    with Logged() as logged, raises(OopsError):
        async with connect(url("/ws/stall", after=1), write_limit=2**26) as ws:
            for _ in range(20):
                await ws.send(bytes(2**20))
            raise OopsError
    assert "had not left the page" in "".join(logged)


async def test_breaking_out_of_an_iteration_over_connections_closes_the_last_one(id: str) -> None:
    async for ws in connect(url("/ws/echo", id=id), backoff=AT_ONCE):
        await ws.send("abc")
        break
    await until(lambda: ws.close_code)
    assert (await the_one(id))["close"]["code"] == 1000
