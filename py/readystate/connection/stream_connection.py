"""A connection over ``WebSocketStream``, with backpressure in both directions.

https://developer.mozilla.org/docs/Web/API/WebSocketStream
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

from .._host import (
    NativeError,
    ReadAhead,
    describe,
    is_blob,
    new_stream,
    options,
    python_error,
    to_sendable,
)
from ..core import checks, log
from ..core.handlers import report
from ..dom.websocket import WebSocket
from .connection import Connection, size_at_most


class StreamConnection(Connection):
    """Receives up to the limits of the queue: beyond them, the server is paused.

    Slower than :class:`EventConnection`, as each message costs one or two promises.
    """

    def __init__(
        self,
        url: Any,
        subprotocols: str | Iterable[str] | Mapping[str, Any] | None,
        *,
        close_timeout: float | None,
        max_queue: int | None,
        max_queue_bytes: int | None,
    ) -> None:
        super().__init__(close_timeout=close_timeout)
        self._stream = new_stream(url, subprotocols)
        self._max_queue = checks.bound("max_queue", max_queue)
        self._max_queue_bytes = checks.bound("max_queue_bytes", max_queue_bytes)
        self._messages: ReadAhead | None = None
        self._writer: Any = None
        self._subprotocol = ""
        self._extensions = ""
        self._is_closing = False
        self._reading: asyncio.Future[Any] | None = None
        self._unsent = 0
        self._has_read = False
        self._writing = asyncio.Lock()
        # The event loop refers to tasks only weakly.
        self._tasks = [
            asyncio.ensure_future(self._run()),
            asyncio.ensure_future(self._watch_close()),
        ]

        for task in self._tasks:
            task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        """Ends the connection if a task has failed, so that no other task waits for it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            report(f"{self!r} has ended because of an exception", error)
            self._end(1006, "", was_clean=False)

    @property
    def url(self) -> str:
        return str(self._stream.url)

    @property
    def subprotocol(self) -> str | None:
        return self._subprotocol or None

    @property
    def extensions(self) -> str:
        return self._extensions

    @property
    def ready_state(self) -> int:
        if self._closed.done():
            return WebSocket.CLOSED
        if self._is_closing:
            return WebSocket.CLOSING
        return WebSocket.OPEN if self._opened.done() else WebSocket.CONNECTING

    @property
    def buffered_amount(self) -> int:
        return self._unsent

    @property
    def _has_received(self) -> bool:
        return self._has_read

    async def drain(self) -> None:
        if self._is_closing or self._closed.done():
            await self._raise_closed()
        try:
            await self._writer.ready
        except NativeError:
            await self._raise_closed()

    async def _run(self) -> None:
        try:
            opened = await self._stream.opened
        except NativeError:
            return  # _watch_close() ends it
        self._messages = ReadAhead(
            opened.readable, messages=self._max_queue, size=self._max_queue_bytes
        )
        self._writer = opened.writable.getWriter()
        self._subprotocol = str(opened.protocol)
        self._extensions = str(opened.extensions)
        if not self._opened.done():
            self._has_more = True
            self._opened.set_result(True)
        await self._messages.run()
        self._messages.destroy()

    async def _watch_close(self) -> None:
        try:
            closed = await self._stream.closed
        except NativeError as error:
            reason = getattr(error, "reason", "")
            self._end(1006, reason if isinstance(reason, str) else "", was_clean=False)
        else:
            code = closed.closeCode
            self._end(code if isinstance(code, int) else 1005, str(closed.reason), was_clean=True)

    def _start_close(self, code: int, reason: str) -> None:
        if self._is_closing or self._closed.done():
            return
        if not isinstance(reason, str):
            raise TypeError(f"reason must be a str, not {describe(reason)}")
        try:
            self._stream.close(options(closeCode=code, reason=reason))
        except NativeError as error:
            raise python_error(error) from error
        self._is_closing = True
        self._has_more = False
        if self._messages is not None and self._reading is None:
            self._reading = asyncio.ensure_future(self._skip(self._messages))

    async def _skip(self, messages: ReadAhead) -> None:
        """Reads to the end, as the server's close frame comes last."""
        while await messages.read() is not None:
            pass

    def _transmit(self, data: Any) -> Awaitable[None] | None:
        if self._is_closing or self._closed.done():
            return self._raise_closed()
        return self._write(to_sendable(data), size_at_most(data))

    async def _write(self, data: Any, size: int) -> None:
        if log.is_debugging():
            log.sends(self._address, 1, size)
        self._unsent += size
        try:
            async with self._writing:
                if is_blob(data):  # The stream would send the text "[object Blob]".
                    data = await _read_blob(data)
                await self._writer.write(data)
        except NativeError:
            await self._raise_closed()
        finally:
            self._unsent -= size

    async def _receive(self) -> None:
        assert self._messages is not None  # noqa: S101 - it is open, or was
        # Kept when this is cancelled, so that the message being read is not lost.
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read(self._messages))
        # The end may be known before all messages have been read.
        ends = () if self._closed.done() else (self._closed,)
        await asyncio.wait([self._reading, *ends], return_when=asyncio.FIRST_COMPLETED)

    async def _read(self, messages: ReadAhead) -> None:
        message = await messages.read()
        if message is None:
            self._has_more = False
            await asyncio.wait([self._closed])
        elif self._is_closing:
            await self._skip(messages)
        else:
            self._has_read = True
            self._queue.append(message)
            self._reading = None

    def _take(self) -> None:
        """Does nothing: what has been read is in the queue already."""


async def _read_blob(blob: Any) -> Any:
    try:
        return await blob.arrayBuffer()
    except NativeError as error:
        raise python_error(error) from error
