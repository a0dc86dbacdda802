"""Receiving messages in tasks."""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, TypeAlias, overload

from .._host import Inbox
from ..core import checks
from ..exceptions import ConcurrencyError, ConnectionClosedOK

OVERFLOW_CODE = 4008
"""For 1008, "policy violation", which a page may not use."""
OVERFLOW_REASON = "receive queue full"
UNREADABLE_CODE = 4003
"""For 1003, "unsupported data", which a page may not use."""
UNREADABLE_REASON = "neither text nor binary"

Overflow: TypeAlias = Literal["close", "drop-oldest", "drop-newest"]


class Receiver(ABC):
    """A source of messages, for one task at a time."""

    def __init__(self, queue: deque[str | bytes]) -> None:
        self._queue = queue
        self._is_receiving = False

    @overload
    async def recv(self, decode: Literal[True]) -> str: ...
    @overload
    async def recv(self, decode: Literal[False]) -> bytes: ...
    @overload
    async def recv(self, decode: bool | None = None) -> str | bytes: ...
    async def recv(self, decode: bool | None = None) -> str | bytes:
        """Waits for the next message and returns it.

        Cancelling it loses no message. Messages that arrived before the end are returned first.

        Args:
            decode: ``True`` returns binary messages as ``str`` (UTF-8); ``False`` returns text as
                ``bytes``. By default each is returned as it was sent.

        Raises:
            ConnectionClosed: The connection has ended, and all its messages were received.
            ConcurrencyError: Another task is waiting for a message.
            UnicodeDecodeError: A binary message is not UTF-8, with ``decode=True``.
        """
        if not self._queue:
            await self._fill_queue()
        message = self._queue.popleft()
        if decode is True and isinstance(message, bytes):
            return message.decode()
        if decode is False and isinstance(message, str):
            return message.encode()
        return message

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yields messages until the connection ends normally.

        Raises:
            ConnectionClosedError: It ended abnormally.
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

    async def batches(self) -> AsyncIterator[list[str | bytes]]:
        """Yields lists of all messages that have arrived meanwhile, until the connection ends.

        For many messages a second, where only the last one counts, or all are drawn together: a
        list costs less than its messages one by one. None is empty.

        Raises:
            ConnectionClosedError: It ended abnormally.
            ConcurrencyError: Another task is waiting for a message.
        """
        queue = self._queue
        try:
            while True:
                if not queue:
                    await self._fill_queue()
                batch = list(queue)
                queue.clear()
                yield batch
        except ConnectionClosedOK:
            return

    async def _fill_queue(self) -> None:
        """Waits until the queue holds a message."""
        if self._is_receiving:
            raise ConcurrencyError(
                "another task is waiting for a message of this connection: let one task receive, "
                "and pass on what the others need"
            )
        self._is_receiving = True
        try:
            while True:
                self._take()
                if self._queue:
                    return
                if (end := self._end_of_messages()) is not None:
                    raise end
                await self._receive()
        finally:
            self._is_receiving = False

    @abstractmethod
    def _take(self) -> None:
        """Moves received messages to the queue."""

    @abstractmethod
    async def _receive(self) -> None:
        """Waits until there may be messages in the queue, or the connection has ended."""

    @abstractmethod
    def _end_of_messages(self) -> Exception | None:
        """Returns a new exception if there will be no more messages, otherwise ``None``."""


class Incoming:
    """The messages of successive native sockets that no task has received yet.

    A native socket receives whenever it is open: the server cannot be paused. Messages arrive in a
    JavaScript array and are converted in batches: when a task asks for one, or else in the next
    turn of the event loop. Only then the limits are checked.

    Args:
        queue: Where to put messages.
        max_queue: How many messages to queue; ``None`` means no limit.
        max_queue_bytes: How many bytes (of text, characters) to queue; one message always fits.
        on_overflow: What to do beyond these limits.
        close: Closes the connection, for ``on_overflow="close"``.
        fail: Called with the type of a message that cannot be converted.
        sort: Returns the messages of a batch that are for the queue.
        on_arrival: Called when the first message of a batch arrives.

    Attributes:
        dropped: How many messages ``on_overflow`` has dropped.
        has_received: Whether a message has been received.
    """

    def __init__(
        self,
        queue: deque[str | bytes],
        *,
        max_queue: int | None,
        max_queue_bytes: int | None,
        on_overflow: Overflow,
        close: Callable[[], None],
        fail: Callable[[str], None],
        sort: Callable[[list[Any]], list[Any]] | None = None,
        on_arrival: Callable[[], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue = queue
        checks.choice("on_overflow", on_overflow, ("close", "drop-oldest", "drop-newest"))
        self._max_queue = checks.bound("max_queue", max_queue)
        self._max_queue_bytes = checks.bound("max_queue_bytes", max_queue_bytes)
        self._on_overflow = on_overflow
        self._close = close
        self._fail = fail
        self._sort = sort
        self._arrived = on_arrival
        self._size_at_most: float = 0
        self._waiter: asyncio.Future[None] | None = None
        self._inbox: Inbox | None = None
        self.dropped: int = 0
        self.has_received: bool = False

    def connect(self, native: Any) -> None:
        """Starts to collect the messages of a socket."""
        self._inbox = Inbox(native, self._on_arrival)
        self._inbox.arm()

    def disconnect(self) -> None:
        """Takes what the socket has received, and releases it."""
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            self._put(inbox.take())
            inbox.destroy()
            self._loop.call_soon(self._hold)
            if inbox.failure is not None:
                self._fail(inbox.failure)

    def take(self) -> None:
        """Moves received messages to the queue."""
        inbox = self._inbox
        if inbox is not None:
            self._put(inbox.take())
            if self._inbox is not inbox:
                return  # Something in the messages has ended it.
            if inbox.failure is None:
                inbox.arm()
            else:
                self._fail(inbox.failure)

    def add(self, messages: list[str | bytes]) -> None:
        """Queues messages that arrived earlier."""
        if messages:
            self._queue.extend(messages)
            self._size_at_most = math.inf
            self._loop.call_soon(self._hold)
        self.wake()

    async def wait(self) -> None:
        """Returns when a message has arrived, or :meth:`wake` is called."""
        # Not loop.create_future(): Pyodide adds a callback to each, which costs a turn of the loop.
        self._waiter = asyncio.Future(loop=self._loop)
        try:
            await self._waiter
        except asyncio.CancelledError:
            # The arrival that has woken this task still has to be handled.
            self._loop.call_soon(self._hold)
            raise
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Wakes the waiting task."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _put(self, messages: list[Any]) -> None:
        if messages and self._sort is not None:
            messages = self._sort(messages)
        self._queue.extend(messages)
        self._size_at_most = math.inf

    def _on_arrival(self, _: Any) -> None:
        self.has_received = True
        if self._inbox is not None:
            self._inbox.is_armed = False
        if self._arrived is not None:
            self._arrived()
        if self._waiter is not None:
            # The task resumes in a later turn of the event loop, and takes all that has arrived
            # until then.
            self.wake()
        else:
            self._loop.call_soon(self._hold)

    def _hold(self) -> None:
        """Queues what has arrived while no task receives, up to the limits."""
        if self._waiter is not None:
            return
        queue = self._queue
        before = len(queue)
        size = self._size_at_most
        self.take()
        self._size_at_most = size + sum(len(queue[index]) for index in range(before, len(queue)))
        if self._is_too_much(self._size_at_most):
            self._bound_queue()

    def _is_too_much(self, size: int | float) -> bool:
        count = len(self._queue)
        return count > self._max_queue or (size > self._max_queue_bytes and count > 1)

    def _bound_queue(self) -> None:
        queue = self._queue
        size = sum(map(len, queue))
        if self._is_too_much(size):
            if self._on_overflow == "close":
                self._close()
            else:
                drop = queue.popleft if self._on_overflow == "drop-oldest" else queue.pop
                while self._is_too_much(size):
                    size -= len(drop())
                    self.dropped += 1
        self._size_at_most = size


class IncomingReceiver(Receiver):
    """Receives from :class:`Incoming`.

    Args:
        queue: The queue of ``incoming``.
        incoming: The source of messages.
        end: Returns a new exception if there will be no more messages, otherwise ``None``.
        taken: Called after messages may have been added to the queue or taken from it.
    """

    def __init__(
        self,
        queue: deque[str | bytes],
        incoming: Incoming,
        *,
        end: Callable[[], Exception | None],
        taken: Callable[[], None],
    ) -> None:
        super().__init__(queue)
        self._incoming = incoming
        self._end = end
        self._taken = taken

    async def next(self) -> str | bytes:
        """Returns the next message, as it was sent."""
        await self._fill_queue()
        return self._queue.popleft()

    def _take(self) -> None:
        self._incoming.take()
        self._taken()

    async def _receive(self) -> None:
        await self._incoming.wait()

    def _end_of_messages(self) -> Exception | None:
        return self._end()
