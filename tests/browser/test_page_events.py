"""What happens to a page, and connections that come back: it is hidden, frozen, or offline.

What is done about it is shown in tests/cpython, with a simulated page; here it is that the
events of a browser are those, that it has waits that are not its timers, and that the network is
really gone. Playwright shows all tabs, so that the page here only says that it is hidden; how fast
one is that a visitor has hidden, tests/long measures. test_worker.py has the worker's events.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from readystate import Backoff, QueuedWebSocket, State, StateChange, connect
from readystate._host import UnthrottledTimer, sleep_unthrottled
from readystate_server.lab import Server
from readystate_server.testing import Runtime, in_browser
from readystate_server.testing.inpage import new_id, turns, url
from tests.faults import check, send_through

FOREVER = 3600.0
"""A wait that no test lasts for, in seconds."""
TIMEOUT = 150
MANY = 1_000


def dispatch(type: str, **options: Any) -> None:
    """Has the page believe that this has happened."""
    import js
    from pyodide.ffi import to_js

    Kind = js.PageTransitionEvent if options else js.Event  # noqa: N806
    event = Kind.new(type, to_js(options, dict_converter=js.Object.fromEntries))
    (js.document if type in ("resume", "visibilitychange") else js.globalThis).dispatchEvent(event)


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


async def waiting() -> QueuedWebSocket:
    """One whose connection has been lost, and that waits as good as for ever."""
    paths = iter(["/ws/close?code=1012"])
    ws = QueuedWebSocket(
        lambda: url(next(paths, "/ws/echo")), backoff=Backoff(60, 60, jitter=0), close_timeout=0
    )
    ws.start()
    async for change in ws.states():
        if change.state is State.WAITING and change.error is not None:
            return ws
    raise AssertionError(f"{ws} never waited")


@pytest.mark.parametrize("type", ["online", "pageshow", "resume", "visibilitychange"])
@in_browser
async def test_what_comes_back_connects_at_once(type: str) -> None:
    async with asyncio.timeout(30):
        ws = await waiting()
        dispatch(type, **({"persisted": True} if type == "pageshow" else {}))
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.stats.reconnects == 1
        await ws.close()


@pytest.mark.parametrize("type", ["offline", "pageshow", "visibilitychange"])
@in_browser
async def test_what_does_not_bring_it_back(type: str) -> None:
    """A page that is shown for the first time was not away, and one that is hidden is not back."""
    ws = await waiting()
    with Hidden() if type == "visibilitychange" else contextlib.nullcontext():
        dispatch(type, **({"persisted": False} if type == "pageshow" else {}))
        await turns(20)
    assert (ws.state, ws.stats.attempts) == (State.WAITING, 1)
    await ws.close()


@in_browser
async def test_an_iteration_goes_on_at_once_too() -> None:
    connections = 0
    async with asyncio.timeout(30):
        async for ws in connect(url("/ws/close?code=1012"), backoff=Backoff(60, 60, jitter=0)):
            connections += 1
            await ws.wait_closed()
            if connections == 2:
                break
            asyncio.get_running_loop().call_later(0.1, dispatch, "visibilitychange")


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


@in_browser
async def test_after_the_end_it_listens_to_nothing() -> None:
    """A listener that was left would complain on the console."""
    changes: list[StateChange] = []
    ws = QueuedWebSocket(url("/ws/echo"), on_state=changes.append)
    ws.start()
    ws.abort()
    await asyncio.sleep(0)
    dispatch("online")
    dispatch("offline")
    assert changes[-1].state is State.CLOSED


@pytest.mark.parametrize(
    ("confirmation", "kind"), [("heartbeat", "text"), ("acks", "binary"), ("none", "text")]
)
def test_the_page_is_offline(
    runtime: Runtime, failing: Server, confirmation: str, kind: str
) -> None:
    """It waits for long then, and no longer than until it is online again."""
    id, before = new_id(), MANY // 2
    wait = runtime.start(
        send_through,
        timeout=TIMEOUT,
        base=failing.ws_url(""),
        id=id,
        # Firefox does not hold up a connection that is there; so this one ends, if it is reached.
        plan=[{"fault": "drop", "after": before + 1}],
        confirmation=confirmation,
        kind=kind,
        steps=[
            ("put", before),
            ("tell", "offline"),
            ("until", "offline"),
            ("put", MANY - before),
            ("until waiting", FOREVER),
            ("tell", "online"),
            ("until", "online"),
        ],
        # Chromium does: nothing arrives any more.
        pulse=(0.2, 1),
        backoff=(0.01, FOREVER, 1.0),
    )
    page = runtime.page
    try:
        page.wait_for_selector("body[data-phase=offline]", state="attached", timeout=60_000)
        page.context.set_offline(True)
        page.wait_for_selector("body[data-phase=online]", state="attached", timeout=60_000)
    finally:
        page.context.set_offline(False)
    result = wait()
    check(failing, id, result, confirmation, kind)
    assert result["longest_delay"] == FOREVER
