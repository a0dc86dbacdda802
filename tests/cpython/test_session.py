"""QueuedWebSocket with a session: what test_queued_websocket.py cannot tell of it.

Whatever fails meanwhile is in test_faults.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from readystate import (
    Blob,
    Connection,
    ConnectionClosedError,
    Delivery,
    Heartbeat,
    QueuedWebSocket,
    QueueFull,
    Session,
)
from readystate._host.cpython.errors import NativeError
from readystate._host.cpython.values import NativeBlob
from readystate.session.control import is_control
from readystate_server.sessions import ServerSession, Sessions
from readystate_server.testing.inpage import new_id, raises, until, url
from tests.server import wires
from tests.server.session_server import begin, websockets_server

from .conftest import Page

MIB = 2**20


def in_session(session: Any = True, **options: Any) -> QueuedWebSocket:
    """A session with an application that records what comes; ``query`` says what else it does."""
    where = url("/ws/session", id=new_id(), **options.pop("query", {}))
    return QueuedWebSocket(where, session=session, **options)


@pytest.mark.parametrize(
    ("query", "says", "code"),
    [
        ({"say": 3}, ["0", "1", "2"], 1000),
        ({"until": 1, "end": 4000}, [], 4000),
        ({"fail": 1}, [], 4411),
    ],
)
async def test_the_application_speaks_first_or_ends_the_session(
    query: dict[str, int], says: list[str], code: int
) -> None:
    async with in_session(query=query) as ws:
        ws.send("x")
        assert [await ws.recv() for _ in says] == says
        if code != 1000:
            with raises(ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.code == code


async def test_what_looks_like_a_control_and_what_is_neither_text_nor_bytes_arrive_too() -> None:
    strange: list[Any] = ["", '\x10{"ack":1}', b'\x10{"ask":1}', "ß\u2028\U0001f600", "a\0b"]
    async with in_session(query={"echo": 1}) as ws:
        for message in (*strange, bytearray(b"abc"), Blob(NativeBlob(b"abc"))):
            ws.send(message)
        for message in (*strange, b"abc", b"abc"):
            assert await ws.recv() == message


async def test_what_a_session_takes_the_place_of_cannot_be_had() -> None:
    for name, value in (
        ("heartbeat", Heartbeat("x", interval=1, timeout=1)),
        ("on_open", print),
        ("in_doubt", "drop"),
        ("on_overflow", "close"),
        ("max_resends", 3),
    ):
        with raises(ValueError, match=f"{name}= cannot be combined"):
            in_session(**{name: value})
    with raises(ValueError, match="name"):
        QueuedWebSocket(lambda: "ws://x", session=Session(persist="sessionStorage"))


async def test_what_can_be_kept(fake_page: Page) -> None:
    """Not a Blob: it cannot be read at once, as a page that goes away would have to."""
    session = Session(persist="sessionStorage")
    ws = in_session(session)
    with raises(TypeError, match="bytes"):
        ws.send(NativeBlob())  # type: ignore[arg-type]
    # Two of the same name would overwrite each other.
    with raises(ValueError, match="another session"):
        in_session(session)
    ws.abort()
    in_session(session).abort()


async def test_no_more_is_accepted_than_can_be_kept(fake_page: Page) -> None:
    """So the sender is told at once, by what it has chosen with ``on_full``."""
    ws = in_session(Session(persist="sessionStorage"))
    for _ in range(4):
        ws.send("x" * (MIB // 4))
    with raises(QueueFull):
        ws.send("x")
    with raises(ValueError, match="1,048,577 bytes cannot be kept with persist="):
        ws.send("x" * (MIB + 1))
    ws.clear()
    ws.send("x" * MIB)
    fake_page.dispatch("hidden")
    ws.abort()


@pytest.mark.parametrize("is_told_by", ["restore", "save"])
async def test_a_page_that_may_not_keep_anything(
    fake_page: Page, monkeypatch: pytest.MonkeyPatch, is_told_by: str
) -> None:
    """Such as that of an iframe with ``sandbox="allow-scripts"``."""

    def refuse(*_: Any) -> None:
        raise NativeError("Access is denied for this document.")

    monkeypatch.setattr(f"readystate.session.keeping.{is_told_by}", refuse)
    with raises(RuntimeError, match="allow-same-origin") as caught:
        in_session(Session(persist="sessionStorage"))
    assert "Access is denied for this document." in str(caught.value)


async def test_put_means_the_same_at_both_ends() -> None:
    """It waits for room; to await what it returns waits until the other end is done with that."""
    done = asyncio.Event()

    async def use(end: ServerSession | QueuedWebSocket) -> None:
        delivery = await end.put("x")
        assert isinstance(delivery, Delivery)
        assert delivery.reason is None
        assert await end.recv() == "x"
        receiving = asyncio.create_task(end.recv())
        await delivery
        assert delivery.reason == "session"
        receiving.cancel()

    async def handler(session: ServerSession) -> None:
        await use(session)
        await done.wait()

    async with websockets_server(Sessions(handler)) as to, QueuedWebSocket(to, session=True) as ws:
        await use(ws)
        done.set()


def test_one_table_says_in_all_three_classes_what_to_await() -> None:
    tables = set()
    for kind in (Connection, QueuedWebSocket, ServerSession):
        text = kind.send.__doc__ or ""
        tables.add(text[text.index("What ``await x.send") : text.index("Args:")])
    assert len(tables) == 1


async def test_a_client_that_does_not_read_loses_its_connection_and_no_message() -> None:
    """Its process stands still: what the server sends fills the buffers of TCP."""
    count, size, window = 300, 2**16, (10_000, 2**26)

    async def handler(session: ServerSession) -> None:
        for number in range(count):
            await session.send(str(number).ljust(size))
        await session.drain()

    bounds: dict[str, Any] = {"max_unconfirmed_bytes": 2**26, "max_pending_bytes": 2**26}
    sessions = Sessions(handler, resume_burst=100, ack_timeout=0.2, **bounds)
    received: list[int] = []
    async with websockets_server(sessions) as where:
        async with wires.connect(where) as wire:
            secret = await begin(wire, window=window)
            await until(lambda: not sessions._connections)
        assert len(sessions) == 1
        while len(received) < count:
            # More than one is needed if this machine is slow.
            async with wires.connect(where) as wire:
                await begin(wire, secret, received=len(received), window=window)
                while len(received) < count and (message := await wire.receive()) is not None:
                    received += [] if is_control(message) else [int(message)]
    assert received == [*range(count)]
