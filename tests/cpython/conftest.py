"""A server in this process for the tests, and a simulated page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from readystate import Backoff, QueuedWebSocket, State, StateChange
from readystate._host.cpython.errors import NativeError
from readystate._host.cpython.page import PageEvents
from readystate_server.lab import Server
from readystate_server.testing import inpage

AT_ONCE = Backoff(0, 0)
FOREVER = Backoff(600, 600, jitter=0)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server of all these tests; no page comes from it."""
    with Server() as server:
        yield server


@pytest.fixture(autouse=True)
def _address(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The helpers of :mod:`inpage` use this server."""
    monkeypatch.setattr(inpage, "server", server.url)


@pytest.fixture
def id() -> str:
    """That of the test's connections in the server's journal."""
    return inpage.new_id()


async def forever(*_: object) -> str:
    """A function that does not return, for any option."""
    await asyncio.Event().wait()
    raise AssertionError


async def reached(ws: QueuedWebSocket, state: State) -> StateChange:
    """Waits until it is in this state, and returns the change that led to it."""
    async for change in ws.states():
        if change.state is state:
            return change
    raise AssertionError(f"{ws} was never {state}")


def taken() -> list[Any]:
    """The exceptions that were reported, which the test expects."""
    errors = [context["exception"] for context in inpage.reported]
    inpage.reported.clear()
    return errors


class Page:
    """A simulated page.

    Attributes:
        listeners: Whom it tells of its events.
        storage: Its ``sessionStorage``.
        names: Under which sessions of this page are kept.
        is_hidden: Whether its tab is not shown.
        room: How long a text may be that is stored.
        on_save: Called when something is stored.
    """

    def __init__(self) -> None:
        self.listeners: dict[PageEvents, Callable[[str], None]] = {}
        self.storage: dict[str, str] = {}
        self.names: set[str] = set()
        self.is_hidden = False
        self.room = 10**9
        self.on_save: Callable[[], None] = lambda: None

    def save(self, key: str, text: str | None) -> None:
        """In place of the port's."""
        if len(text or "") > self.room:
            raise NativeError("there is no room")
        self.on_save()
        self.storage.pop(key, None)
        if text is not None:
            self.storage[key] = text

    def dispatch(self, type: str) -> None:
        for tell in tuple(self.listeners.values()):
            tell(type)

    def leave(self) -> None:
        """Has the next page of this tab take its place."""
        self.dispatch("pagehide")
        self.kill()

    def kill(self) -> None:
        """The same, without any event: nobody listens, and no name is taken."""
        self.listeners.clear()
        self.names.clear()


@pytest.fixture
def fake_page(monkeypatch: pytest.MonkeyPatch) -> Page:
    """The port has this page."""
    page = Page()
    monkeypatch.setattr("readystate.session.confirmation.SessionConfirmation._keys", page.names)
    monkeypatch.setattr("readystate.session.keeping.save", page.save)
    monkeypatch.setattr("readystate.session.keeping.restore", page.storage.get)

    def listen(events: PageEvents, function: Callable[[str], None]) -> None:
        page.listeners[events] = function

    monkeypatch.setattr(PageEvents, "__init__", listen)
    monkeypatch.setattr(PageEvents, "destroy", lambda events: page.listeners.pop(events, None))
    monkeypatch.setattr(PageEvents, "is_hidden", property(lambda _: page.is_hidden))
    return page
