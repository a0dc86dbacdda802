"""The race: five ways to send the first messages, run and measured in the page."""

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
from race import Record, describe, kept_open, moral, outcome, span, verdict
from ways import WAYS
from words import milliseconds, plural

import readystate
from readystate import DOMException, Event, WebSocket

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
        record.states.append(("CONNECTING", 0.0))
        on_change()
        for type in ("open", "close"):
            self.addEventListener(type, self.note)

    @property
    def elapsed(self) -> float:
        return now() - self.began

    def note(self, _: Event | None = None) -> None:
        state = STATES[self.readyState]
        if state not in dict(self.record.states):
            self.record.states.append((state, self.elapsed))
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
    """The element of the page that shows one way, and its row of the result."""

    def __init__(self, way: Callable[..., Any]) -> None:
        self.element = js.document.getElementById(way.__name__)
        self.row = js.document.querySelector(f"#result [data-way={way.__name__}]")
        self.title = str(self.element.querySelector("h3").textContent)
        self.svg = self.element.querySelector("svg.timeline")
        self.element.querySelector("pre code").textContent = source(way)

    def fill(self, **texts: str) -> None:
        """Sets the text of the fields that the card has."""
        for name, text in texts.items():
            for part in (self.element, self.row):
                for place in part.querySelectorAll(f"[data-field={name}]"):
                    place.textContent = text

    def data(self, **values: object) -> None:
        """Sets the element's data attributes, or removes those that are None."""
        for name, value in values.items():
            if value is None:
                self.element.removeAttribute(f"data-{name}")
            else:
                self.element.setAttribute(f"data-{name}", str(value))

    def clear(self, delay: float) -> None:
        """As it was before the first run."""
        results = (
            *("open", "sent", "wasted", "arrived", "lost", "exception", "code", "message"),
            *("after_open", "outcome"),
        )
        self.fill(**dict.fromkeys(results, "\N{EN DASH}"), state="no socket yet", verdict="")
        measured = ("id", "state", "opened", "sent", "wasted", "arrived", "lost", "outcome")
        self.data(**dict.fromkeys(measured))
        self.row.removeAttribute("data-outcome")
        nothing = Record("", ())
        self.draw(nothing, 0, span([nothing], delay))

    def draw(self, record: Record, until: float, span: float) -> None:
        self.svg.replaceChildren(*timeline(record, until, span))

    def show(self, record: Record) -> None:
        """What is known so far."""
        state = record.states[-1][0] if record.states else "no socket yet"
        opened, wasted = record.opened, record.wasted
        self.fill(state=state)
        self.data(id=record.id, state=state)
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
            after_open=milliseconds(record.after_open),
            lost=f"{record.lost} of {len(record.messages)}",
            outcome=outcome(record),
            verdict=sentence,
        )
        if record.exception is None:
            self.fill(exception="none")
        if not record.sent:
            self.fill(sent=never)
        self.data(arrived=" ".join(times), lost=record.lost, outcome=word)
        self.row.setAttribute("data-outcome", word)

    def describe(self, record: Record, until: float) -> None:
        self.svg.setAttribute("aria-label", describe(record, until))


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
        self.card.describe(record, socket.elapsed)

    async def send(self, socket: RecordedSocket, record: Record) -> None:
        try:
            working = self.way(socket, self.messages)
            if inspect.isawaitable(working):
                await working
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


async def watch(trials: Sequence[Trial], delay: float) -> None:
    """Draws the timelines as they grow, or now and then for those who prefer less motion."""
    less = js.matchMedia("(prefers-reduced-motion: reduce)").matches
    while True:
        draw(trials, delay)
        await asyncio.sleep(1 if less else 0.04)


def draw(trials: Sequence[Trial], delay: float) -> None:
    known = [(trial, trial.record) for trial in trials if trial.record and trial.record.states]
    width = span([record for _, record in known], delay)
    for trial, record in known:
        until = width if record.is_closed else min(trial.elapsed, width)
        trial.card.draw(record, until, width)


async def run(
    cards: Sequence[Card], count: int, delay: float, tell: Callable[[str], None]
) -> list[Record]:
    """Runs all ways, and tells how far it is.

    Raises:
        ServerError: The server is not there.
    """
    messages = [f"message {number}" for number in range(1, count + 1)]
    trials = [Trial(way, card, messages, delay) for way, card in zip(WAYS, cards, strict=True)]
    for card in cards:
        card.clear(delay)
    watching = asyncio.create_task(watch(trials, delay))
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
        draw(trials, delay)
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
    cards = [Card(way) for way in WAYS]
    delay = Setting("delay", lambda value: f"{value:,} ms")
    count = Setting("count", plural)
    clicked = asyncio.Event()
    button.addEventListener("click", create_proxy(lambda _: clicked.set()))
    button.disabled = False
    versions.textContent = (
        f"All that runs here runs in this page: readystate {readystate.__version__}, "
        f"Python {platform.python_version()}, Pyodide {pyodide.__version__}."
    )

    def tell(text: str) -> None:
        said.textContent = text

    while True:
        summary.textContent = ""
        no_server.hidden = True
        lab.setAttribute("data-state", "running")
        # Not disabled: that would take the focus from it.
        button.setAttribute("aria-disabled", "true")
        try:
            async with one_at_a_time:
                records = await run(cards, count.value, delay.value, tell)
        except ServerError as error:
            no_server.querySelector("p").textContent = str(error)
            no_server.hidden = False
            tell("The five ways could not be run.")
            lab.setAttribute("data-state", "failed")
        else:
            tell(moral(records))
            summary.textContent = " ".join(
                f"{card.title}: {verdict(record)[1]}"
                for card, record in zip(cards, records, strict=True)
            )
            lab.setAttribute("data-state", "done")
        button.removeAttribute("aria-disabled")
        clicked.clear()
        await clicked.wait()
