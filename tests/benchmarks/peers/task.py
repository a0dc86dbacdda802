"""The browser's WebSocket, a handler and a Future: the least by which a task receives in Python.

The handler runs in the event, and converts the message there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Any

import js
from pyodide.ffi import create_proxy


class Socket:
    """A socket, and what it has received."""

    def __init__(self, url: str) -> None:
        self.native = js.WebSocket.new(url)
        self.native.binaryType = "arraybuffer"
        self._received: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._handlers = {
            "open": create_proxy(self._wake),
            "message": create_proxy(self._on_message),
            "close": create_proxy(self._on_close),
        }
        for type, handler in self._handlers.items():
            self.native.addEventListener(type, handler)

    def _on_message(self, event: Any) -> None:
        data = event.data
        self._received.append(data if isinstance(data, str) else data.to_bytes())
        self._wake()

    def _on_close(self, _: Any) -> None:
        self._received.append(None)
        self._wake()
        for type, handler in self._handlers.items():
            self.native.removeEventListener(type, handler)
            handler.destroy()

    def _wake(self, _: Any = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Returns when something has happened."""
        self._waiter = asyncio.Future()
        await self._waiter

    async def recv(self) -> Any:
        """Returns the next message; ``None`` behind the last one."""
        while not self._received:
            await self.wait()
        return self._received.popleft()


async def receive(url: str) -> int:
    """Receives until the server closes; returns how much it was, in characters or bytes."""
    size = 0
    socket = Socket(url)
    while (message := await socket.recv()) is not None:
        size += len(message)
    return size


async def round_trips(url: str, count: int, pause: float) -> list[float]:
    """Sends ``count`` messages, each after ``pause`` ms; returns the round trips, in ms."""
    times = []
    socket = Socket(url)
    await socket.wait()
    for _ in range(count):
        await asyncio.sleep(pause / 1000)
        begin = perf_counter()
        socket.native.send("ping")
        await socket.recv()
        times.append((perf_counter() - begin) * 1000)
    socket.native.close()
    await socket.recv()
    return times
