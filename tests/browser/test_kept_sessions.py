"""A session outlives its page: it is kept in ``sessionStorage``, which only a page has.

What only a browser shows of pages that are loaded again, hidden, killed, or may not use the
storage: that its events and its errors are those. What is kept, and what is done with it, is shown
in tests/cpython, with a simulated page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from readystate import Backoff, Blob, QueuedWebSocket, Session, State
from readystate_server.lab import Server
from readystate_server.testing import Runtime, open_pyodide
from readystate_server.testing.inpage import new_id, raises, reported, url

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


@pytest.fixture(scope="module")
def kept(browser: Browser, server: Server) -> Iterator[Runtime]:
    """A page that the tests may load again, and spoil."""
    with open_pyodide(browser, server) as runtime:
        yield runtime


def kept_session(where: Any) -> QueuedWebSocket:
    return QueuedWebSocket(
        where,
        session=Session(persist="sessionStorage", name="kept"),
        backoff=Backoff(0.01, 0.01),
        connect_timeout=None,
    )


async def leave(*, id: str) -> None:
    """Some messages are confirmed, some are not, some never left."""
    # After "open", "a", what asks for its confirmation, "b" and what follows it.
    first = iter([url("/ws/session", id=id, echo=1, fault="drop", after=5)])

    async def where() -> str:
        for address in first:
            return address
        return str(await asyncio.get_running_loop().create_future())

    ws = kept_session(where)
    ws.start()
    await ws.send("a")
    assert await ws.recv() == "a"
    ws.send("b")
    ws.send(b"\x00\xff")
    async for change in ws.states():
        if change.state is State.WAITING and change.error is not None:
            break
    ws.send("c")
    ws.send(b"d")
    assert ws.unconfirmed + ws.pending == 4


async def come_back(*, id: str, expected: list[Any]) -> None:
    async with kept_session(url("/ws/session", id=id, echo=1)) as ws:
        assert ws.pending + ws.unconfirmed == 4
        ws.send("e")
        assert [await ws.recv() for _ in range(len(expected) + 1)] == [*expected, "e"]
        await ws.drain()


def reload(runtime: Runtime) -> None:
    runtime.page.reload()
    runtime.page.wait_for_selector("body[data-ready=page]", state="attached", timeout=60_000)


def test_a_page_that_is_loaded_again_goes_on(kept: Runtime, server: Server) -> None:
    id = new_id()
    kept.call(leave, id=id)
    reload(kept)
    kept.call(come_back, id=id, expected=["b", b"\x00\xff", "c", b"d"])
    # What was kept is gone as soon as a page has it, so a copy of the tab has nothing.
    assert kept.page.evaluate("sessionStorage.length") == 0
    (application,) = server.journal(f"{id}/session", closed=1)
    assert [message["data"] for message in application["messages"]] == [
        *("a", "b", "AP8=", "c", "ZA==", "e"),
    ]
    kept.console.check()


async def keep_blobs() -> None:
    import js

    ws = QueuedWebSocket(url("/ws/session"), session=Session(persist="sessionStorage"))
    for blob in (js.Blob.new(), Blob(js.Blob.new())):
        with raises(TypeError, match="bytes"):
            ws.send(blob)
    ws.abort()
    assert reported == []


def test_blobs_cannot_be_kept(kept: Runtime) -> None:
    """They are not to be read at once, as a page that goes away would have to."""
    kept.call(keep_blobs)
    kept.console.check()


async def begin(*, id: str) -> None:
    """One message is done; then there is no connection."""
    import builtins

    first = iter([url("/ws/session", id=id, echo=1)])

    async def where() -> str:
        for address in first:
            return address
        return str(await asyncio.get_running_loop().create_future())

    ws = builtins.kept_ws = kept_session(where)  # type: ignore[attr-defined]
    ws.start()
    await ws.send("a")
    ws._supervisor.dead("nothing is heard")


async def send(*, text: str) -> None:
    import builtins

    builtins.kept_ws.send(text)  # type: ignore[attr-defined]


async def go_on(*, id: str, expected: list[str]) -> None:
    async with kept_session(url("/ws/session", id=id, echo=1)) as ws:
        await ws.drain()
        received: list[Any] = []
        while received[-1:] != expected[-1:]:
            received.append(await ws.recv())
        assert received[-len(expected) :] == expected


@pytest.mark.only_browser("chromium")
def test_a_tab_that_has_little_room(kept: Runtime) -> None:
    """The id comes first, then as many messages as there is room for."""
    id = new_id()
    kept.call(begin, id=id)
    assert kept.page.evaluate(SHOWN, "hidden") == 1
    assert kept.page.evaluate(SHOWN, "visible") == 0
    for number in range(8):
        kept.call(send, text=str(number) * 4000)
    before = kept.page.evaluate(FULL)
    assert kept.page.evaluate(SHOWN, "hidden") == before + 1
    complaints = "".join(kept.console.complaints)
    assert "The browser has room for the first 2 of 8 messages" in complaints
    assert "QuotaExceededError" in complaints
    kept.console.complaints.clear()
    kept.page.evaluate(KILLED)
    reload(kept)
    kept.call(go_on, id=id, expected=["0" * 4000])
    kept.console.check()
