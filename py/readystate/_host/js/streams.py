"""``WebSocketStream``, where available."""

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

__all__ = ["ReadAhead", "new_stream"]


def new_stream(url: Any, protocols: str | Iterable[str] | None) -> Any:
    """Calls ``new WebSocketStream(url, {protocols})``.

    Raises:
        TypeError: ``url`` or ``protocols`` has a wrong type.
        DOMException: The constructor throws it.
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
    """The messages of a ``ReadableStream``, read ahead by the browser up to a limit.

    Natively, because Chromium drops what is unread when the server closes the connection.
    """

    __slots__ = ("_buffer", "_pipe", "_reader", "_size")

    def __init__(self, readable: Any, *, messages: float, size: float) -> None:
        # One limit for both: a short message counts as its share of the limit in bytes.
        bound = min(size, sys.maxsize)
        least = bound / max(messages, 1)

        def weigh(chunk: Any) -> float:
            return max(len(chunk) if isinstance(chunk, str) else chunk.byteLength, least)

        self._size = create_proxy(weigh)
        held = options(highWaterMark=bound, size=self._size)
        self._buffer = js.TransformStream.new(options(), options(highWaterMark=1), held)
        self._reader = self._buffer.readable.getReader()
        # Keep what has been read when the connection is lost.
        self._pipe = readable.pipeTo(self._buffer.writable, options(preventAbort=True))

    async def read(self) -> str | bytes | None:
        """Returns the next message; ``None`` at the end."""
        try:
            result = await self._reader.read()
        except NativeError:
            return None
        if result.done:
            return None
        return result.value if isinstance(result.value, str) else result.value.to_bytes()

    async def run(self) -> None:
        """Waits until the stream has ended and all of it was read ahead."""
        try:
            await self._pipe
        except NativeError:
            with contextlib.suppress(NativeError):  # it is closed
                await self._buffer.writable.getWriter().close()

    def destroy(self) -> None:
        """Releases the Python objects that it holds. Call it when the stream has ended."""
        self._size.destroy()
