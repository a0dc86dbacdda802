"""A QueuedWebSocket that sends a steady stream, what breaks its connection, and the account."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import js
from depth import History, Plot, Sample, plural, seconds
from lab import source
from lab_server import ServerError, ask, endpoint
from pyodide.ffi import create_proxy

from readystate import (
    Backoff,
    ConnectionClosed,
    Delivery,
    DeliveryState,
    Heartbeat,
    QueuedWebSocket,
    Session,
    SessionExpired,
    State,
    StateChange,
)

MOST = 50_000
"""Messages of a stream, which the journal holds with ease."""
TICK = 0.25
"""Seconds between two drawings."""
LOOK = 1.0
"""Seconds between two looks into the server's journal."""
ENDS = (DeliveryState.CONFIRMED, DeliveryState.DROPPED)


def is_pong(message: object) -> bool:
    return message == "pong"


def nothing(url: str) -> QueuedWebSocket:
    return QueuedWebSocket(url, backoff=Backoff(0.5, 4))


def heartbeat(url: str) -> QueuedWebSocket:
    beat = Heartbeat("ping", interval=1, timeout=2, is_reply=is_pong)
    return QueuedWebSocket(url, backoff=Backoff(0.5, 4), heartbeat=beat)


def session(url: str) -> QueuedWebSocket:
    kept = Session(interval=1, timeout=2)
    return QueuedWebSocket(url, backoff=Backoff(0.5, 4), session=kept)


# By the values of the switch.
WAYS: dict[str, Callable[[str], QueuedWebSocket]] = {
    "nothing": nothing,
    "heartbeat": heartbeat,
    "session": session,
}

LOST = "Lost: the client calls it CONFIRMED, and the server has not got it."

# What the server is told to do, by the buttons' names; see server/readystate_server/lab/README.md.
FAULTS: dict[str, dict[str, float]] = {
    "drop": {"drop": 0.5},
    "refuse": {"drop": 0.5, "refuse": 5.5},
    "restart": {"drop": 0.5, "refuse": 1.5, "forget": 1},
    "half-open": {"deaf": 1},
    "offline": {"drop": 0.5, "refuse": 600},
    "online": {"refuse": 0},
}


@dataclass
class Account:
    """What has become of the messages, by the queue's own books."""

    accepted: int = 0
    confirmed: int = 0
    dropped: int = 0
    waiting: int = 0
    unconfirmed: int = 0

    @property
    def off(self) -> int:
        """By how many messages it does not add up."""
        parts = self.confirmed + self.dropped + self.waiting + self.unconfirmed
        return abs(self.accepted - parts)


@dataclass
class Findings:
    """What the server's journal has of them, and what that makes of the account."""

    received: int = 0
    twice: int = 0
    missing: int = 0
    lost: int = 0
    out_of_order: int = 0
    arrived_of_dropped: int = 0


class Run:
    """A QueuedWebSocket and its stream, from the start to the end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.id = uuid.uuid4().hex
        has_sessions = name == "session"
        path = "ws/session" if has_sessions else "ws/peer"
        self.ws = WAYS[name](endpoint(path, id=self.id, ping="ping"))
        self._journal = f"{self.id}/session" if has_sessions else self.id
        self.began = seconds()
        self.change = StateChange(State.WAITING)
        self.changed = self.began
        self.history = History()
        self.findings = Findings()
        self.off = self.checks = 0
        """By how much the account was off at worst, and how often that was looked at."""
        self.states: Counter[DeliveryState] = Counter()
        """How many of the messages are in each state, asked of each."""
        self.sent = 0
        self._under_way: list[tuple[int, Delivery]] = []
        self._is_confirmed = bytearray()
        self._was_confirmed = b""
        self._is_dropped: set[int] = set()

    @property
    def is_over(self) -> bool:
        return self.change.state is State.CLOSED

    @property
    def expired(self) -> SessionExpired | None:
        error = self.change.error
        return error if isinstance(error, SessionExpired) else None

    def account(self) -> Account:
        """The account of this moment, which is checked each time."""
        stats = self.ws.stats
        account = Account(
            accepted=stats.accepted,
            confirmed=stats.confirmed,
            dropped=sum(stats.dropped.values()),
            waiting=self.ws.pending,
            unconfirmed=self.ws.unconfirmed,
        )
        self._ask()
        self.checks += 1
        self.off = max(
            self.off,
            account.off,
            # It agrees with the messages themselves, too.
            abs(account.accepted - self.sent),
            abs(account.confirmed - self.states[DeliveryState.CONFIRMED]),
            abs(account.dropped - self.states[DeliveryState.DROPPED]),
        )
        return account

    async def stream(self, rate: Callable[[], int]) -> None:
        """Sends the numbers from 0, so many a second, until the connection has ended for good."""
        due, last = 0.0, seconds()
        while self.sent < MOST:
            await asyncio.sleep(max(1 / rate(), 0.02))
            time = seconds()
            # Not more than a second's at once: a page in the background is called seldom.
            due, last = min(due + (time - last) * rate(), rate()), time
            while due >= 1 and self.sent < MOST:
                try:
                    delivery = self.ws.send(str(self.sent))
                except ConnectionClosed:
                    return
                self._under_way.append((self.sent, delivery))
                self._is_confirmed.append(False)
                self.sent += 1
                due -= 1

    def sample(self) -> Account:
        """Has the history know how it is now."""
        account = self.account()
        self.history.add(Sample(seconds(), account.waiting, account.unconfirmed))
        return account

    def note(self, change: StateChange) -> None:
        """The state has changed."""
        self.change, self.changed = change, seconds()
        self.history.states.append((change.state, self.changed))
        self.sample()

    async def look(self) -> None:
        """Compares with the server's journal.

        Raises:
            ServerError: There is none.
        """
        # What has just left the page may be on its way: it is lost if it has not come by the next
        # look. And before the first is confirmed, there may be no journal yet.
        self.account()
        sent, confirmed, before = self.sent, bytes(self._is_confirmed), self._was_confirmed
        if not any(confirmed):
            return
        summary = await ask(f"journal/{self._journal}?summary=1")
        missing = list(gaps(summary["ranges"], sent))
        self.findings = Findings(
            received=summary["distinct"],
            twice=summary["numbered"] - summary["distinct"],
            missing=len(missing),
            lost=sum(before[number] for number in missing if number < len(before)),
            out_of_order=summary["out_of_order"],
            arrived_of_dropped=len(self._is_dropped.difference(missing)),
        )
        self._was_confirmed = confirmed

    async def cause(self, fault: str) -> int:
        """Has the server break the connection; returns how many connections there were.

        Raises:
            ServerError: It does not do so.
        """
        self.history.marks.append((fault, seconds()))
        query = "&".join(f"{name}={value}" for name, value in FAULTS[fault].items())
        answer = await ask(f"faults/{self.id}?{query}", method="POST")
        return int(answer["connections"])

    def _ask(self) -> None:
        """Asks the messages how far they are."""
        under_way = []
        states = Counter({state: self.states[state] for state in ENDS})
        for number, delivery in self._under_way:
            states[delivery.state] += 1
            if delivery.reason is None:
                under_way.append((number, delivery))
            elif delivery.state is DeliveryState.CONFIRMED:
                self._is_confirmed[number] = True
            else:
                self._is_dropped.add(number)
        self._under_way, self.states = under_way, states


def gaps(ranges: Sequence[Sequence[int]], end: int) -> Iterator[int]:
    """The numbers below ``end`` that are in none of the ranges, which are in order."""
    start = 0
    for first, last in (*ranges, (end, end)):
        yield from range(start, min(first, end))
        start = last + 1


def verdict(run: Run) -> tuple[str, str]:
    """How it goes, in a word for the style sheet and in a sentence."""
    found, expired = run.findings, run.expired
    if run.off:
        return "failed", f"The account was off by {run.off}. Please report that."
    if expired is not None:
        what = plural(len(expired.unconfirmed))
        return "late", (
            "SessionExpired: the server has forgotten the session. The client raises it, with "
            f"{what} unconfirmed. Of these, {found.arrived_of_dropped:,} had arrived. It does not "
            "start a new session as if nothing had happened."
        )
    if found.out_of_order or (found.lost and run.name != "nothing"):
        return "failed", "That must not be. Please report it."
    if found.twice and run.name == "session":
        return "failed", "Messages of a session arrived twice. Please report that."
    if found.lost:
        return "failed", (
            f"{plural(found.lost)} lost. The client calls them CONFIRMED: they had left the page. "
            "The server never received them. Nobody has noticed."
        )
    if found.twice:
        return "late", (
            f"Nothing lost, but {plural(found.twice)} arrived twice. The server had received them, "
            "the client could not know, and sent them again."
        )
    if run.is_over and found.missing:
        return "late", (
            f"{plural(found.missing)} did not arrive. The client says so: they are DROPPED, not "
            "CONFIRMED."
        )
    if not found.received:
        return "", "Nothing has arrived yet."
    if run.name == "session":
        return "good", "Each message that is CONFIRMED has arrived exactly once, in order."
    if not run.ws.stats.reconnects and not run.history.marks:
        return "good", "All is well, as long as nothing breaks."
    return "good", "Nothing lost, nothing twice. That was luck. Try again."


class Bench:
    """The element of the page: its switch, its buttons, and what it shows."""

    def __init__(self, element: Any) -> None:
        self.element = element
        self.fields = {
            str(place.dataset.field): place for place in element.querySelectorAll("[data-field]")
        }
        self.texts: dict[str, str] = {}
        self.plot = Plot(element.querySelector("svg.depth"))
        self.code = element.querySelector("pre code")
        self.start = element.querySelector("#stream")
        self.rate = element.querySelector("#rate")
        self.faults = {
            str(button.dataset.fault): button
            for button in element.querySelectorAll("button[data-fault]")
        }
        self.less = js.matchMedia("(prefers-reduced-motion: reduce)")
        self.started = asyncio.Event()
        self.run: Run | None = None
        self.is_stopping = self.is_offline = False
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def chosen(self) -> str:
        """What is to confirm."""
        return str(self.element.querySelector("[name=confirms]:checked").value)

    @property
    def is_running(self) -> bool:
        return self.run is not None and not self.run.is_over

    async def main(self) -> None:
        """Runs one stream after the other, as the visitor wants it."""
        listen(self.element.querySelector("fieldset"), "change", self.on_switch)
        listen(self.rate, "input", self.on_rate)
        listen(self.start, "click", self.on_start)
        for button in self.faults.values():
            listen(button, "click", self.on_fault)
        for control in self.element.querySelectorAll("input, button"):
            control.disabled = False
        self.show_code()
        self.on_rate()
        self.show_controls()
        while True:
            await self.started.wait()
            self.started.clear()
            await self.live(Run(self.chosen))

    async def live(self, run: Run) -> None:
        """Sees a stream through."""
        self.run = run
        self.is_stopping = self.is_offline = False
        self.tell("The stream has begun.")
        self.fill(outcome="")
        self.element.dataset.id = run.id
        run.ws.start()
        async with asyncio.TaskGroup() as group:
            working = [
                group.create_task(self.stream(run)),
                group.create_task(self.watch(run)),
                group.create_task(self.look(run)),
            ]
            async for change in run.ws.states():
                run.note(change)
                self.show(run)
                self.show_controls()
            for task in working:
                task.cancel()
        for _ in range(2):  # What has left the page last may be on its way.
            if self.started.is_set():
                return
            await asyncio.sleep(LOOK / 2)
            await self.look_once(run)
            self.show(run)
        self.element.dataset.state = "over"
        self.tell("The stream has ended.")
        self.fill(outcome=verdict(run)[1])

    async def stream(self, run: Run) -> None:
        await run.stream(lambda: int(self.rate.value))
        self.stop(run, f"{plural(MOST)} are enough: stopping.")

    async def watch(self, run: Run) -> None:
        """Shows how it is, again and again; less often to those who prefer less motion."""
        while True:
            self.show(run)
            await asyncio.sleep(1 if self.less.matches else TICK)

    async def look(self, run: Run) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self.look_once(run)

    async def look_once(self, run: Run) -> None:
        try:
            await run.look()
        except ServerError as error:
            self.fill(journal=str(error))
        else:
            self.fill(journal=LOST)
            self.plot.describe(run.history)

    def show(self, run: Run) -> None:
        """What is known now."""
        account, found = run.sample(), run.findings
        change = run.change
        attempt = "\N{EN DASH}"
        if change.state is State.WAITING and change.delay is not None:
            left = max(0.0, change.delay - (seconds() - run.changed))
            attempt = f"in {left:.1f} s, attempt {change.attempt + 1}"
        elif change.state is State.CONNECTING:
            attempt = f"now, attempt {change.attempt}"
        outcome, sentence = verdict(run)
        self.fill(
            state=str(change.state),
            attempt=attempt,
            reconnects=str(run.ws.stats.reconnects),
            **{name: str(value) for name, value in vars(account).items()},
            **{str(state): str(run.states[state]) for state in DeliveryState},
            balance=f"{account.accepted} = {account.confirmed} + {account.dropped} + "
            f"{account.waiting} + {account.unconfirmed}",
            checks=f"looked at {run.checks:,} times, off by {run.off} at worst",
            received=str(found.received),
            twice=str(found.twice),
            missing=str(found.missing),
            lost=str(found.lost),
            disorder=str(found.out_of_order),
            verdict=sentence,
        )
        self.element.dataset.off = str(run.off)
        self.element.dataset.outcome = outcome
        self.fields["state"].dataset.state = str(change.state)
        self.plot.draw(run.history)

    def show_controls(self) -> None:
        """Which buttons do something now. None is disabled, which would take the focus from it."""
        is_running = self.is_running
        can_break = is_running and not self.is_stopping
        self.start.textContent = "Stop" if is_running else "Start"
        enable(self.start, can_break or not is_running)
        for name, button in self.faults.items():
            enable(button, can_break and (name == "offline" or not self.is_offline))
        self.faults["offline"].textContent = "Go online" if self.is_offline else "Go offline"
        if is_running:
            self.element.dataset.state = "stopping" if self.is_stopping else "running"

    def show_code(self) -> None:
        self.code.textContent = source(WAYS[self.chosen])

    def fill(self, **texts: str) -> None:
        """Sets the text of fields."""
        for name, text in texts.items():
            if self.texts.get(name) != text:
                self.texts[name] = text
                self.fields[name].textContent = text

    def tell(self, text: str) -> None:
        """Says it, to those who cannot see it too."""
        self.fill(said=text)

    def on_switch(self, _: Any) -> None:
        self.show_code()
        if self.run is not None and self.is_running:
            self.started.set()
            self.run.ws.abort()

    def on_rate(self, _: Any = None) -> None:
        text = f"{plural(int(self.rate.value))} a second"
        self.fill(speed=text)
        self.rate.setAttribute("aria-valuetext", text)

    def on_start(self, _: Any) -> None:
        if self.run is None or self.run.is_over:
            self.started.set()
        else:
            self.stop(self.run, "Stopping: what waits has ten seconds to be sent and confirmed.")

    def stop(self, run: Run, why: str) -> None:
        if not self.is_stopping and not run.is_over:
            self.is_stopping = True
            self.tell(why)
            self.show_controls()
            self.begin(run.ws.close())

    def on_fault(self, event: Any) -> None:
        button = event.currentTarget
        if self.run is None or button.getAttribute("aria-disabled") == "true":
            return
        fault = str(button.dataset.fault)
        if fault == "offline":
            self.is_offline = not self.is_offline
            fault = "offline" if self.is_offline else "online"
            self.show_controls()
        self.begin(self.cause(self.run, fault))

    async def cause(self, run: Run, fault: str) -> None:
        try:
            count = await run.cause(fault)
        except ServerError as error:
            self.tell(str(error))
            return
        time = f"{seconds() - run.began:.0f} s"
        what = fault.capitalize()
        if fault == "online":
            self.tell(f"{what}, after {time}: the next attempt may succeed.")
        elif count:
            self.tell(f"{what}, after {time}.")
        else:
            self.tell(f"{what}, after {time}: there was no connection to break.")

    def begin(self, work: Any) -> None:
        """Keeps a task until it is done: the event loop itself does not."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def enable(button: Any, can: bool) -> None:
    button.setAttribute("aria-disabled", str(not can).lower())


def listen(target: Any, type: str, function: Callable[[Any], None]) -> None:
    target.addEventListener(type, create_proxy(function))


async def main() -> None:
    """Makes the section of the page work, for as long as that is shown."""
    # The page itself tells of what is dropped.
    logging.getLogger("readystate").setLevel(logging.ERROR)
    await Bench(js.document.getElementById("break_it")).main()
