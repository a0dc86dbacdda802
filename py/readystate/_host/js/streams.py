"""``WebSocketStream``, where the browser has it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import js
from pyodide.ffi import create_proxy

from .errors import NativeError
from .sockets import construct, look_up_permission, subprotocols, take_options, whole_url
from .values import options

__all__ = ["ReadAhead", "has_websocket_stream", "new_stream"]


def has_websocket_stream() -> bool:
    """Whether the browser has ``WebSocketStream``."""
    return hasattr(js, "WebSocketStream")


def new_stream(url: Any, protocols: str | Iterable[str] | None) -> Any:
    """Calls ``new WebSocketStream(url, {protocols})``.

    Raises:
        TypeError: ``url`` or ``protocols`` is not of a type that the constructor takes.
        DOMException: What the constructor throws.
    """
    url = whole_url(url)
    given: tuple[Any, ...] = ()
    if isinstance(protocols, Mapping):
        given = (take_options(js.WebSocketStream, protocols),)
    elif protocols is not None:
        names = subprotocols([protocols] if isinstance(protocols, str) else protocols)
        given = (options(protocols=names),)
    stream = construct(js.WebSocketStream, url, *given)
    look_up_permission(stream)
    return stream


class ReadAhead:
    """The messages of a ``ReadableStream``, read by the browser up to a bound before asked for.

    Natively, because Chromium drops what is unread when the server closes the connection.
    """

    __slots__ = ("_buffer", "_pipe", "_reader", "_size")

    def __init__(self, readable: Any, *, messages: float, size: float) -> None:
        # One bound for both: what is short counts as its part of the bound in bytes.
        bound = min(size, sys.maxsize)
        least = bound / max(messages, 1)

        def weigh(chunk: Any) -> float:
            return max(len(chunk) if isinstance(chunk, str) else chunk.byteLength, least)

        self._size = create_proxy(weigh)
        held = options(highWaterMark=bound, size=self._size)
        self._buffer = js.TransformStream.new(options(), options(highWaterMark=1), held)
        self._reader = self._buffer.readable.getReader()
        # When the connection is lost, what has been read is kept.
        self._pipe = readable.pipeTo(self._buffer.writable, options(preventAbort=True))

    async def read(self) -> str | bytes | None:
        """The next message, ``None`` if there is none any more."""
        try:
            result = await self._reader.read()
        except NativeError:
            return None
        if result.done:
            return None
        return result.value if isinstance(result.value, str) else result.value.to_bytes()

    async def run(self) -> None:
        """Returns when the stream has ended and all of it has been read ahead."""
        try:
            await self._pipe
        except NativeError:
            with contextlib.suppress(NativeError):  # it is closed
                await self._buffer.writable.getWriter().close()

    def destroy(self) -> None:
        """Lets go of what it holds of Python. To be called when it has ended."""
        self._size.destroy()
