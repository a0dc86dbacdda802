"""A connection for code that blocks, over the one for asyncio."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, TypeAlias, TypeVar, overload

from .._host import Runner, needs_suspension, timeout_after, wait
from ..connection.connection import Connection as AsyncConnection
from ..core.binary import Buffer
from ..dom.sendable import Sendable
from ..dom.websocket import WebSocket
from ..exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK

T = TypeVar("T")
Fragments: TypeAlias = Sequence[str] | Sequence[Buffer] | Iterator[str] | Iterator[Buffer]

BATCH = 64
"""How many messages are fetched at once, at most: they are no longer in the queue then."""


class Connection:
    """A WebSocket connection, made by :class:`connect`.

    Its methods and properties are those of :class:`readystate.Connection`, but they block. Where
    Python cannot be suspended, as in a plain event handler, what would have to wait raises
    NotImplementedError; ``send()`` and ``close()`` do not wait there.
    """

    def __init__(
        self, connection: AsyncConnection, runner: Runner, *, at_end: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._runner = runner
        self._at_end = at_end
        # Messages that were fetched, but not received.
        self._messages: deque[str | bytes] = deque()
        # What a send() that could not wait has left behind.
        self._sending: Any = None

    @property
    def url(self) -> str:
        """The URL, as resolved by the browser."""
        return self._connection.url

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol chosen by the server, or ``None``."""
        return self._connection.subprotocol

    @property
    def extensions(self) -> str:
        """The extensions in use, such as ``"permessage-deflate"``."""
        return self._connection.extensions

    @property
    def ready_state(self) -> int:
        """The state: CONNECTING, OPEN, CLOSING or CLOSED (0 to 3)."""
        return self._connection.ready_state

    @property
    def buffered_amount(self) -> int:
        """How many bytes were sent but have not left the page."""
        return self._connection.buffered_amount

    @property
    def close_code(self) -> int | None:
        """The code with which the connection ended (:exc:`ConnectionClosed`); ``None`` before."""
        return self._connection.close_code

    @property
    def close_reason(self) -> str | None:
        """The reason with which the connection ended; ``None`` before."""
        return self._connection.close_reason

    @property
    def dropped(self) -> int:
        """How many received messages ``on_overflow`` has dropped."""
        return self._connection.dropped

    def send(self, message: Sendable | Fragments, *, text: bool | None = None) -> None:
        """Sends a message, and waits while the browser buffers too much.

        Where it cannot wait it returns, and the next ``send()`` raises NotImplementedError unless
        there is room by then.

        Args:
            message: What :meth:`readystate.WebSocket.send` takes; or an iterator, list or tuple of
                fragments, all text or all binary, that are joined into one message.
            text: ``True`` sends bytes, which must be UTF-8, as a text message; ``False`` sends text
                as a binary one. By default a ``str`` is sent as text, and all else as binary.

        Raises:
            ConnectionClosed: The connection is closing or has ended.
            TypeError: ``message``, or a fragment, is neither text nor binary.
        """
        data: Any = list(message) if isinstance(message, Iterator) else message  # in this thread
        before, self._sending = self._sending, None
        if before is not None and not self._call(self._runner.try_wait, before):
            self._sending = before
            raise needs_suspension()
        sending = self._runner.start(self._connection.send(data, text=text))
        if self._call(self._runner.try_wait, sending):
            return
        if self.ready_state != WebSocket.OPEN:  # It waits for how the connection ends.
            sending.cancel()
            if self.close_code is None:
                raise ConnectionClosedError(1006, "", False, "it is closing, and sends no more")
            raise self._connection._closed.result().anew()
        # Whoever sends next is told if the connection ends meanwhile.
        sending.add_done_callback(lambda sent: sent.cancelled() or sent.exception())
        self._sending = sending

    @overload
    def recv(self, timeout: float | None = None, *, decode: Literal[True]) -> str: ...
    @overload
    def recv(self, timeout: float | None = None, *, decode: Literal[False]) -> bytes: ...
    @overload
    def recv(self, timeout: float | None = None, decode: bool | None = None) -> str | bytes: ...
    def recv(self, timeout: float | None = None, decode: bool | None = None) -> str | bytes:
        """Waits for the next message and returns it.

        Messages that arrived before the end are returned first.

        Args:
            timeout: How long to wait, in seconds; 0 or less returns a message only if one has
                arrived. ``None``: until there is one.
            decode: ``True`` returns binary messages as ``str`` (UTF-8); ``False`` returns text as
                ``bytes``. By default each is returned as it was sent.

        Raises:
            TimeoutError: No message has arrived within ``timeout``. None is lost.
            ConnectionClosed: The connection has ended, and all its messages were received.
            ConcurrencyError: Another thread, task or handler is waiting for a message.
            UnicodeDecodeError: A binary message is not UTF-8, with ``decode=True``.
        """
        while True:
            try:
                message = self._messages.popleft()
                break
            except IndexError:
                self._run(self._fetch(timeout))
        if decode is True and isinstance(message, bytes):
            return message.decode()
        if decode is False and isinstance(message, str):
            return message.encode()
        return message

    def __iter__(self) -> Iterator[str | bytes]:
        """Yields messages until the connection ends normally.

        Raises:
            ConnectionClosedError: It ended abnormally.
            ConcurrencyError: Another thread, task or handler is waiting for a message.
        """
        messages = self._messages
        try:
            while True:
                while messages:
                    yield messages.popleft()
                self._run(self._fetch(None))
        except ConnectionClosedOK:
            return

    def batches(self) -> Iterator[list[str | bytes]]:
        """Yields lists of messages that have arrived meanwhile, until the connection ends normally.

        None is empty, and none has more than 64 messages.

        Raises:
            ConnectionClosedError: It ended abnormally.
            ConcurrencyError: Another thread, task or handler is waiting for a message.
        """
        messages = self._messages
        try:
            while True:
                if not messages:
                    self._run(self._fetch(None))
                batch = list(messages)
                messages.clear()
                yield batch
        except ConnectionClosedOK:
            return

    def drain(self) -> None:
        """Waits until all sent messages have left the page, which does not prove that they arrived.

        Raises:
            ConnectionClosed: The connection is closing or has ended before.
        """
        self._run(self._connection.drain())

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the connection and waits until it is closed, at most ``close_timeout`` seconds.

        Does nothing if the connection has ended. Where it cannot wait, it only starts to close.

        Args:
            code: 1000, or from 3000 to 4999.
            reason: At most 123 bytes of UTF-8.

        Raises:
            InvalidAccessError: ``code`` is another number.
            DOMSyntaxError: ``reason`` is too long.
        """
        self._end(lambda: self._connection.close(code, reason))

    def wait_closed(self, timeout: float | None = None) -> bool:
        """Waits until the connection is closed, by either side.

        Args:
            timeout: How long to wait, in seconds; ``None``: until it is.

        Returns:
            Whether it is closed.
        """
        if self.close_code is None:
            self._run(wait(self._connection._closed, timeout))
        return self.close_code is not None

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._end(lambda: self._connection.__aexit__(kind, error, traceback))
        finally:
            self._at_end()

    def __repr__(self) -> str:
        return repr(self._connection)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._call(self._runner.wait, self._runner.start(coroutine))

    def _call(self, wait: Callable[[Any], T], future: Any) -> T:
        try:
            return wait(future)
        except CancelledError:  # The runner was closed.
            raise self._connection._closed.result().anew() from None

    async def _fetch(self, timeout: float | None) -> None:
        async with timeout_after(timeout):
            await self._connection._fill_queue()
        queue = self._connection._queue
        while queue and len(self._messages) < BATCH:
            self._messages.append(queue.popleft())

    def _end(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def end() -> None:
            await close()
            # There may be no event loop any more in which to take them.
            self._messages.extend(self._connection._queue)
            self._connection._queue.clear()

        with suppress(ConnectionClosed):  # It was closed before.
            if self._call(self._runner.try_wait, self._runner.start(end())):
                self._at_end()
