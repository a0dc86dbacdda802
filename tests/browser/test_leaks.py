"""What a socket has created is gone when it is closed."""

from __future__ import annotations

import asyncio
import gc

import pytest
from playwright.sync_api import Browser

from readystate import WebSocket
from readystate_server.lab import Server
from readystate_server.testing import Runtime, in_browser, open_pyodide
from readystate_server.testing.inpage import all_delivered, closed, event, opened, until, url

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


@in_browser
async def test_the_python_object_goes_too() -> None:
    import weakref

    async def connect() -> weakref.ref[WebSocket]:
        ws = await opened()
        ws.onmessage = lambda event: ws.send("a cycle")
        await closed(ws)
        await all_delivered(ws)
        return weakref.ref(ws)

    reference = await connect()
    gc.collect()
    assert reference() is None


@in_browser
async def test_a_listener_that_is_removed_is_let_go_of() -> None:
    import weakref

    class Listener:
        def __call__(self, event: object) -> None:
            pass

    ws, listener = await opened(), Listener()
    reference = weakref.ref(listener)
    ws.addEventListener("message", listener)
    ws.onopen = listener
    ws.removeEventListener("message", listener)
    ws.onopen = None
    del listener
    gc.collect()
    assert reference() is None


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


@in_browser
async def test_a_socket_without_listeners_holds_nothing() -> None:
    import weakref

    ws = WebSocket(url("/ws/echo"))
    native, reference = ws.js_websocket, weakref.ref(ws)
    del ws
    gc.collect()
    assert reference() is None
    native.close()


@in_browser
async def test_listeners_that_are_added_after_the_end_hold_nothing() -> None:
    import weakref

    async def listened_to() -> weakref.ref[WebSocket]:
        ws = await opened()
        await closed(ws)
        await all_delivered(ws)
        ws.onclose = lambda event: ws.send("a cycle")
        ws.addEventListener("open", lambda event: ws.send("a cycle"))
        return weakref.ref(ws)

    async def never_listened_to() -> weakref.ref[WebSocket]:
        ws = WebSocket(url("/ws/refuse"))
        await until(lambda: ws.readyState == WebSocket.CLOSED)
        ws.onclose = lambda event: ws.send("a cycle")
        return weakref.ref(ws)

    for closed_socket in (listened_to, never_listened_to):
        reference = await closed_socket()
        gc.collect()
        assert reference() is None, closed_socket
