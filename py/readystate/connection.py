"""A connection for asyncio, in the vocabulary of the ``websockets`` library."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, TypeAlias

from ._ffi import Inbox, JsException, JsProxy, describe, python_error, to_sendable
from .backoff import Backoff
from .blob import Blob
from .events import CloseEvent, Event
from .exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    ConnectionFailed,
    OpenTimeout,
)
from .websocket import WebSocket

__all__ = ["Connection", "connect"]

Overflow: TypeAlias = Literal["close", "drop-oldest", "drop-newest"]

OVERFLOW_CODE = 4008
"""What 1008, "policy violation", is among the codes that a page may use."""

_OK_CODES = (1000, 1001, 1005)
_LONGEST_POLL = 0.05


class Connection:
    """A WebSocket connection that is open, or was. :class:`connect` makes it.

    Messages are received from the moment that it is open, and held until they are asked for.
    """

    def __init__(
        self,
        ws: WebSocket,
        *,
        close_timeout: float | None,
        max_queue: int,
        max_queue_bytes: int,
        on_overflow: Overflow,
        write_limit: tuple[int, int],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._ws = ws
        self._native = ws.js_websocket
        self._native_send = ws.js_websocket.send
        self._close_timeout = close_timeout
        self._max_queue = max_queue
        self._max_queue_bytes = max_queue_bytes
        self._on_overflow = on_overflow
        self._high, self._low = write_limit
        self._queue: deque[str | bytes] = deque()
        self._queue_bytes_at_most = 0
        self._dropped = 0
        self._unsent_at_most = 0
        self._waiter: asyncio.Future[None] | None = None
        self._opened: asyncio.Future[bool] = loop.create_future()
        self._closed: asyncio.Future[ConnectionClosed] = loop.create_future()
        ws.binaryType = "arraybuffer"
        self._inbox = Inbox(self._native, self._on_arrival)
        self._inbox.arm()
        ws.onopen = self._on_open
        ws.onclose = self._on_close

    @property
    def url(self) -> str:
        """The URL of the connection, as the browser has resolved it."""
        return self._ws.url

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server has chosen, or ``None``."""
        return self._ws.protocol or None

    @property
    def extensions(self) -> str:
        """The extensions in use, such as ``"permessage-deflate"``."""
        return self._ws.extensions

    @property
    def ready_state(self) -> int:
        """The state of the connection: CONNECTING, OPEN, CLOSING or CLOSED (0 to 3)."""
        return WebSocket.CLOSED if self._closed.done() else self._ws.readyState

    @property
    def buffered_amount(self) -> int:
        """How many bytes were sent that have not left the page yet."""
        return self._ws.bufferedAmount

    @property
    def close_code(self) -> int | None:
        """The code with which the connection has ended (see :exc:`ConnectionClosed`)."""
        return self._closed.result().code if self._closed.done() else None

    @property
    def close_reason(self) -> str | None:
        """The reason with which the connection has ended."""
        return self._closed.result().reason if self._closed.done() else None

    @property
    def dropped(self) -> int:
        """How many messages were received and dropped, by ``on_overflow``."""
        return self._dropped

    async def recv(self, decode: bool | None = None) -> str | bytes:
        """Waits for the next message and returns it.

        Cancelling it loses no message. What arrived before the connection was closed is returned
        before :exc:`ConnectionClosed` is raised.

        Args:
            decode: ``True`` returns binary messages as ``str`` (UTF-8), ``False`` text as
                ``bytes``; by default each comes as it was sent.

        Raises:
            ConnectionClosed: There will be no more messages.
            ConcurrencyError: Another task is waiting for one.
            UnicodeDecodeError: A binary message, decoded, is not UTF-8.
        """
        if not self._queue:
            await self._fill_queue()
        message = self._queue.popleft()
        if decode is True and isinstance(message, bytes):
            return message.decode()
        if decode is False and isinstance(message, str):
            return message.encode(errors="surrogatepass")
        return message

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yields messages until the connection has ended as either side meant it to.

        Raises:
            ConnectionClosedError: It has ended in another way.
            ConcurrencyError: Another task is waiting for a message.
        """
        queue = self._queue
        try:
            while True:
                while queue:
                    yield queue.popleft()
                await self._fill_queue()
        except ConnectionClosedOK:
            return

    async def send(self, message: Any) -> None:
        """Sends a message, and waits while the browser holds too much that has not left yet.

        It returns at once while that is at most the high watermark of ``write_limit``; above, it
        returns when it has fallen to the low one.

        Args:
            message: What :meth:`WebSocket.send` takes; or an iterable, or asynchronous iterable, of
                fragments that are all text or all binary, which are joined into one message.

        Raises:
            ConnectionClosed: The connection is closing or has ended; unlike the native ``send()``,
                which then discards the message and says nothing.
            TypeError: ``message`` is neither text nor binary, nor made of either.
        """
        if isinstance(message, str):
            data: Any = message
            size = len(message) if message.isascii() else 3 * len(message)
        elif isinstance(message, (bytes, bytearray, memoryview)):
            data = to_sendable(message)
            size = len(message) if type(message) is not memoryview else message.nbytes
        else:
            data = await self._sendable(message)
            if data is None:
                return
            size = 3 * len(data) if isinstance(data, str) else _byte_length(data)
        if self._native.readyState != WebSocket.OPEN:
            raise await self._closing()
        try:
            self._native_send(data)
        except JsException as error:
            raise python_error(error) from error
        # The browser's number can only have fallen since it was last asked for.
        self._unsent_at_most += size
        if self._unsent_at_most > self._high:
            self._unsent_at_most = self._ws.bufferedAmount
            if self._unsent_at_most > self._high:
                await self._wait_for_buffer(self._low)

    async def drain(self) -> None:
        """Waits until all that was sent has left the page, which is no proof that it arrived.

        Raises:
            ConnectionClosed: The connection is closing or has ended before that.
        """
        await self._wait_for_buffer(0)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the connection and waits until it has ended, at most ``close_timeout`` seconds.

        What was sent before is sent first. A connection that has ended stays as it is. After the
        timeout the connection counts as lost (1006). Cancelling it does not undo the closing.

        Args:
            code: 1000, or from 3000 to 4999.
            reason: At most 123 bytes of UTF-8.

        Raises:
            InvalidAccessError: ``code`` is another number.
            DOMSyntaxError: ``reason`` is too long.
        """
        self._ws.close(code, reason)
        await self._wait_for_end()

    async def wait_closed(self) -> None:
        """Waits until the connection has ended, by either side."""
        await asyncio.shield(self._closed)

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return repr(self._ws).replace("WebSocket", "Connection", 1)

    def _on_open(self, _: Event) -> None:
        if not self._opened.done():
            self._opened.set_result(True)

    def _on_close(self, event: CloseEvent) -> None:
        self._end(event.code, event.reason, event.wasClean)

    def _end(self, code: int, reason: str, was_clean: bool) -> None:
        if self._closed.done():
            return
        self._queue.extend(self._inbox.take())
        self._inbox.destroy()
        ok = was_clean and code in _OK_CODES
        ended = (ConnectionClosedOK if ok else ConnectionClosedError)(code, reason, was_clean)
        self._closed.set_result(ended)
        if not self._opened.done():
            self._opened.set_result(False)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _on_arrival(self, _: Any) -> None:
        self._inbox.is_armed = False
        if self._waiter is not None:
            # It resumes in a later turn of the event loop, and finds what has come until then.
            self._wake()
        else:
            self._loop.call_soon(self._hold)

    def _take(self) -> None:
        self._queue.extend(self._inbox.take())
        self._inbox.arm()

    async def _fill_queue(self) -> None:
        """Waits until the queue holds a message."""
        if self._waiter is not None:
            raise ConcurrencyError(
                "another task is waiting for a message of this connection: let one task receive, "
                "and hand on what the others need"
            )
        while True:
            if not self._closed.done():
                self._take()
            if self._queue:
                return
            if self._closed.done():
                raise _copy(self._closed.result())
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _hold(self) -> None:
        """Takes what has arrived while nobody asked for it, up to the bounds."""
        if self._closed.done() or self._waiter is not None:
            return
        before = len(self._queue)
        self._take()
        new = len(self._queue) - before
        self._queue_bytes_at_most += sum(len(self._queue[-1 - index]) for index in range(new))
        if len(self._queue) > self._max_queue or self._queue_bytes_at_most > self._max_queue_bytes:
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

    async def _sendable(self, message: Any) -> Any:
        """What the native ``send()`` takes; ``None`` if there are no fragments."""
        if isinstance(message, Blob):
            return message.js_blob
        if isinstance(message, JsProxy) or _is_buffer(message):
            return to_sendable(message)
        if isinstance(message, Mapping):
            raise TypeError("send() takes no mapping: encode it first, as with json.dumps()")
        if isinstance(message, AsyncIterable):
            fragments = [fragment async for fragment in message]
        elif isinstance(message, Iterable):
            fragments = list(message)
        else:
            return to_sendable(message)
        if not fragments:
            return None
        if all(isinstance(fragment, str) for fragment in fragments):
            return "".join(fragments)
        for fragment in fragments:
            if not _is_buffer(fragment):
                raise TypeError(
                    "the fragments of a message must be all str or all bytes-like, "
                    f"not {describe(fragment)} among {describe(fragments[0])}"
                )
        return to_sendable(b"".join(fragments))

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
                raise await self._closing()
            if amount <= limit:
                self._unsent_at_most = amount
                return
            fell = before is None or amount < before
            pause = 0.0 if fell else min(_LONGEST_POLL, 2 * pause or 0.001)
            before = amount
            await asyncio.sleep(pause)

    async def _closing(self) -> ConnectionClosed:
        """The exception for a connection that is closing or has ended."""
        await self._wait_for_end()
        return _copy(self._closed.result())

    async def _wait_for_end(self) -> None:
        await asyncio.wait([self._closed], timeout=self._close_timeout)
        # No page can end a connection by force, and the browser may take its time to.
        self._end(1006, "", was_clean=False)


class connect:  # noqa: N801 - as in websockets
    """Connects to a WebSocket server.

    ::

        async with connect("wss://example.org/feed") as ws:  # closed at the end
            await ws.send("hello")
            async for message in ws:
                ...

        ws = await connect("wss://example.org/feed")  # to be closed by the caller

        async for ws in connect("wss://example.org/feed"):  # a new one after each loss
            try:
                async for message in ws:
                    ...
            except ConnectionClosed:
                continue

    Args:
        url: Where to connect to: a ``str`` or a ``js.URL``.
        subprotocols: The subprotocols to offer.
        open_timeout: How long the connection may take to come about, in seconds; ``None``: as long
            as the browser lets it.
        close_timeout: How long closing may take, in seconds; ``None``: as long as the browser lets
            it.
        max_queue: How many messages are held that nobody has asked for yet. A page cannot pause
            the server, so this is checked once a turn of the event loop.
        max_queue_bytes: How much is held of them, in bytes (of text: in characters).
        on_overflow: What happens beyond that: ``"close"`` closes with 4008, and what has come is
            still received; ``"drop-oldest"`` and ``"drop-newest"`` drop messages, and count them in
            ``dropped``.
        write_limit: From how many unsent bytes ``send()`` waits; or a pair, with the number at
            which it goes on, which otherwise is a quarter of it.
        backoff: How long to wait between connections when iterating.

    Raises:
        ConnectionFailed: There was no connection.
        OpenTimeout: There was none within ``open_timeout``.
        DOMSyntaxError: ``url`` or one of ``subprotocols`` is not well-formed.
        SecurityError: The browser forbids the connection.
        ValueError: A limit makes no sense.
    """

    def __init__(
        self,
        url: Any,
        *,
        subprotocols: str | Iterable[str] | None = None,
        open_timeout: float | None = 10,
        close_timeout: float | None = 10,
        max_queue: int = 2**16,
        max_queue_bytes: int = 2**26,
        on_overflow: Overflow = "close",
        write_limit: int | tuple[int, int] = 2**20,
        backoff: Backoff | None = None,
    ) -> None:
        if on_overflow not in ("close", "drop-oldest", "drop-newest"):
            raise ValueError(
                f"on_overflow={on_overflow!r} must be 'close', 'drop-oldest' or 'drop-newest'"
            )
        high, low = write_limit if isinstance(write_limit, tuple) else (write_limit, None)
        low = high // 4 if low is None else low
        if not 0 <= low <= high:
            raise ValueError(f"write_limit={write_limit!r} must be a number, or (high, low)")
        for name, value in (
            ("open_timeout", open_timeout),
            ("close_timeout", close_timeout),
            ("max_queue", max_queue),
            ("max_queue_bytes", max_queue_bytes),
        ):
            if value is not None and value < 0:
                raise ValueError(f"{name}={value!r} must not be negative")
        self._url = url
        # Iterated over once, though there may be several attempts.
        is_text = subprotocols is None or isinstance(subprotocols, (str, JsProxy))
        self._subprotocols = subprotocols if is_text else list(subprotocols or ())
        self._open_timeout = open_timeout
        self._backoff = backoff or Backoff()
        self._options: dict[str, Any] = {
            "close_timeout": close_timeout,
            "max_queue": max_queue,
            "max_queue_bytes": max_queue_bytes,
            "on_overflow": on_overflow,
            "write_limit": (high, low),
        }
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._connect().__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._connect()
        return self._connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def __aiter__(self) -> AsyncIterator[Connection]:
        """Yields a connection, and after each loss or end of the loop's body a new one.

        Attempts that fail are repeated without end, with ``backoff`` between them.
        """
        while True:
            try:
                connection = await self._connect()
            except ConnectionFailed:
                pass
            else:
                self._backoff.connected()
                async with connection:
                    yield connection
            await asyncio.sleep(self._backoff.next_delay())

    async def _connect(self) -> Connection:
        ws = WebSocket(self._url, self._subprotocols)
        connection = Connection(ws, **self._options)
        try:
            await asyncio.wait([connection._opened], timeout=self._open_timeout)
        except asyncio.CancelledError:
            ws.close()
            raise
        address = ws.url.partition("?")[0]
        if not connection._opened.done():
            ws.close()
            raise OpenTimeout(address, self._open_timeout or 0)
        if not connection._opened.result():
            raise ConnectionFailed(address)
        return connection


def _copy(ended: ConnectionClosed) -> ConnectionClosed:
    """A new exception each time: one that is raised again and again collects tracebacks."""
    return type(ended)(ended.code, ended.reason, ended.was_clean)


def _is_buffer(value: Any) -> bool:
    try:
        memoryview(value)
    except TypeError:
        return False
    return True


def _byte_length(data: Any) -> int:
    """Of a JavaScript buffer or blob, in bytes."""
    return int(data.size if hasattr(data, "size") else data.byteLength)
