"""A tab that is hidden, and shown again.

Only a browser has the event, and waits that are not its timers; what is done about the event is
shown in tests/cpython, with a page that is made up. Playwright shows all tabs, so that the page
here only says that it is hidden. How fast one is that a visitor has hidden, tests/long measures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from readystate import Backoff, QueuedWebSocket, connect
from readystate._host import UnthrottledTimer, sleep_unthrottled
from readystate_server.testing import Runtime, in_browser
from readystate_server.testing.inpage import url


class Hidden:
    """The page says that it is hidden, in the block."""

    def __enter__(self) -> None:
        import js
        from pyodide.ffi import to_js

        said: dict[str, Any] = {"hidden": True, "visibilityState": "hidden"}
        for name, value in said.items():
            property = {"value": value, "configurable": True}
            made = to_js(property, dict_converter=js.Object.fromEntries)
            js.Object.defineProperty(js.document, name, made)

    def __exit__(self, *_: object) -> None:
        import js

        for name in ("hidden", "visibilityState"):
            js.Reflect.deleteProperty(js.document, name)


HOLD = """\
() => globalThis.holdTimers = () => {
  const { setTimeout, clearTimeout } = globalThis;
  const held = new Map();
  globalThis.setTimeout = (call, delay = 0, ...values) => {
    if (delay <= 4) return setTimeout(call, delay, ...values);
    held.set(-held.size - 1, () => call(...values));
    return -held.size;
  };
  globalThis.clearTimeout = (id) => held.has(id) ? held.set(id, () => {}) : clearTimeout(id);
  return () => {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    for (const call of held.values()) setTimeout(call, 0);
  };
}"""


class WithoutTimers(Hidden):
    """It is hidden, and no timer comes in the block, but those for the next turn."""

    def __enter__(self) -> None:
        import js

        super().__enter__()
        self._release = js.holdTimers()

    def __exit__(self, *exception: object) -> None:
        self._release()
        super().__exit__(*exception)


def change_visibility() -> None:
    import js

    js.document.dispatchEvent(js.Event.new("visibilitychange"))


async def refused_once() -> AsyncIterator[str]:
    yield url("/ws/close?code=1012")
    while True:
        yield url("/ws/echo")


@in_browser
async def test_a_tab_that_is_shown_again_connects_at_once() -> None:
    urls = refused_once()
    async with (
        asyncio.timeout(30),
        QueuedWebSocket(urls.__anext__, backoff=Backoff(60, 60, jitter=0)) as ws,
    ):
        async for change in ws.states():
            if change.error is not None:
                break
        with Hidden():
            change_visibility()
            await asyncio.sleep(0)
            assert ws.state == "WAITING"
        change_visibility()
        await ws.wait_open()
        assert ws.stats.reconnects == 1


@in_browser
async def test_an_iteration_goes_on_at_once_too() -> None:
    connections = 0
    async with asyncio.timeout(30):
        async for ws in connect(url("/ws/close?code=1012"), backoff=Backoff(60, 60, jitter=0)):
            connections += 1
            await ws.wait_closed()
            if connections == 2:
                break
            asyncio.get_running_loop().call_later(0.1, change_visibility)


@in_browser
async def test_short_waits_while_it_is_hidden() -> None:
    called: list[str] = []
    loop = asyncio.get_running_loop()
    with Hidden():
        since = loop.time()
        await sleep_unthrottled(0.05)
        assert loop.time() - since >= 0.045
        UnthrottledTimer(0.01, lambda: called.append("called"))
        cancelled = UnthrottledTimer(0.01, lambda: called.append("cancelled"))
        cancelled.cancel()
        sleeping = asyncio.ensure_future(sleep_unthrottled(0.01))
        await asyncio.sleep(0)
        sleeping.cancel()
        await sleep_unthrottled(0.1)
    assert called == ["called"]
    assert sleeping.cancelled()


@in_browser
async def test_what_waits_for_the_buffer_goes_on_while_it_is_hidden() -> None:
    data = bytes(2**20)
    with Hidden():
        async with asyncio.timeout(30), connect(url("/ws/echo"), write_limit=2**16) as ws:
            for _ in range(5):
                await ws.send(data)
            await ws.drain()
            for _ in range(5):
                assert len(await ws.recv()) == 2**20
        async with asyncio.timeout(30), QueuedWebSocket(url("/ws/echo")) as queued:
            delivery = queued.send(data)
            await queued.drain()
            assert delivery.reason == "left the page"


async def send_much_without_timers() -> None:
    import js

    if not hasattr(js.Atomics, "waitAsync"):
        return  # Such a browser has nothing else that comes in time.
    data = bytes(2**20)
    timers: list[str] = []
    address = url("/ws/sink")
    async with connect(address, write_limit=2**16) as ws, QueuedWebSocket(address) as queued:
        await queued.wait_open()
        with WithoutTimers():
            asyncio.get_running_loop().call_later(0.005, timers.append, "came")
            for _ in range(20):
                await ws.send(data)
            await ws.drain()
            deliveries = [queued.send(data) for _ in range(20)]
            await queued.drain()
            assert timers == []
        assert {delivery.reason for delivery in deliveries} == {"left the page"}


def test_what_waits_for_the_buffer_is_woken_without_timers(runtime: Runtime) -> None:
    runtime.page.evaluate(HOLD)
    runtime.call(send_much_without_timers)
