"""connect() and Connection."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from readystate import (
    ConcurrencyError,
    Connection,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    ConnectionFailed,
    OpenTimeout,
    WebSocket,
    connect,
)
from readystate_server.testing.inpage import all_gone, new_id, raises, turns, until, url

from .conftest import Sockets, the_one


async def test_as_a_context_manager(id: str) -> None:
    async with connect(url("/ws/echo", id=id), subprotocols=["json"]) as ws:
        assert isinstance(ws, Connection)
        assert ws.url == url("/ws/echo", id=id)
        assert ws.subprotocol == "json"
        assert ws.extensions == ""
        assert ws.ready_state == WebSocket.OPEN
        assert (ws.close_code, ws.close_reason) == (None, None)
        assert repr(ws) == f"<Connection {url('/ws/echo')} OPEN>"
        await ws.send("text")
        assert await ws.recv() == "text"
        await ws.send(b"binary")
        assert await ws.recv() == b"binary"
    assert ws.ready_state == WebSocket.CLOSED
    assert (ws.close_code, ws.close_reason) == (1000, "")
    assert repr(ws) == f"<Connection {url('/ws/echo')} CLOSED>"
    assert (await the_one(id))["close"] == {"code": 1000, "reason": "", "clean": True}
    # Or as an awaitable.
    ws = await connect(url("/ws/echo"))
    assert ws.subprotocol is None
    async with ws:
        await ws.send("x")
        assert await ws.recv() == "x"


@pytest.mark.parametrize(
    "path", ["/ws/refuse?status=403", "/ws/refuse?status=503", "/ws/drop?when=handshake", "/none"]
)
async def test_a_failed_handshake(path: str) -> None:
    with raises(ConnectionFailed, match="Is the server running") as caught:
        await connect(url(path))
    assert issubclass(ConnectionFailed, OSError)
    assert not isinstance(caught.value, TimeoutError)
    assert caught.value.url == url(path).partition("?")[0]
    assert "status" not in str(caught.value)


async def test_a_slow_handshake(id: str) -> None:
    message = r"/ws/echo has not accepted the connection within 0\.05 s"
    with raises(OpenTimeout, match=message) as caught:
        await connect(url("/ws/echo", delay=0.5, id=id), open_timeout=0.05)
    assert isinstance(caught.value, ConnectionFailed)
    assert isinstance(caught.value, TimeoutError)
    # The attempt is given up, in Firefox when the server has answered.
    await all_gone(id)


async def test_a_cancelled_connect_leaves_no_socket_open() -> None:
    id = new_id()
    with raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await connect(url("/ws/echo", delay=0.5, id=id))
    await all_gone(id)
    # Cancelled at any time, also when it is open already but nobody has it yet.
    id = new_id()
    for count in range(0, 100, 5):
        task = asyncio.ensure_future(connect(url("/ws/echo", id=id))._connect())
        await turns(count)
        if not task.cancel():
            await (await task).close()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await all_gone(id)


async def test_decode() -> None:
    async with connect(url("/ws/echo")) as ws:
        for message in ("é", "é", "é".encode(), "é".encode()):
            await ws.send(message)
        for _ in range(2):
            assert await ws.recv(decode=True) == "é"
            assert await ws.recv(decode=False) == "é".encode()
        await ws.send(b"\xff")
        with raises(UnicodeDecodeError):
            await ws.recv(decode=True)


async def test_messages_arrive_as_they_were_sent_however_many_come_at_once() -> None:
    # Long and short, with what a batch could take for something else, alone and beside others.
    odd = ["", "\0", "a\0b", "\ufeffbom", "\ufeff", "[object ArrayBuffer]", "é日😀", "a,b", "\x10"]
    long = [text * 4000 for text in ("x", "é", "😀\0", "\ufeff,")]
    binary = [b"", b"\0", b"[object ArrayBuffer]", b"\xff" * 70_000]
    async with connect(url("/ws/echo")) as ws:
        for messages in (odd, long, binary, [*odd, *long], [*odd, *binary], [*long, "y"] * 8, odd):
            for message in messages:
                await ws.send(message)  # type: ignore[arg-type]
            assert [await ws.recv() for _ in messages] == messages
        for message in (*odd, *binary, *long, *binary, *odd, *long):
            await ws.send(message)  # type: ignore[arg-type]
            assert await ws.recv() == message


@pytest.mark.parametrize(
    ("query", "code"), [({"code": 1000}, 1000), ({"code": 1001}, 1001), ({}, 1005)]
)
async def test_iteration_ends_with_the_connection(query: dict[str, int], code: int) -> None:
    reason = "enough" if query else ""
    async with connect(url("/ws/close", after=3, reason=reason, **query)) as ws:
        for text in "abc":
            await ws.send(text)
        assert [message async for message in ws] == ["a", "b", "c"]
        assert (ws.close_code, ws.close_reason) == (code, reason)
        # It is over for every way to receive and to send.
        for call in (ws.recv, lambda: ws.send("x"), ws.drain):
            with raises(ConnectionClosedOK) as caught:
                await call()
            error = caught.value
            assert (error.code, error.reason, error.was_clean) == (code, reason, True)


@pytest.mark.parametrize("code", [1008, 1011, 1012, 3000, 4999])
async def test_iteration_raises_if_it_ends_otherwise(code: int) -> None:
    async with connect(url("/ws/close", after=1, code=code, reason="why")) as ws:
        await ws.send("a")
        received = []
        with raises(ConnectionClosedError, match=f"{code} 'why'") as caught:
            async for message in ws:
                received.append(message)
        assert received == ["a"]
        assert (caught.value.code, caught.value.reason) == (code, "why")
        assert caught.value.was_clean


async def test_messages_right_before_a_close_are_all_received() -> None:
    flood = url("/ws/flood", count=1000, size=16, number=1, then="close")
    ws = await connect(flood, max_queue=None, max_queue_bytes=None)
    await ws.wait_closed()
    assert [int(await ws.recv()) for _ in range(1000)] == list(range(1000))
    with raises(ConnectionClosedOK):
        await ws.recv()


async def test_batches_hold_all_messages_in_order() -> None:
    received: list[str | bytes] = []
    async with connect(url("/ws/flood", count=500, size=8, number=1, then="drop")) as ws:
        received.append(await ws.recv())
        # They come from the same queue, and an abnormal end is raised after the last one.
        with raises(ConnectionClosedError):
            async for batch in ws.batches():
                assert batch
                received += batch
    assert [int(message) for message in received] == list(range(500))
    async with connect(url("/ws/close", after=1)) as ws:
        waiting = asyncio.ensure_future(anext(ws.batches()))
        await asyncio.sleep(0)
        with raises(ConcurrencyError):
            await ws.recv()
        await ws.send("x")
        assert await waiting == ["x"]
        assert [batch async for batch in ws.batches()] == []


async def test_breaking_off_an_iteration_loses_nothing() -> None:
    async with connect(url("/ws/flood", count=1000, size=8, number=1)) as ws:
        received = []
        for _ in range(10):
            async for message in ws:
                received.append(int(message))
                if len(received) % 100 == 0:
                    break
            received.append(int(await ws.recv())) if len(received) < 1000 else None
        while len(received) < 1000:
            received.append(int(await ws.recv()))
    assert received == list(range(1000))


async def test_a_cancelled_recv_loses_nothing() -> None:
    async with connect(url("/ws/echo")) as ws:
        with raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await ws.recv()
        # Cancelled in the very turn in which a message has arrived.
        for number in range(50):
            task = asyncio.ensure_future(ws.recv())
            await ws.send(f"{number}")
            for _ in range(number):
                await asyncio.sleep(0)
            if not task.cancel():
                assert await task == f"{number}"
                continue
            with raises(asyncio.CancelledError):
                await task
            assert await ws.recv() == f"{number}"


async def test_two_tasks_cannot_receive_at_once() -> None:
    async with connect(url("/ws/echo")) as ws:
        first = asyncio.ensure_future(ws.recv())
        await turns()
        with raises(ConcurrencyError, match="another task") as caught:
            await ws.recv()
        assert isinstance(caught.value, RuntimeError)
        with raises(ConcurrencyError):
            async for _ in ws:
                pass
        await ws.send("for the first")
        assert await first == "for the first"
        await ws.send("again")
        assert await ws.recv() == "again"


async def test_what_waits_when_the_connection_is_closed() -> None:
    ws = await connect(url("/ws/echo"))
    receiving, waiting = asyncio.ensure_future(ws.recv()), asyncio.ensure_future(ws.wait_closed())
    with raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await ws.wait_closed()  # Cancelling it disturbs nobody.
    await ws.close()
    await waiting
    with raises(ConnectionClosedOK):
        await receiving


async def test_send_while_closing_raises(id: str) -> None:
    """The native send() would discard it and say nothing."""
    ws = await connect(url("/ws/echo", id=id))
    closing = asyncio.ensure_future(ws.close(3000, "bye"))
    await until(lambda: ws.ready_state != WebSocket.OPEN)
    with raises(ConnectionClosed):
        await ws.send("too late")
    await closing
    with raises(ConnectionClosed) as caught:
        await ws.send("too late")
    assert caught.value.code == 3000
    connection = await the_one(id)
    assert connection["messages"] == []
    assert connection["close"] == {"code": 3000, "reason": "bye", "clean": True}


async def test_closing_twice() -> None:
    ws = await connect(url("/ws/echo"))
    await asyncio.gather(ws.close(3000), ws.close(4000))
    await ws.close(3001)
    await ws.wait_closed()
    assert ws.close_code == 3000


async def test_a_cancelled_close_closes_all_the_same(id: str) -> None:
    ws = await connect(url("/ws/echo", id=id))
    task = asyncio.ensure_future(ws.close(3000))
    await asyncio.sleep(0)
    task.cancel()
    with raises(asyncio.CancelledError):
        await task
    await ws.wait_closed()
    assert (await the_one(id))["close"]["code"] == 3000


async def test_a_peer_that_does_not_answer_the_close() -> None:
    ws = await connect(url("/ws/stall"), close_timeout=0.05)
    receiving = asyncio.ensure_future(ws.recv())
    await turns()
    await ws.close()
    assert (ws.close_code, ws.ready_state) == (1006, WebSocket.CLOSED)
    message = r"the server has not ended the connection within 0\.05 s \(1006\)"
    with raises(ConnectionClosedError, match=message):
        await receiving


async def test_an_exception_in_the_block_closes_and_is_not_masked(id: str) -> None:
    with raises(ValueError, match="mine"):
        async with connect(url("/ws/echo", id=id)):
            raise ValueError("mine")
    assert (await the_one(id))["close"]["clean"]


async def test_cancelling_the_block_closes(id: str) -> None:
    with raises(TimeoutError):
        async with asyncio.timeout(None) as timeout, connect(url("/ws/echo", id=id)) as ws:
            timeout.reschedule(0)
            await ws.recv()
    assert (await the_one(id))["close"]["clean"]


async def rest(ws: Connection) -> list[int]:
    """All that can still be received."""
    received = []
    try:
        while True:
            received.append(int(await ws.recv()))
    except ConnectionClosed:
        return received


@pytest.mark.parametrize("limit", [{"max_queue": 100}, {"max_queue_bytes": 6400}])
async def test_overflow_closes_and_loses_nothing_that_has_come(
    id: str, limit: dict[str, Any]
) -> None:
    ws = await connect(url("/ws/flood", count=1_000_000, size=64, number=1, id=id), **limit)
    await ws.wait_closed()
    received = await rest(ws)
    assert len(received) > 100
    assert received == list(range(len(received)))
    assert ws.dropped == 0
    with raises(ConnectionClosedError):
        await ws.recv()
    assert (await the_one(id))["close"]["code"] == 4008
    # A consumer that keeps up never overflows.
    query = {"count": 30_000, "size": 64, "then": "close"}
    async with connect(url("/ws/flood", **query), **{n: v * 60 for n, v in limit.items()}) as ws:
        assert len([message async for message in ws]) == 30_000
        assert ws.dropped == 0


async def held(sockets: Sockets, policy: str, **limits: int) -> tuple[int, list[int]]:
    """How many of 30 messages are dropped, and which are left, when nobody has asked for any."""
    sockets.arrived.clear()
    async with connect(url("/ws/echo"), on_overflow=policy, **limits) as ws:  # type: ignore[arg-type]
        for number in range(30):
            await ws.send(f"{number:08}")
            while len(sockets.arrived) == number:
                await asyncio.sleep(0)
        await ws.close()
        return ws.dropped, await rest(ws)


@pytest.mark.parametrize("limit", [{"max_queue": 10}, {"max_queue_bytes": 80}])
@pytest.mark.parametrize(
    ("policy", "left"), [("drop-oldest", range(20, 30)), ("drop-newest", range(10))]
)
async def test_more_than_is_held_is_dropped(
    sockets: Sockets, policy: str, left: range, limit: dict[str, int]
) -> None:
    assert await held(sockets, policy, **limit) == (20, [*left])


async def test_send_waits_for_a_slow_reader() -> None:
    """24 MiB to a server that reads 16 MiB a second: the client holds a bounded part of it."""
    limit = 4 * 2**20
    chunk = bytes(2**20)
    most = 0
    async with connect(url("/ws/sink", ack=0, rate=16 * 2**20), write_limit=limit) as ws:
        for _ in range(24):
            await ws.send(chunk)
            most = max(most, ws.buffered_amount)
        assert limit // 2 < most <= limit
        await ws.drain()
        assert ws.buffered_amount == 0


async def test_send_does_not_wait_below_the_limit() -> None:
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_event_loop().call_soon(count) if turns < 1000 else None

    async with connect(url("/ws/stall"), write_limit=1_000_000, close_timeout=0.01) as ws:
        asyncio.get_event_loop().call_soon(count)
        for _ in range(100):
            await ws.send(bytes(1000))
        assert turns == 0
        turns = 1000


async def test_a_pair_of_watermarks() -> None:
    async with connect(url("/ws/sink", ack=0), write_limit=(100_000, 0)) as ws:
        await ws.send(bytes(100_000))
        assert ws.buffered_amount == 100_000
        await ws.send(b"one more")
        assert ws.buffered_amount == 0


async def test_send_that_waits_when_the_connection_is_lost() -> None:
    async with connect(url("/ws/stall"), write_limit=(1000, 0), close_timeout=0.05) as ws:
        sending = asyncio.ensure_future(ws.send(bytes(8 * 2**20)))
        await until(lambda: ws.buffered_amount)
        await ws.close()
        with raises(ConnectionClosed):
            await sending


async def test_a_cancelled_send_has_sent(id: str) -> None:
    async with connect(url("/ws/sink", ack=0, id=id), write_limit=(10, 0)) as ws:
        task = asyncio.ensure_future(ws.send(bytes(1000)))
        await asyncio.sleep(0)
        task.cancel()
        with raises(asyncio.CancelledError):
            await task
    assert (await the_one(id))["bytes"] == 1000


async def test_each_operation_can_time_out() -> None:
    async def wait_for(call: Callable[[], Awaitable[object]]) -> None:
        with raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await call()

    async with connect(url("/ws/stall"), write_limit=(1000, 0), close_timeout=0.05) as ws:
        await wait_for(ws.recv)
        await wait_for(lambda: ws.send(bytes(8 * 2**20)))
        await wait_for(ws.drain)
        await wait_for(ws.wait_closed)
        await wait_for(ws.close)


async def test_closing_keeps_what_has_been_received(sockets: Sockets) -> None:
    ws = await connect(url("/ws/echo"))
    for text in "abc":
        await ws.send(text)
    await until(lambda: len(sockets.arrived) == 3)
    await ws.close()
    assert [message async for message in ws] == ["a", "b", "c"]


async def test_a_connect_object_can_be_used_again_and_at_once() -> None:
    connecting = connect(url("/ws/echo"), subprotocols=(name for name in ("json",)))
    async with connecting as first, connecting as second:
        assert first is not second
        for ws in (first, second):
            assert ws.subprotocol == "json"
            await ws.send("x")
            assert await ws.recv() == "x"
    assert (first.close_code, second.close_code) == (1000, 1000)


async def test_transports() -> None:
    with raises(RuntimeError, match="no WebSocketStream"):
        await connect(url("/ws/echo"), transport="stream")
    with raises(ValueError, match="transport='tcp'"):
        connect(url("/ws/echo"), transport="tcp")  # type: ignore[arg-type]


async def test_nothing_is_left_of_a_connection() -> None:
    async def one() -> weakref.ref[Connection]:
        async with connect(url("/ws/echo")) as ws:
            await ws.send("x")
            await ws.recv()
            return weakref.ref(ws)

    reference = await one()
    await turns()
    gc.collect()
    assert reference() is None
