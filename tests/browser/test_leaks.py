"""What is gone when a socket is closed, and a connection or a queue is done with.

What Python itself could keep is looked at in tests/cpython. Only a page has proxies between Python
and JavaScript, and JavaScript's heap.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from typing import Any, TypeAlias

import pytest
from playwright.sync_api import Browser

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
from readystate_server.lab import Server
from readystate_server.testing import Runtime, in_browser, open_pyodide
from readystate_server.testing.inpage import (
    Logged,
    all_delivered,
    closed,
    event,
    opened,
    turns,
    until,
    url,
)

HOUR = 3600.0
# Chromium delays connections, the more the more of them are pending: 16 by seconds.
AT_ONCE = 5


async def one_connection(messages: int) -> None:
    """A connection with everything that can hold on to something."""
    import js

    ws = WebSocket(url("/ws/echo"), "json")
    ws.binaryType = "arraybuffer"
    received: list[object] = []
    ws.onmessage = lambda event: received.append(event.data)
    ws.onclose = lambda event: received.append(event.code)
    removed = received.append
    ws.addEventListener("message", removed)
    ws.removeEventListener("message", removed)
    ws.addEventListener("message", lambda event: event, signal=js.AbortController.new().signal)
    ws.addEventListener("open", lambda _: None, once=True)

    async def on_error(event: object) -> None:
        pass

    ws.onerror = on_error
    await event(ws, "open")
    for number in range(messages):
        ws.send(f"text {number}" if number % 2 else b"binary")
    await until(lambda: len(received) == messages)
    await closed(ws)
    await all_delivered(ws)


async def rounds(count: int, messages: int = 10) -> None:
    for _ in range(count // AT_ONCE):
        await asyncio.gather(*(one_connection(messages) for _ in range(AT_ONCE)))
    await asyncio.sleep(0)
    gc.collect()


def proxies() -> tuple[int, int]:
    """How many Python objects JavaScript holds, and how many JavaScript objects Python holds."""
    import pyodide_js

    module = pyodide_js._module
    module.enable_pyproxy_allocation_tracing()
    gc.collect()
    return module.pyproxy_alloc_map.size, module._hiwire_num_refs()


async def many_connections(count: int) -> None:
    await rounds(AT_ONCE)
    before = proxies()
    await rounds(count)
    assert proxies() == before


def test_no_proxy_outlives_its_connection(alone: Runtime) -> None:
    """100 connections, 1,000 messages; tests/long has more."""
    alone.call(many_connections, count=100)
    alone.console.check()


@pytest.mark.only_browser("firefox")  # tests/long has it in Chromium too
def test_no_proxy_outlives_its_connection_in_a_worker(browser: Browser, server: Server) -> None:
    with open_pyodide(browser, server, "worker") as runtime:
        runtime.call(many_connections, count=100)
    runtime.console.check()


@pytest.mark.only_browser("chromium")
def test_the_heap_of_the_page_stays_flat(alone: Runtime) -> None:
    """JavaScript's heap after a forced collection, through the DevTools protocol."""
    cdp = alone.page.context.new_cdp_session(alone.page)

    def used() -> int:
        alone.call(rounds, count=50)
        for _ in range(3):
            cdp.send("HeapProfiler.collectGarbage")
        return int(cdp.send("Runtime.getHeapUsage")["usedSize"])

    for _ in range(3):  # until the engine has compiled what it will
        before = used()
    for _ in range(3):
        after = used()
    # 150 connections and 1,500 messages: a leak of as little as 200 bytes each would show.
    assert after - before < 30_000


async def failures() -> None:
    async def fail() -> None:
        ws = WebSocket(url("/ws/refuse", status=403))
        ws.onopen = ws.onerror = lambda event: ws.close()
        await event(ws, "close")
        await all_delivered(ws)

    await fail()
    before = proxies()
    for _ in range(3):
        await fail()
    # Runtimes keep some things for later use; but something that each failure leaves would be there
    # three times.
    assert max(now - then for now, then in zip(proxies(), before, strict=True)) < 3


def test_no_proxy_outlives_a_failed_connection(alone: Runtime) -> None:
    alone.call(failures)
    alone.console.check()


async def one_connect() -> None:
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
    "connect()": one_connect,
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
    before = proxies()
    for _ in range(count):
        await LIVES[name]()
    # The browser tells of the last ends in its own time; each life would leave something else.
    while max(now - then for now, then in zip(proxies(), before, strict=True)) >= count / 2:
        await turns()


@pytest.mark.parametrize("name", LIVES)
def test_no_proxy_outlives(alone: Runtime, name: str) -> None:
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


Left: TypeAlias = tuple[weakref.ref[Any], Any]
"""What nothing should refer to any more, and a socket that may still be open."""


async def of_a_cycle() -> Left:
    ws = await opened()
    ws.onmessage = lambda event: ws.send("a cycle")
    await closed(ws)
    await all_delivered(ws)
    return weakref.ref(ws), ws.js_websocket


async def listened_to_after_its_end() -> Left:
    ws = await opened()
    await closed(ws)
    await all_delivered(ws)
    ws.onclose = lambda event: ws.send("a cycle")
    ws.addEventListener("open", lambda event: ws.send("a cycle"))
    return weakref.ref(ws), ws.js_websocket


async def never_listened_to_before_its_end() -> Left:
    ws = WebSocket(url("/ws/refuse"))
    await until(lambda: ws.readyState == WebSocket.CLOSED)
    ws.onclose = lambda event: ws.send("a cycle")
    return weakref.ref(ws), ws.js_websocket


async def without_listeners() -> Left:
    ws = WebSocket(url("/ws/echo"))
    return weakref.ref(ws), ws.js_websocket


async def removed() -> Left:
    ws, listener = await opened(), lambda _: None
    ws.addEventListener("message", listener)
    ws.onopen = listener
    ws.removeEventListener("message", listener)
    ws.onopen = None
    return weakref.ref(listener), ws


THINGS = {
    "a socket whose listener refers to it": of_a_cycle,
    "a socket that is listened to after its end": listened_to_after_its_end,
    "a socket that nobody listened to before": never_listened_to_before_its_end,
    "an open socket without listeners": without_listeners,
    "a listener that is removed from an open socket": removed,
}


@pytest.mark.parametrize("thing", THINGS)
@in_browser
async def test_python_lets_go_of(thing: str) -> None:
    reference, socket = await THINGS[thing]()
    gc.collect()
    assert reference() is None
    socket.close()


@in_browser
async def test_a_socket_with_listeners_lives_without_a_reference() -> None:
    """As in the DOM: the garbage collector does not take what still has an event to deliver."""
    seen: list[object] = []

    def connect() -> None:
        ws = WebSocket(url("/ws/close", after=1, code=4000, delay=0.05))
        ws.onopen = lambda event: event.target.send("x")
        ws.onmessage = lambda event: seen.append(event.data)
        ws.onclose = lambda event: seen.append(event.code)

    connect()
    gc.collect()
    await until(lambda: len(seen) == 2)
    assert seen == ["x", 4000]
