"""What only a browser shows of pages that are hidden, killed, or may not use ``sessionStorage``:
that its events and its errors are those. The rest is shown in tests/cpython, with a page that is
made up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from readystate import Backoff, QueuedWebSocket, Session
from readystate_server.lab import Server
from readystate_server.testing import Runtime, open_pyodide
from readystate_server.testing.inpage import new_id, raises, url

KILLED = """
() => addEventListener("pagehide", (event) => event.stopImmediatePropagation(), {capture: true})
"""
SHOWN = """
(state) => {
    Object.defineProperty(document, "visibilityState", {configurable: true, get: () => state});
    document.dispatchEvent(new Event("visibilitychange"));
    return sessionStorage.length;
}
"""
FULL = """
() => {
    let last;
    for (let size = 2 ** 22; size >= 2 ** 12; size /= 2)
        for (;;) {
            const key = `other-${sessionStorage.length}`;
            try { sessionStorage.setItem(key, "x".repeat(size)); }
            catch { break; }
            last = key;
        }
    sessionStorage.removeItem(last);
    return sessionStorage.length;
}
"""
DENIED = """
() => Object.defineProperty(window, "sessionStorage", {
    configurable: true,
    get() { throw new DOMException("The document is sandboxed", "SecurityError"); },
})
"""


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server) -> Iterator[Runtime]:
    with open_pyodide(browser, server, "page") as runtime:
        yield runtime


def new(where: Any) -> QueuedWebSocket:
    return QueuedWebSocket(
        where,
        session=Session(persist="sessionStorage", name="kept"),
        backoff=Backoff(0.01, 0.01),
        connect_timeout=None,
    )


async def begin(*, id: str) -> None:
    """One message is done; then there is no connection."""
    import builtins

    first = iter([url("/ws/session", id=id, echo=1)])

    async def where() -> str:
        for address in first:
            return address
        return str(await asyncio.get_running_loop().create_future())

    ws = builtins.kept_ws = new(where)  # type: ignore[attr-defined]
    ws.start()
    await ws.send("a")
    ws._supervisor.dead("nothing is heard")


async def send(*, text: str) -> None:
    import builtins

    builtins.kept_ws.send(text)  # type: ignore[attr-defined]


async def go_on(*, id: str, expected: list[str]) -> None:
    async with new(url("/ws/session", id=id, echo=1)) as ws:
        await ws.drain()
        received: list[Any] = []
        while received[-1:] != expected[-1:]:
            received.append(await ws.recv())
        assert received[-len(expected) :] == expected


def reload(runtime: Runtime) -> None:
    runtime.page.reload()
    runtime.page.wait_for_selector("body[data-ready=page]", state="attached", timeout=60_000)


def test_a_page_that_is_killed_while_it_is_hidden(page: Runtime) -> None:
    id = new_id()
    page.call(begin, id=id)
    assert page.page.evaluate(SHOWN, "hidden") == 1
    assert page.page.evaluate(SHOWN, "visible") == 0
    assert page.page.evaluate(SHOWN, "hidden") == 1
    page.call(send, text="b")
    page.call(send, text="c")
    page.page.evaluate(KILLED)
    reload(page)
    page.call(go_on, id=id, expected=["b", "c"])
    assert page.page.evaluate("sessionStorage.length") == 0
    page.console.check()


@pytest.mark.only_browser("chromium")
def test_a_tab_that_has_little_room(page: Runtime) -> None:
    """The id comes first, then as many messages as there is room for."""
    id = new_id()
    page.call(begin, id=id)
    for number in range(8):
        page.call(send, text=str(number) * 4000)
    before = page.page.evaluate(FULL)
    assert page.page.evaluate(SHOWN, "hidden") == before + 1
    complaints = "".join(page.console.complaints)
    assert "The browser has room for the first 2 of 8 messages" in complaints
    assert "QuotaExceededError" in complaints
    page.console.complaints.clear()
    page.page.evaluate(KILLED)
    reload(page)
    page.call(go_on, id=id, expected=["0" * 4000])
    page.console.check()


async def refused() -> None:
    with raises(RuntimeError, match="allow-same-origin"):
        new("ws://example.org/")


@pytest.mark.only_browser("chromium")
def test_a_page_that_may_not_use_the_storage(page: Runtime) -> None:
    page.page.evaluate(DENIED)
    page.call(refused)
    page.console.check()
