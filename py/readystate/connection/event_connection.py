"""A connection over the browser's ``WebSocket``."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from .._host import byte_length, send, sleep_unthrottled
from ..core import log
from ..core.log import is_debugging
from ..core.pauses import Pauses
from ..dom.websocket import CloseEvent, Event, WebSocket
from .connection import Connection, size_at_most
from .receiver import (
    OVERFLOW_CODE,
    OVERFLOW_REASON,
    UNREADABLE_CODE,
    UNREADABLE_REASON,
    Incoming,
    Overflow,
)


class EventConnection(Connection):
    """Receives whenever it is open: the server cannot be paused."""

    def __init__(
        self,
        url: Any,
        subprotocols: str | Iterable[str] | Mapping[str, Any] | None,
        *,
        close_timeout: float | None,
        max_queue: int | None,
        max_queue_bytes: int | None,
        on_overflow: Overflow,
        write_limit: tuple[int, int],
    ) -> None:
        super().__init__(close_timeout=close_timeout)
        self._high, self._low = write_limit
        self._unsent_at_most = 0
        self._ws = WebSocket(url, subprotocols, onopen=self._on_open, onclose=self._on_close)
        self._ws.binaryType = "arraybuffer"
        # Kept: each access to a JavaScript method creates a new proxy.
        self._native = self._ws.js_websocket
        self._native_send = self._native.send
        self._incoming = Incoming(
            self._queue,
            max_queue=max_queue,
            max_queue_bytes=max_queue_bytes,
            on_overflow=on_overflow,
            close=lambda: self._ws.close(OVERFLOW_CODE, OVERFLOW_REASON),
            fail=self._fail,
        )
        self._incoming.connect(self._native)

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

    @property
    def dropped(self) -> int:
        return self._incoming.dropped

    @property
    def _has_received(self) -> bool:
        return self._incoming.has_received

    async def drain(self) -> None:
        await self._wait_for_buffer(0)

    def _on_open(self, _: Event) -> None:
        self._opened.set_result(True)

    def _on_close(self, event: CloseEvent) -> None:
        self._end(event.code, event.reason, event.wasClean)

    def _end(self, code: int, reason: str, was_clean: bool, cause: str = "") -> None:
        if not self._closed.done():
            self._incoming.disconnect()
            super()._end(code, reason, was_clean, cause)
            self._incoming.wake()

    def _fail(self, what: str) -> None:
        """Closes after a message that cannot be converted: all behind it is lost too."""
        self._ws.close(UNREADABLE_CODE, UNREADABLE_REASON)
        self._end(1006, "", False, what)

    def _start_close(self, code: int, reason: str) -> None:
        self._ws.close(code, reason)

    def _transmit(self, data: Any) -> Awaitable[None] | None:
        if self._native.readyState != 1:  # OPEN
            return self._raise_closed()
        if isinstance(data, str):
            self._native_send(data)
            size = 3 * len(data)  # at most
        else:
            send(self._native_send, data)
            size = byte_length(data)
        if is_debugging():
            log.sends(self._address, 1, size_at_most(data))
        # The browser's number can only have fallen since it was last read.
        self._unsent_at_most += size
        if self._unsent_at_most > self._high:
            self._unsent_at_most = self._ws.bufferedAmount
            if self._unsent_at_most > self._high:
                return self._wait_for_buffer(self._low)
        return None

    async def _wait_for_buffer(self, limit: int) -> None:
        """Waits until ``bufferedAmount`` is at most ``limit`` bytes."""
        pauses = Pauses()
        while True:
            amount = self._ws.bufferedAmount
            if self._native.readyState != WebSocket.OPEN:
                await self._raise_closed()
            if amount <= limit:
                self._unsent_at_most = amount
                return
            await sleep_unthrottled(pauses.next(amount))

    def _take(self) -> None:
        self._incoming.take()

    async def _receive(self) -> None:
        await self._incoming.wait()
