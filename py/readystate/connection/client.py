"""Making connections: :class:`connect`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, TypeAlias

from .._host import NativeObject, has_websocket_stream, local_permission
from ..core import checks
from ..core.addresses import shown
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

    Leaving the block closes the connection and waits for that; leaving it because of an exception,
    or a cancellation, does not wait. The logger ``readystate`` tells of connections made and lost
    (INFO), of many failures in a row (WARNING), and of what is sent (DEBUG); never of contents.

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
        backoff: How long to wait between connections when iterating, as for the next ones:
        max_attempts: After how many attempts in a row to give up. A connection ends a row if it has
            lasted for the ``healthy`` seconds of ``backoff``, or has brought a message.
        give_up_after: After how many seconds of such attempts to give up; none is begun later.
            ``None``, for either, is never.
        process_exception: Called with the exception of each attempt that has failed; a function,
            plain or async. It returns ``None`` to go on, or the exception to raise. By default
            :exc:`ConnectionFailed` is one to go on after, and all others are raised.

    Raises:
        ConnectionFailed: There was no connection; or, when iterating, it was given up.
        OpenTimeout: There was none within ``open_timeout``.
        DOMSyntaxError: ``url`` or one of ``subprotocols`` is not well-formed.
        SecurityError: The browser forbids the connection.
        TypeError: An argument is of a wrong type.
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
        max_attempts: int | None = None,
        give_up_after: float | None = None,
        process_exception: Callable[[Exception], object] | None = None,
    ) -> None:
        if not isinstance(url, (str, NativeObject)):
            raise TypeError(f"url={url!r} must be a str or a js.URL")
        if not (subprotocols is None or isinstance(subprotocols, (str, NativeObject, Iterable))):
            raise TypeError(f"subprotocols={subprotocols!r} must be an iterable of str, or None")
        checks.choice("on_overflow", on_overflow, ("close", "drop-oldest", "drop-newest"))
        checks.choice("transport", transport, ("events", "stream", "auto"))
        checks.bound("max_queue", max_queue)
        checks.bound("max_queue_bytes", max_queue_bytes)
        checks.seconds("open_timeout", open_timeout)
        checks.seconds("close_timeout", close_timeout)
        checks.instance("backoff", backoff, Backoff)
        checks.bound("max_attempts", max_attempts, least=1)
        checks.seconds("give_up_after", give_up_after)
        checks.function("process_exception", process_exception)
        self._max_attempts = max_attempts
        self._give_up_after = give_up_after
        self._process_exception = process_exception
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
        await self._entered.pop().__aexit__(kind, error, traceback)

    async def __aiter__(self) -> AsyncIterator[Connection]:
        """Yields a connection, and after each loss or end of the loop's body a new one.

        Attempts that fail are repeated, with ``backoff`` between them, until ``max_attempts``,
        ``give_up_after`` or ``process_exception`` ends it. When the network comes back, or the tab
        is shown again, the next one begins at once.
        """
        # Compiled only for those who iterate.
        from .attempts import Attempts

        attempts = Attempts(
            self._address,
            self._backoff,
            max_attempts=self._max_attempts,
            give_up_after=self._give_up_after,
            process_exception=self._process_exception,
        )
        try:
            while True:
                attempts.begin()
                try:
                    connection = await self._connect()
                except Exception as error:
                    await attempts.failed(error)
                else:
                    attempts.connected()
                    async with connection:
                        yield connection
                    attempts.lost(connection)
                await attempts.wait()
        finally:
            attempts.close()

    def __repr__(self) -> str:
        return f"<connect {self._address}>"

    @property
    def _address(self) -> str:
        """Where to, as it may be shown."""
        return shown(self._url)

    async def _connect(self) -> Connection:
        connection = self._begin()
        try:
            await asyncio.wait([connection._opened], timeout=self._open_timeout)
        except asyncio.CancelledError:
            connection._start_close(1000, "")
            raise
        if not connection._opened.done():
            connection._start_close(1000, "")
            permission = local_permission(connection.url)
            raise OpenTimeout(connection._address, self._open_timeout or 0, permission=permission)
        if not connection._opened.result():
            raise ConnectionFailed(
                connection._address,
                subprotocols=offered(self._subprotocols),
                permission=local_permission(connection.url),
            )
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
        TypeError: ``write_limit`` is not made of numbers.
        ValueError: ``write_limit`` is neither a number nor (high, low).
    """
    pair = write_limit if isinstance(write_limit, tuple) else (write_limit, 0)
    if not (len(pair) == 2 and all(type(number) in (int, float) for number in pair)):
        raise TypeError(f"write_limit={write_limit!r} must be a number of bytes, or (high, low)")
    high, low = pair if isinstance(write_limit, tuple) else (write_limit, write_limit // 4)
    if not 0 <= low <= high:
        raise ValueError(f"write_limit={write_limit!r} must be a number of bytes, or (high, low)")
    return high, low
