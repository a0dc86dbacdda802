"""reconnect() and wait_open(): the application decides when there is another connection."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from readystate import ConnectionClosed, ConnectionFailed, QueuedWebSocket, State
from readystate_server.testing.inpage import journal, new_id, raises, until, url

from .conftest import FOREVER, echoed_heartbeat, forever


def with_tokens(id: str, path: str = "/ws/echo") -> tuple[Any, list[int]]:
    """A URL function, and the tokens that it has given out."""
    tokens: list[int] = []
    numbers = itertools.count(1)

    def where() -> str:
        tokens.append(next(numbers))
        return url(path, id=id, token=tokens[-1])

    return where, tokens


async def test_from_open_over_a_new_url(id: str) -> None:
    where, tokens = with_tokens(id)
    async with QueuedWebSocket(where, backoff=FOREVER) as ws:
        await ws.wait_open()
        ws.reconnect()
        await ws.wait_open()
        assert tokens == [1, 2]
        assert ws.url.endswith("token=2")
        assert (ws.stats.attempts, ws.stats.reconnects) == (2, 1)


async def test_from_waiting(id: str) -> None:
    where, tokens = with_tokens(id)

    def first_refused() -> str:
        found: str = where()
        return url("/ws/refuse") if len(tokens) == 1 else found

    async with QueuedWebSocket(first_refused, backoff=FOREVER) as ws:
        await until(lambda: ws.state is State.WAITING)
        ws.reconnect()
        await ws.wait_open()
        assert tokens == [1, 2]


@pytest.mark.parametrize("what", ["the URL function", "the handshake", "on_open"])
async def test_from_connecting(what: str) -> None:
    """What is under way goes on with what the application does not want any more."""
    calls = itertools.count(1)

    async def where() -> str:
        if next(calls) > 1:
            return url("/ws/echo")
        if what == "the URL function":
            await forever()
        return url("/ws/echo", delay=60) if what == "the handshake" else url("/ws/echo", first=1)

    async def on_open(ws: QueuedWebSocket) -> None:
        if "first" in ws.url:
            await forever()

    async with QueuedWebSocket(where, on_open=on_open, backoff=FOREVER) as ws:
        if what == "the URL function":
            await asyncio.sleep(0)
        else:
            await until(lambda: ws.url)
        ws.reconnect()
        await ws.wait_open()
        assert next(calls) == 3


async def test_nothing_is_lost_and_the_reader_goes_on(id: str) -> None:
    where, tokens = with_tokens(id)
    received: list[Any] = []
    async with QueuedWebSocket(where, heartbeat=echoed_heartbeat(), backoff=FOREVER) as ws:

        async def read() -> None:
            async for message in ws:
                received.append(message)

        reading = asyncio.ensure_future(read())
        deliveries = []
        for number in range(60):
            deliveries.append(ws.send(str(number)))
            if number % 20 == 10:
                await deliveries[number]
                ws.reconnect()
        await ws.drain()
        await until(lambda: "59" in received)
        assert {delivery.reason for delivery in deliveries} == {"heartbeat"}
        connections = await journal(id)
        seen = {message["data"] for c in connections for message in c["messages"]}
        assert seen >= {str(number) for number in range(60)}
    await reading
    assert len(tokens) == 4


async def test_it_does_not_count_as_a_failure() -> None:
    async with QueuedWebSocket(url("/ws/echo"), max_attempts=1, backoff=FOREVER) as ws:
        for _ in range(3):
            await ws.wait_open()
            ws.reconnect()
        await ws.wait_open()


async def test_a_session_goes_on() -> None:
    async with QueuedWebSocket(url("/ws/session", id=new_id()), session=True) as ws:
        await ws.wait_open()
        first = ws.send("a")
        ws.reconnect()
        second = ws.send("b")
        await asyncio.gather(first, second)
        assert {first.reason, second.reason} == {"session"}


async def test_not_before_the_start_nor_after_the_end() -> None:
    ws = QueuedWebSocket(url("/ws/echo"))
    with raises(RuntimeError, match="start"):
        ws.reconnect()
    with raises(RuntimeError, match="start"):
        await ws.wait_open()
    async with ws:
        pass
    with raises(ConnectionClosed):
        ws.reconnect()
    with raises(ConnectionClosed):
        await ws.wait_open()


async def test_waiting_for_a_connection_that_does_not_come() -> None:
    async with QueuedWebSocket(url("/ws/refuse"), backoff=FOREVER) as ws:
        with raises(TimeoutError, match=r"not open after 0\.2 s") as caught:
            await ws.wait_open(0.2)
        assert isinstance(caught.value.__cause__, ConnectionFailed)
        with raises(ValueError, match="timeout=-1"):
            await ws.wait_open(-1)


async def test_waiting_for_a_connection_that_is_given_up() -> None:
    async with QueuedWebSocket(url("/ws/refuse"), max_attempts=1) as ws:
        with raises(ConnectionFailed, match="given up"):
            await ws.wait_open()


@pytest.mark.parametrize("what", ["recv", "iteration", "drain"])
async def test_what_was_never_started_says_so(what: str) -> None:
    ws = QueuedWebSocket(url("/ws/echo"))
    delivery = ws.send("accepted already")
    with raises(RuntimeError, match=r"'async with', or call start\(\)"):
        if what == "recv":
            await ws.recv()
        elif what == "drain":
            await ws.drain()
        else:
            async for _ in ws:
                pass
    async with ws:
        assert await ws.recv() == "accepted already"
    assert delivery.reason is not None
