"""QueuedWebSocket with a session: what its users see of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from readystate import (
    Backoff,
    Blob,
    ConnectionClosedError,
    DeliveryState,
    Heartbeat,
    QueuedWebSocket,
    QueueFull,
    Session,
)
from readystate._host.cpython.errors import NativeError
from readystate._host.cpython.values import NativeBlob
from readystate_server.testing.inpage import journal, new_id, raises, until, url

from .conftest import Page

MIB = 2**20
SOON = 2.0
"""Seconds."""
STRANGE = ["", "\x10", "\x10\x10", '\x10{"ack":1}', "\x10ask", "ß\u2028\U0001f600", "a\0b"]
BINARY = [b"", b"\x10", b'\x10{"ask":1}', bytes(range(256))]


def in_session(id: str, session: Any = True, **options: Any) -> QueuedWebSocket:
    """A session with an application that records what comes; ``query`` says what else it does."""
    where = url("/ws/session", id=id, **options.pop("query", {}))
    return QueuedWebSocket(where, session=session, backoff=Backoff(0.01, 0.01), **options)


async def test_a_message_is_confirmed_when_the_application_is_done_with_it(id: str) -> None:
    """Also if nobody awaits it, soon."""
    async with in_session(id) as ws:
        delivery = ws.send("one")
        await delivery
        assert (delivery.state, delivery.reason) == (DeliveryState.CONFIRMED, "session")
        (application,) = await journal(f"{id}/session")
        assert [message["data"] for message in application["messages"]] == ["one"]
        assert ws.protocol == "readystate.v1"
        assert ws.latency is not None
        assert 0 < ws.latency < 10
        ws.reconnect()  # It is the same session.
        delivery = ws.send("two")
        async with asyncio.timeout(SOON):
            await until(lambda: delivery.state is DeliveryState.CONFIRMED)
    (application,) = await journal(f"{id}/session", closed=1)
    assert (application["close"]["code"], application["close"]["reason"]) == (1000, "")


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
    async with in_session(new_id(), query=query) as ws:
        ws.send("x")
        assert [await ws.recv() for _ in says] == says
        if code != 1000:
            with raises(ConnectionClosedError) as caught:
                await ws.recv()
            assert caught.value.code == code


async def test_whatever_is_sent_arrives_as_it_is() -> None:
    async with in_session(new_id(), query={"echo": 1}) as ws:
        for message in [*STRANGE, *BINARY]:
            ws.send(message)  # type: ignore[arg-type]
        for message in [*STRANGE, *BINARY]:
            assert await ws.recv() == message
        for mutable in (bytearray(b"abc"), Blob(NativeBlob(b"abc"))):
            ws.send(mutable)
            assert await ws.recv() == b"abc"


async def test_what_a_session_takes_the_place_of_cannot_be_had() -> None:
    for name, value in (
        ("heartbeat", Heartbeat("x", interval=1, timeout=1)),
        ("on_open", print),
        ("in_doubt", "drop"),
        ("on_overflow", "close"),
        ("max_resends", 3),
    ):
        with raises(ValueError, match=f"{name}= cannot be combined"):
            in_session(new_id(), **{name: value})
    with raises(ValueError, match="name"):
        QueuedWebSocket(lambda: "ws://x", session=Session(persist="sessionStorage"))


async def test_what_can_be_kept(fake_page: Page) -> None:
    """Not a Blob: it cannot be read at once, as a page that goes away would have to."""
    session = Session(persist="sessionStorage")
    ws = in_session(new_id(), session)
    with raises(TypeError, match="bytes"):
        ws.send(NativeBlob())  # type: ignore[arg-type]
    # Two of the same name would overwrite each other.
    with raises(ValueError, match="another session"):
        in_session(new_id(), session)
    ws.abort()
    in_session(new_id(), session).abort()


async def test_no_more_is_accepted_than_can_be_kept(fake_page: Page) -> None:
    """So the sender is told at once, by what it has chosen with ``on_full``."""
    ws = in_session(new_id(), Session(persist="sessionStorage"))
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
        in_session(new_id(), Session(persist="sessionStorage"))
    assert "Access is denied for this document." in str(caught.value)
