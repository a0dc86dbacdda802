"""What exceptions say: what happened, and nothing that contradicts it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from readystate import (
    Backoff,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionFailed,
    Heartbeat,
    OpenTimeout,
    QueuedWebSocket,
    State,
    StateChange,
    connect,
)
from readystate.exceptions import connection_closed
from readystate_server.testing.inpage import raises, until, url


async def waiting(ws: QueuedWebSocket) -> Exception:
    """Why it waits for the next attempt, or has ended."""
    async for change in ws.states():
        if change.error is not None:
            return change.error
    raise AssertionError("it has ended without a reason")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1000, "", True), "closed: 1000"),
        ((4000, "bye", True), "closed: 4000 'bye'"),
        ((1006, "", False), "lost, without a closing handshake: 1006"),
        (
            (1012, "restart", False),
            "closed by the server, and lost during the closing handshake: 1012 'restart'",
        ),
        ((1006, "", False, "no reply"), "ended: no reply (1006)"),
    ],
)
def test_how_a_connection_has_ended(arguments: Any, text: str) -> None:
    error = connection_closed(*arguments)
    assert str(error) == text
    again = error.anew()
    assert again is not error
    assert (type(again), str(again), vars(again)) == (type(error), text, vars(error))


async def test_a_heartbeat_without_a_reply() -> None:
    heartbeat = Heartbeat("ping", interval=0.02, timeout=0.05)
    ws = QueuedWebSocket(url("/ws/stall"), heartbeat=heartbeat, backoff=Backoff(60, 60))
    ws.start()
    error = await waiting(ws)
    assert str(error) == "ended: no reply to the heartbeat within 0.05 s (1006)"
    assert isinstance(error, ConnectionClosedError)
    assert error.cause == "no reply to the heartbeat within 0.05 s"
    ws.abort()


async def test_abort() -> None:
    ws = QueuedWebSocket(url("/ws/echo"))
    ws.start()
    ws.abort()
    with raises(ConnectionClosedError, match=r"^ended: aborted, by abort\(\) \(1006\)$") as caught:
        await ws.recv()
    assert caught.value.reason == "aborted"
    with raises(ConnectionClosedError, match="^ended: aborted"):
        ws.send("too late")


async def test_a_server_that_does_not_close_its_end() -> None:
    ws = await connect(url("/ws/stall"), close_timeout=0.05)
    await ws.close()
    with raises(ConnectionClosed, match=r"the server has not ended the connection within 0\.05 s"):
        await ws.recv()


async def test_a_handshake_that_takes_too_long() -> None:
    with raises(OpenTimeout, match=r"/ws/echo has not accepted the connection within 0\.05 s"):
        await connect(url("/ws/echo", delay=20), open_timeout=0.05)


async def test_functions_that_take_too_long() -> None:
    async def never(*_: Any) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    options: Any = {"connect_timeout": 0.05, "backoff": Backoff(60, 60)}
    for ws, what in (
        (QueuedWebSocket(never, **options), "the function for the URL or the protocols has"),
        (QueuedWebSocket(url("/ws/echo"), on_open=never, **options), "on_open has not returned"),
        (
            QueuedWebSocket(url("/ws/stall"), session=True, **options),
            "has not opened or resumed the session",
        ),
    ):
        ws.start()
        error = await waiting(ws)
        assert isinstance(error, OpenTimeout)
        assert what in str(error)
        assert str(error).endswith(" within 0.05 s")
        ws.abort()


async def test_subprotocols_are_named_only_where_some_were_offered() -> None:
    bad = url("/ws/refuse", status=403)
    for subprotocols in (None, ["token"]):
        with raises(ConnectionFailed) as caught:
            await connect(bad, subprotocols=subprotocols)
        is_told = "with one of the offered subprotocols" in str(caught.value)
        assert is_told is bool(subprotocols)
        assert "token" not in str(caught.value)
        assert "readystate.v1" not in str(caught.value)


async def test_a_server_without_sessions_is_thought_of() -> None:
    changes: list[StateChange] = []
    async with QueuedWebSocket(
        url("/ws/refuse", status=403), session=True, max_attempts=1, on_state=changes.append
    ) as ws:
        with raises(ConnectionFailed, match=r"sessions \('readystate\.v1'\)\?") as caught:
            await ws.recv()
    assert "1" in str(caught.value).split(":")[0]
    assert changes[-1].state is State.CLOSED


async def test_more_than_may_be_held() -> None:
    async with QueuedWebSocket(url("/ws/echo"), max_queue=1, on_overflow="close") as ws:
        for _ in range(3):
            ws.send("x")
        await until(lambda: ws.state is State.CLOSED)
        with raises(
            ConnectionClosedError, match=r"^ended: more has arrived than max_queue"
        ) as caught:
            while True:
                await ws.recv()
    assert caught.value.code == 4008
