"""Why not sleep(1): many handshakes, each given to a sleep and to a queue, and the plot of both."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import js
from drawing import now, shape
from handshakes import COUNT, NETWORKS, Handshake, top, totals, verdict
from lab import PATIENCE, one_at_a_time, source
from lab_server import ServerError, endpoint
from pyodide.ffi import create_proxy
from race import SLEEP, ticks
from words import duration, plural

from readystate import (
    Delivery,
    DeliveryState,
    Event,
    InvalidStateError,
    MessageEvent,
    SendQueue,
    WebSocket,
)

TICK = 0.1
"""Seconds between two drawings."""


async def by_sleep(ws: WebSocket) -> None:
    await asyncio.sleep(1)
    ws.send("after a second")


def by_queue(ws: WebSocket) -> Delivery:
    return SendQueue(ws).send("on open")


async def try_both(handshake: Handshake, url: str, connected: asyncio.Event) -> None:
    """Has both send over one socket, and notes when; ``connected`` is set when it may be open.

    Raises:
        ServerError: The server has not accepted the connection.
    """
    answers: asyncio.Queue[Any] = asyncio.Queue()
    began = handshake.began = now()
    ws = WebSocket(url)
    delivery = by_queue(ws)

    def on_open(event: Event) -> None:
        # The queue, which has come first, has heard of it already.
        if delivery.state is not DeliveryState.QUEUED:
            handshake.flushed = now() - began
        handshake.opened = event.timeStamp - began
        connected.set()

    def on_message(event: MessageEvent) -> None:
        answers.put_nowait(event.data)

    ws.addEventListener("open", on_open)
    ws.addEventListener("close", lambda _: connected.set())
    ws.addEventListener("message", on_message)
    try:
        try:
            await by_sleep(ws)
        except InvalidStateError as error:
            handshake.error = error
        handshake.slept = now() - began
        async with asyncio.timeout(PATIENCE):
            await connected.wait()
            for _ in range(1 if handshake.failed else 2):
                await answers.get()
                handshake.arrived += 1
    except TimeoutError:
        if handshake.opened is None:
            raise ServerError(f"{url} has not answered for {PATIENCE:g} s.") from None
        # Else what has not come back is lost.
    finally:
        ws.close()
    handshake.is_over = True


async def run(handshakes: Sequence[Handshake], id: str, is_enough: Callable[[], bool]) -> None:
    """Makes them one after the other, as a browser does; their seconds may overlap.

    Raises:
        ServerError: The server is not there.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for handshake in handshakes:
                if is_enough():
                    break
                connected = asyncio.Event()
                url = endpoint("ws/echo", delay=f"{handshake.delay / 1000:.4f}", id=id)
                group.create_task(try_both(handshake, url, connected))
                await connected.wait()
                if handshake.opened is None:
                    raise ServerError(f"{endpoint('ws/echo')} did not accept a connection.")
    except* ServerError as errors:
        raise errors.exceptions[0] from None


class Plot:
    """A column for each handshake, over it the time; a line where the second is over."""

    TOP, BOTTOM = 18, 178

    def __init__(self, svg: Any) -> None:
        self.svg = svg

    def draw(self, handshakes: Sequence[Handshake]) -> None:
        self.svg.replaceChildren(*self.shapes(handshakes))

    def describe(self, text: str) -> None:
        self.svg.setAttribute("aria-label", text)

    def shapes(self, handshakes: Sequence[Handshake]) -> Iterator[Any]:
        height = top(handshakes)

        def y(time: float) -> float:
            share = min(time, height) / height
            return round(self.BOTTOM - share * (self.BOTTOM - self.TOP), 1)

        def line(kind: str, time: float) -> Any:
            return shape("line", x1=0, x2="100%", y1=y(time), y2=y(time), class_=kind)

        for tick in ticks(height, 4):
            yield line("rule", tick)
            # The style sheet makes room for them.
            yield shape("text", f"{tick} ms", x=-8, y=y(tick) + 4, text_anchor="end")
        for number, handshake in enumerate(handshakes):
            yield from self.column(number, handshake, y)
        yield line("limit", SLEEP)
        for number in (1, *range(10, COUNT + 1, 10)):
            anchor = "start" if number == 1 else "end" if number == COUNT else "middle"
            x = {"start": 0, "end": 1}.get(anchor, (number - 0.5) / COUNT)
            yield shape("text", str(number), x=f"{x:.2%}", y=self.BOTTOM + 16, text_anchor=anchor)

    def column(self, number: int, handshake: Handshake, y: Any) -> Iterator[Any]:
        """One handshake, so far."""
        if handshake.began is None:
            return
        place = {"x": f"{(number + 0.15) / COUNT:.3%}", "width": f"{0.7 / COUNT:.3%}"}
        middle = f"{(number + 0.5) / COUNT:.3%}"

        def bar(kind: str, low: float, high: float) -> Any:
            return shape("rect", class_=kind, y=y(high), height=max(0, y(low) - y(high)), **place)

        elapsed = now() - handshake.began
        opened = handshake.opened
        until = elapsed if opened is None else opened
        slept = min(elapsed, SLEEP) if handshake.slept is None else handshake.slept
        if handshake.failed:
            yield bar("missed", SLEEP, max(SLEEP, until))
            yield shape("use", href="#exception", x=middle, y=y(SLEEP))
        elif opened is None:
            yield bar("CONNECTING", 0, until)
        else:
            yield bar("wasted", opened, max(opened, slept))
        if opened is not None:
            yield shape("circle", class_="flushed", cx=middle, cy=y(opened), r=3)


class Experiment:
    """The element of the page: its switch, its button, and what it shows."""

    def __init__(self, element: Any) -> None:
        self.element = element
        self.fields = {
            str(place.dataset.field): place for place in element.querySelectorAll("[data-field]")
        }
        self.plot = Plot(element.querySelector("svg.handshakes"))
        self.button = element.querySelector("#handshakes")
        self.progress = element.querySelector("progress")
        self.seed = element.querySelector("#seed")
        self.less = js.matchMedia("(prefers-reduced-motion: reduce)")
        self.started = asyncio.Event()
        self.is_stopping = False
        for way in (by_sleep, by_queue):
            self.fields[way.__name__].textContent = source(way)

    async def main(self) -> None:
        """Runs as often as the visitor wants it."""
        self.button.addEventListener("click", create_proxy(self.on_click))
        for control in self.element.querySelectorAll("input, button"):
            control.disabled = False
        self.plot.draw([])
        while True:
            await self.started.wait()
            await self.measure()
            self.started.clear()
            self.button.textContent = f"Start {COUNT} handshakes"
            self.button.removeAttribute("aria-disabled")

    def on_click(self, _: Any) -> None:
        if not self.started.is_set():
            self.started.set()
        elif not self.is_stopping:
            self.is_stopping = True
            # Not disabled: that would take the focus from it.
            self.button.setAttribute("aria-disabled", "true")
            self.tell("Stopping: what has begun comes to its end …")

    async def measure(self) -> None:
        """One run, until it is over or the visitor has stopped it."""
        name = str(self.element.querySelector("[name=network]:checked").value)
        handshakes = [
            Handshake(delay) for delay in NETWORKS[name].delays(int(self.seed.value or 0))
        ]
        id = self.element.dataset.id = uuid.uuid4().hex
        self.is_stopping = False
        self.button.textContent = "Stop"
        self.element.dataset.state = "running"
        self.tell("Waiting for what runs above …")
        watching = asyncio.create_task(self.watch(handshakes))
        try:
            async with one_at_a_time:
                self.tell("Measuring …")
                await run(handshakes, id, lambda: self.is_stopping)
        except ServerError as error:
            self.tell(str(error))
            state = "failed"
        else:
            state = "stopped" if self.is_stopping else "done"
            over = sum(handshake.is_over for handshake in handshakes)
            self.tell(f"{plural(over, 'handshake')} measured.")
        finally:
            watching.cancel()
        self.conclude(handshakes)
        self.element.dataset.state = state

    async def watch(self, handshakes: Sequence[Handshake]) -> None:
        """Shows how far it is, again and again; less often to those who prefer less motion."""
        while True:
            self.show(handshakes)
            await asyncio.sleep(1 if self.less.matches else TICK)

    def conclude(self, handshakes: Sequence[Handshake]) -> None:
        self.show(handshakes)
        over = [handshake for handshake in handshakes if handshake.is_over]
        _, sentence = verdict(totals(over))
        self.fill(outcome=sentence if over else "")
        self.plot.describe(f"Plot of {plural(len(over), 'handshake')}: {sentence}")
        for name in ("delay", "opened", "flushed", "slept"):
            times = [getattr(handshake, name) for handshake in over]
            shown = ("-" if time is None else f"{time:.2f}" for time in times)
            self.element.setAttribute(f"data-{name}", " ".join(shown))

    def show(self, handshakes: Sequence[Handshake]) -> None:
        """What is known now."""
        self.plot.draw(handshakes)
        found = totals(handshakes)
        outcome, sentence = verdict(found)
        self.element.dataset.outcome = outcome
        self.progress.value = found.count
        self.fill(
            measured=f"{found.count} of {COUNT}",
            sleep_failed=f"{found.failed}",
            sleep_wasted=duration(found.wasted),
            sleep_longest=duration(found.longest),
            sleep_arrived=f"{found.by_sleep}",
            queue_failed=f"{found.count - found.by_queue}",
            queue_wasted=duration(found.waited),
            queue_longest=duration(found.longest_wait),
            queue_arrived=f"{found.by_queue}",
            verdict=sentence,
        )

    def tell(self, text: str) -> None:
        self.fill(said=text)

    def fill(self, **texts: str) -> None:
        for name, text in texts.items():
            if self.fields[name].textContent != text:
                self.fields[name].textContent = text


async def main() -> None:
    """Makes the section of the page work, for as long as that is shown."""
    await Experiment(js.document.getElementById("why_not_sleep")).main()
