"""A server in this process for the tests, and a simulated page."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from readystate import Backoff, Heartbeat, QueuedWebSocket, Session, State, StateChange
from readystate._host.cpython import page as host_page
from readystate._host.cpython.native_websocket import NativeWebSocket
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


async def the_one(id: str) -> dict[str, Any]:
    """The one connection with ``id``, as the server has seen it, once it is closed."""
    (connection,) = await inpage.journal(id, closed=1)
    return connection


def texts(connection: dict[str, Any]) -> list[str]:
    """What a connection of the journal has received."""
    return [message["data"] for message in connection["messages"]]


def in_turn(*paths: str) -> Callable[[], str]:
    """A function for the URL: the paths one after the other, and then the last one again."""
    left = list(paths)
    return lambda: inpage.url(left.pop(0) if len(left) > 1 else left[0])


async def forever(*_: object) -> str:
    """A function that does not return, for any option."""
    await asyncio.Event().wait()
    raise AssertionError


def once(address: str) -> Callable[[], Coroutine[Any, Any, str]]:
    """A function for the URL: this one, and then none."""
    left = [address]

    async def where() -> str:
        return left.pop() if left else await forever()

    return where


def kept(where: Any, **options: Any) -> QueuedWebSocket:
    """One with a session that the page which comes next goes on with."""
    return QueuedWebSocket(
        where,
        session=Session(persist="sessionStorage", name="kept"),
        backoff=Backoff(0.01, 0.01),
        connect_timeout=None,
        **options,
    )


def echoed_heartbeat(message: Any = "ping", **options: Any) -> Heartbeat:
    """For an echo. Its interval is as good as never."""
    is_reply = lambda reply: reply == "ping"  # noqa: E731
    return Heartbeat(message, **{"interval": 60, "timeout": 60, "is_reply": is_reply, **options})


async def reached(ws: QueuedWebSocket, state: State) -> StateChange:
    """Waits until it is in this state, and returns the change that led to it."""
    async for change in ws.states():
        if change.state is state:
            return change
    raise AssertionError(f"{ws} was never {state}")


async def lost(ws: QueuedWebSocket) -> StateChange:
    """Waits until it waits for the next attempt, and returns that change."""
    return await reached(ws, State.WAITING)


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
        is_online: Whether there may be a network.
        is_hidden: Whether its tab is not shown.
    """

    def __init__(self) -> None:
        self.listeners: dict[PageEvents, Callable[[str], None]] = {}
        self.storage: dict[str, str] = {}
        self.names: set[str] = set()
        self.is_online = True
        self.is_hidden = False

    def dispatch(self, type: str) -> None:
        """Has this event happen."""
        for tell in tuple(self.listeners.values()):
            tell(type)

    def leave(self) -> None:
        """Has the next page of this tab take its place: nobody listens, and no name is taken."""
        self.dispatch("pagehide")
        self.listeners.clear()
        self.names.clear()


@pytest.fixture
def fake_page(monkeypatch: pytest.MonkeyPatch) -> Page:
    """The port has this page."""
    page = Page()
    monkeypatch.setattr("readystate.session.confirmation.SessionConfirmation._keys", page.names)

    def save(key: str, text: str | None) -> None:
        page.storage.pop(key, None)
        if text is not None:
            page.storage[key] = text

    def listen(events: PageEvents, function: Callable[[str], None]) -> None:
        page.listeners[events] = function

    def ignore(events: PageEvents) -> None:
        page.listeners.pop(events, None)

    monkeypatch.setattr(PageEvents, "__init__", listen)
    monkeypatch.setattr(PageEvents, "destroy", ignore)
    monkeypatch.setattr(PageEvents, "is_online", property(lambda _: page.is_online))
    monkeypatch.setattr(PageEvents, "is_hidden", property(lambda _: page.is_hidden))
    # They are functions, which modules have imported by their names.
    for function, instead in ((host_page.save, save), (host_page.restore, page.storage.get)):
        for module in [*sys.modules.values()]:
            for name, value in [*vars(module).items()]:
                if value is function:
                    monkeypatch.setattr(module, name, instead)
    return page


class Sockets:
    """What has been connected in a test.

    Attributes:
        made: The native sockets, the oldest first.
        arrived: The messages that came over any of them, whether or not anybody has asked for them.
    """

    def __init__(self) -> None:
        self.made: list[NativeWebSocket] = []
        self.arrived: list[str | bytes] = []


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Sockets:
    """Takes note of them."""
    sockets = Sockets()
    init, on_message = NativeWebSocket.__init__, NativeWebSocket.on_message

    def noted(native: NativeWebSocket, *arguments: Any) -> None:
        init(native, *arguments)
        sockets.made.append(native)

    def arrived(native: NativeWebSocket, message: str | bytes) -> None:
        on_message(native, message)
        sockets.arrived.append(message)

    monkeypatch.setattr(NativeWebSocket, "__init__", noted)
    monkeypatch.setattr(NativeWebSocket, "on_message", arrived)
    return sockets
