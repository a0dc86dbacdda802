"""The race in one Python, in a frame of the first page: see two_pythons.py.

Pyodide and MicroPython run it, which has neither typing nor dataclasses.
"""

import asyncio
import json
import sys

import js
from ways import WAYS

from readystate import WebSocket

PATIENCE = 10
"""Seconds that all answers to a way may take."""
STARTED = js.performance.now()
"""How many milliseconds it took from the frame's begin until all is imported."""


def tell(**what: object) -> None:
    """Tells the page that has opened the frame."""
    js.parent.postMessage(json.dumps(what), js.location.origin)


async def lap(way, url: str, messages: list[str]) -> dict[str, object]:
    """Has a way send the messages over a new socket to a server that returns them.

    Returns:
        The "way", how many milliseconds after the open event the first answer came ("answered"),
        how many messages have no answer ("lost"), and the name of its exception ("error").
    """
    ready, over, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    opened = answered = None
    answers = 0

    def on_open(_: object) -> None:
        nonlocal opened
        opened = js.performance.now()
        ready.set()

    def on_message(_: object) -> None:
        nonlocal answered, answers
        answers += 1
        if answered is None and opened is not None:
            answered = js.performance.now() - opened
        if answers == len(messages):
            over.set()

    def on_close(_: object) -> None:
        for event in (ready, over, closed):
            event.set()

    ws = WebSocket(url)
    ws.addEventListener("open", on_open)
    ws.addEventListener("message", on_message)
    ws.addEventListener("close", on_close)
    error = ""
    try:
        working = way(ws, messages)
        if working is not None and not isinstance(working, list):  # a coroutine, no deliveries
            await working
        await asyncio.wait_for(over.wait(), PATIENCE)
    except Exception as raised:
        error = type(raised).__name__
    # The browser complains of connections that end before they are open, or with their page.
    await ready.wait()
    ws.close()
    await closed.wait()
    lost = len(messages) - answers
    return {"way": way.__name__, "answered": answered, "lost": lost, "error": error}


async def main() -> None:
    """Runs all ways, one after the other, and tells of each."""
    query = js.URLSearchParams.new(js.location.search)
    python = query.get("python")
    tell(python=python, started=STARTED, version=".".join(map(str, sys.implementation.version[:3])))
    messages = [f"message {number}" for number in range(1, 4)]
    for way in WAYS:
        tell(python=python, lap=await lap(way, query.get("url"), messages))
    tell(python=python, over=True)
