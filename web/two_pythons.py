"""The ways of the race in MicroPython beside Pyodide, each in a frame of its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import js
from lab import one_at_a_time
from lab_server import endpoint
from pyodide.ffi import create_proxy
from race import LATE
from words import duration, milliseconds, plural

NAMES = {"mpy": "MicroPython", "py": "Pyodide"}
"""By the types of their scripts, in the order in which they run."""
DELAY = 0.3
"""Seconds that the handshakes take."""
PATIENCE = 90.0
"""Seconds that a frame may take for all."""


def outcome(lap: dict[str, Any]) -> tuple[str, str]:
    """How a way went: "good", "late" or "failed", and in a few words."""
    if lap["error"]:
        return "failed", lap["error"]
    if lap["lost"]:
        return "failed", f"{plural(lap['lost'])} lost"
    return "late" if lap["answered"] > LATE else "good", milliseconds(lap["answered"])


def verdict(started: dict[str, float], outcomes: dict[str, dict[str, str]]) -> str:
    """What both have come to: when each had started, and how each way went in each."""
    mpy, py = (duration(started[python]) for python in NAMES)
    starts = f"MicroPython had started after {mpy}, Pyodide after {py}."
    differ = [way for way, how in outcomes["mpy"].items() if how != outcomes["py"][way]]
    if differ:
        return f"{starts} They differ in {', '.join(differ)}."
    return f"{starts} Each way went the same in both."


class Comparison:
    """The element of the page: its button, its table, and the frame in it."""

    def __init__(self, element: Any) -> None:
        self.element = element
        self.button = element.querySelector("button")
        self.frame = element.querySelector(".frame")
        self.said = element.querySelector("[data-field=said]")
        self.started = asyncio.Event()
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def main(self) -> None:
        """Runs as often as the visitor wants it."""
        js.addEventListener("message", create_proxy(self.on_message))
        self.button.addEventListener("click", create_proxy(lambda _: self.started.set()))
        self.button.disabled = False
        while True:
            await self.started.wait()
            # Not disabled: that would take the focus from it.
            self.button.setAttribute("aria-disabled", "true")
            self.element.dataset.state = "running"
            self.say("Waiting for what runs above …")
            async with one_at_a_time:
                self.element.dataset.state = await self.compare()
            self.button.removeAttribute("aria-disabled")
            self.started.clear()

    def on_message(self, event: Any) -> None:
        """A frame tells something."""
        if event.origin == js.location.origin and isinstance(event.data, str):
            self.told.put_nowait(json.loads(event.data))

    async def compare(self) -> str:
        """Runs both; returns whether that is "done" or has "failed"."""
        for cell in self.element.querySelectorAll("td"):
            self.show(cell, "", "\N{EN DASH}")
        started: dict[str, float] = {}
        outcomes: dict[str, dict[str, str]] = {}
        for python, name in NAMES.items():
            self.say(f"{name} is starting …")
            try:
                async with asyncio.timeout(PATIENCE):
                    started[python], outcomes[python] = await self.run(python)
            except TimeoutError:
                self.say(f"{name} has not come to an end within {PATIENCE:g} s.")
                return "failed"
            finally:
                self.frame.replaceChildren()
        self.say(verdict(started, outcomes))
        return "done"

    async def run(self, python: str) -> tuple[float, dict[str, str]]:
        """Runs one; returns when it had started, and how each way went."""
        self.told = asyncio.Queue()
        url = endpoint("ws/echo", delay=DELAY)
        frame = js.document.createElement("iframe")
        frame.setAttribute("src", f"lap.html?{urlencode({'python': python, 'url': url})}")
        self.frame.replaceChildren(frame)
        started, outcomes = 0.0, {}
        while True:
            told = await self.told.get()
            if told["python"] != python:
                continue
            if "started" in told:
                started = told["started"]
                self.show(self.cell("start", python), "", duration(started))
                self.say(f"{NAMES[python]} {told['version']} is running the ways …")
            elif "lap" in told:
                way = told["lap"]["way"]
                outcomes[way], words = outcome(told["lap"])
                self.show(self.cell(way, python), outcomes[way], words)
            else:
                return started, outcomes

    def cell(self, row: str, python: str) -> Any:
        return self.element.querySelector(f"[data-row={row}] [data-python={python}]")

    def show(self, cell: Any, how: str, words: str) -> None:
        cell.dataset.outcome = how
        cell.textContent = words

    def say(self, text: str) -> None:
        self.said.textContent = text


async def main() -> None:
    """Makes the section of the page work, for as long as that is shown."""
    await Comparison(js.document.getElementById("two_pythons")).main()
