"""A connection for asyncio, in the vocabulary of the ``websockets`` library."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeAlias

from .._host import (
    NativeError,
    NativeObject,
    byte_length,
    describe,
    python_error,
    to_sendable,
    wait,
)
from ..core import log
from ..core.addresses import shown
from ..core.binary import Buffer, view
from ..dom.blob import Blob
from ..dom.sendable import Sendable, as_frame
from ..exceptions import ConnectionClosed, connection_closed
from .receiver import Receiver

__all__ = ["Connection"]

Fragments: TypeAlias = (
    Sequence[str]
    | Sequence[Buffer]
    | Iterator[str]
    | Iterator[Buffer]
    | AsyncIterable[str]
    | AsyncIterable[Buffer]
)


class Connection(Receiver):
    """A WebSocket connection, made by :class:`connect`.

    The base class for the browser's two APIs.
    """

    def __init__(self, *, close_timeout: float | None) -> None:
        super().__init__(deque())
        self._loop = asyncio.get_running_loop()
        self._close_timeout = close_timeout
        # Whether messages may remain to be taken after the end.
        self._has_more = False
        self._opened: asyncio.Future[bool] = self._loop.create_future()
        self._closed: asyncio.Future[ConnectionClosed] = self._loop.create_future()
        self._opened.add_done_callback(self._on_opened)
        self._opened_at = 0.0

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL, as resolved by the browser."""

    @property
    @abstractmethod
    def subprotocol(self) -> str | None:
        """The subprotocol chosen by the server, or ``None``."""

    @property
    @abstractmethod
    def extensions(self) -> str:
        """The extensions in use, such as ``"permessage-deflate"``."""

    @property
    @abstractmethod
    def ready_state(self) -> int:
        """The state: CONNECTING, OPEN, CLOSING or CLOSED (0 to 3)."""

    @property
    @abstractmethod
    def buffered_amount(self) -> int:
        """How many bytes were sent but have not left the page."""

    @property
    def close_code(self) -> int | None:
        """The code with which the connection ended (:exc:`ConnectionClosed`); ``None`` before."""
        return self._closed.result().code if self._closed.done() else None

    @property
    def close_reason(self) -> str | None:
        """The reason with which the connection ended; ``None`` before."""
        return self._closed.result().reason if self._closed.done() else None

    @property
    def dropped(self) -> int:
        """How many received messages ``on_overflow`` has dropped."""
        return 0

    async def send(self, message: Sendable | Fragments, *, text: bool | None = None) -> None:
        """Sends a message, and waits while the browser buffers too much.

        Returns at once if no more than the high watermark of ``write_limit`` is buffered; otherwise
        when that has fallen to the low one.

        What ``await x.send(message)`` waits for depends on ``x``:

        ===================  =================================================================
        ``Connection``       until the browser's buffer has room; returns ``None``
        ``QueuedWebSocket``  until the message is confirmed, as ``send()`` returns a
                             :class:`Delivery` at once
        ``ServerSession``    until its queue has room; returns the :class:`Delivery`
        ===================  =================================================================

        ``put()`` of the latter two waits for room and returns the :class:`Delivery`; awaiting that
        waits until the other side is done with the message.

        Args:
            message: What :meth:`WebSocket.send` takes; or an iterator, asynchronous iterable, list
                or tuple of fragments, all text or all binary, that are joined into one message.
                Without fragments, nothing is sent.
            text: ``True`` sends bytes, which must be UTF-8, as a text message; ``False`` sends text
                as a binary one. By default a ``str`` is sent as text, and all else as binary.

        Raises:
            ConnectionClosed: The connection is closing or has ended; the native ``send()`` would
                silently discard the message.
            TypeError: ``message``, or a fragment, is neither text nor binary.
            UnicodeDecodeError: ``message`` is not UTF-8, with ``text=True``.
        """
        if not isinstance(message, (str, bytes, bytearray, memoryview)):
            message = await _joined(message)
            if message is None:
                return
        if text is not None:
            message = as_frame(message, text)
        try:
            waiting = self._transmit(message)
        except NativeError as error:
            raise python_error(error) from error
        if waiting is not None:
            await waiting

    @abstractmethod
    async def drain(self) -> None:
        """Waits until all sent messages have left the page, which does not prove that they arrived.

        Raises:
            ConnectionClosed: The connection is closing or has ended before.
        """

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the connection and waits until it is closed, at most ``close_timeout`` seconds.

        Messages sent before still go out. Does nothing if the connection has ended. After the
        timeout the connection counts as lost (1006). Cancelling the wait does not cancel the
        closing.

        Args:
            code: 1000, or from 3000 to 4999.
            reason: At most 123 bytes of UTF-8.

        Raises:
            InvalidAccessError: ``code`` is another number.
            DOMSyntaxError: ``reason`` is too long.
        """
        self._start_close(code, reason)
        await self._wait_for_end()

    async def wait_closed(self) -> None:
        """Waits until the connection is closed, by either side."""
        await asyncio.shield(self._closed)

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # GeneratorExit: an iterator over connections was abandoned.
        if error is not None and not isinstance(error, GeneratorExit):
            self._leave(error)
            return
        try:
            await self.close()
        except asyncio.CancelledError as cancelled:
            self._leave(cancelled)
            raise

    def __repr__(self) -> str:
        state = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")[self.ready_state]
        return f"<Connection {self._address} {state}>"

    @property
    def _address(self) -> str:
        """The URL without secrets."""
        return shown(self.url)

    @abstractmethod
    def _transmit(self, data: Any) -> Awaitable[None] | None:
        """Passes ``data`` to the browser; returns an awaitable if the caller must wait.

        Raises:
            TypeError: ``data`` is a JavaScript object that is neither a buffer nor a ``Blob``.
            NativeError: What the browser throws.
        """

    @abstractmethod
    def _start_close(self, code: int, reason: str) -> None:
        """Starts to close, unless that has started."""

    def _end_of_messages(self) -> Exception | None:
        if self._closed.done() and not self._has_more:
            return self._closed.result().anew()
        return None

    @property
    def _cause(self) -> str:
        """Why the client ended the connection, if it did."""
        return self._closed.result().cause if self._closed.done() else ""

    @property
    @abstractmethod
    def _has_received(self) -> bool:
        """Whether a message has been received."""

    def _on_opened(self, opened: asyncio.Future[bool]) -> None:
        if not opened.cancelled() and opened.result():
            self._opened_at = time.monotonic()
            log.connected(self._address)

    def _leave(self, error: BaseException) -> None:
        """Closes without waiting, as ``error`` has left its block."""
        if self._closed.done():
            return
        if unsent := self.buffered_amount:
            log.left_unsent(self._address, error, unsent)
        self._start_close(1000, "")
        self._end(1006, "", False, f"{type(error).__name__} in its 'with' block")

    def _end(self, code: int, reason: str, was_clean: bool, cause: str = "") -> None:
        """Ends the connection; only the first call counts."""
        if self._closed.done():
            return
        self._closed.set_result(connection_closed(code, reason, was_clean, cause))
        if self._opened_at:
            log.ended(self._address, self._closed.result(), time.monotonic() - self._opened_at)
        if not self._opened.done():
            self._opened.set_result(False)

    async def _wait_for_end(self) -> None:
        await wait(self._closed, self._close_timeout)
        # A page cannot force a connection to end, and browsers may take long.
        if not self._closed.done():
            waited = f"{self._close_timeout or 0:g} s"
            self._end(1006, "", False, f"the server has not ended the connection within {waited}")

    async def _raise_closed(self) -> None:
        """Raises the exception for a connection that is closing or has ended."""
        await self._wait_for_end()
        raise self._closed.result().anew()


def size_at_most(data: Any) -> int:
    """Returns the size of a message in bytes, or an upper limit if that is faster."""
    size = byte_length(data)
    return 3 * size if isinstance(data, str) and not data.isascii() else size


async def _joined(message: Any) -> Any:
    """Returns the message made of its fragments, ``None`` if there are none.

    Raises:
        TypeError: The fragments are neither all text nor all binary.
    """
    if isinstance(message, Blob):
        return message.js_blob
    if isinstance(message, NativeObject) or view(message) is not None:
        return message
    if isinstance(message, AsyncIterable):
        fragments = [fragment async for fragment in message]
    elif isinstance(message, (Iterator, Sequence)):
        fragments = list(message)
    else:
        return to_sendable(message)
    if not fragments:
        return None
    if all(isinstance(fragment, str) for fragment in fragments):
        return "".join(fragments)
    parts = []
    for fragment in fragments:
        part = view(fragment)
        if part is None:
            raise TypeError(
                "the fragments of a message must be all str or all bytes-like, not "
                f"{describe(fragment)} beside {describe(fragments[0])}: to send a list, encode it "
                "first, as with json.dumps()"
            )
        parts.append(part)
    return b"".join(parts)
