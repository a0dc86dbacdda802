"""What test_session_rules.py cannot tell in a few lines: logs, races, and what a store has."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from typing import Any

import pytest

from readystate import (
    ConnectionClosedOK,
    Delivery,
    DeliveryState,
    MessageDropped,
)
from readystate.exceptions import SessionExpired
from readystate.session import control
from readystate_server.sessions import MemoryStore, ServerSession, Sessions
from readystate_server.sessions.store import Message
from tests.server.session_client import SessionClient
from tests.server.session_server import (
    Server,
    echo,
    hooked,
    listen,
    others_first,
    serving,
    two_processes,
    wait,
)

FAR = 3600.0


# One object over all connections.


async def test_a_session_comes_back_to_a_process_that_has_had_it() -> None:
    async with two_processes(echo, resume_burst=100) as servers:
        await talk(SessionClient(), [*servers] * 10)


async def talk(client: SessionClient, servers: list[Server]) -> None:
    """Sends to each over a connection, and before, and receives all of that again."""
    for number, server in enumerate(servers):
        client.send(f"{number} offline")
        async with client.connected(server.connect()):
            client.send(f"{number} online")
            await client.until_received(2 * number + 2)
        await server.until_served()
    expected = [f"{n} {how}" for n in range(len(servers)) for how in ("offline", "online")]
    assert client.received == expected


async def test_anything_with_the_buffer_protocol_is_sent_as_bytes() -> None:
    async with serving(wait) as server, server.client() as client:
        session = server.session
        data = bytearray(b"abc")
        await session.send(data)
        data[:] = b"xyz"  # too late
        await session.send(memoryview(b"abcdef")[::2])
        await session.send("ä")
        await client.until_received(3)
        assert client.received == [b"abc", b"ace", "ä"]
        assert session._core.outbox.sent_bytes == 3 + 3 + 2
        for wrong in (None, 1, ["a"]):
            with pytest.raises(TypeError, match=type(wrong).__name__):
                await session.send(wrong)  # type: ignore[arg-type]
        with pytest.raises(UnicodeEncodeError):
            await session.send("\ud800")


# The end of a session.


async def test_a_handler_that_raises_ends_the_session(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(session: ServerSession) -> None:
        async for message in session:
            if message != "harmless":
                raise LookupError("a mistake")

    async with serving(handler) as server:
        async with server.client() as client:
            client.send("harmless")
            delivery = client.send("secret payload")
            assert await client.connection == control.FAILED
        assert delivery.state is DeliveryState.SENT
        assert len(server.sessions) == 0
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        # The log says which message it was, and nothing of it.
        in_hand = f"the message {server.session.id}-2 in hand (text, length 14)"
        assert f"{in_hand}, which ends the session with 4411" in record.getMessage()
        assert "a mistake" in caplog.text
        assert "secret payload" not in caplog.text
        assert client.core.session is not None
        assert client.core.session not in caplog.text
        assert await client.serve(server.connect()) == control.NO_SUCH_SESSION


async def test_a_session_expires_without_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(listen, expires=0.1) as server:
        client = SessionClient()
        client.acknowledges = False
        async with server.client(client):
            session = server.session
            sent = await session.send("sent")
            await client.until_received(1)
        await server.until_served()
        queued = await session.send(b"queued")
        await server.until_handled()
        (end,) = server.ends
        assert isinstance(end, SessionExpired)
        assert "did not reconnect in time" in str(end)
        assert end.unconfirmed == ["sent", b"queued"]
        for delivery in (sent, queued):
            assert delivery.reason == "session ended"
            with pytest.raises(MessageDropped):
                await delivery
        for late in (session.send("too late"), session.drain()):
            with pytest.raises(SessionExpired):
                await late
        assert await client.serve(server.connect()) == control.NO_SUCH_SESSION
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_deliveries_are_never_left_in_limbo() -> None:
    deliveries: list[Delivery] = []

    async def handler(session: ServerSession) -> None:
        while True:
            deliveries.append(await session.send("x"))

    async with serving(handler, max_pending=50, max_unconfirmed=50, ack_timeout=FAR) as server:
        client = SessionClient()
        client.acknowledges = False
        wire = server.connect()
        async with client.connected(wire):
            await client.until_received(50)
            while len(deliveries) < 100:
                await asyncio.sleep(0)
            await wire.close(1000)
        await server.until_handled()
        assert isinstance(server.ends[0], ConnectionClosedOK)
        assert {delivery.state for delivery in deliveries} == {DeliveryState.DROPPED}


# Another connection, another process.


async def test_a_half_open_connection_does_not_hold_up_the_next_one() -> None:
    async with serving(echo, close_timeout=FAR) as server:
        client = SessionClient()
        dead = server.connect()
        connection = asyncio.create_task(client.serve(dead))
        client.send("1")
        await client.until_received(1)
        dead.peer.takes.clear()  # TCP takes nothing more, and nobody knows
        dead.peer.sending.clear()
        await server.session.send("2")
        await dead.peer.sending.wait()
        dead._queue.put_nowait(None)
        await connection
        async with server.client(client):
            await client.until_received(2)
        assert client.received == ["1", "2"]
        dead.peer.takes.set()


@pytest.mark.parametrize("where", ["the same process", "another process"])
async def test_of_many_resumptions_at_once_one_wins(where: str) -> None:
    store = hooked(MemoryStore(), claim=others_first)
    async with two_processes(echo, store=store) as (one, two):
        client = await one.absent_client()
        server = one if where == "the same process" else two
        wires = [server.connect() for _ in range(20)]
        for wire in wires:
            await wire.send(client.core.hello())
        codes = [await wire.until_closed() for wire in wires[:-1]]
        assert codes == [control.TAKEN_OVER] * 19
        assert server.session.is_connected
        # It was claimed at most once.
        assert (len(server.all), server.session._epoch) == (1, 1 if server is one else 2)


async def test_shutting_down_closes_with_1001_and_leaves_the_session_to_others() -> None:
    async with two_processes(listen, wait) as (one, two):
        greeting = one.connect()
        async with one.client() as client:
            delivery = await one.session.send("late")
            await one.sessions.close()
            assert await client.connection == 1001
        assert await greeting.receive() is None
        assert delivery.reason == "taken over"
        assert isinstance(one.ends[0], asyncio.CancelledError)
        assert len(one.sessions) == 0
        async with two.client(client):
            await client.until_received(1)
        assert client.received == ["late"]
        assert await one.connect().until_closed() == 1001


async def test_a_handler_that_returns_when_it_is_cancelled_leaves_the_session_to_others() -> None:
    async def handler(session: ServerSession) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await wait(session)

    async with two_processes(handler, echo) as (one, two):
        async with one.client() as client:
            await one.sessions.close()
            assert await client.connection == 1001
        async with two.client(client):
            client.send("1")
            await client.until_received(1)


# The store.


async def test_an_answer_is_saved_together_with_what_it_answers() -> None:
    saved: list[tuple[int, int]] = []

    async def note(*_: Any, done: int, messages: list[Message], **__: Any) -> None:
        saved.append((done, len(messages)))

    store = hooked(MemoryStore(), save=note)
    async with serving(echo, store=store) as server, server.client() as client:
        for number in range(1, 100):
            client.send(str(number))
        await client.until_received(99)
    answers = 0
    for done, count in saved:
        answers += count
        assert done == answers


async def test_the_store_has_no_secret_and_forgets_what_has_ended() -> None:
    store = MemoryStore()
    async with serving(listen, store=store) as server:
        wire, secret = await server.open()
        assert list(store._entries) == [hashlib.sha256(secret.encode()).hexdigest()]
        assert server.session.id == next(iter(store._entries))
        assert secret not in repr(server.session)
        await wire.close(1000)
        await server.until_handled()
        while server.sessions._by_key:
            await asyncio.sleep(0)
        assert len(store) == 0


# What the objects take, and say of themselves.


@pytest.mark.parametrize(
    "wrong", [{"expires": 0}, {"window": 0}, {"max_sessions": -1}, {"resume_rate": -1}]
)
def test_arguments_that_make_no_sense(wrong: dict[str, int]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        Sessions(echo, **wrong)  # type: ignore[arg-type]


async def test_how_they_look() -> None:
    async with serving(listen) as server:
        async with server.client() as client:
            await client.send("1")
            assert repr(server.sessions) == "<Sessions 1 sessions, 1 connections>"
            shown = f"<ServerSession {server.session.id[:8]}… connected; 1 done, 0 unconfirmed>"
            assert repr(server.session) == shown
            await server.session.close()
        assert "ended: 1000" in repr(server.session)
