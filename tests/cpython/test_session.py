"""QueuedWebSocket with a session: what its users see of it."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from readystate import (
    Backoff,
    Blob,
    ConnectionClosedError,
    ConnectionClosedOK,
    ConnectionFailed,
    DeliveryState,
    Heartbeat,
    MessageDropped,
    QueuedWebSocket,
    Session,
    SessionExpired,
    State,
)
from readystate._host.cpython.values import NativeBlob
from readystate_server.sessions import ServerSession
from readystate_server.testing.inpage import Logged, journal, new_id, raises, until, url

from .conftest import Page, Sockets, kept, once, reached
from .test_slow_clients import serving

SOON, FAR = 2.0, 600.0
"""Seconds."""
STRANGE = ["", "\x10", "\x10\x10", '\x10{"ack":1}', "\x10ask", "ß\u2028\U0001f600", "a\0b"]
BINARY = [b"", b"\x10", b'\x10{"ask":1}', bytes(range(256))]


def in_session(id: str, session: Any = True, **options: Any) -> QueuedWebSocket:
    """A session with an application that records what comes; ``query`` says what else it does."""
    query = options.pop("query", {})
    options.setdefault("backoff", Backoff(0.01, 0.01))
    return QueuedWebSocket(url("/ws/session", id=id, **query), session=session, **options)


async def handled(id: str, **wait: Any) -> list[str]:
    """What the application has handled, texts only."""
    (application,) = await journal(f"{id}/session", **wait)
    return [message["data"] for message in application["messages"]]


async def ended(id: str) -> tuple[int | None, str]:
    """How the session has ended for the application."""
    (application,) = await journal(f"{id}/session", closed=1)
    return application["close"]["code"], application["close"]["reason"]


async def test_a_message_is_confirmed_when_the_application_is_done_with_it(id: str) -> None:
    """Also if nobody awaits it, soon."""
    async with in_session(id) as ws:
        delivery = ws.send("one")
        await delivery
        assert (delivery.state, delivery.reason) == (DeliveryState.CONFIRMED, "session")
        assert await handled(id) == ["one"]
        assert ws.protocol == "readystate.v1"
        assert ws.latency is not None
        assert 0 < ws.latency < 10
        ws.reconnect()  # It is the same session.
        delivery = ws.send("two")
        async with asyncio.timeout(SOON):
            await until(lambda: delivery.state is DeliveryState.CONFIRMED)
    assert await ended(id) == (1000, "")


async def test_the_page_is_done_with_a_message_that_nobody_awaits() -> None:
    sent = asyncio.get_running_loop().create_future()

    async def handler(session: ServerSession) -> None:
        sent.set_result(await session.send("x"))
        await session.recv()

    async with serving(handler) as (url, _), QueuedWebSocket(url, session=True) as ws:
        assert await ws.recv() == "x"
        receiving = asyncio.create_task(ws.recv())
        delivery = await sent
        async with asyncio.timeout(SOON):
            await until(lambda: delivery.state is DeliveryState.CONFIRMED)
        receiving.cancel()


async def test_messages_before_it_is_started_and_many_at_once_keep_their_order(id: str) -> None:
    ws = in_session(id)
    for number in range(2_000):
        ws.send(str(number))
    async with ws:
        for number in range(2_000, 4_000):
            ws.send(str(number))
        await ws.drain()
        assert ws.unconfirmed == ws.pending == 0
    assert await handled(id) == [str(number) for number in range(4_000)]


async def test_whatever_is_sent_arrives_as_it_is() -> None:
    async with in_session(new_id(), query={"echo": 1}) as ws:
        for message in [*STRANGE, *BINARY]:
            ws.send(message)  # type: ignore[arg-type]
        for message in [*STRANGE, *BINARY]:
            assert await ws.recv() == message
        for mutable in (bytearray(b"abc"), Blob(NativeBlob(b"abc"))):
            ws.send(mutable)
            assert await ws.recv() == b"abc"


async def test_the_server_waits_while_nobody_receives(sockets: Sockets) -> None:
    """Nothing is dropped, and no more is held than the queue may have."""

    def held() -> int:
        return sum(message.isdigit() for message in sockets.arrived)

    async with in_session(new_id(), query={"say": 5_000}, max_queue=100) as ws:
        await until(lambda: held() == 100)
        # Time for the server to send more.
        await ws.send("x")
        assert held() == 100
        received = [await ws.recv() for _ in range(5_000)]
        assert received == [str(number) for number in range(5_000)]
        assert ws.dropped == 0


async def test_the_server_ends_the_session(id: str) -> None:
    """As with any connection; what it has not handled is reported."""
    with Logged() as lines:
        async with in_session(id, query={"until": 2, "end": 1000}) as ws:
            deliveries = [ws.send(text) for text in "abc"]
            with raises(ConnectionClosedOK) as caught:
                await ws.recv()
            assert caught.value.code == 1000
            assert [delivery.state for delivery in deliveries[:2]] == [DeliveryState.CONFIRMED] * 2
            with raises(MessageDropped, match="session ended"):
                await deliveries[2]
            with raises(ConnectionClosedOK):
                ws.send("too late")
    assert len(lines) == 1
    assert ws.stats.reconnects == 0


async def test_the_application_fails() -> None:
    """The session ends, as it would at the next try too."""
    async with in_session(new_id(), query={"fail": 1}) as ws:
        with raises(MessageDropped, match="session ended"):
            await ws.send("x")
        with raises(ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.code == 4411


async def test_a_session_that_is_gone_is_told_of(id: str) -> None:
    """Never does it begin anew in silence."""
    back = asyncio.get_running_loop().create_future()
    attempts = itertools.count()

    async def where() -> str:
        if next(attempts) == 0:
            # After "open", "first", what asks for its confirmation, and "second".
            return url("/ws/session", id=id, fault="drop", after=4)
        await back
        # Another application knows nothing of it.
        return url("/ws/session", id=f"{id}-other")

    ws = QueuedWebSocket(where, session=True, backoff=Backoff(0.01, 0.01), connect_timeout=None)
    async with ws:
        first = ws.send("first")
        await first
        second = ws.send("second")
        await reached(ws, State.WAITING)
        third = ws.send("third")
        outcomes = asyncio.gather(second, third, return_exceptions=True)
        await asyncio.sleep(0)
        back.set_result(None)
        with raises(SessionExpired, match="2 messages are unconfirmed") as caught:
            await ws.recv()
        assert caught.value.unconfirmed == ["second", "third"]
        assert caught.value.code == 4404
        for outcome in await outcomes:
            assert isinstance(outcome, MessageDropped)
            assert outcome.reason == "session ended"
        assert ws.state is State.CLOSED


async def test_closing_waits_until_all_is_confirmed(id: str) -> None:
    async with in_session(id, query={"fault": "drop", "after": 50, "times": 1}) as ws:
        deliveries = [ws.send(str(number)) for number in range(200)]
    assert {delivery.state for delivery in deliveries} == {DeliveryState.CONFIRMED}
    assert await handled(id, closed=1) == [str(number) for number in range(200)]
    assert await ended(id) == (1000, "")


async def test_aborting_ends_the_session_at_the_server_too(id: str) -> None:
    async with in_session(id) as ws:
        await ws.send("x")
        ws.abort()
    assert (await ended(id))[0] == 1000


async def test_what_was_cleared_was_not_sent(id: str) -> None:
    async with in_session(id, query={"fault": "drop", "after": 2, "times": 1}) as ws:
        first = ws.send("first")
        await reached(ws, State.WAITING)
        waiting = ws.send("waiting")
        assert ws.clear() == 1
        await first
        await ws.send("last")
        with raises(MessageDropped, match="cleared"):
            await waiting
    assert await handled(id, closed=1) == ["first", "last"]


async def test_a_server_without_sessions_is_no_use() -> None:
    ws = QueuedWebSocket(
        url("/ws/echo", protocol=""), session=True, max_attempts=1, connect_timeout=None
    )
    async with ws:
        change = await reached(ws, State.CLOSED)
        assert isinstance(change.error, ConnectionFailed)
        # Chromium does not open such a connection.
        assert "subprotocol" in str(change.error)


async def test_other_subprotocols_are_offered_too(id: str) -> None:
    options: dict[str, Any] = {"session": True, "backoff": Backoff(0.01, 0.01)}
    for offered in ("token", ["token"], lambda: ["token"]):
        async with QueuedWebSocket(url("/ws/session", id=id), offered, **options) as ws:
            await ws.send("x")
    assert [each["offered"] for each in await journal(id)] == [["readystate.v1", "token"]] * 3


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


async def test_what_is_received_is_acknowledged_without_being_asked(
    monkeypatch: pytest.MonkeyPatch, id: str
) -> None:
    """Else the server would keep it for ever."""
    monkeypatch.setattr("readystate.session.confirmation.ACK_DELAY", 0.05)
    # Enough for an acknowledgement to be little beside it.
    async with in_session(id, query={"say": 3, "size": 1000}) as ws:
        for _ in range(3):
            await ws.recv()
        receiving = asyncio.create_task(ws.recv())
        # One of these is what began the session.
        (connection,) = await journal(id, messages=2)
        assert connection["count"] == 2
        receiving.cancel()


async def test_an_acknowledgement_goes_with_a_message(
    monkeypatch: pytest.MonkeyPatch, id: str
) -> None:
    monkeypatch.setattr("readystate.session.confirmation.ACK_DELAY", FAR)
    monkeypatch.setattr("readystate.session.confirmation.ACK_WITH_MESSAGE", 0)
    async with in_session(id, query={"say": 1}) as ws:
        await ws.recv()
        receiving = asyncio.create_task(ws.recv())
        await asyncio.sleep(0)  # until it waits
        ws.send("one")
        # What began the session, the message, and the acknowledgement.
        (connection,) = await journal(id, messages=3)
        assert connection["count"] == 3
        receiving.cancel()


# The page goes, and comes back


async def left(id: str) -> QueuedWebSocket:
    """Some messages are confirmed, some are not, some never left."""
    # After "open", "a", what asks for its confirmation, "b" and what follows it.
    ws = kept(once(url("/ws/session", id=id, echo=1, fault="drop", after=5)))
    ws.start()
    await ws.send("a")
    assert await ws.recv() == "a"
    ws.send("b")
    ws.send(b"\x00\xff")
    await reached(ws, State.WAITING)
    ws.send("c")
    ws.send(b"d")
    assert ws.unconfirmed + ws.pending == 4
    return ws


async def test_the_page_that_comes_next_goes_on(fake_page: Page, id: str) -> None:
    before = await left(id)
    assert fake_page.storage == {}
    fake_page.leave()
    assert len(fake_page.storage) == 1
    async with kept(url("/ws/session", id=id, echo=1)) as ws:
        # A copy of the tab has nothing.
        assert fake_page.storage == {}
        assert ws.pending + ws.unconfirmed == 4
        ws.send("e")
        assert [await ws.recv() for _ in range(5)] == ["b", b"\x00\xff", "c", b"d", "e"]
        await ws.drain()
    assert await handled(id, closed=1) == ["a", "b", "AP8=", "c", "ZA==", "e"]
    # It has ended, so the next page begins another one.
    assert fake_page.storage == {}
    async with kept(url("/ws/session", id=f"{id}-next", echo=1)) as ws:
        assert ws.pending + ws.unconfirmed == 0
    assert before.state is not State.CLOSED


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
