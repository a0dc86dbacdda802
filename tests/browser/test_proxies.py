"""What connections and queues leave behind in a page: proxies between Python and JavaScript.

What Python itself could keep is looked at in tests/cpython.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc

import pytest

from readystate import (
    Acks,
    Backoff,
    Heartbeat,
    QueuedWebSocket,
    SendQueue,
    State,
    StateChange,
    WebSocket,
    connect,
    sync,
)
from readystate_server.testing import Runtime
from readystate_server.testing.inpage import Logged, all_delivered, closed, opened, url

HOUR = 3600.0


def proxies() -> tuple[int, int]:
    """How many Python objects JavaScript holds, and how many JavaScript objects Python holds."""
    import pyodide_js

    module = pyodide_js._module
    module.enable_pyproxy_allocation_tracing()
    gc.collect()
    return module.pyproxy_alloc_map.size, module._hiwire_num_refs()


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
    gc.collect()


async def one_connection() -> None:
    async with connect(url("/ws/echo")) as ws:
        await ws.send("x")
        await ws.recv()


async def one_blocking_connection() -> None:
    with sync.connect(url("/ws/echo")) as ws:
        ws.send("x")
        ws.recv()
        with contextlib.suppress(TimeoutError):
            ws.recv(timeout=0.001)


async def one_blocking_loop() -> None:
    for ws in sync.connect(url("/ws/close", after=1), backoff=Backoff(0, 0)):
        ws.send("x")
        if [*ws] == ["x"]:
            break


async def one_queue() -> None:
    import js

    ws = WebSocket(url("/ws/sink", ack=0))
    queue = SendQueue(ws)
    for data in ("text", b"binary", js.Blob.new(["blob"]), *map(str, range(20))):
        queue.send(data)
    await queue.drain()
    queue.send("at once")
    queue.send(bytes(2**17))
    queue.send(js.Uint8Array.new(4))
    await closed(ws)
    await all_delivered(ws)
    queue.send("left over")


async def attachments() -> None:
    """Sockets that are attached and detached again and again, in each state."""
    queue = SendQueue()
    ws, other = await opened("/ws/sink"), await opened("/ws/sink")
    for _ in range(5):
        for socket in (ws, other.js_websocket, ws):
            queue.attach(socket)
            queue.send("x")
        queue.detach()
    queue.attach(ws)
    await queue.drain()
    await asyncio.gather(closed(ws), closed(other))
    connecting = WebSocket(url("/ws/sink"))
    for socket in (ws, connecting):
        for _ in range(5):
            queue.attach(socket)
    queue.send("x")
    await queue.drain()
    await closed(connecting)
    await all_delivered(connecting)


def heartbeat() -> Heartbeat:
    return Heartbeat("ping", interval=HOUR, timeout=HOUR, is_reply=lambda m: m == "ping")


def acks() -> Acks:
    return Acks(lambda message: message, lambda message: None)


async def one_life() -> None:
    """From the beginning to the end, with two connections, and everything that can hold on."""

    async def greet(ws: QueuedWebSocket) -> None:
        ws.send("token")
        await ws.recv()

    async def on_state(change: StateChange) -> None:
        pass

    async def follow() -> list[StateChange]:
        return [change async for change in ws.states()]

    paths = iter(["/ws/close?code=1012&after=1"])
    ws = QueuedWebSocket(
        lambda: url(next(paths, "/ws/echo")),
        lambda: ["json"],
        backoff=Backoff(0.01, 0.01),
        on_open=greet,
        on_state=on_state,
        should_reconnect=lambda event: True,
        heartbeat=heartbeat(),
        acks=Acks(lambda message: None, lambda message: None),
    )
    following = asyncio.ensure_future(follow())
    with Logged():
        async with ws:
            while ws.stats.attempts < 2 or ws.state is not State.OPEN:
                await asyncio.sleep(0)
            for number in range(10):
                ws.send(f"text {number}" if number % 2 else b"binary")
            await ws.drain()
            for _ in range(10):
                await ws.recv()
    await following


async def one_abort() -> None:
    """One that ends in the midst."""
    ws = QueuedWebSocket(url("/ws/echo"), heartbeat=heartbeat(), acks=acks())
    ws.send("x")
    ws.start()
    async for change in ws.states():
        if change.state is State.OPEN:
            break
    ws.abort()


async def one_expiry() -> None:
    """One with messages that might have expired."""
    async with QueuedWebSocket(url("/ws/echo"), ttl=HOUR) as ws:
        ws.send("x")


LIVES = {
    "connect()": one_connection,
    "sync.connect()": one_blocking_connection,
    "sync.connect(), iterated over": one_blocking_loop,
    "SendQueue": one_queue,
    "SendQueue.attach()": attachments,
    "QueuedWebSocket": one_life,
    "QueuedWebSocket.abort()": one_abort,
    "a time-to-live": one_expiry,
}
"""What is begun and ended again and again."""


async def live(*, name: str, count: int) -> None:
    for _ in range(3):
        await LIVES[name]()
    await turns()
    before = proxies()
    for _ in range(count):
        await LIVES[name]()
    # The browser tells of the last ends in its own time; each life would leave something else.
    while max(now - then for now, then in zip(proxies(), before, strict=True)) >= count / 2:
        await turns()


@pytest.mark.parametrize("name", LIVES)
def test_no_proxy_outlives_it(alone: Runtime, name: str) -> None:
    alone.call(live, name=name, count=15, timeout=60)
    alone.console.check()


async def expiries() -> None:
    def timers() -> int:
        gc.collect()
        return sum(type(thing) is asyncio.Handle for thing in gc.get_objects())

    replies = Heartbeat("ping", interval=HOUR, timeout=HOUR, is_reply=lambda m: m == "pong")
    async with QueuedWebSocket(
        url("/ws/peer?ping=ping"), heartbeat=replies, ttl=HOUR, max_unconfirmed=1
    ) as ws:
        await ws.send("x")
        before = timers()
        for _ in range(50):
            ws.send("goes")
            await ws.send("waits, and could expire")
        assert timers() - before < 10


def test_timers_that_are_not_needed_any_more_leave_nothing(alone: Runtime) -> None:
    """Those of Pyodide's event loop stay until their time has come, cancelled or not."""
    alone.call(expiries)
    alone.console.check()
