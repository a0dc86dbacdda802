"""Clients that come back together: one after the other is let in, in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from readystate.session.control import decode, encode
from readystate_server.sessions import ServerSession, Sessions
from readystate_server.sessions.bucket import Turns
from tests.server.session_client import TIMEOUT, MemoryEnd, memory_pair

HELLO = encode("open", {"window": [1024, 2**20]})
HOUR = 1 / 3600
"""A rate at which the second connection would wait for an hour."""


def run(test: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        async with asyncio.timeout(TIMEOUT):
            await test

    asyncio.run(main())


class Server:
    def __init__(self, rate: float) -> None:
        self.sessions = Sessions(self._handle, connect_rate=rate)
        self.serving: list[asyncio.Task[None]] = []

    async def connect(self, first: str = HELLO) -> MemoryEnd:
        client, server = memory_pair("https://example.org")
        self.serving.append(asyncio.create_task(self.sessions.serve(server)))
        await client.send(first)
        return client

    async def _handle(self, session: ServerSession) -> None:
        async for _ in session:
            pass


@contextlib.asynccontextmanager
async def serving(rate: float) -> AsyncIterator[Server]:
    server = Server(rate)
    try:
        yield server
    finally:
        await server.sessions.close()
        await asyncio.gather(*server.serving)


async def opened(wire: MemoryEnd) -> str:
    """The id of the session that it has opened."""
    answer = await wire.receive()
    assert isinstance(answer, str)
    kind, said = decode(answer)
    assert kind == "opened"
    return str(said["session"])


def test_turns_are_evenly_spaced_and_in_order() -> None:
    now = 100.0
    turns = Turns(10, 0.25, clock=lambda: now)
    assert [turns.take() for _ in range(3)] == pytest.approx([100, 100.1, 100.2])
    assert turns.take() is None  # its turn would be in 0.3 s
    assert turns.wait(100.0) == 0
    assert turns.wait(100.2) == pytest.approx(0.2)
    now += 0.1
    assert turns.take() == pytest.approx(100.3)
    now += 60  # what was not used is not saved up
    assert [turns.take() for _ in range(2)] == pytest.approx([160.1, 160.2])


def test_turns_that_a_busy_process_is_late_for_do_not_come_at_once() -> None:
    now = 100.0
    turns = Turns(10, 5, clock=lambda: now)
    taken = [turns.take() or 0.0 for _ in range(4)]
    assert turns.wait(taken[0]) == 0
    now += 3
    assert [turns.wait(turn) for turn in taken[1:]] == pytest.approx([0, 0.1, 0.2])
    new = turns.take()
    assert new is not None
    assert turns.wait(new) == pytest.approx(0.3)
    now += 0.15
    assert [turns.wait(turn) for turn in taken[2:]] == pytest.approx([0, 0.05])


def test_who_comes_at_once_is_let_in_one_after_the_other() -> None:
    async def test() -> None:
        async with serving(rate=50) as server:
            began = asyncio.get_running_loop().time()
            order: list[int] = []

            async def wait(number: int, wire: MemoryEnd) -> None:
                await opened(wire)
                order.append(number)

            wires = [await server.connect() for _ in range(6)]
            await asyncio.gather(*(wait(number, wire) for number, wire in enumerate(wires)))
            assert order == list(range(6))
            assert asyncio.get_running_loop().time() - began >= 0.99 * 5 / 50
            assert server.sessions.stats.opened == 6

    run(test())


def test_who_would_wait_too_long_is_refused_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test() -> None:
        async with serving(rate=HOUR) as server:
            await opened(await server.connect())
            for _ in range(3):
                wire = await server.connect()
                assert await wire.receive() is None
                assert wire.close_code == 1013
                assert wire.close_reason == (
                    "too many connections at once: try again later (connect_rate)"
                )
            stats = server.sessions.stats
            assert stats.refused == {"connect_rate": 3}
            assert (stats.opened, stats.waiting) == (1, 0)
            # It passes by itself, and does not take a process out of service.
            assert server.sessions.health()

    with caplog.at_level(logging.WARNING, logger="readystate"):
        run(test())
    assert sum("connect_rate=" in message for message in caplog.messages) == 1


def test_a_resumption_takes_a_turn_too() -> None:
    async def test() -> None:
        async with serving(rate=HOUR) as server:
            wire = await server.connect()
            said = {"session": await opened(wire), "connection": 2, "received": 0}
            again = await server.connect(encode("resume", {**said, "window": [1024, 2**20]}))
            assert await again.receive() is None
            assert again.close_code == 1013
            assert server.sessions.stats.connected == 1

    run(test())


def test_a_message_that_is_no_hello_takes_no_turn() -> None:
    async def test() -> None:
        async with serving(rate=HOUR) as server:
            wire = await server.connect("hello")
            assert await wire.receive() is None
            assert wire.close_code == 4400
            await opened(await server.connect())

    run(test())


def test_closing_ends_those_that_wait() -> None:
    async def test() -> None:
        async with serving(rate=0.25) as server:
            await opened(await server.connect())
            wire = await server.connect()
            while not server.sessions.stats.waiting:
                await asyncio.sleep(0)
            assert server.sessions.stats.greeting == 0
            async with asyncio.timeout(2):  # its turn would be in 4 s
                await server.sessions.close()
                assert await wire.receive() is None
            assert wire.close_code == 1001
            assert server.sessions.stats.waiting == 0

    run(test())


def test_no_limit() -> None:
    async def test() -> None:
        async with serving(rate=float("inf")) as server:
            for wire in [await server.connect() for _ in range(100)]:
                await opened(wire)

    run(test())


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_is_more_than_0(rate: float) -> None:
    with pytest.raises(ValueError, match=f"connect_rate={rate} must be more than 0"):
        Server(rate)
