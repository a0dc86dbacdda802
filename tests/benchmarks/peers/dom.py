"""readystate.WebSocket, with a Python handler that is called for each message."""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import Any

from readystate import MessageEvent, WebSocket


def event(ws: WebSocket, type: str) -> asyncio.Future[Any]:
    """The next event of ``type``."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    ws.addEventListener(type, future.set_result, once=True)
    return future


async def receive(url: str) -> int:
    """Receives until the server closes; returns how much it was, in characters or bytes."""
    size = 0

    def on_message(event: Any) -> None:  # its data is never a Blob here
        nonlocal size
        size += len(event.data)

    ws = WebSocket(url)
    ws.binaryType = "arraybuffer"
    ws.onmessage = on_message
    await event(ws, "close")
    return size


async def send(url: str, kind: str, size: int, count: int, limit: int) -> int:
    """Sends ``count`` messages; returns how many the server has received."""
    message = "x" * size if kind == "text" else bytes(size)
    ws = WebSocket(url)
    await event(ws, "open")
    acknowledged = event(ws, "message")
    for _ in range(count):
        while ws.bufferedAmount > limit:
            await asyncio.sleep(0.004)
        ws.send(message)
    answer = (await acknowledged).data
    ws.close()
    return int(json.loads(answer)["messages"])


async def round_trips(url: str, count: int, pause: float) -> list[float]:
    """Sends ``count`` messages, each after ``pause`` ms; returns the round trips, in ms."""
    times = []
    begin = 0.0
    received = asyncio.Event()

    def on_message(event: MessageEvent) -> None:
        times.append((perf_counter() - begin) * 1000)
        received.set()

    ws = WebSocket(url, onmessage=on_message)
    await event(ws, "open")
    for _ in range(count):
        await asyncio.sleep(pause / 1000)
        received.clear()
        begin = perf_counter()
        ws.send("ping")
        await received.wait()
    ws.close()
    return times
