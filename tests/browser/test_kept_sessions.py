"""A session outlives its page: it is kept in ``sessionStorage``, which only a page has.

What only a browser shows is that it is there when the page is loaded again. What is kept, when, and
what is done with it, is shown in tests/cpython, with a simulated page; test_page_events.py has the
events and the storage of a browser's page.
"""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.sync_api import Browser

from readystate import Backoff, Blob, QueuedWebSocket, Session, State
from readystate_server.lab import Server
from readystate_server.testing import open_pyodide
from readystate_server.testing.inpage import new_id, raises, url


def kept_session(where: Any) -> QueuedWebSocket:
    session = Session(persist="sessionStorage", name="kept")
    return QueuedWebSocket(
        where, session=session, backoff=Backoff(0.01, 0.01), connect_timeout=None
    )


async def leave(*, id: str) -> None:
    """Some messages are confirmed, some are not, some never left. Blobs cannot be kept."""
    import js

    # After "open", "a", what asks for its confirmation, "b" and what follows it.
    first = iter([url("/ws/session", id=id, echo=1, fault="drop", after=5)])

    async def where() -> str:
        for address in first:
            return address
        return str(await asyncio.get_running_loop().create_future())

    ws = kept_session(where)
    ws.start()
    for blob in (js.Blob.new(), Blob(js.Blob.new())):
        with raises(TypeError, match="bytes"):
            ws.send(blob)
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


async def come_back(*, id: str) -> None:
    async with kept_session(url("/ws/session", id=id, echo=1)) as ws:
        assert ws.pending + ws.unconfirmed == 4
        ws.send("e")
        assert [await ws.recv() for _ in range(5)] == ["b", b"\x00\xff", "c", b"d", "e"]
        await ws.drain()


def test_a_page_that_is_loaded_again_goes_on(browser: Browser, server: Server) -> None:
    id = new_id()
    with open_pyodide(browser, server) as runtime:
        runtime.call(leave, id=id)
        runtime.page.reload()
        runtime.page.wait_for_selector("body[data-ready=page]", state="attached", timeout=60_000)
        runtime.call(come_back, id=id)
        # What was kept is gone as soon as a page has it, so a copy of the tab has nothing.
        assert runtime.page.evaluate("sessionStorage.length") == 0
    (application,) = server.journal(f"{id}/session", closed=1)
    arrived = [message["data"] for message in application["messages"]]
    assert arrived == ["a", "b", "AP8=", "c", "ZA==", "e"]
    runtime.console.check()
