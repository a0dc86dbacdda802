"""Making connections: :class:`connect`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, TypeAlias

from .._host import NativeObject, has_websocket_stream
from ..core import checks
from ..core.backoff import Backoff
from ..dom.websocket import offered
from ..exceptions import ConnectionFailed, OpenTimeout
from .connection import Connection
from .event_connection import EventConnection
from .receiver import Overflow

__all__ = ["connect"]

Transport: TypeAlias = Literal["events", "stream", "auto"]


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
        subprotocols: The subprotocols to offer: one, or an iterable of them; or a mapping, as
            :class:`WebSocket` takes it.
        open_timeout: How long the connection may take to come about, in seconds; ``None``: as long
            as the browser lets it.
        close_timeout: How long closing may take, in seconds; ``None``: as long as the browser lets
            it.
        max_queue: How many messages are held that nobody has asked for yet. Over ``"events"``
            a page cannot pause the server, so this is checked once a turn of the event loop.
        max_queue_bytes: How much is held of them, in bytes (of text: in characters). ``None``, for
            either, is without a limit.
        on_overflow: What happens beyond that: ``"close"`` closes with 4008, and what has come is
            still received; ``"drop-oldest"`` and ``"drop-newest"`` drop messages, and count them in
            ``dropped``.
        write_limit: From how many unsent bytes ``send()`` waits; or a pair, with the number at
            which it goes on, which otherwise is a quarter of it.
        transport: ``"events"`` is the browser's ``WebSocket``: the fastest, and everywhere.
            ``"stream"`` is ``WebSocketStream``, which Chromium has: the server is paused when the
            queue is full, and ``send()`` waits for each message to be taken. If the server closes
            the connection while it is paused, Chromium drops what it has sent beyond the queue.
            ``"auto"`` is the latter where there is one.
        backoff: How long to wait between connections when iterating.

    Raises:
        ConnectionFailed: There was no connection.
        OpenTimeout: There was none within ``open_timeout``.
        DOMSyntaxError: ``url`` or one of ``subprotocols`` is not well-formed.
        SecurityError: The browser forbids the connection.
        ValueError: A limit makes no sense.
        RuntimeError: There is no ``WebSocketStream`` here.
    """

    def __init__(
        self,
        url: Any,
        *,
        subprotocols: str | Iterable[str] | Mapping[str, Any] | None = None,
        open_timeout: float | None = 10,
        close_timeout: float | None = 10,
        max_queue: int | None = 2**16,
        max_queue_bytes: int | None = 2**26,
        on_overflow: Overflow = "close",
        write_limit: int | tuple[int, int] = 2**20,
        transport: Transport = "events",
        backoff: Backoff | None = None,
    ) -> None:
        checks.choice("on_overflow", on_overflow, ("close", "drop-oldest", "drop-newest"))
        checks.choice("transport", transport, ("events", "stream", "auto"))
        checks.bound("max_queue", max_queue)
        checks.bound("max_queue_bytes", max_queue_bytes)
        checks.seconds("open_timeout", open_timeout)
        checks.seconds("close_timeout", close_timeout)
        checks.instance("backoff", backoff, Backoff)
        self._url = url
        # Iterated over once, though there may be several attempts.
        is_value = subprotocols is None or isinstance(subprotocols, (str, Mapping, NativeObject))
        self._subprotocols = subprotocols if is_value else list(subprotocols or ())
        self._open_timeout = open_timeout
        self._backoff = backoff or Backoff()
        self._transport = transport
        self._close_timeout = close_timeout
        self._queue_limits = {"max_queue": max_queue, "max_queue_bytes": max_queue_bytes}
        self._on_overflow: Overflow = on_overflow
        self._write_limit = _watermarks(write_limit)
        self._entered: list[Connection] = []

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._connect().__await__()

    async def __aenter__(self) -> Connection:
        self._entered.append(await self._connect())
        return self._entered[-1]

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._entered.pop().close()

    async def __aiter__(self) -> AsyncIterator[Connection]:
        """Yields a connection, and after each loss or end of the loop's body a new one.

        Attempts that fail are repeated without end, with ``backoff`` between them.
        """
        # Compiled only for those who iterate.
        from ..core.reconnector import Reconnector

        reconnector = Reconnector(self._backoff)
        while True:
            reconnector.begin()
            try:
                connection = await self._connect()
            except ConnectionFailed:
                pass
            else:
                reconnector.connected()
                async with connection:
                    yield connection
            await asyncio.sleep(reconnector.ended() or 0)

    async def _connect(self) -> Connection:
        connection = self._begin()
        try:
            await asyncio.wait([connection._opened], timeout=self._open_timeout)
        except asyncio.CancelledError:
            connection._start_close(1000, "")
            raise
        if not connection._opened.done():
            connection._start_close(1000, "")
            raise OpenTimeout(connection._address, self._open_timeout or 0)
        if not connection._opened.result():
            raise ConnectionFailed(connection._address, subprotocols=offered(self._subprotocols))
        return connection

    def _begin(self) -> Connection:
        if self._transport == "events" or (
            self._transport == "auto" and not has_websocket_stream()
        ):
            return EventConnection(
                self._url,
                self._subprotocols,
                close_timeout=self._close_timeout,
                on_overflow=self._on_overflow,
                write_limit=self._write_limit,
                **self._queue_limits,
            )
        if not has_websocket_stream():
            raise RuntimeError(
                "this browser has no WebSocketStream, which transport='stream' asks for: use "
                "'auto', which goes without where there is none, or 'events'"
            )
        # Not before it is needed: few pages do, and each module takes a page time to load.
        from .stream_connection import StreamConnection

        return StreamConnection(
            self._url, self._subprotocols, close_timeout=self._close_timeout, **self._queue_limits
        )


def _watermarks(write_limit: int | tuple[int, int]) -> tuple[int, int]:
    """From how many unsent bytes ``send()`` waits, and at how many it goes on.

    Raises:
        ValueError: ``write_limit`` is neither a number nor (high, low).
    """
    high, low = write_limit if isinstance(write_limit, tuple) else (write_limit, write_limit // 4)
    if not 0 <= low <= high:
        raise ValueError(f"write_limit={write_limit!r} must be a number, or (high, low)")
    return high, low
