"""A session outlives its page: it is kept in ``sessionStorage``, which only a page has.

What is kept, and what is done with it, is shown in tests/cpython, with a page that is made up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from readystate import Backoff, Blob, QueuedWebSocket, Session, State
from readystate_server.lab import Server
from readystate_server.testing import Runtime, in_browser, open_pyodide
from readystate_server.testing.inpage import new_id, raises, reported, url


@pytest.fixture
def kept(browser: Browser, server: Server) -> Iterator[Runtime]:
    with open_pyodide(browser, server, "page") as runtime:
        yield runtime
        runtime.console.check()


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
        assert ws.pending + ws.unconfirmed == (4 if expected else 0)
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
    # It has ended, so the next page begins another one.
    reload(kept)
    kept.call(come_back, id=f"{id}-next", expected=[])


@in_browser
async def test_persisting_needs_a_page() -> None:
    import js

    session = Session(persist="sessionStorage")
    where = url("/ws/session")
    if not hasattr(js, "sessionStorage"):  # in a worker
        with raises(RuntimeError, match="sessionStorage"):
            QueuedWebSocket(where, session=session)
        return
    ws = QueuedWebSocket(where, session=session)
    # They are not to be read at once, as a page that goes away would have to.
    for blob in (js.Blob.new(), Blob(js.Blob.new())):
        with raises(TypeError, match="bytes"):
            ws.send(blob)
    ws.abort()
    assert reported == []
