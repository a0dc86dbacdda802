"""A bare WebSocket and a session side by side: they send the same, and break at the same time."""

from __future__ import annotations

import asyncio
import inspect
import logging
import uuid
from collections.abc import Callable
from typing import Any, Protocol

import js
from drawing import shape
from lab import PATIENCE, STATES, one_at_a_time
from lab_server import ServerError, ask, endpoint
from pyodide.ffi import create_proxy

from readystate import Backoff, Event, QueuedWebSocket, Session, WebSocket

COUNT = 120
RATE = 20.0
"""Messages a second."""
BREAKS = (30, 70)
"""After so many messages the connections break."""
DEAF = 0.5
"""Seconds in which nothing arrives, before TCP is reset."""
TICK = 0.1
"""Seconds between two drawings."""
LOOK = 0.25
"""Seconds between two looks into the server's journal."""
CELL, COLUMNS = 10, 24
"""The size of a message in the drawing, and how many there are in a row."""


class Bare:
    """A WebSocket that is opened again when it closes, with a queue until it is open."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.waiting: list[str] = []
        self.is_over = False
        self.open()

    def open(self) -> None:
        self.ws = WebSocket(self.url)
        self.ws.onopen = self.on_open
        self.ws.onclose = self.on_close

    def on_open(self, _: Event) -> None:
        while self.waiting:
            self.ws.send(self.waiting.pop(0))

    async def on_close(self, _: Event) -> None:
        await asyncio.sleep(0.5)
        if not self.is_over:
            self.open()

    def send(self, message: str) -> None:
        if self.ws.readyState == self.ws.OPEN:
            self.ws.send(message)
        else:
            self.waiting.append(message)

    @property
    def state(self) -> str:
        return STATES[self.ws.readyState]

    def abort(self) -> None:
        self.is_over = True
        self.ws.close()

    async def close(self) -> None:
        while self.waiting:
            await asyncio.sleep(0.01)
        self.abort()
        while self.ws.readyState != self.ws.CLOSED:
            await asyncio.sleep(0.01)


def session(url: str) -> QueuedWebSocket:
    return QueuedWebSocket(url, session=Session(interval=1, timeout=2), backoff=Backoff(0.5, 4))


class Kept:
    """A session."""

    def __init__(self, url: str) -> None:
        self.ws = session(url)
        self.ws.start()

    def send(self, message: str) -> None:
        self.ws.send(message)

    @property
    def state(self) -> str:
        return str(self.ws.state)

    def abort(self) -> None:
        self.ws.abort()

    async def close(self) -> None:
        await self.ws.close()


class Client(Protocol):
    """One of the two."""

    state: str

    def send(self, message: str) -> None: ...

    def abort(self) -> None: ...

    async def close(self) -> None: ...


class Lane:
    """The element of the page that shows one of them, and what has become of its messages."""

    def __init__(
        self, element: Any, path: str, journal: str, connect: Callable[[str], Client]
    ) -> None:
        self.element = element
        self.fields = {
            str(place.dataset.field): place for place in element.querySelectorAll("[data-field]")
        }
        self.svg = element.querySelector("svg.cells")
        self.title = str(element.querySelector("h3").textContent)
        self.empty = list(self.svg.children)
        self._path = path
        self._journal = journal
        self._connect = connect
        self.client: Client

    def begin(self) -> None:
        """Connects, with nothing sent yet."""
        self.id = uuid.uuid4().hex
        self.sent = 0
        self.breaks: list[int] = []
        self.arrived: set[int] = set()
        self.lost: set[int] = set()
        self.is_exact = True
        """Whether nothing has arrived twice or out of order."""
        self._kinds: list[str] = []
        self._cells: list[Any] = []
        self._marks = 0
        self.svg.replaceChildren(*self.empty)
        self.element.dataset.id = self.id
        self.client = self._connect(endpoint(self._path, id=self.id))

    def send(self) -> None:
        """Sends the next number."""
        self.client.send(str(self.sent))
        self.sent += 1

    async def fail(self) -> None:
        """Has the server break the connection.

        Raises:
            ServerError: It does not do so.
        """
        self.breaks.append(self.sent)
        await ask(f"faults/{self.id}?drop={DEAF}", method="POST")

    async def look(self, *, is_over: bool = False) -> None:
        """Looks into the server's journal for what has arrived.

        Raises:
            ServerError: There is none.
        """
        path = f"journal/{self.id}{self._journal}?summary=1&messages=1&timeout=1"
        summary = await ask(path, statuses=(200, 504))
        self.arrived = {
            number for first, last in summary["ranges"] for number in range(first, last + 1)
        }
        # Frames arrive in order: what is missing before one that has arrived will not come.
        known = self.sent if is_over else max(self.arrived, default=0)
        self.lost = set(range(known)) - self.arrived
        self.is_exact = summary["numbered"] == summary["distinct"] and not summary["out_of_order"]

    def show(self) -> None:
        """What is known now."""
        state = self.client.state
        self.fields["state"].dataset.state = state
        self.fill(
            state=state,
            sent=f"{self.sent}",
            arrived=f"{len(self.arrived)}",
            lost=f"{len(self.lost)}",
        )
        self.element.dataset.outcome = "failed" if self.lost else "good" if self.arrived else ""
        for number in range(self.sent):
            kind = "arrived" if number in self.arrived else "given"
            self._draw(number, "lost" if number in self.lost else kind)
        for number in self.breaks[self._marks :]:
            x, y = place(number)
            self.svg.append(shape("path", d=f"M{x} {y}v{CELL}", class_="break"))
        self._marks = len(self.breaks)

    def conclude(self) -> None:
        """It is over."""
        self.show()
        self.fill(state="done")
        self.fields["state"].dataset.state = "CLOSED"
        label = f"{len(self.arrived)} of {self.sent} messages arrived, {len(self.lost)} are lost"
        self.svg.setAttribute("aria-label", f"{self.title}: {label}")

    def fill(self, **texts: str) -> None:
        for name, text in texts.items():
            if self.fields[name].textContent != text:
                self.fields[name].textContent = text

    def _draw(self, number: int, kind: str) -> None:
        if number == len(self._cells):
            x, y = place(number)
            size = CELL - 2
            cell = shape("rect", x=x + 1, y=y + 1, width=size, height=size)
            self._cells.append(cell)
            self._kinds.append("")
            self.svg.append(cell)
        if self._kinds[number] != kind:
            self._kinds[number] = kind
            self._cells[number].setAttribute("class", kind)


def place(number: int) -> tuple[int, int]:
    """Where a message is drawn."""
    row, column = divmod(number, COLUMNS)
    return column * CELL, row * CELL


def outcome(bare: Lane, kept: Lane) -> str:
    """What it has come to."""
    lost, sent = len(bare.lost), bare.sent
    if not sent:
        return "Stopped."
    if kept.lost or not kept.is_exact:
        return "The session lost a message, or sent one twice. That must not be. Please report it."
    if lost:
        first = f"The bare WebSocket lost {lost} of {sent} messages, and raised no exception."
    else:
        first = f"The bare WebSocket lost none of {sent} messages."
    return f"{first} The session lost none: all {kept.sent} arrived, once each and in order."


class SideBySide:
    """The element of the page, and its buttons."""

    def __init__(self, element: Any) -> None:
        self.element = element
        self.said = element.querySelector("[data-field=said]")
        self.toggle = element.querySelector("#run_both")
        self.breaker = js.document.getElementById("break_now")
        self.less = js.matchMedia("(prefers-reduced-motion: reduce)")
        self.bare = Lane(element.querySelector("[data-lane=bare]"), "ws/peer", "", Bare)
        self.kept = Lane(
            element.querySelector("[data-lane=session]"), "ws/session", "/session", Kept
        )
        self.lanes = (self.bare, self.kept)
        self.started = asyncio.Event()
        self.shown = asyncio.Event()
        self.broken = asyncio.Event()
        self.is_running = self.is_stopping = False
        for name, code in (("bare_code", Bare), ("session_code", session)):
            place = element.querySelector(f"[data-field={name}]")
            place.textContent = inspect.getsource(code).rstrip()

    async def main(self) -> None:
        """Runs once by itself, and again as often as the visitor wants it."""
        self.toggle.addEventListener("click", create_proxy(self.on_toggle))
        self.breaker.addEventListener("click", create_proxy(self.on_break))
        js.document.addEventListener("visibilitychange", create_proxy(self.on_visibility))
        self.on_visibility()
        self.toggle.disabled = self.breaker.disabled = False
        self.started.set()
        while True:
            await self.started.wait()
            await self.take_turn()
            self.started.clear()

    async def take_turn(self) -> None:
        """One run, from the start to the end."""
        self.is_running, self.is_stopping = True, False
        self.toggle.textContent = "Stop"
        self.element.dataset.state = "running"
        if one_at_a_time.locked():
            self.tell("Waiting for what runs below \N{HORIZONTAL ELLIPSIS}")
        try:
            async with one_at_a_time:
                # Nobody looks at a hidden page.
                await self.shown.wait()
                self.tell("Both are sending \N{HORIZONTAL ELLIPSIS}")
                await self.run()
        except ServerError as error:
            self.tell(str(error))
            state = "failed"
        else:
            self.tell(outcome(*self.lanes))
            state = "done"
        self.is_running = False
        self.toggle.textContent = "Run both again"
        self.element.dataset.state = state

    async def run(self) -> None:
        """Both send the same, and both connections break.

        Raises:
            ServerError: The server is not there.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self.lanes:
                    lane.begin()
                await self.opened()
                others = [group.create_task(each()) for each in (self.watch, self.look, self.fail)]
                await self.stream()
                await self.closed()
                for other in others:
                    other.cancel()
            await asyncio.gather(*(lane.look(is_over=True) for lane in self.lanes))
        except* ServerError as errors:
            raise errors.exceptions[0] from None
        finally:
            for lane in self.lanes:
                lane.client.abort()
        for lane in self.lanes:
            lane.conclude()

    async def opened(self) -> None:
        """Waits until both are connected.

        Raises:
            ServerError: One is not.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while not all(lane.client.state == "OPEN" for lane in self.lanes):
                    if self.bare.client.state == "CLOSED":
                        raise ServerError(f"{endpoint('ws/peer')} did not accept a connection.")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise ServerError(f"{endpoint('.')} has not answered for {PATIENCE:g} s.") from None

    async def closed(self) -> None:
        """Waits until both have sent what waits, and are closed.

        Raises:
            ServerError: One is not.
        """
        try:
            async with asyncio.timeout(2 * PATIENCE):
                await asyncio.gather(*(lane.client.close() for lane in self.lanes))
        except TimeoutError:
            raise ServerError(f"{endpoint('.')} has let nobody in again.") from None

    async def stream(self) -> None:
        """Sends, for as long as the page is seen."""
        while self.bare.sent < COUNT and not self.is_stopping:
            await self.shown.wait()
            for lane in self.lanes:
                lane.send()
            if self.bare.sent in BREAKS:
                self.broken.set()
            await asyncio.sleep(1 / RATE)

    async def fail(self) -> None:
        """Breaks both connections whenever that is due, or the visitor wants it."""
        self.broken.clear()
        while True:
            await self.broken.wait()
            self.broken.clear()
            await asyncio.gather(*(lane.fail() for lane in self.lanes))

    async def look(self) -> None:
        while True:
            await asyncio.gather(*(lane.look() for lane in self.lanes))
            await asyncio.sleep(LOOK)

    async def watch(self) -> None:
        """Shows how it is, again and again; less often to those who prefer less motion."""
        while True:
            for lane in self.lanes:
                lane.show()
            await asyncio.sleep(1 if self.less.matches else TICK)

    def tell(self, text: str) -> None:
        self.said.textContent = text

    def on_toggle(self, _: Any) -> None:
        if self.is_running:
            self.is_stopping = True
        else:
            self.started.set()

    def on_break(self, _: Any) -> None:
        if self.is_running:
            self.broken.set()
        else:
            self.started.set()

    def on_visibility(self, _: Any = None) -> None:
        if js.document.hidden:
            self.shown.clear()
        else:
            self.shown.set()


async def main() -> None:
    """Makes the section of the page work, for as long as that is shown."""
    # The page itself tells of what is lost.
    logging.getLogger("readystate").setLevel(logging.ERROR)
    await SideBySide(js.document.getElementById("side_by_side")).main()
