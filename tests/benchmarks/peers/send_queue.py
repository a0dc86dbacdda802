"""readystate.SendQueue, over a readystate.WebSocket."""

from __future__ import annotations

import asyncio
import json

from readystate import MessageEvent, SendQueue, WebSocket

flushing: asyncio.Task[int]


class Socket(WebSocket):
    """One that the server sends one message."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.received: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.onmessage = self._on_message

    def _on_message(self, event: MessageEvent) -> None:
        self.received.set_result(int(json.loads(str(event.data))["messages"]))


async def backlog(url: str, count: int, size: int) -> None:
    """Queues ``count`` messages over a socket that is CONNECTING."""
    global flushing
    messages = [str(number).ljust(size) for number in range(count)]
    ws = Socket(url)
    queue = SendQueue(ws)
    for message in messages:
        queue.send(message)
    flushing = asyncio.create_task(_flushed(ws, queue))


async def flushed() -> int:
    """Waits until the server has received them all; returns how many that were."""
    return await flushing


async def _flushed(ws: Socket, queue: SendQueue) -> int:
    received = await ws.received
    await queue.drain()
    ws.close()
    return received


async def send(url: str, kind: str, size: int, count: int, limit: int) -> int:
    """Sends ``count`` messages; returns how many the server has received."""
    message = "x" * size if kind == "text" else bytes(size)
    ws = Socket(url)
    opened = asyncio.Event()
    ws.onopen = lambda _: opened.set()
    queue = SendQueue(ws, max_unconfirmed=limit // size)
    await opened.wait()
    for _ in range(count):
        while queue.pending:
            await asyncio.sleep(0.004)
        queue.send(message)
    return await _flushed(ws, queue)
