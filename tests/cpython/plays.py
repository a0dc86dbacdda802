"""Plays of sockets, with a simulated network; see tests/plays.py for what the lines say.

What is done is done by

- the application: it calls a method, such as ``send a b`` or ``recv``;
- its functions: ``on_open send a`` adds a step to that, ``url /a LookupError`` and the like tell
  what comes of them in turn;
- the server, over the last connection: it can ``open`` one that is being made, or ``refuse`` it,
  ``say`` something, ``end 1012 why`` the connection, or lose it, which is ``cut``; with ``at 1``
  before it, over the first one.

What was reported is told by its class: ``reported:LookupError``.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any, Self

import pytest

from readystate import (
    Acks,
    Backoff,
    CloseEvent,
    Heartbeat,
    QueuedWebSocket,
    Session,
    State,
    StateChange,
)
from readystate._host.cpython import wire
from readystate._host.cpython.errors import NativeError
from readystate.core.outbox import Outbox
from readystate.core.reconnector import Reconnector
from readystate.core.states import StateLog
from readystate.session.keeping import Keeping
from readystate.session.snapshot import Snapshot
from readystate_server.testing.inpage import Logged
from tests import plays
from tests.plays import message, number, repeated, word
from tests.unit.rules import Rule

from .conftest import Page, forever

URL = "ws://host/"


class Wire:
    """One connection, in place of the port's own.

    Attributes:
        unsent: How many bytes have not left.
    """

    def __init__(self, network: Network, owner: Any, protocols: list[str]) -> None:
        self.network = network
        self.owner = owner
        self.protocols = protocols
        self.unsent = 0
        self.is_over = False

    def open(self, protocol: str | None = None) -> None:
        chosen = next(iter(self.protocols), "") if protocol is None else protocol
        self.owner.on_open(chosen, "")

    def end(self, code: int, reason: str = "", *, was_clean: bool = True) -> None:
        if not self.is_over:
            self.is_over = True
            self.unsent *= not was_clean
            self.owner.on_closing()
            self.owner.on_end(code, reason, was_clean=was_clean)

    def cut(self) -> None:
        self.end(1006, was_clean=False)

    # What the host does

    def send(self, payload: bytes | memoryview, *, is_text: bool) -> bool:
        data = bytes(payload)
        sent = data.decode() if is_text else data
        if self.network.refuses:
            raise NativeError("no room")
        self.network.seen.append(word(sent))
        if self.network.is_stuck:
            self.unsent += len(data)
        return True

    def close(self, code: int | None, reason: str) -> None:
        said = [str(each).replace(" ", "_") for each in (code, reason) if each]
        self.network.seen.append(":".join(["CLOSE", *said]))
        if not self.network.is_deaf:
            asyncio.get_running_loop().call_soon(self.end, code or 1005, reason)

    def abort(self) -> None:
        self.network.seen.append("ABORT")
        asyncio.get_running_loop().call_soon(self.cut)


class Network:
    """Where connections are made.

    Attributes:
        seen: What a server has got, and what else there is to be told.
        wires: All connections, the last one last.
        is_deaf: Whether they answer no close frame.
        is_stuck: Whether what is sent does not leave.
        refuses: Whether nothing can be sent.
    """

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen
        self.wires: list[Wire] = []
        self.is_deaf = self.is_stuck = self.refuses = False

    async def connect(self, address: Any, protocols: list[str], owner: Any) -> None:
        made = Wire(self, owner, protocols)
        self.wires.append(made)
        path = address.url.removeprefix(URL)
        self.seen.append(":".join(["connect", *filter(None, (path, ",".join(protocols)))]))
        owner.on_connection(made)


SERVER = ("at", "open", "refuse", "cut", "say", "closing", "end", "leave")
FUNCTIONS = ("on_open", "on_state", "should_reconnect", "url", "protocols")
"""Which may be coroutine functions."""


def has_functions(rule: Rule) -> bool:
    """Whether a rule tells of functions that may be coroutine functions."""
    return any(action[0] in FUNCTIONS for line in rule.lines for action in line.does)


class Stage(plays.Stage):
    """A network, of which a rule's options tell too whether it ``is_deaf`` or ``is_stuck``."""

    def __init__(
        self, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, page: Page | None = None
    ) -> None:
        super().__init__(monkeypatch)
        for kind in (Outbox, Reconnector):
            defaults: Any = kind.__init__.__kwdefaults__
            monkeypatch.setitem(defaults, "clock", self.clock)
        for made in (StateLog.__init__, Keeping.__init__):
            monkeypatch.setattr(made, "__defaults__", (self.clock,))
        self.network = Network(self.seen)
        monkeypatch.setattr(wire, "connect", self.network.connect)
        for name in ("is_deaf", "is_stuck"):
            setattr(self.network, name, name in options)
        self.options: dict[str, Any] = {
            name: number(value) if isinstance(value, str) else value
            for name, value in options.items()
            if not hasattr(self.network, name)
        }
        self.page: Any = page
        self.logger = Logged()

    @property
    def queue(self) -> Any:
        """What is looked at: a queue, or a connection."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.logged = self.logger.__enter__()
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.logger.__exit__()

    async def end(self) -> None:
        for each in self.network.wires:
            each.cut()
        await super().end()

    def look(self, name: str) -> object:
        match name:
            case "listeners":
                return len(self.page.listeners)
            case "logged":
                return sum("dropped" in line for line in self.logged)
            case "log":
                return self.logged[-1].partition(" after ")[2].replace(" ", "_")
            case "report":
                return self.report.partition(" of <")[0].replace(" ", "_")
            case "waits":
                return ",".join(map(word, self.queue))
            case "drops":
                return ",".join(
                    f"{why}:{count}".replace(" ", "_")
                    for why, count in self.queue.stats.dropped.items()
                )
        if name in self.deliveries:
            return super().look(name)
        holder = self.queue if hasattr(self.queue, name) else self.queue.stats
        return getattr(holder, name)

    def do_at_once(self, what: str, *words: str) -> None:
        match what:
            case "page":
                self.page.dispatch(words[0])
            case "send":
                for each in words:
                    word, ttl = word_and_ttl(each)
                    self.deliveries[word] = self.queue.send(message(word), ttl=ttl)
            case "at":
                self.do_at_server(self.network.wires[int(words[0]) - 1], *words[1:])
            case _:
                self.do_at_server(self.network.wires[-1], what, *words)

    async def call(self, what: str, *words: str) -> str:
        match what:
            case "await":
                await self.deliveries[words[0]]
            case "put":
                text, ttl = word_and_ttl(words[0])
                self.deliveries[text] = await self.queue.put(message(text), ttl=ttl)
            case "recv":
                return word(await self.queue.recv())
            case "all":
                return ",".join([word(received) async for received in self.queue])
            case "close":
                code, *reason = words or ["1000"]
                await self.queue.close(int(code), *map(repeated, reason))
            case _:
                await getattr(self.queue, what)()
        return "done"

    def do_at_server(self, server: Wire, what: str, *words: str) -> None:
        match what:
            case "open":
                server.open("" if words == ("without",) else None)
            case "refuse" | "cut":
                server.cut()
            case "say":
                for said in words:
                    server.owner.on_message(message(said))
            case "closing":
                server.owner.on_closing()
            case "end":
                server.end(int(words[0]), *words[1:])
            case "leave":
                server.unsent -= int(words[0])


def word_and_ttl(text: str) -> tuple[str, float | None]:
    """``a@5`` may wait for 5 seconds."""
    word, _, ttl = text.partition("@")
    return word, float(ttl) if ttl else None


def is_pong(text: str | bytes) -> bool:
    return text == "pong"


def heartbeat(
    interval: float, timeout: float, has_replies: bool = True, **options: Any
) -> Heartbeat:
    is_reply = is_pong if has_replies else None
    given = {"message": "ping", "interval": interval, "timeout": timeout, "is_reply": is_reply}
    return Heartbeat(**{**given, **options})


def key_of(text: Any) -> Any:
    if text == "kbad":
        raise LookupError
    if text == "klist":
        return []
    return text if str(text).startswith("k") else None


def acked(text: str | bytes) -> Any:
    if text == "bad":
        raise LookupError
    if text == "number":
        return 5
    return str(text)[4:].split(",") if str(text).startswith("ack:") else None


class Play(Stage):
    """A QueuedWebSocket, with a page around it.

    Beside its own there are, among the options, ``heartbeat=10,3``, with an interval and a timeout,
    whose replies are "pong" unless there are ``none``; ``acks``, by which ``ack:k1,k2``
    acknowledges two messages; and ``session=kept`` for the next page, which comes with ``navigate``
    or, without any event, ``kill``. The tab has ``room`` for so many letters, and may be ``slow``.
    """

    at_once = (
        *("start", "abort", "clear", "reconnect", "send", "go"),
        *("page", "navigate", "kill", "room", "slow"),
        *(*FUNCTIONS, "heartbeat", "is_reply", "acked", *SERVER),
    )

    def __init__(self, *arguments: Any, is_async: bool = False) -> None:
        super().__init__(*arguments)
        self.page.is_hidden = bool(self.options.pop("is_hidden", False))
        self.past: list[QueuedWebSocket] = []
        self.is_async = is_async
        self.changes: list[StateChange] = []
        self.told = 0
        self.functions: dict[str, Any] = {}
        self.greeting: list[list[str]] = []
        self.at_state: dict[str, str] = {}
        self.goes_on = asyncio.Event()

    async def end(self) -> None:
        for ws in (*self.past, self.ws):
            ws.abort()
        await super().end()

    @functools.cached_property
    def ws(self) -> QueuedWebSocket:
        options: dict[str, Any] = {"url": URL, "backoff": Backoff(1, 10, jitter=0), **self.options}
        if "heartbeat" in options:
            interval, timeout, *replies = options["heartbeat"].split(",")
            options["heartbeat"] = heartbeat(float(interval), float(timeout), not replies)
        match options.get("session"):
            case "renew":
                options["session"] = Session(renew=True)
            case "kept":
                options["session"] = Session(persist="sessionStorage", name="kept")
        if "watchdog" in options:
            options["heartbeat"] = Heartbeat(timeout=options.pop("watchdog"))
        if "acks" in options:
            options["acks"] = Acks(key_of, acked, pass_on=options["acks"] == "pass_on")
        if isinstance(protocols := options.get("protocols"), str):
            options["protocols"] = protocols.split(",")
        if self.greeting:
            options["on_open"] = self.on_open
        fails = "fail" in self.at_state.values()
        options["on_state"] = self.function(self.on_state) if fails else self.on_state
        return QueuedWebSocket(**{**options, **self.functions})

    @property
    def queue(self) -> QueuedWebSocket:
        return self.ws

    # The application's functions

    def function(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """As a coroutine function, if that is to be tried."""
        if not self.is_async:
            return call

        async def later(*arguments: Any) -> Any:
            await asyncio.sleep(0)
            result = call(*arguments)
            return await result if inspect.isawaitable(result) else result

        return later

    def in_turn(self, *results: str) -> Callable[..., Any]:
        """A function that has these results, one after the other, and then the last one again."""
        left = list(results)

        def call(*arguments: Any) -> Any:
            if arguments and isinstance(arguments[0], CloseEvent):
                self.seen.append(f"asked:{arguments[0].code}")
            return self.result(left.pop(0) if len(left) > 1 else left[0])

        return call

    def result(self, word: str) -> Any:
        match word:
            case "LookupError":
                raise LookupError
            case "hang":
                return forever()
            case "cancelled":
                future = self.loop.create_future()
                future.cancel()
                return future
            case "number":
                return 5
            case "yes" | "no":
                return word == "yes"
            case "none":
                return None
        if word.startswith("abort+"):
            self.ws.abort()
            return self.result(word.removeprefix("abort+"))
        return URL + word[1:] if word.startswith("/") else word

    def on_state(self, change: StateChange) -> None:
        self.changes.append(change)
        match self.at_state.get(change.state):
            case "abort":
                self.ws.abort()
            case "fail":
                raise LookupError

    async def greet(self, ws: QueuedWebSocket) -> None:
        for what, *words in self.greeting:
            if what in ("raise", "hang"):
                await self.result("hang" if what == "hang" else "LookupError")
            if what in self.at_once:
                self.do_at_once(what, *words)
            else:
                await self.waited(f"on_open.{what}", what, *words)

    def greet_at_once(self, ws: QueuedWebSocket) -> object:
        for what, *words in self.greeting:
            if what == "raise":
                raise LookupError
            self.do_at_once(what, *words)
        return None if self.is_async or not words else self.deliveries[words[-1]]

    @property
    def on_open(self) -> Callable[..., Any]:
        if all(step[0] in (*self.at_once, "raise") for step in self.greeting):
            return self.function(self.greet_at_once)
        # Any awaitable will do.
        return self.greet if self.is_async else lambda ws: asyncio.ensure_future(self.greet(ws))

    # What is done

    def do(self, *words: str) -> list[str]:
        """Of ``session``, which begins one, nothing is told: that is a rule of its own."""
        if words != ("session",):
            return super().do(*words)
        for step in ("start", "open", "say ␐opened"):
            super().do(*step.split())
        return []

    def do_at_once(self, what: str, *words: str) -> None:
        match what:
            case "navigate" | "kill":  # The next page has a queue of its own.
                self.page.leave() if what == "navigate" else self.page.kill()
                self.past.append(self.__dict__.pop("ws"))
            case "room":
                self.page.room = int(words[0])
            case "slow":
                self.page.on_save = lambda: self.clock.go_on(float(words[0]))
            case "go":
                self.goes_on.set()
            case "on_open":
                self.greeting.append([*words])
            case "on_state":
                self.at_state[words[0]] = words[1]
            case "url" | "protocols" | "should_reconnect":
                self.functions[what] = self.function(self.in_turn(*words))
            case "heartbeat":
                self.functions[what] = heartbeat(10, 60, message=self.in_turn(*words))
            case "is_reply":
                self.functions["heartbeat"] = heartbeat(60, 60, is_reply=self.in_turn(*words))
            case "acked":
                self.functions["acks"] = Acks(key_of, self.in_turn(*words))
            case "start" | "abort" | "clear" | "reconnect":
                getattr(self.ws, what)()
            case _:
                super().do_at_once(what, *words)

    async def call(self, what: str, *words: str) -> str:
        ws = self.ws
        match what:
            case "exit":
                error: Any = LookupError() if words else None
                await ws.__aexit__(error and LookupError, error, None)
            case "close" if words and words[0].startswith("within="):
                await ws.close(timeout=float(words[0].removeprefix("within=")))
            case "wait_open":
                await ws.wait_open(*map(float, words))
            case "wait":
                await self.goes_on.wait()
            case "task":
                self.tasks["on_open.task"] = asyncio.ensure_future(self.receive_all())
                await asyncio.sleep(0)
            case _:
                return await super().call(what, *words)
        return "done"

    async def receive_all(self) -> None:
        async for received in self.ws:
            self.seen.append(f"on_open.task.recv:{word(received)}")

    # What is looked at

    def told_of(self, kept: str) -> str:
        """The numbers of what is kept, and what was sent and what waits: ``1,0,2:a:b,c``."""
        _, *numbers, sent, waiting = Snapshot.load(kept)
        parts = map(str, numbers), map(word, sent), map(word, waiting)
        return ":".join(",".join(part) for part in parts)

    def look(self, name: str) -> object:
        match name:
            case "states":
                told, self.told = self.told, len(self.changes)
                return ",".join(change.state for change in self.changes[told:])
            case "kept":
                return "".join(map(self.told_of, self.page.storage.values()))
            case "seconds":
                spent = self.ws.stats.seconds
                return ",".join(f"{state}:{spent[state]:g}" for state in State if spent[state])
            case "gone":  # Why, what was unconfirmed, and whether that is sent again.
                expired: Any = self.changes[-1].error
                unconfirmed = ",".join(map(word, expired.unconfirmed))
                return f"{expired.why}:{unconfirmed}{'+' * expired.is_renewed}"
            case "delay" | "attempt":
                return getattr(self.changes[-1], name)
            case "error":
                error = self.changes[-1].error
                code = getattr(error, "code", None)
                return type(error).__name__ + (f":{code}" if code else "")
            case "why":
                return str(self.changes[-1].error).replace(" ", "_")
        return super().look(name)
