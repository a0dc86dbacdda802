"""A connection over the browser's ``WebSocket`` and its events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

from ._ffi import Inbox, send
from .connection import Connection, Overflow, size_at_most
from .events import CloseEvent, Event
from .websocket import WebSocket

__all__ = ["EventConnection"]

OVERFLOW_CODE = 4008
"""What 1008, "policy violation", is among the codes that a page may use."""

_LONGEST_POLL = 0.05


class EventConnection(Connection):
    """Receives by itself from the moment that it is open: the server cannot be paused.

    Messages arrive in a JavaScript array, and come over a batch at a time: when a task asks for
    one, or in the next turn of the event loop if none does.
    """

    def __init__(
        self,
        url: Any,
        subprotocols: str | Iterable[str] | None,
        *,
        close_timeout: float | None,
        max_queue: float,
        max_queue_bytes: float,
        on_overflow: Overflow,
        write_limit: tuple[int, int],
    ) -> None:
        super().__init__(close_timeout=close_timeout)
        self._max_queue = max_queue
        self._max_queue_bytes = max_queue_bytes
        self._on_overflow = on_overflow
        self._high, self._low = write_limit
        self._queue_bytes_at_most = 0
        self._unsent_at_most = 0
        self._waiter: asyncio.Future[None] | None = None
        self._ws = WebSocket(url, subprotocols, onopen=self._on_open, onclose=self._on_close)
        self._ws.binaryType = "arraybuffer"
        # Named once: each look-up of a JavaScript method makes a new proxy.
        self._native = self._ws.js_websocket
        self._native_send = self._native.send
        self._inbox = Inbox(self._native, self._on_arrival)
        self._inbox.arm()

    @property
    def url(self) -> str:
        return self._ws.url

    @property
    def subprotocol(self) -> str | None:
        return self._ws.protocol or None

    @property
    def extensions(self) -> str:
        return self._ws.extensions

    @property
    def ready_state(self) -> int:
        return WebSocket.CLOSED if self._closed.done() else self._ws.readyState

    @property
    def buffered_amount(self) -> int:
        return self._ws.bufferedAmount

    async def drain(self) -> None:
        await self._wait_for_buffer(0)

    def _on_open(self, _: Event) -> None:
        self._opened.set_result(True)

    def _on_close(self, event: CloseEvent) -> None:
        self._end(event.code, event.reason, event.wasClean)

    def _end(self, code: int, reason: str, was_clean: bool) -> None:
        if not self._closed.done():
            self._queue.extend(self._inbox.take())
            self._inbox.destroy()
            super()._end(code, reason, was_clean)
            self._wake()

    def _start_close(self, code: int, reason: str) -> None:
        self._ws.close(code, reason)

    def _transmit(self, data: Any) -> Awaitable[None] | None:
        if self._native.readyState != WebSocket.OPEN:
            return self._raise_closed()
        send(self._native_send, data)
        # The browser's number can only have fallen since it was last asked for.
        self._unsent_at_most += size_at_most(data)
        if self._unsent_at_most > self._high:
            self._unsent_at_most = self._ws.bufferedAmount
            if self._unsent_at_most > self._high:
                return self._wait_for_buffer(self._low)
        return None

    async def _wait_for_buffer(self, limit: int) -> None:
        """Waits until ``bufferedAmount`` is at most ``limit`` bytes."""
        # No event tells it. As long as the number falls, it is looked at in each turn of the event
        # loop, so that a fast peer never waits for us; while it stands still, ever more rarely.
        # Nothing is looked at while nobody waits.
        pause = 0.0
        before = None
        while True:
            amount = self._ws.bufferedAmount
            if self._native.readyState != WebSocket.OPEN:
                await self._raise_closed()
            if amount <= limit:
                self._unsent_at_most = amount
                return
            fell = before is None or amount < before
            pause = 0.0 if fell else min(_LONGEST_POLL, 2 * pause or 0.001)
            before = amount
            await asyncio.sleep(pause)

    def _on_arrival(self, _: Any) -> None:
        self._inbox.is_armed = False
        if self._waiter is not None:
            # It resumes in a later turn of the event loop, and finds what has come until then.
            self._wake()
        else:
            self._loop.call_soon(self._hold)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _receive(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _take(self) -> None:
        if not self._closed.done():
            self._queue.extend(self._inbox.take())
            self._inbox.arm()

    def _hold(self) -> None:
        """Takes what has arrived while nobody asked for it, up to the bounds."""
        if self._waiter is not None:
            return
        queue = self._queue
        before = len(queue)
        self._take()
        self._queue_bytes_at_most += sum(len(queue[index]) for index in range(before, len(queue)))
        if len(queue) > self._max_queue or self._queue_bytes_at_most > self._max_queue_bytes:
            self._bound_queue()

    def _bound_queue(self) -> None:
        queue = self._queue
        size = sum(map(len, queue))
        if len(queue) > self._max_queue or size > self._max_queue_bytes:
            if self._on_overflow == "close":
                self._ws.close(OVERFLOW_CODE, "receive queue full")
            else:
                drop = queue.popleft if self._on_overflow == "drop-oldest" else queue.pop
                while len(queue) > self._max_queue or size > self._max_queue_bytes:
                    size -= len(drop())
                    self._dropped += 1
        self._queue_bytes_at_most = size
