"""The race: six ways to send the first messages, run and measured in the page."""

from __future__ import annotations

import asyncio
import inspect
import platform
import textwrap
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import js
import pyodide
from drawing import now, timeline
from lab_server import ServerError, ask, endpoint
from pyodide.ffi import create_proxy
from race import Record, describe, kept_open, moral, result, span, together, verdict
from ways import WAYS
from words import milliseconds, plural

import readystate
from readystate import Delivery, DeliveryState, DOMException, Event, WebSocket

PATIENCE = 10.0
"""Seconds until a server that says nothing counts as missing."""

STATES = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")

# A browser makes one handshake with a server at a time: parts that measure these take turns.
one_at_a_time = asyncio.Lock()


class RecordedSocket(WebSocket):
    """A WebSocket that keeps a record of what happens to it."""

    def __init__(self, url: str, record: Record, on_change: Callable[[], None]) -> None:
        self.record = record
        self.on_change = on_change
        self.began = now()
        super().__init__(url)
        self.deliveries: Sequence[Delivery] = ()
        record.states.append(("CONNECTING", 0.0))
        on_change()

    def watch(self) -> None:
        """Listens from now on: whoever has listened before hears of an event first."""
        for type in ("open", "close"):
            self.addEventListener(type, self.note)

    @property
    def elapsed(self) -> float:
        return now() - self.began

    def note(self, event: Event | None = None) -> None:
        state = STATES[self.readyState]
        if state in dict(self.record.states):
            return
        time = self.elapsed if event is None else event.timeStamp - self.began
        self.record.states.append((state, time))
        # A queue sends over the browser's own socket.
        done = [each for each in self.deliveries if each.state is not DeliveryState.QUEUED]
        if state == "OPEN":
            self.record.sent += [(delivery.message, self.elapsed) for delivery in done]
        self.on_change()

    def send(self, data: Any) -> None:
        time = self.elapsed
        try:
            super().send(data)
        except Exception:
            self.record.excepted = time
            raise
        self.record.sent.append((data, time))
        self.on_change()

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        super().close(code, reason)
        self.note()


def source(function: Callable[..., Any]) -> str:
    """The body of ``function``, as its file has it."""
    _, body = inspect.getsource(function).split("\n", 1)
    return textwrap.dedent(body).rstrip()


class Card:
    """The element of the page that shows one way."""

    def __init__(self, way: Callable[..., Any]) -> None:
        self.name = way.__name__
        self.element = js.document.getElementById(self.name)
        self.title = str(self.element.querySelector("h3, h4").textContent)
        self.element.querySelector("pre code").textContent = source(way)

    def fill(self, **texts: str) -> None:
        """Sets the text of the fields that the card has."""
        for name, text in texts.items():
            for place in self.element.querySelectorAll(f"[data-field={name}]"):
                place.textContent = text

    def data(self, **values: object) -> None:
        """Sets the element's data attributes, or removes those that are None."""
        for name, value in values.items():
            if value is None:
                self.element.removeAttribute(f"data-{name}")
            else:
                self.element.setAttribute(f"data-{name}", str(value))

    def clear(self) -> None:
        """As it was before the first run."""
        results = ("open", "sent", "wasted", "arrived", "lost", "exception", "code", "message")
        self.fill(**dict.fromkeys(results, "\N{EN DASH}"), verdict="")
        measured = ("id", "state", "opened", "sent", "wasted", "arrived", "lost", "outcome")
        self.data(**dict.fromkeys(measured))

    def show(self, record: Record) -> None:
        """What is known so far."""
        opened, wasted = record.opened, record.wasted
        self.data(id=record.id, state=record.states[-1][0])
        if opened is not None:
            self.fill(open=milliseconds(opened))
            self.data(opened=f"{opened:.2f}")
        if record.sent:
            self.fill(sent=milliseconds(record.sent[0][1]))
            self.data(sent=f"{record.sent[0][1]:.2f}")
        if wasted is not None:
            self.fill(wasted=milliseconds(wasted))
            self.data(wasted=f"{wasted:.2f}")
        if isinstance(record.exception, DOMException):
            exception = record.exception
            self.fill(exception=exception.name, code=str(exception.code), message=exception.message)

    def judge(self, record: Record) -> None:
        """What it has come to, now that the server has told what has arrived."""
        word, sentence = verdict(record)
        times = [f"{time:.2f}" for _, time in record.arrived]
        never = "never"
        self.fill(
            arrived=milliseconds(record.arrived[0][1]) if times else never,
            lost=f"{record.lost} of {len(record.messages)}",
            verdict=sentence,
        )
        if record.exception is None:
            self.fill(exception="none")
        if not record.sent:
            self.fill(sent=never)
        self.data(arrived=" ".join(times), lost=record.lost, outcome=word)


class Row:
    """A row of the result: of one way, or of several that do the same."""

    def __init__(self, element: Any, names: Sequence[str]) -> None:
        self.element = element
        self.names = names
        self.svg = element.querySelector("svg.timeline")
        self.group = js.document.querySelector(f"#{element.dataset.way}.group")

    def fill(self, outcome: str, fields: dict[str, str], sentence: str) -> None:
        self.element.dataset.outcome = outcome
        for name, text in fields.items():
            self.element.querySelector(f"[data-field={name}]").textContent = text
        if self.group:
            self.group.dataset.outcome = outcome
            self.group.querySelector(".verdict").textContent = sentence

    def clear(self, delay: float) -> None:
        """As it was before the first run."""
        self.fill("", dict.fromkeys(("outcome", "after_open", "lost"), "\N{EN DASH}"), "")
        nothing = Record("", ())
        self.svg.replaceChildren(*timeline(nothing, 0, span([nothing], delay)))

    def draw(self, known: dict[str, tuple[Record, float]], width: float) -> None:
        """The timeline of the slowest."""
        mine = [known[name] for name in self.names if name in known]
        if mine:
            record, until = max(mine, key=lambda each: each[0].after_open or 0)
            self.svg.replaceChildren(*timeline(record, min(until, width), width))

    def judge(self, known: dict[str, tuple[Record, float]]) -> None:
        """What they have come to."""
        records = [known[name][0] for name in self.names if name in known]
        self.fill(*result(records), together(records))
        slowest = max(records, key=lambda record: record.after_open or 0)
        self.svg.setAttribute("aria-label", describe(slowest, slowest.states[-1][1]))


def find_rows() -> list[Row]:
    """Those of the page; a way without one is in the group's."""
    elements = list(js.document.querySelectorAll("#result [data-way]"))
    own = {str(element.dataset.way) for element in elements}
    names = [way.__name__ for way in WAYS]
    rest = [name for name in names if name not in own]
    return [
        Row(element, [name] if (name := str(element.dataset.way)) in names else rest)
        for element in elements
    ]


class Trial:
    """One way at work on one socket."""

    def __init__(
        self, way: Callable[..., Any], card: Card, messages: Sequence[str], delay: float
    ) -> None:
        self.way = way
        self.card = card
        self.messages = messages
        self.delay = delay
        self.record: Record | None = None
        self.socket: RecordedSocket | None = None
        self.handshake: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @property
    def elapsed(self) -> float:
        return self.socket.elapsed if self.socket else 0

    async def run(self) -> None:
        """Sees it through.

        Raises:
            ServerError: The server does not accept the connection, or tells nothing about it.
        """
        record = self.record = Record(uuid.uuid4().hex, self.messages)
        url = endpoint("ws/sink", delay=self.delay / 1000, id=record.id)
        socket = self.socket = RecordedSocket(url, record, self.show)
        try:
            await self.send(socket, record)
            async with asyncio.timeout(PATIENCE):
                opened = await self.handshake
            if not opened:
                raise ServerError(f"{endpoint('ws/sink')} did not accept a connection.")
            record.arrived = await journal(record.id, len(record.sent))
            self.show()
            self.card.judge(record)
            await asyncio.sleep((kept_open(self.delay) - socket.elapsed) / 1000)
        except TimeoutError:
            raise ServerError(f"{url} has not answered for {PATIENCE:g} s.") from None
        finally:
            socket.close()
        while socket.readyState != socket.CLOSED:
            await asyncio.sleep(0.01)

    async def send(self, socket: RecordedSocket, record: Record) -> None:
        try:
            try:
                working = self.way(socket, self.messages)
            finally:
                socket.watch()
            if inspect.isawaitable(working):
                await working
            elif working is not None:
                socket.deliveries = working
        except Exception as error:
            record.exception = error
            self.show()

    def show(self) -> None:
        record = self.record
        if record is None:
            return
        self.card.show(record)
        if not self.handshake.done() and len(record.states) > 1:
            self.handshake.set_result(record.opened is not None)


async def journal(id: str, count: int) -> list[tuple[str, float]]:
    """What has arrived at the server: each message, and when.

    Raises:
        ServerError: There is no journal.
    """
    # 504: fewer messages than asked for have arrived.
    path = f"journal/{id}?messages={count}&timeout=5"
    connections = await ask(path, statuses=(200, 504))
    return [
        (message["data"], message["time"] * 1000)
        for connection in connections
        for message in connection["messages"]
    ]


async def watch(trials: Sequence[Trial], rows: Sequence[Row], delay: float) -> None:
    """Draws the timelines as they grow, or now and then for those who prefer less motion."""
    less = js.matchMedia("(prefers-reduced-motion: reduce)").matches
    while True:
        draw(trials, rows, delay)
        await asyncio.sleep(1 if less else 0.04)


def draw(
    trials: Sequence[Trial], rows: Sequence[Row], delay: float
) -> dict[str, tuple[Record, float]]:
    """Returns the records so far, and until when each is drawn, by the names of the ways."""
    known = {
        trial.card.name: (record, float("inf") if record.is_closed else trial.elapsed)
        for trial in trials
        if (record := trial.record) and record.states
    }
    width = span([record for record, _ in known.values()], delay)
    for row in rows:
        row.draw(known, width)
    return known


async def run(
    cards: Sequence[Card],
    rows: Sequence[Row],
    count: int,
    delay: float,
    tell: Callable[[str], None],
) -> list[Record]:
    """Runs all ways, and tells how far it is.

    Raises:
        ServerError: The server is not there.
    """
    messages = [f"message {number}" for number in range(1, count + 1)]
    trials = [Trial(way, card, messages, delay) for way, card in zip(WAYS, cards, strict=True)]
    for card in cards:
        card.clear()
    for row in rows:
        row.clear(delay)
    watching = asyncio.create_task(watch(trials, rows, delay))
    try:
        async with asyncio.TaskGroup() as group:
            for number, trial in enumerate(trials):
                tell(f"Running: {number} of {len(trials)} are connected …")
                group.create_task(trial.run())
                # More at once would not be faster: the browser would let them wait for each other.
                if not await trial.handshake:
                    break
            else:
                tell("Running: all are connected …")
    except* ServerError as errors:
        raise errors.exceptions[0] from None
    finally:
        watching.cancel()
        known = draw(trials, rows, delay)
    for row in rows:
        row.judge(known)
    return [trial.record for trial in trials if trial.record]


def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Has the page tell of what no other code has caught."""
    error = context.get("exception")
    js.reportError(js.Error.new(f"{context['message']}: {error!r}"))


class Setting:
    """A slider, and its value in words."""

    def __init__(self, id: str, words: Callable[[int], str]) -> None:
        self.input = js.document.getElementById(id)
        self.output = js.document.querySelector(f"output[for={id}]")
        self.words = words
        self.input.addEventListener("input", create_proxy(self.show))
        self.input.disabled = False
        self.show()

    @property
    def value(self) -> int:
        return int(self.input.value)

    def show(self, _: Any = None) -> None:
        text = self.words(self.value)
        self.output.textContent = text
        self.input.setAttribute("aria-valuetext", text)


async def main() -> None:
    """Runs all ways, and again at each click of the button."""
    asyncio.get_running_loop().set_exception_handler(report)
    lab, said, summary, button, no_server, versions = map(
        js.document.getElementById,
        ("lab", "said", "summary", "again", "no-server", "versions"),
    )
    cards, rows = [Card(way) for way in WAYS], find_rows()
    delay = Setting("delay", lambda value: f"{value:,} ms")
    count = Setting("count", plural)
    clicked = asyncio.Event()
    button.addEventListener("click", create_proxy(lambda _: clicked.set()))
    button.disabled = False
    versions.textContent = (
        f"Everything here runs in this page: readystate {readystate.__version__}, "
        f"Python {platform.python_version()}, Pyodide {pyodide.__version__}."
    )

    def tell(text: str) -> None:
        said.textContent = text

    is_first = True
    while True:
        summary.textContent = ""
        no_server.hidden = True
        lab.setAttribute("data-state", "running")
        # Not disabled: that would take the focus from it.
        button.setAttribute("aria-disabled", "true")
        try:
            async with one_at_a_time:
                records = await run(cards, rows, count.value, delay.value, tell)
        except ServerError as error:
            no_server.querySelector("p").textContent = str(error)
            no_server.hidden = False
            tell("The race could not be run.")
            lab.setAttribute("data-state", "failed")
        else:
            tell(moral(records))
            # Nobody has asked for the first.
            summary.textContent = "" if is_first else moral(records)
            lab.setAttribute("data-state", "done")
        is_first = False
        button.removeAttribute("aria-disabled")
        clicked.clear()
        await clicked.wait()
