"""One session at the server, and its current connection.

The class is long because handler, client, connection and store all act on the same few counts, of
which ``__init__`` is the list.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from readystate.core.binary import Buffer, refusal, view
from readystate.core.delivery import Delivery, DropReason
from readystate.core.outbox import Outbox
from readystate.exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedOK,
    SessionExpired,
    connection_closed,
)
from readystate.session import control
from readystate.session.control import ProtocolError
from readystate.session.core import ACK_DELAY, ACK_WITH_MESSAGE, Hello, ServerCore

from .bucket import Bucket
from .flag import Flag
from .link import Link
from .saver import Progress, Saver
from .settings import Settings
from .stats import Ages
from .store import Message, Record
from .transport import Transport

__all__ = [
    "GOING_AWAY",
    "ServerSession",
    "sized",
]

_MESSAGE_TOO_BIG = 1009
GOING_AWAY = 1001


class ServerSession:
    """A session, as its handler sees it: one object for all its connections.

    A message is done when the handler receives the next one, closes, or returns. If the handler
    raises, its message is not done, and the session ends. If the process fails, the process that
    resumes the session receives the message again: to skip one that makes processes fail, count
    how often its :attr:`message_id` was started.

    Attributes:
        id: Identifies the session, in logs too. It is not the secret that resumes it.
        user: The user given to ``serve()``.
        is_resumed: Whether the session was started by another process. Messages that were not done
            there are received again, with the same :attr:`message_id`.
    """

    def __init__(
        self,
        settings: Settings,
        key: str,
        record: Record,
        connection: int,
        user: Any,
        on_end: Callable[[ServerSession, bool], None],
    ) -> None:
        self.id = key
        self.user = user
        self.is_resumed: bool = record.epoch > 1
        self._settings = settings
        self._owner = record.owner
        self._epoch = record.epoch
        self._on_end = on_end
        outbox = Outbox(
            max_pending=None,  # send() bounds it
            max_pending_bytes=None,
            on_full="raise",
            in_doubt="resend",
            max_unconfirmed=settings.max_unconfirmed,
            max_unconfirmed_bytes=settings.max_unconfirmed_bytes,
        )
        self._core = ServerCore(
            outbox, settings.window, done=record.done, connection=connection - 1
        )
        self._resumptions = Bucket(settings.resume_burst, settings.resume_rate)
        self._link: Link | None = None
        self._closed: ConnectionClosed | None = None
        # The messages that the handler has not received; the one that it is working on.
        self._inbox: deque[Message] = deque()
        self._in_hand: Message | None = None
        self._is_receiving = False
        self._arrived = Flag()
        self._received_size = 0
        self._done = record.done
        self._done_size = 0
        self._ages = Ages()
        if record.outgoing:
            self._ages.accepted(record.confirmed + 1, record.confirmed)
        self._wanted = 0
        self._sending = asyncio.Lock()
        self._progress = Flag()
        self._saver = Saver(
            settings,
            key,
            record.epoch,
            record.confirmed + len(record.outgoing),
            progress=lambda: Progress(
                self._done, self._done_size, self._core.confirmed, self._core.connection
            ),
            on_saved=self._on_saved,
            on_fenced=self._lose_to_another,
        )
        self._loop = asyncio.get_running_loop()
        self._ack_timer: asyncio.TimerHandle | None = None
        # From when on an acknowledgement goes with the next message.
        self._ack_may_go = 0.0
        self._expiry_timer: asyncio.TimerHandle | None = None
        self._expect_expiry()

    @property
    def is_connected(self) -> bool:
        """Whether the client is connected."""
        return self._link is not None

    @property
    def message_id(self) -> str:
        """Identifies the message in hand, the last one received; the same in all processes.

        Raises:
            RuntimeError: No message is in hand.
        """
        if self._in_hand is None:
            raise RuntimeError(
                "no message is in hand: message_id belongs to the last one from recv() or the loop "
                "over the session"
            )
        return f"{self.id}-{self._done + 1}"

    def _describe_in_hand(self) -> str:
        """Describes the message in hand for the log, without its content."""
        message = self._in_hand
        if message is None:
            return ""
        kind = "text" if isinstance(message, str) else "binary"
        return f" with the message {self.message_id} in hand ({kind}, length {len(message):,})"

    async def recv(self) -> Message:
        """Waits for the next message and returns it. The previous one is done.

        Raises:
            ConnectionClosedOK: The client closed the session, or :meth:`close` was called.
            ConnectionClosedError: The session ended abnormally.
            SessionExpired: The client did not reconnect in time.
            ConcurrencyError: Another task is waiting for a message.
        """
        if self._is_receiving:
            raise ConcurrencyError(
                "another task is waiting for a message of this session: let one task receive, and "
                "pass on what the others need"
            )
        self._finish()
        self._is_receiving = True
        try:
            while not self._inbox:
                self._raise_if_closed()
                self._arrived.clear()
                await self._arrived.wait()
        finally:
            self._is_receiving = False
        message = self._in_hand = self._inbox.popleft()
        return message

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Yields messages until the session ends normally.

        Raises:
            ConnectionClosedError: It ended abnormally.
            SessionExpired: The client did not reconnect in time.
            ConcurrencyError: Another task is waiting for a message.
        """
        try:
            while True:
                yield await self.recv()
        except ConnectionClosedOK:
            return

    async def send(self, data: str | Buffer) -> Delivery:
        """Accepts a message, even while disconnected; waits while there is no room.

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
            data: A ``str``, or an object with the buffer protocol, sent as its bytes in memory.
                Encode anything else first, as with ``json.dumps()``.

        Returns:
            What can be awaited until the client is done with it.

        Raises:
            ConnectionClosed: The session has ended.
            TypeError: ``data`` is neither text nor binary.
            UnicodeEncodeError: ``data`` has lone surrogates.
        """
        message, size = sized(data)
        async with self._sending:
            while self._closed is None and not self._has_room(size):
                self._progress.clear()
                await self._progress.wait()
            self._raise_if_closed()
            delivery = self._core.outbox.accept(message, size)
            delivery._on_wanted = self._want
            self._saver.add(message)
            self._ages.accepted(self._saver.accepted, self._core.confirmed)
        return delivery

    async def put(self, data: Any) -> Delivery:
        """The same as :meth:`send`, as in a :class:`QueuedWebSocket`."""
        return await self.send(data)

    async def drain(self) -> None:
        """Waits until the client is done with all messages.

        Raises:
            ConnectionClosed: The session ended before.
        """
        self._want()
        while self._closed is None and self._has_unconfirmed:
            self._progress.clear()
            await self._progress.wait()
        self._raise_if_closed()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Ends the session, after :meth:`drain` or ``close_timeout`` seconds.

        The message in hand is done. Does nothing if the session has ended.

        Args:
            code: 1000, or from 3000 to 4999.
            reason: At most 123 bytes of UTF-8.

        Raises:
            ValueError: The code or the reason is invalid.
        """
        if not control.ends_session(code):
            raise ValueError(f"the close code {code!r} is neither 1000 nor 3000 to 4999")
        if len(reason.encode()) > 123:
            raise ValueError(f"the close reason {reason!r} is longer than 123 bytes of UTF-8")
        self._finish()
        self._want()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.close_timeout):
                while self._closed is None and (self._has_unconfirmed or self._has_undone):
                    self._progress.clear()
                    await self._progress.wait()
        self._core.acknowledge()
        self._end(connection_closed(code, reason, was_clean=True))

    def __repr__(self) -> str:
        if self._closed is not None:
            how = f"ended: {self._closed.code}"
        else:
            how = "connected" if self.is_connected else "not connected"
        outbox = self._core.outbox
        return (
            f"<ServerSession {self.id[:8]}… {how}; {self._done:,} done, "
            f"{outbox.pending + outbox.unconfirmed:,} unconfirmed>"
        )

    # What the handler has done, and what to save.

    @property
    def _has_unconfirmed(self) -> bool:
        return bool(self._core.outbox.pending or self._core.outbox.unconfirmed)

    @property
    def _stored(self) -> int:
        """How many outgoing messages were stored, and may be sent."""
        return self._saver.stored

    @property
    def _unacknowledged(self) -> int:
        return self._core.outbox.pending + self._core.outbox.unconfirmed

    @property
    def _oldest_unacknowledged(self) -> float:
        """The age of the oldest unconfirmed message, in seconds."""
        return self._ages.oldest(self._core.confirmed) if self._has_unconfirmed else 0.0

    @property
    def _has_undone(self) -> bool:
        """Whether done messages are not saved yet."""
        return self._done > self._core.done

    def _has_room(self, size: int) -> bool:
        outbox = self._core.outbox
        return not outbox.pending or (
            outbox.pending < self._settings.max_pending
            and outbox.pending_bytes + size <= self._settings.max_pending_bytes
        )

    def _raise_if_closed(self) -> None:
        if self._closed is not None:
            raise self._closed.with_traceback(None)

    def _finish(self) -> None:
        """Counts the message in hand as done."""
        if self._in_hand is None:
            return
        self._done += 1
        self._done_size += len(self._in_hand)
        self._in_hand = None
        self._saver.save_soon()

    def _want(self) -> None:
        """Asks the client to confirm all messages accepted until now."""
        self._wanted = self._saver.accepted
        self._wake_writer()

    def _on_saved(self, progress: Progress, has_messages: bool) -> None:
        """Sends what had to be saved first."""
        self._core.finish(progress.done, self._received_size - progress.done_size)
        self._await_ack()
        self._progress.set()
        if has_messages or self._core.has_controls:
            self._wake_writer()

    def _await_ack(self) -> None:
        if self._core.has_unacknowledged and self._ack_timer is None:
            self._ack_timer = self._loop.call_later(ACK_DELAY, self._acknowledge_in_time)
            self._ack_may_go = self._loop.time() + ACK_WITH_MESSAGE

    def _acknowledge_with_message(self) -> None:
        """Acknowledges before a message is sent, if an acknowledgement is due soon."""
        if self._ack_timer is not None and self._loop.time() >= self._ack_may_go:
            self._ack_timer.cancel()
            self._ack_timer = None
            if self._core.has_unacknowledged:
                self._core.acknowledge()

    def _acknowledge_in_time(self) -> None:
        self._ack_timer = None
        if self._core.has_unacknowledged:
            self._core.acknowledge()
            self._wake_writer()

    # Connections.

    def _open(self, transport: Transport, hello: Hello, secret: str) -> Link:
        """Opens the session."""
        self._core.open(hello, secret, self._settings.expires)
        return self._join(transport, [])

    def _resume(self, transport: Transport, hello: Hello) -> Link:
        """Resumes over a new connection, and closes the previous one.

        Raises:
            ProtocolError: The client cannot have received that number, or has a newer connection.
                Then nothing has changed.
        """
        again = self._core.resume(hello, self._settings.expires)
        if self._link is not None:
            self._link.stop(control.TAKEN_OVER, "the session was resumed over another connection")
        return self._join(transport, again)

    def _restore(self, record: Record, received: int) -> None:
        """Restores another process's session, of which the client has ``received`` messages."""
        outbox = self._core.outbox
        # The others may exceed the client's window.
        count = received - record.confirmed
        outbox.restore(record.confirmed, map(sized, record.outgoing[:count]))
        for message in record.outgoing[count:]:
            outbox.accept(*sized(message))

    def _join(self, transport: Transport, again: Sequence[Delivery]) -> Link:
        if self._expiry_timer is not None:
            self._expiry_timer.cancel()
            self._expiry_timer = None
        self._link = Link(self, transport, again)
        return self._link

    def _receive(self, message: Message) -> bool:
        """Handles a message of the client; returns whether it was a control."""
        core = self._core
        if len(message) > self._settings.max_message:
            self._fail(ProtocolError("a message is too long", control.TOO_MUCH))
            return False
        confirmed = core.confirmed
        arrived = core.receive([message])
        for application_message in arrived:
            self._inbox.append(application_message)
            self._received_size += len(application_message)
            self._arrived.set()
        if core.failure is not None:
            self._fail(core.failure)
        elif core.confirmed > confirmed:
            self._progress.set()
        return not arrived

    def _fail(self, error: ProtocolError) -> None:
        """Ends the session after an error of the client."""
        self._end(connection_closed(error.code, error.reason, was_clean=True))

    def _disconnect(self, link: Link) -> None:
        """Called when ``link`` has ended."""
        if self._link is not link:
            return
        self._link = None
        self._core.disconnect()
        code = link.transport.close_code
        if code is not None and control.ends_session(code):
            closed = connection_closed(code, link.transport.close_reason, was_clean=True)
            self._end(closed, keep_inbox=True)
        elif code == _MESSAGE_TOO_BIG:
            # The client would send it again and again.
            self._fail(ProtocolError("a message is too long", control.TOO_MUCH))
        else:
            self._expect_expiry()

    def _expect_expiry(self) -> None:
        if self._expiry_timer is None and self._closed is None:
            self._expiry_timer = self._loop.call_later(self._settings.expires, self._expire)

    def _expire(self) -> None:
        reason = "the client did not reconnect in time"
        self._end(SessionExpired(reason, self._core.outbox.unfinished(), why="expired"))

    def _wake_writer(self) -> None:
        if self._link is not None:
            self._link.wake()

    # The end.

    def _lose_to_another(self) -> None:
        reason = "another process has the session, or its record could not be kept in time"
        closed = connection_closed(control.TAKEN_OVER, reason, was_clean=True)
        self._end(closed, forget_record=False, dropped="taken over")

    def _end(
        self,
        closed: ConnectionClosed,
        *,
        keep_inbox: bool = False,
        forget_record: bool = True,
        dropped: DropReason = "session ended",
    ) -> None:
        """Ends the session, with ``closed`` for the handler and its code for the client."""
        if self._closed is not None:
            return
        self._closed = closed
        if not keep_inbox:
            self._inbox.clear()
        for timer in (self._expiry_timer, self._ack_timer):
            if timer is not None:
                timer.cancel()
        link, self._link = self._link, None
        if link is not None:
            link.stop(closed.code, closed.reason, self._core.controls())
        self._core.disconnect()
        self._core.outbox.connection_lost(dropped)
        self._core.outbox.clear(dropped)
        self._saver.stop()
        self._arrived.set()
        self._progress.set()
        self._on_end(self, forget_record)

    async def _leave(self, dropped: DropReason) -> None:
        """Ends the session here, after saving it for another process."""
        await self._saver.wait(self._settings.close_timeout)
        reason = "the server is going away"
        closed = connection_closed(GOING_AWAY, reason, was_clean=True)
        self._end(closed, forget_record=False, dropped=dropped)


def sized(data: Any) -> tuple[Message, int]:
    """Returns a message as it is kept, and its size in bytes.

    Raises:
        TypeError: ``data`` is neither text nor binary.
        UnicodeEncodeError: ``data`` has lone surrogates.
    """
    if isinstance(data, str):
        return data, len(data) if data.isascii() else len(data.encode())
    memory = view(data)
    if memory is None:
        raise refusal(data, type(data).__name__)
    message = data if type(data) is bytes else memory.tobytes()
    return message, len(message)
