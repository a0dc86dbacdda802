"""connect(transport="stream"): WebSocketStream, which Chromium has.

The cases of tests/engines run over it too; here is what else is its own.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from readystate import Blob, ConcurrencyError, ConnectionClosed, WebSocket, connect
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import all_gone, journal, new_id, raises, until, url

pytestmark = pytest.mark.only_browser("chromium")


def stream(path: str, close_timeout: float = 10, **query: object) -> connect:
    return connect(url(path, **query), transport="stream", close_timeout=close_timeout)


@in_browser
async def test_what_it_has_and_sends() -> None:
    import js

    async with stream("/ws/echo") as ws:
        assert (ws.url, ws.extensions) == (url("/ws/echo"), "")
        assert (ws.close_code, ws.close_reason, ws.dropped) == (None, None, 0)
        for message, expected in (
            (["a", "b"], "ab"),
            (js.Uint8Array.new(2), b"\0\0"),
            (Blob(js.Blob.new(["blob"])), b"blob"),
        ):
            await ws.send(message)
            assert await ws.recv() == expected
        await ws.send("x")
        assert await ws.recv(decode=False) == b"x"
        with raises(TypeError):
            await ws.send(None)  # type: ignore[arg-type]
    assert ws.ready_state == WebSocket.CLOSED


@in_browser
async def test_messages_leave_in_the_order_of_their_sends() -> None:
    import js

    id = new_id()
    async with stream("/ws/sink", ack=0, id=id) as ws:
        blob = Blob(js.Blob.new(["blob"]))
        await asyncio.gather(*(ws.send(message) for message in ("a", blob, "b", blob, "c")))
    (connection,) = await journal(id, closed=1)
    kinds = [message["kind"] for message in connection["messages"]]
    assert kinds == ["text", "binary", "text", "binary", "text"]


@in_browser
async def test_a_cancelled_connect_leaves_no_socket_open() -> None:
    id = new_id()
    with raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stream("/ws/echo", delay=60, id=id)
    await all_gone(id)


@in_browser
async def test_a_cancelled_recv_loses_nothing() -> None:
    async with stream("/ws/echo") as ws:
        for number in range(50):
            task = asyncio.ensure_future(ws.recv())
            await ws.send(f"{number}")
            for _ in range(number):
                await asyncio.sleep(0)
            if task.cancel():
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                assert await ws.recv() == f"{number}"
            else:
                assert await task == f"{number}"


@in_browser
async def test_two_tasks_cannot_receive_at_once() -> None:
    async with stream("/ws/echo") as ws:
        first = asyncio.ensure_future(ws.recv())
        await until(lambda: ws._is_receiving)
        with raises(ConcurrencyError):
            await ws.recv()
        await ws.send("for the first")
        assert await first == "for the first"


@in_browser
async def test_closing() -> None:
    id = new_id()
    ws = await stream("/ws/echo", id=id)
    with raises(TypeError):
        await ws.close(1000, b"bytes")  # type: ignore[arg-type]
    await ws.send("still open")
    assert await ws.recv() == "still open"

    async def receive() -> None:
        with raises(ConnectionClosed):
            await ws.recv()

    task = asyncio.ensure_future(receive())
    await until(lambda: ws._is_receiving)
    await asyncio.gather(ws.close(3000, "bye"), ws.close(4000))
    await task
    with raises(ConnectionClosed):
        await ws.send("too late")
    (connection,) = await journal(id, closed=1)
    assert connection["close"] == {"code": 3000, "reason": "bye", "clean": True}
    assert len(connection["messages"]) == 1


@in_browser
async def test_closing_with_much_still_unread() -> None:
    ws = await stream("/ws/flood", count=2000, size=10_000)
    assert len(await ws.recv()) == 10_000
    await ws.close()
    assert ws.close_code == 1000


@in_browser
async def test_a_peer_that_does_not_answer_the_close() -> None:
    ws = await stream("/ws/stall", close_timeout=0.05)
    await ws.close()
    assert (ws.close_code, ws.ready_state) == (1006, WebSocket.CLOSED)
