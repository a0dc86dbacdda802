"""A page that is hidden, and then killed without a word.

What is kept, and when, is in test_queued_websocket.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from readystate import Backoff, QueuedWebSocket, QueueFull, Session
from readystate._host.cpython.errors import NativeError
from readystate_server.testing.inpage import journal, new_id, raises, url

from .conftest import Page, forever

MIB = 2**20


class Tab:
    """A tab whose pages connect to an application that echoes, as long as they live."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.id = new_id()

    def open(self) -> QueuedWebSocket:
        """What a new page makes; it connects once."""
        left = [url("/ws/session", id=self.id, echo=1)]

        async def where() -> str:
            return left.pop() if left else await forever()

        session = Session(persist="sessionStorage", name="kept")
        backoff = Backoff(0.01, 0.01)
        return QueuedWebSocket(where, session=session, backoff=backoff, connect_timeout=None)

    def kill(self, ws: QueuedWebSocket) -> None:
        """Its page is gone, without any event."""
        self.page.kill()
        ws._supervisor.dead("nothing is heard")

    async def handled(self) -> list[str]:
        (application,) = await journal(f"{self.id}/session")
        return [message["data"] for message in application["messages"]]


@pytest.fixture
def tab(fake_page: Page) -> Tab:
    return Tab(fake_page)


@pytest.mark.parametrize("more", [1, 5])
@pytest.mark.parametrize("kept", [0, 3])
async def test_the_page_is_killed_before_it_has_kept_its_last_messages(
    tab: Tab, kept: int, more: int
) -> None:
    """The server has more than the page that comes next knows of, and is not done with it."""
    ws = tab.open()
    ws.start()
    await ws.send("done")
    for number in range(kept):
        ws.send(f"kept {number}")
    tab.page.dispatch("hidden")
    stale = dict(tab.page.storage)
    deliveries = [ws.send(f"not kept {number}") for number in range(more)]
    for delivery in deliveries:
        await delivery
    tab.kill(ws)
    tab.page.storage.clear()
    tab.page.storage.update(stale)
    async with tab.open() as next_page:
        await next_page.send("next")
        await next_page.send("last")
        handled = await tab.handled()
        assert handled[-2:] == ["next", "last"]
        assert len(handled) == len(set(handled)) == 1 + kept + more + 2


async def test_no_more_is_accepted_than_can_be_kept(tab: Tab) -> None:
    """So the sender is told at once, by what it has chosen with ``on_full``."""
    ws = tab.open()
    for _ in range(4):
        ws.send("x" * (MIB // 4))
    with raises(QueueFull):
        ws.send("x")
    with raises(ValueError, match="1,048,577 bytes cannot be kept with persist="):
        ws.send("x" * (MIB + 1))
    ws.clear()
    ws.send("x" * MIB)
    tab.page.dispatch("hidden")
    ws.abort()


@pytest.mark.parametrize("is_told_by", ["restore", "save"])
async def test_a_page_that_may_not_keep_anything(
    tab: Tab, monkeypatch: pytest.MonkeyPatch, is_told_by: str
) -> None:
    """Such as that of an iframe with ``sandbox="allow-scripts"``."""

    def refuse(*_: Any) -> None:
        raise NativeError("Access is denied for this document.")

    monkeypatch.setattr(f"readystate.session.keeping.{is_told_by}", refuse)
    with raises(RuntimeError, match="allow-same-origin") as caught:
        tab.open()
    assert "Access is denied for this document." in str(caught.value)
