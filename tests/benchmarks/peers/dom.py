"""readystate.WebSocket, with a Python handler that is called for each message."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from time import perf_counter
from typing import Any

from readystate import Event, MessageEvent, WebSocket


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


async def send_in_bursts(url: str, size: int, count: int, limit: int, burst: int) -> int:
    """The same with text, looking at the buffer only before each ``burst`` messages."""
    message = "x" * size
    ws = WebSocket(url)
    await event(ws, "open")
    acknowledged = event(ws, "message")
    for start in range(0, count, burst):
        while ws.bufferedAmount > limit:
            await asyncio.sleep(0.004)
        for _ in range(min(burst, count - start)):
            ws.send(message)
    answer = (await acknowledged).data
    ws.close()
    return int(json.loads(answer)["messages"])


def send_at_once(ws: WebSocket, messages: list[str]) -> None:
    """The first of the article's five ways: it raises."""
    for message in messages:
        ws.send(message)


async def sleep_then_send(ws: WebSocket, messages: list[str]) -> None:
    """The second one: it is late, or raises."""
    await asyncio.sleep(1)
    for message in messages:
        ws.send(message)


def send_on_open(ws: WebSocket, messages: list[str]) -> None:
    """The third one."""

    def on_open(_: Event) -> None:
        for message in messages:
            ws.send(message)

    ws.onopen = on_open


def check_ready_state(ws: WebSocket, messages: list[str]) -> None:
    """The fourth one."""
    if ws.readyState == ws.OPEN:
        send_at_once(ws, messages)
    elif ws.readyState == ws.CONNECTING:
        send_on_open(ws, messages)
    else:
        raise ConnectionError("closed for good")


def queue_until_open(ws: WebSocket, messages: list[str]) -> None:
    """The fifth one."""
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
    for message in messages:
        safe_send(message)


WAYS: dict[str, Callable[[WebSocket, list[str]], Any]] = {
    way.__name__: way
    for way in (send_at_once, sleep_then_send, send_on_open, check_ready_state, queue_until_open)
}
sending: asyncio.Task[int]


async def backlog(url: str, count: int, size: int, way: str) -> None:
    """Has ``count`` messages sent, in one of the five ways, over a socket that is CONNECTING."""
    global sending
    messages = [str(number).ljust(size) for number in range(count)]
    ws = WebSocket(url)
    acknowledged = event(ws, "message")
    try:
        result = WAYS[way](ws, messages)
    except Exception:
        ws.close()
        raise
    sending = asyncio.create_task(_sent(ws, result, acknowledged))


async def flushed(way: str) -> int:
    """Waits until the server has received them all; returns how many that were."""
    return await sending


async def _sent(ws: WebSocket, result: object, acknowledged: asyncio.Future[Any]) -> int:
    if inspect.isawaitable(result):
        await result
    answer = (await acknowledged).data
    ws.close()
    return int(json.loads(answer)["messages"])
