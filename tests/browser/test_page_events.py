"""What happens to a page, and connections that come back: it is hidden, frozen, or offline.

What is done about it is shown in tests/cpython, with a simulated page; here it is that the events
and the storage of a browser are those, that it has waits that are not its timers, and that the
network is really gone. Playwright shows all tabs, so that the page here only says that it is
hidden; how fast one is that a visitor has hidden, tests/long measures. test_worker.py has the
worker's events.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from readystate import QueuedWebSocket, QuotaExceededError, connect
from readystate._host import PageEvents, UnthrottledTimer, restore, save, sleep_unthrottled
from readystate_server.lab import Server
from readystate_server.testing import Runtime, in_browser
from readystate_server.testing.inpage import new_id, raises, url
from tests.faults import check, send_through

FOREVER = 3600.0
"""A wait that no test lasts for, in seconds."""
TIMEOUT = 150
MANY = 1_000


def dispatch(type: str, **values: Any) -> None:
    """Has the page believe that this has happened."""
    import js

    from readystate._host.js.values import options

    Kind = js.PageTransitionEvent if values else js.Event  # noqa: N806
    place = js.document if type in ("resume", "visibilitychange") else js.globalThis
    place.dispatchEvent(Kind.new(type, options(**values)))


class Hidden:
    """The page says that it is hidden, in the block."""

    def __enter__(self) -> None:
        import js

        from readystate._host.js.values import options

        for name, value in (("hidden", True), ("visibilityState", "hidden")):
            js.Object.defineProperty(js.document, name, options(value=value, configurable=True))

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


@in_browser
async def test_what_happens_to_the_page_is_told_until_nobody_listens() -> None:
    """A page that is shown for the first time was not away."""
    told: list[str] = []
    events = PageEvents(told.append)
    for type in ("online", "offline", "resume", "visibilitychange", "pagehide"):
        dispatch(type)
    for persisted in (False, True):
        dispatch("pageshow", persisted=persisted)
    assert not events.is_hidden
    with Hidden():
        dispatch("visibilitychange")
        assert events.is_hidden
    assert told == ["online", "offline", "resume", "visible", "pagehide", "pageshow", "hidden"]
    events.destroy()
    for type in ("online", "resume"):
        dispatch(type)
    assert len(told) == 7


@in_browser
async def test_a_tab_that_is_full_keeps_what_it_has() -> None:
    save("mine", "before")
    with raises(QuotaExceededError):
        save("mine", "x" * 2**25)
    assert restore("mine") == "before"
    save("mine", None)
    assert restore("mine") is None


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
