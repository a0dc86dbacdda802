"""One session at the server, and the connection that it has at the moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from readystate.core.binary import Buffer, refusal, view
from readystate.core.delivery import Delivery
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
from readystate.session.core import ACK_DELAY, Hello, ServerCore

from .bucket import Bucket
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
    """A session, as its handler sees it: the same object over all its connections.

    A message counts as done when the handler comes back for the next one, closes, or returns. One
    with which the handler fails is not done, and ends the session; one with which the process fails
    comes again where the session goes on, in a shared store for as long as it makes processes fail.
    Handlers that must not let one message stop all others count how often they have begun with its
    :attr:`message_id`, and put it aside.

    Attributes:
        id: What the session may be called, in logs too; not the secret that resumes it.
        user: Whom the application said that the session belongs to.
        is_resumed: Whether another process has begun it, and this handler goes on. What that one
            had not done comes again, with the same :attr:`message_id`.
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
        # What has arrived and was not handed out; what of it the handler is done with.
        self._inbox: deque[Message] = deque()
        self._in_hand: Message | None = None
        self._is_receiving = False
        self._arrived = asyncio.Event()
        self._received_size = 0
        self._done = record.done
        self._done_size = 0
        self._ages = Ages()
        if record.outgoing:
            self._ages.accepted(record.confirmed + 1, record.confirmed)
        self._wanted = 0
        self._sending = asyncio.Lock()
        self._progress = asyncio.Event()
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
        self._expiry_timer: asyncio.TimerHandle | None = None
        self._expect_expiry()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._link is not None

    @property
    def message_id(self) -> str:
        """Names the message in hand, the same however often that comes, over all processes.

        Raises:
            RuntimeError: There is none.
        """
        if self._in_hand is None:
            raise RuntimeError(
                "no message is in hand: message_id belongs to the one that recv() or the loop over "
                "the session has given last"
            )
        return f"{self.id}-{self._done + 1}"

    def _describe_in_hand(self) -> str:
        """Which message is in hand, for the log: nothing of what it says."""
        message = self._in_hand
        if message is None:
            return ""
        kind = "text" if isinstance(message, str) else "binary"
        return f" with the message {self.message_id} in hand ({kind}, length {len(message):,})"

    async def recv(self) -> Message:
        """The next message: text or ``bytes``. The former one is done.

        Raises:
            ConnectionClosedOK: The client has closed the session, or :meth:`close` was called.
            ConnectionClosedError: The session has ended in another way.
            SessionExpired: The client has not come back in time.
            ConcurrencyError: Another task is waiting for a message.
        """
        if self._is_receiving:
            raise ConcurrencyError(
                "another task is waiting for a message of this session: let one task receive, and "
                "hand on what the others need"
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
        """Yields messages until the session has ended as meant.

        Raises:
            ConnectionClosedError: It has ended in another way.
            SessionExpired: The client has not come back in time.
            ConcurrencyError: Another task is waiting for a message.
        """
        try:
            while True:
                yield await self.recv()
        except ConnectionClosedOK:
            return

    async def send(self, data: str | Buffer) -> Delivery:
        """Accepts a message, also without a connection; waits while as much waits as may.

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
            data: Text, or anything with the buffer protocol, of which the bytes are sent as they
                are in memory. All else is to be encoded first, as with ``json.dumps()``.

        Returns:
            What can be awaited until the client is done with it.

        Raises:
            ConnectionClosed: The session has ended.
            TypeError: It is neither text nor bytes.
            UnicodeEncodeError: It is text that UTF-8 cannot express.
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
        """The same as :meth:`send`, by the name that it has in a :class:`QueuedWebSocket`."""
        return await self.send(data)

    async def drain(self) -> None:
        """Waits until the client is done with all that was sent.

        Raises:
            ConnectionClosed: The session has ended before.
        """
        self._want()
        while self._closed is None and self._has_unconfirmed:
            self._progress.clear()
            await self._progress.wait()
        self._raise_if_closed()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Ends the session, after ``close_timeout`` seconds at most of waiting for :meth:`drain`.

        The message in hand is done. Does nothing if the session has ended.

        Args:
            code: 1000, or from 3000 to 4999.
            reason: At most 123 bytes of UTF-8.

        Raises:
            ValueError: The code or the reason is none.
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

    # What the handler has done, and what of it is to be saved.

    @property
    def _has_unconfirmed(self) -> bool:
        return bool(self._core.outbox.pending or self._core.outbox.unconfirmed)

    @property
    def _stored(self) -> int:
        """How many outgoing messages the store has or had: they may be sent."""
        return self._saver.stored

    @property
    def _unacknowledged(self) -> int:
        return self._core.outbox.pending + self._core.outbox.unconfirmed

    @property
    def _oldest_unacknowledged(self) -> float:
        """For how long the oldest message waits that the client is not done with, in seconds."""
        return self._ages.oldest(self._core.confirmed) if self._has_unconfirmed else 0.0

    @property
    def _has_undone(self) -> bool:
        """Whether the handler is done with something that the store does not know of."""
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
        """The handler is done with the message in hand."""
        if self._in_hand is None:
            return
        self._done += 1
        self._done_size += len(self._in_hand)
        self._in_hand = None
        self._saver.save_soon()

    def _want(self) -> None:
        """Somebody waits until all is confirmed that was accepted up to now."""
        self._wanted = self._saver.accepted
        self._wake_writer()

    def _on_saved(self, progress: Progress, has_messages: bool) -> None:
        """Lets go out what depends on what was saved."""
        self._core.finish(progress.done, self._received_size - progress.done_size)
        self._await_ack()
        self._progress.set()
        if has_messages or self._core.has_controls:
            self._wake_writer()

    def _await_ack(self) -> None:
        if self._core.has_unacknowledged and self._ack_timer is None:
            self._ack_timer = self._loop.call_later(ACK_DELAY, self._acknowledge_in_time)

    def _acknowledge_in_time(self) -> None:
        self._ack_timer = None
        if self._core.has_unacknowledged:
            self._core.acknowledge()
            self._wake_writer()

    # Connections.

    def _open(self, transport: Transport, hello: Hello, secret: str) -> Link:
        """Begins the session."""
        self._core.open(hello, secret, self._settings.expires)
        return self._join(transport, [])

    def _resume(self, transport: Transport, hello: Hello) -> Link:
        """Goes on over another connection; the former one is closed.

        Raises:
            ProtocolError: The client cannot have received what it says it has, or has come with a
                later connection; nothing has changed.
        """
        again = self._core.resume(hello, self._settings.expires)
        if self._link is not None:
            self._link.stop(control.TAKEN_OVER, "the session was resumed over another connection")
        return self._join(transport, again)

    def _restore(self, record: Record, received: int) -> None:
        """Goes on where another process was, of whose messages the client has ``received``."""
        outbox = self._core.outbox
        # The others may be more than the client's window.
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
        """Heeds what has come over the connection; returns whether it was a control."""
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
        """The client has done what it must not, or not what it must."""
        self._end(connection_closed(error.code, error.reason, was_clean=True))

    def _disconnect(self, link: Link) -> None:
        """``link`` has ended, by a close frame or without one."""
        if self._link is not link:
            return
        self._link = None
        self._core.disconnect()
        code = link.transport.close_code
        if code is not None and control.ends_session(code):
            closed = connection_closed(code, link.transport.close_reason, was_clean=True)
            self._end(closed, keep_inbox=True)
        elif code == _MESSAGE_TOO_BIG:
            # It would come again and again.
            self._fail(ProtocolError("a message is too long", control.TOO_MUCH))
        else:
            self._expect_expiry()

    def _expect_expiry(self) -> None:
        if self._expiry_timer is None and self._closed is None:
            self._expiry_timer = self._loop.call_later(self._settings.expires, self._expire)

    def _expire(self) -> None:
        reason = "the client has not come back in time"
        self._end(SessionExpired(reason, self._core.outbox.unfinished(), why="expired"))

    def _wake_writer(self) -> None:
        if self._link is not None:
            self._link.wake()

    # The end.

    def _lose_to_another(self) -> None:
        reason = "another process has the session, or its record could not be kept in time"
        self._end(
            connection_closed(control.TAKEN_OVER, reason, was_clean=True), forget_record=False
        )

    def _end(
        self, closed: ConnectionClosed, *, keep_inbox: bool = False, forget_record: bool = True
    ) -> None:
        """Ends the session, for the handler as ``closed`` and for the client with its code."""
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
        self._core.outbox.connection_lost("session ended")
        self._core.outbox.clear("session ended")
        self._saver.stop()
        self._arrived.set()
        self._progress.set()
        self._on_end(self, forget_record)

    async def _leave(self) -> None:
        """Saves what another process needs to go on, if it can in time; it ends here only."""
        await self._saver.wait(self._settings.close_timeout)
        reason = "the server goes away"
        self._end(connection_closed(GOING_AWAY, reason, was_clean=True), forget_record=False)


def sized(data: Any) -> tuple[Message, int]:
    """A message as it is kept, and how long it is, in bytes.

    Raises:
        TypeError: It is none.
        UnicodeEncodeError: It is text that UTF-8 cannot express.
    """
    if isinstance(data, str):
        return data, len(data) if data.isascii() else len(data.encode())
    memory = view(data)
    if memory is None:
        raise refusal(data, type(data).__name__)
    message = data if type(data) is bytes else memory.tobytes()
    return message, len(message)
