"""PyScript's own WebSocket."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import Any

from pyscript import WebSocket  # type: ignore[import-not-found]


async def receive(url: str) -> int:
    """Receives until the server closes; returns how much it was, in characters or bytes."""
    size = 0
    closed = asyncio.Event()

    def on_message(event: Any) -> None:
        nonlocal size
        size += len(event.data)

    WebSocket(url, onmessage=on_message, onclose=lambda _: closed.set())
    await closed.wait()
    return size


async def send(url: str, kind: str, size: int, count: int, limit: int) -> int:
    """Sends ``count`` messages; returns how many the server has received."""
    message = "x" * size if kind == "text" else bytes(size)
    opened = asyncio.Event()
    answers: asyncio.Queue[str] = asyncio.Queue()
    ws = WebSocket(
        url,
        onopen=lambda _: opened.set(),
        onmessage=lambda event: answers.put_nowait(event.data),
    )
    await opened.wait()
    for _ in range(count):
        while ws.bufferedAmount > limit:
            await asyncio.sleep(0.004)
        ws.send(message)
    answer = await answers.get()
    ws.close()
    return int(json.loads(answer)["messages"])


async def round_trips(url: str, count: int, pause: float) -> list[float]:
    """Sends ``count`` messages, each after ``pause`` ms; returns the round trips, in ms."""
    times = []
    begin = 0.0
    opened = asyncio.Event()
    received = asyncio.Event()

    def on_message(event: Any) -> None:
        times.append((perf_counter() - begin) * 1000)
        received.set()

    ws = WebSocket(url, onopen=lambda _: opened.set(), onmessage=on_message)
    await opened.wait()
    for _ in range(count):
        await asyncio.sleep(pause / 1000)
        received.clear()
        begin = perf_counter()
        ws.send("ping")
        await received.wait()
    ws.close()
    return times


flushing: asyncio.Task[int]


async def backlog(url: str, count: int, size: int) -> None:
    """Has ``count`` messages wait for a socket that is CONNECTING."""
    global flushing
    messages = [str(number).ljust(size) for number in range(count)]
    answers: asyncio.Queue[str] = asyncio.Queue()

    def on_open(_: Any) -> None:
        for message in messages:
            ws.send(message)

    ws = WebSocket(url, onopen=on_open, onmessage=lambda event: answers.put_nowait(event.data))
    flushing = asyncio.create_task(_flushed(ws, answers))


async def flushed() -> int:
    """Waits until the server has received them all; returns how many that were."""
    return await flushing


async def _flushed(ws: WebSocket, answers: asyncio.Queue[str]) -> int:
    answer = await answers.get()
    ws.close()
    return int(json.loads(answer)["messages"])
