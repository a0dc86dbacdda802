"""A page that is hidden, and then killed without a word, in a tab that has little room for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from readystate import QueuedWebSocket, QueueFull
from readystate._host.cpython.errors import NativeError
from readystate.session.keeping import Keeping
from readystate.session.snapshot import Snapshot
from readystate_server.testing import inpage
from readystate_server.testing.inpage import journal, new_id, raises, until, url

from .conftest import Page, kept, once

MIB = 2**20


class Tab:
    """A tab whose pages connect to an application that echoes, as long as they live."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.id = new_id()

    def open(self) -> QueuedWebSocket:
        """What a new page makes."""
        return kept(once(url("/ws/session", id=self.id, echo=1)))

    def kill(self, ws: QueuedWebSocket) -> None:
        """Its page is gone, without any event."""
        self.page.listeners.clear()
        self.page.names.clear()
        ws._supervisor.dead("nothing is heard")

    @property
    def kept(self) -> Any:
        (text,) = self.page.storage.values()
        return json.loads(text)

    async def handled(self) -> list[str]:
        (application,) = await journal(f"{self.id}/session")
        return [message["data"] for message in application["messages"]]


@pytest.fixture
def tab(fake_page: Page) -> Tab:
    return Tab(fake_page)


async def test_a_page_is_kept_while_it_is_hidden(tab: Tab) -> None:
    async with tab.open() as ws:
        await ws.send("a")
        assert tab.page.storage == {}
        tab.page.dispatch("hidden")
        session, connection, done, confirmed, sent, waiting = tab.kept
        assert isinstance(session, str)
        assert (connection, done, confirmed, sent, waiting) == (1, 0, 1, [], [])
        tab.page.dispatch("visible")
        assert tab.page.storage == {}
        tab.page.dispatch("hidden")
    # Ended, it cannot be gone on with.
    assert tab.page.storage == {}


async def test_a_page_that_is_opened_hidden_is_kept_from_the_start(tab: Tab) -> None:
    """As by a click with the middle button: it has no event that says so."""
    tab.page.is_hidden = True
    ws = tab.open()
    ws.send("a")
    ws.start()
    assert tab.kept[5] == ["a"]
    await ws.send("b")
    tab.kill(ws)
    ws.send("c")
    # Whether it has been sent already or waits; at once, or soon after the last time.
    await until(lambda: '"c"' in json.dumps(tab.kept))
    async with tab.open() as next_page:
        await next_page.drain()
        assert await tab.handled() == ["a", "b", "c"]
        tab.page.dispatch("visible")
        assert tab.page.storage == {}


async def test_what_is_sent_and_received_while_hidden_is_kept(tab: Tab) -> None:
    ws = tab.open()
    ws.start()
    await ws.send("a")
    tab.page.dispatch("hidden")
    ws.send("b")
    await until(lambda: tab.kept[4] == ["b"] or tab.kept[3] == 2)
    assert await ws.recv() == "a"
    await until(lambda: tab.kept[2] == 1)
    tab.kill(ws)
    ws.send("c")
    await until(lambda: "c" in tab.kept[5])
    async with tab.open() as next_page:
        # It is this page's from now on, also where the tab is copied.
        assert tab.page.storage == {}
        assert [await next_page.recv() for _ in range(2)] == ["b", "c"]
        await next_page.drain()
        assert await tab.handled() == ["a", "b", "c"]


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


def has_room_for(page: Page, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tab keeps texts up to this length."""

    def save(key: str, text: str | None) -> None:
        if text is not None and len(text) > length:
            raise NativeError("there is no room")
        page.storage.pop(key, None)
        if text is not None:
            page.storage[key] = text

    monkeypatch.setattr("readystate.session.keeping.save", save)


async def test_what_does_not_fit_is_left_out_and_the_id_comes_first(
    tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_room_for(tab.page, 1000, monkeypatch)
    ws = tab.open()
    ws.start()
    await ws.send("a")
    ws._supervisor.dead("nothing is heard")
    messages = [f"{number:050}" for number in range(100)]
    for message in messages:
        ws.send(message)
    tab.page.dispatch("hidden")
    session, _, _, _, sent, waiting = tab.kept
    assert isinstance(session, str)
    count = len(sent) + len(waiting)
    assert 0 < count < 100
    (report,) = [*inpage.reported]
    inpage.reported.clear()
    assert f"has room for the first {count} of 100 messages" in report["message"]
    tab.kill(ws)
    async with tab.open() as next_page:
        await next_page.send("next")
    assert await tab.handled() == ["a", *messages[:count], "next"]


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


async def test_keeping_much_does_not_take_all_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes right after is kept later, together, and before it is acknowledged."""
    now = 0.0
    saved = 0

    def save(key: str, text: str | None) -> None:
        nonlocal now, saved
        now += 0.01
        saved += 1

    monkeypatch.setattr("readystate.session.keeping.save", save)
    snapshot = Snapshot("id", 1, 0, 0, [], [])
    keeping = Keeping("key", lambda: snapshot, lambda: "it", lambda: now)
    keeping.changed()
    assert saved == 0
    keeping.on_page_event("hidden")
    assert saved == 1
    for _ in range(100):
        keeping.changed()
    assert saved == 1
    keeping.catch_up()
    assert saved == 2
    keeping.catch_up()
    assert saved == 2
    keeping.changed()
    await until(lambda: saved == 3)  # by a timer
    now += 1
    keeping.changed()
    assert saved == 4
    keeping.on_page_event("visible")
    keeping.changed()
    assert saved == 5
