"""Five ways to send the first message over a WebSocket, run and measured in the page."""

from __future__ import annotations

import asyncio
import inspect
import platform
import textwrap
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import js
import pyodide
from lab_server import ServerError, ask, endpoint
from pyodide.ffi import create_proxy

import readystate
from readystate import DOMException, Event, WebSocket

DELAY = 0.3
"""Seconds that the server takes to accept a connection."""
PATIENCE = 10.0
"""Seconds until a server that says nothing counts as missing."""
AXIS = 1200.0
"""Milliseconds that a timeline shows at least."""
KEPT_OPEN = 1100.0
"""Milliseconds until a socket is closed, so that the timelines can be compared."""
LATE = 50.0
"""Milliseconds after open that nobody would call at once."""

STATES = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")
SVG = "http://www.w3.org/2000/svg"


def send_at_once(ws: WebSocket) -> None:
    ws.send("hello")


async def sleep_then_send(ws: WebSocket) -> None:
    await asyncio.sleep(1)
    ws.send("hello")


def send_on_open(ws: WebSocket) -> None:
    ws.onopen = lambda _: ws.send("hello")


def check_ready_state(ws: WebSocket) -> None:
    if ws.readyState == ws.OPEN:
        ws.send("hello")
    elif ws.readyState == ws.CONNECTING:
        ws.onopen = lambda _: ws.send("hello")
    else:
        raise ConnectionError("closed for good")


def queue_until_open(ws: WebSocket) -> None:
    queue: list[str] = []

    def flush(_: Event) -> None:
        while queue:
            ws.send(queue.pop(0))

    def safe_send(message: str) -> None:
        if ws.readyState == ws.OPEN:
            ws.send(message)
        else:
            queue.append(message)

    ws.onopen = flush
    for message in ("one", "two", "three"):
        safe_send(message)


# Each is shown in the element of the page whose id is its name.
WAYS: tuple[Callable[[WebSocket], Any], ...] = (
    send_at_once,
    sleep_then_send,
    send_on_open,
    check_ready_state,
    queue_until_open,
)


def now() -> float:
    return float(js.performance.now())


@dataclass
class Record:
    """What happened to one socket; times are in milliseconds since it was made."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    began: float = field(default_factory=now)
    states: list[tuple[str, float]] = field(default_factory=list)
    sent: list[tuple[str, float]] = field(default_factory=list)
    arrived: list[tuple[str, float]] = field(default_factory=list)
    exception: Exception | None = None
    excepted: float | None = None

    @property
    def elapsed(self) -> float:
        return now() - self.began

    @property
    def opened(self) -> float | None:
        return next((time for state, time in self.states if state == "OPEN"), None)

    @property
    def wasted(self) -> float | None:
        """From the open event to the first message sent."""
        if self.opened is None or not self.sent:
            return None
        return self.sent[0][1] - self.opened

    @property
    def landed(self) -> Iterator[float]:
        """When the messages arrived, on the page's clock.

        The server's begins when the request reaches it: later, by at least what makes a message
        arrive after it was sent.
        """
        if self.sent and self.arrived:
            later = max(0, self.sent[0][1] - self.arrived[0][1])
            for _, time in self.arrived:
                yield time + later

    def bands(self, until: float) -> Iterator[tuple[str, float, float]]:
        """Each state with the times of its beginning and end."""
        ends = [time for _, time in self.states[1:]] + [until]
        for (state, start), end in zip(self.states, ends, strict=False):
            yield state, start, max(start, end)


class RecordedSocket(WebSocket):
    """A WebSocket that keeps a record of what happens to it."""

    def __init__(self, url: str, record: Record, on_change: Callable[[], None]) -> None:
        self.record = record
        self.on_change = on_change
        super().__init__(url)
        record.began = now()
        self.note()
        for type in ("open", "close"):
            self.addEventListener(type, self.note)

    def note(self, _: Event | None = None) -> None:
        state = STATES[self.readyState]
        if state not in dict(self.record.states):
            self.record.states.append((state, self.record.elapsed))
            self.on_change()

    def send(self, data: Any) -> None:
        super().send(data)
        self.record.sent.append((data, self.record.elapsed))
        self.on_change()

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        super().close(code, reason)
        self.note()


def milliseconds(time: float | None) -> str:
    if time is None:
        return "never"
    return f"{time:.0f} ms" if time >= 10 else f"{time:.1f} ms"


def verdict(record: Record) -> tuple[str, str]:
    """How it went, in a word for the style sheet and in a sentence."""
    if isinstance(record.exception, DOMException):
        opened, raised = record.opened, record.excepted
        when = (
            "did not open"
            if opened is None
            else f"opened {milliseconds(opened - (raised or 0))} later"
        )
        return "failed", f"{record.exception.name}: the socket {when}."
    if record.exception is not None:
        return "failed", f"{type(record.exception).__name__}: {record.exception}."
    if [data for data, _ in record.arrived] != [data for data, _ in record.sent]:
        return "failed", (
            f"Of {len(record.sent)} messages sent, {len(record.arrived)} arrived, "
            "and no exception said so."
        )
    wasted = record.wasted
    if wasted is None:
        return "failed", "Nothing was sent."
    if wasted > LATE:
        return "late", f"It worked, {milliseconds(wasted)} late: it was open all that time."
    what = "Sent" if len(record.sent) == 1 else f"All {len(record.sent)} sent in order,"
    return "good", f"{what} {milliseconds(wasted)} after open: right on time."


def describe(record: Record, until: float) -> str:
    """A timeline in words."""
    parts = [
        f"{state} from {start:.0f} to {end:.0f} milliseconds"
        for state, start, end in record.bands(until)
    ]
    if record.excepted is not None:
        parts.append(f"exception at {record.excepted:.0f}")
    parts += [f"message sent at {time:.0f}" for _, time in record.sent]
    parts += [f"message arrived at {time:.0f}" for time in record.landed]
    return "Timeline: " + ", ".join(parts)


def source(function: Callable[..., Any]) -> str:
    """The body of ``function``, as this file has it."""
    _, body = inspect.getsource(function).split("\n", 1)
    return textwrap.dedent(body).rstrip()


def shape(name: str, text: str = "", **attributes: object) -> Any:
    element = js.document.createElementNS(SVG, name)
    for attribute, value in attributes.items():
        element.setAttribute(attribute.strip("_").replace("_", "-"), str(value))
    element.textContent = text
    return element


def timeline(record: Record, until: float, span: float) -> Iterator[Any]:
    """The shapes of a timeline that ends at ``span``."""

    def x(time: float) -> str:
        return f"{min(time, span) / span:.3%}"

    for state, start, end in record.bands(until):
        place: dict[str, Any] = {"x": x(start), "width": x(end - start), "y": 16, "height": 16}
        yield shape("rect", class_=state, **place)
        if state == "CONNECTING":
            yield shape("rect", fill="url(#hatch)", **place)
    if record.excepted is not None:
        yield shape("use", href="#exception", x=x(record.excepted), y=8)
    for _, time in record.sent:
        yield shape("use", href="#sent", x=x(time), y=8)
    for time in record.landed:
        yield shape("use", href="#arrived", x=x(time), y=40)
    step = 300 * ceil(span / 300 / 6)
    for tick in range(0, int(span) + 1, step):
        last = tick + step > span
        anchor = "start" if tick == 0 else "end" if last else "middle"
        yield shape("line", x1=x(tick), x2=x(tick), y1=33, y2=36)
        label = f"{tick} ms" if last else str(tick)
        yield shape("text", label, x=x(tick), y=58, text_anchor=anchor)


class Card:
    """The element of the page that shows one way."""

    def __init__(self, way: Callable[[WebSocket], Any]) -> None:
        self.element = js.document.getElementById(way.__name__)
        self.title = str(self.element.querySelector("h3").textContent)
        self.svg = self.element.querySelector("svg.timeline")
        self.element.querySelector("pre code").textContent = source(way)

    def fill(self, **texts: str) -> None:
        """Sets the text of the fields that the card has."""
        for name, text in texts.items():
            place = self.element.querySelector(f"[data-field={name}]")
            if place:
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
        results = ("open", "sent", "wasted", "arrived", "exception", "code", "message")
        self.fill(**dict.fromkeys(results, "\N{EN DASH}"), state="no socket yet", verdict="")
        measured = ("id", "state", "opened", "sent", "wasted", "arrived", "outcome")
        self.data(**dict.fromkeys(measured))
        self.draw(Record(began=0), 0, AXIS)

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
        if record.arrived:
            times = [f"{time:.2f}" for _, time in record.arrived]
            some = "all" if len(times) == len(record.sent) else "only"
            count = f", {some} {len(times)}" if len(record.sent) > 1 else ""
            self.fill(arrived=f"{milliseconds(record.arrived[0][1])}{count}")
            self.data(arrived=" ".join(times))
        if isinstance(record.exception, DOMException):
            exception = record.exception
            self.fill(exception=exception.name, code=str(exception.code), message=exception.message)

    def judge(self, record: Record) -> None:
        outcome, sentence = verdict(record)
        self.fill(verdict=sentence)
        self.data(outcome=outcome)

    def describe(self, record: Record) -> None:
        self.svg.setAttribute("aria-label", describe(record, record.elapsed))


class Trial:
    """One way at work on one socket."""

    def __init__(self, way: Callable[[WebSocket], Any], card: Card) -> None:
        self.way = way
        self.card = card
        self.record: Record | None = None
        self.handshake: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Sees it through.

        Raises:
            ServerError: The server does not accept the connection, or tells nothing about it.
        """
        record = self.record = Record()
        url = endpoint("ws/sink", delay=DELAY, id=record.id)
        socket = RecordedSocket(url, record, self.show)
        try:
            await self.send(socket, record)
            async with asyncio.timeout(PATIENCE):
                opened = await self.handshake
            if not opened:
                raise ServerError(f"{endpoint('ws/sink')} did not accept a connection.")
            if record.sent:
                record.arrived = await journal(record.id, len(record.sent))
            self.show()
            self.card.judge(record)
            await asyncio.sleep((KEPT_OPEN - record.elapsed) / 1000)
        except TimeoutError:
            raise ServerError(f"{url} has not answered for {PATIENCE:g} s.") from None
        finally:
            socket.close()
        while socket.readyState != socket.CLOSED:
            await asyncio.sleep(0.01)
        self.card.describe(record)

    async def send(self, socket: RecordedSocket, record: Record) -> None:
        try:
            working = self.way(socket)
            if inspect.isawaitable(working):
                await working
        except Exception as error:
            record.exception, record.excepted = error, record.elapsed
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


async def watch(trials: Sequence[Trial]) -> None:
    """Draws the timelines as they grow, or now and then for those who prefer less motion."""
    less = js.matchMedia("(prefers-reduced-motion: reduce)").matches
    while True:
        draw(trials)
        await asyncio.sleep(1 if less else 0.04)


def draw(trials: Sequence[Trial]) -> None:
    known = [(trial.card, trial.record) for trial in trials if trial.record and trial.record.states]
    events = [time for _, record in known for _, time in (*record.states, *record.sent)]
    span = max([AXIS, *(1.05 * time for time in events)])
    for card, record in known:
        over = record.states[-1][0] == "CLOSED"
        card.draw(record, span if over else min(record.elapsed, span), span)


async def run(cards: Sequence[Card]) -> None:
    """Runs all ways.

    Raises:
        ServerError: The server is not there.
    """
    trials = [Trial(way, card) for way, card in zip(WAYS, cards, strict=True)]
    for card in cards:
        card.clear()
    watching = asyncio.create_task(watch(trials))
    try:
        async with asyncio.TaskGroup() as group:
            for trial in trials:
                group.create_task(trial.run())
                # More at once would not be faster: the browser would let them wait for each other.
                if not await trial.handshake:
                    break
    except* ServerError as errors:
        raise errors.exceptions[0] from None
    finally:
        watching.cancel()
        draw(trials)


def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Has the page tell of what no other code has caught."""
    error = context.get("exception")
    js.reportError(js.Error.new(f"{context['message']}: {error!r}"))


async def main() -> None:
    """Runs all ways, and again at each click of the button."""
    asyncio.get_running_loop().set_exception_handler(report)
    lab, status, summary, button, no_server, versions = map(
        js.document.getElementById,
        ("lab", "status", "summary", "again", "no-server", "versions"),
    )
    cards = [Card(way) for way in WAYS]
    clicked = asyncio.Event()
    button.addEventListener("click", create_proxy(lambda _: clicked.set()))
    button.disabled = False
    versions.textContent = (
        f"All that runs here runs in this page: readystate {readystate.__version__}, "
        f"Python {platform.python_version()}, Pyodide {pyodide.__version__}."
    )
    while True:
        status.textContent = "Running the five ways …"
        summary.textContent = ""
        no_server.hidden = True
        lab.setAttribute("data-state", "running")
        # Not disabled: that would take the focus from it.
        button.setAttribute("aria-disabled", "true")
        began = now()
        try:
            await run(cards)
        except ServerError as error:
            no_server.querySelector("p").textContent = str(error)
            no_server.hidden = False
            status.textContent = "The five ways could not be run."
            lab.setAttribute("data-state", "failed")
        else:
            status.textContent = f"All five have run, in {(now() - began) / 1000:.1f} s."
            verdicts = js.document.querySelectorAll(".way .verdict")
            summary.textContent = " ".join(
                f"{card.title}: {verdict.textContent}"
                for card, verdict in zip(cards, verdicts, strict=True)
            )
            lab.setAttribute("data-state", "done")
        button.removeAttribute("aria-disabled")
        clicked.clear()
        await clicked.wait()
