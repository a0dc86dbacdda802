"""Opening connections: :class:`connect`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, TypeAlias

from .. import _host
from .._host import NativeObject, has_websocket_stream, wait
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

    Leaving the block closes the connection and waits until it is closed; an exception or
    cancellation closes without waiting. The logger ``readystate`` logs connections (INFO), repeated
    failures (WARNING) and what is sent (DEBUG), but never contents.

    Args:
        url: A ``str`` or a ``js.URL``.
        subprotocols: The subprotocols to offer: one, or an iterable of them; or a mapping, as
            :class:`WebSocket` takes it.
        open_timeout: How long connecting may take, in seconds; ``None``: until the browser gives
            up.
        close_timeout: How long closing may take, in seconds; ``None``: until the browser gives up.
        max_queue: How many received messages to queue. With ``"events"`` a page cannot pause the
            server, so this is checked once per turn of the event loop.
        max_queue_bytes: How many bytes (of text, characters) to queue. ``None``, for either, means
            no limit.
        on_overflow: What to do beyond these limits: ``"close"`` closes with 4008, and queued
            messages can still be received; ``"drop-oldest"`` and ``"drop-newest"`` drop messages,
            counted in ``dropped``.
        write_limit: Above how many unsent bytes ``send()`` waits; or a pair of high and low
            watermark. The low one, at which it returns, is a quarter of the high one by default.
        transport: ``"events"`` uses ``WebSocket``: the fastest, and in every browser. ``"stream"``
            uses Chromium's ``WebSocketStream``: a full queue pauses the server, and ``send()``
            waits for each message to be taken; if the server closes while paused, Chromium drops
            what is not queued. ``"auto"`` uses ``WebSocketStream`` where available.
        backoff: How long to wait between attempts; like the following, for iterating only.
        max_attempts: After how many consecutive attempts to give up. A connection that receives a
            message, or lasts for ``backoff.healthy`` seconds, resets the count.
        give_up_after: After how many seconds of such attempts to start no more. ``None``, for
            either, means never.
        process_exception: A function, plain or async, called with the exception of each failed
            attempt; it returns ``None`` to continue, or the exception to raise. By default it
            continues after :exc:`ConnectionFailed` and raises all others.

    Raises:
        ConnectionFailed: The connection could not be made; when iterating, after giving up.
        OpenTimeout: The connection was not made within ``open_timeout``.
        DOMSyntaxError: ``url`` or one of ``subprotocols`` is invalid.
        SecurityError: The browser forbids the connection.
        TypeError: An argument has a wrong type.
        ValueError: A limit is out of range.
        RuntimeError: ``WebSocketStream`` is not available.
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

    async def __aiter__(self) -> AsyncGenerator[Connection, None]:
        """Yields a new connection each time the previous one is lost or the loop's body ends.

        Retries failed attempts with ``backoff`` until ``max_attempts``, ``give_up_after`` or
        ``process_exception`` ends it; at once when the network comes back or the tab is shown
        again.
        """
        # Loaded only when iterating.
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
        """The URL without secrets."""
        return shown(self._url)

    async def _connect(self) -> Connection:
        connection = self._begin()
        try:
            await wait(connection._opened, self._open_timeout)
        except asyncio.CancelledError:
            connection._start_close(1000, "")
            raise
        if not connection._opened.done():
            connection._start_close(1000, "")
            # Of _host, which loads the module only now: it takes time, and few attempts fail.
            permission = _host.local_permission(connection.url)
            raise OpenTimeout(connection._address, self._open_timeout or 0, permission=permission)
        if not connection._opened.result():
            raise ConnectionFailed(
                connection._address,
                subprotocols=offered(self._subprotocols),
                permission=_host.local_permission(connection.url),
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
                "this browser has no WebSocketStream, which transport='stream' needs: use 'auto' "
                "or 'events'"
            )
        # Loaded only when needed, as each module takes time to load.
        from .stream_connection import StreamConnection

        return StreamConnection(
            self._url, self._subprotocols, close_timeout=self._close_timeout, **self._queue_limits
        )


def _watermarks(write_limit: int | tuple[int, int]) -> tuple[int, int]:
    """Returns the high and the low watermark, in bytes.

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
