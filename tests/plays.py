"""Plays: what happens, line by line, with a simulated clock.

Rules are written as tests/unit/rules.py tells it. Where ``and`` stands between two things that are
done there is no turn of the event loop. What comes of it is what the other end has got, and what
waited, by its name: ``recv:a``. A message with ``#`` before it is binary, one with ``␐`` a control
of a session, such as ``␐ack:2``. Time goes on with ``pass 5``.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Self

import pytest

from readystate import Delivery
from readystate.session import control
from readystate_server.testing.inpage import turns
from tests.unit.outboxes import Clock

ENOUGH = 40
"""Turns of the event loop after which nothing happens any more, until time passes."""


def message(word: str) -> str | bytes:
    """What goes over a connection for a word."""
    if word.startswith("#"):
        return word[1:].encode()
    if not word.startswith("␐"):
        return word
    kind, _, count = word[1:].partition(":")
    said: Any = {"expires": 60, "window": [100, 10**6]}
    match kind:
        case "opened":
            said["session"] = "a-session-of-22-letters"
        case "resumed":
            said["received"] = int(count)
        case _:
            said = int(count or 1)
    return control.encode(kind, said)


def word(message: str | bytes) -> str:
    """The word for what goes over a connection: of a control with what it counts."""
    if isinstance(message, bytes):
        return f"#{message.decode()}"
    if not control.is_control(message):
        return message
    kind, said = control.decode(message)
    if kind in ("ask", "opened"):
        return f"␐{kind}"
    counts = {"open": "window", "resume": "received", "resumed": "received"}
    count = said[counts[kind]] if kind in counts else said
    return f"␐{kind}:{count}".replace(" ", "")


def number(value: str) -> Any:
    """What an option means."""
    match value:
        case "None":
            return None
        case "":
            return True
    if value.isdecimal():
        return int(value)
    return float(value) if value.replace(".", "", 1).isdecimal() else value


def repeated(word: str) -> str:
    """``é*62`` is so many of them."""
    text, _, times = word.partition("*")
    return text * int(times or 1)


class Stage:
    """What is the same in all plays.

    Attributes:
        seen: What has come of what was done last.
        error: What was raised last to who waited.
        report: What the event loop was told last.
        at_once: What is done without waiting.
    """

    at_once: tuple[str, ...] = ()

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock(1000.0)
        monkeypatch.setattr(time, "monotonic", self.clock)
        self.seen: list[str] = []
        self.error: Exception | None = None
        self.report = ""
        self.deliveries: dict[str, Delivery] = {}
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self.runner = asyncio.Runner()
        self.loop: Any = self.runner.get_loop()
        self.loop.set_exception_handler(self.reported)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.run(self.end())
        self.runner.close()

    async def end(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await turns(ENOUGH)

    def reported(self, _: object, context: dict[str, Any]) -> None:
        self.report = context["message"]
        self.seen.append(f"reported:{type(context['exception']).__name__}")

    def do(self, *words: str) -> list[str]:
        """Does something; returns what comes of it."""
        self.runner.run(self.done(" ".join(words).split(" and ")))
        seen, self.seen[:] = [*self.seen], []
        return seen

    async def done(self, actions: list[str]) -> None:
        for action in actions:
            what, *words = action.split()
            if what == "pass":
                await self.pass_time(float(words[0]))
            elif what == "late":  # No timer has run meanwhile.
                self.clock.now += float(words[0])
            elif what == "cancel":
                self.tasks[words[0]].cancel()
            elif what in self.at_once:
                self.do_at_once(what, *words)
            else:
                self.tasks[what] = asyncio.ensure_future(self.waited(what, what, *words))
        await turns(ENOUGH)

    async def pass_time(self, seconds: float) -> None:
        """Goes from one timer to the next."""
        end = self.clock.now + seconds
        while timers := [each.when() for each in self.loop._scheduled if not each.cancelled()]:
            if min(timers) > end:
                break
            self.clock.now = max(self.clock.now, min(timers))
            await turns(ENOUGH)
        self.clock.now = end

    def do_at_once(self, what: str, *words: str) -> None:
        raise NotImplementedError

    async def waited(self, name: str, what: str, *words: str) -> None:
        """Calls what waits, and tells what comes of it."""
        try:
            result = await self.call(what, *words)
        except Exception as error:
            self.error = error
            result = type(error).__name__
        self.seen.append(f"{name}:{result}")

    async def call(self, what: str, *words: str) -> str:
        raise NotImplementedError

    def look(self, name: str) -> object:
        if delivery := self.deliveries.get(name):
            return (delivery.reason or delivery.state).replace(" ", "_")
        raise LookupError(name)
