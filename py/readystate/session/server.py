"""The server's half: sessions that outlive their connections, under any asyncio framework.

An adapter (:mod:`.aiohttp`, :mod:`.websockets`, :mod:`.starlette`) makes a :class:`Transport` of a
connection, and :meth:`Sessions.serve` does the rest::

    Transport --> _Link --> core --> ServerSession --> handler
        ^           |                     |
        +-----------+ <-- what is saved --+--> Store

Nothing goes out, no message and no acknowledgement, before the store has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import hashlib
import json
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias
from weakref import WeakValueDictionary

from ..delivery import Delivery
from ..exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedOK,
    MessageDropped,
    SessionExpired,
    connection_closed,
)
from ..outbox import Outbox
from . import control
from .control import ProtocolError, Window
from .core import ACK_DELAY, Hello, ServerCore
from .store import Fenced, MemoryStore, Message, Record, Store

__all__ = ["Handler", "ServerSession", "Sessions", "Transport"]

_LEASE = 1.5
"""For how long a record is kept, in units of ``expires``; it is renewed after half a unit."""
_BATCH = 64
_MAX_UNANSWERED = 64
"""How many controls may come while the writer is busy, before nothing more is read."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
"""Seconds between attempts to save."""
_CLOSE_FRAME_TIMEOUT = 1.0
"""Seconds that are given to a close frame to be read when nothing can be written any more."""
_FIRST_COMPLETED = asyncio.FIRST_COMPLETED
_LOST = (ConnectionError, TimeoutError)
"""What says that a connection has ended."""
_MESSAGE_TOO_BIG = 1009
_NO_CLOSE_FRAME = 1006
_GOING_AWAY = 1001

_logger = logging.getLogger("readystate")

Handler: TypeAlias = Callable[["ServerSession"], Awaitable[None]]
"""What serves a session."""


class Transport(Protocol):
    """A WebSocket connection, as an adapter makes it of a framework's."""

    @property
    def origin(self) -> str | None:
        """The header ``Origin`` of its handshake."""

    @property
    def close_code(self) -> int | None:
        """Of the close frame, once :meth:`receive` has returned ``None``.

        1005 if that had no code; 1006 or ``None`` if there was no frame.
        """

    @property
    def close_reason(self) -> str:
        """Of the close frame."""

    async def receive(self) -> Message | None:
        """The next message; ``None`` when the connection has ended. It may be cancelled."""

    async def send(self, message: Message) -> None:
        """Sends a message, and waits while too much is on its way. It may be cancelled.

        Raises:
            ConnectionError: The connection has ended.
        """

    async def close(self, code: int, reason: str) -> None:
        """Closes with a close frame, and raises nothing. It may be cancelled."""

    def abort(self) -> None:
        """Lets go of the connection at once, without a close frame."""


@dataclasses.dataclass(frozen=True)
class _Settings:
    """What all sessions have in common; :class:`Sessions` says what it means."""

    store: Store
    expires: float
    window: Window
    max_unconfirmed: int
    max_unconfirmed_bytes: int
    max_pending: int
    max_pending_bytes: int
    max_message: int
    ack_timeout: float
    close_timeout: float
    resume_burst: int
    resume_rate: float

    @property
    def lease(self) -> float:
        """For how many seconds the store keeps what nobody renews."""
        return self.expires * _LEASE


class _Bucket:
    """A token bucket: ``burst`` at once, and ``rate`` a second."""

    def __init__(self, burst: int, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = float(burst)
        self._filled = time.monotonic()

    def take(self) -> bool:
        """Takes a token, if there is one."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def put_back(self) -> None:
        """Gives a token back."""
        self._tokens += 1


class ServerSession:
    """A session, as its handler sees it: the same object over all its connections.

    A message counts as done when the handler comes back for the next one, closes, or returns.

    Attributes:
        id: What the session may be called, in logs too; not the secret that resumes it.
        user: Whom the application said that the session belongs to.
        is_resumed: Whether another process has begun it, and this handler goes on. What that one
            had not done comes again, with the same :attr:`message_id`.
    """

    def __init__(
        self,
        settings: _Settings,
        key: str,
        record: Record,
        connection: int,
        user: Any,
        on_end: Callable[[ServerSession, bool], None],
    ) -> None:
        self.id = key
        self.user = user
        self.is_resumed = record.epoch > 1
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
        self._resumptions = _Bucket(settings.resume_burst, settings.resume_rate)
        self._link: _Link | None = None
        self._closed: ConnectionClosed | None = None
        # What has arrived and was not handed out; what of it the handler is done with.
        self._inbox: deque[Message] = deque()
        self._in_hand: Message | None = None
        self._is_receiving = False
        self._arrived = asyncio.Event()
        self._received_size = 0
        self._done = record.done
        self._done_size = 0
        # How many outgoing messages the store has or had, and those that come after these.
        self._stored = record.confirmed + len(record.outgoing)
        self._unsaved: list[Message] = []
        self._wanted = 0
        self._sending = asyncio.Lock()
        self._progress = asyncio.Event()
        # Saving.
        self._is_dirty = False
        self._is_lease_due = False
        self._saving: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._ack_timer: asyncio.TimerHandle | None = None
        self._lease_timer = self._loop.call_later(settings.expires / 2, self._renew)
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

    async def send(self, data: Any) -> Delivery:
        """Accepts a message, also without a connection; waits while as much waits as may.

        Args:
            data: Text, or anything with the buffer protocol.

        Returns:
            What can be awaited until the client is done with it.

        Raises:
            ConnectionClosed: The session has ended.
            TypeError: It is neither text nor bytes.
            UnicodeEncodeError: It is text that UTF-8 cannot express.
        """
        message, size = _sized(data)
        async with self._sending:
            while self._closed is None and not self._has_room(size):
                self._progress.clear()
                await self._progress.wait()
            self._raise_if_closed()
            delivery = self._core.outbox.accept(message, size)
            delivery._on_wanted = self._want
            self._unsaved.append(message)
            self._save_soon()
        return delivery

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
        self._save_soon()

    def _want(self) -> None:
        """Somebody waits until all is confirmed that was accepted up to now."""
        self._wanted = self._stored + len(self._unsaved)
        self._wake_writer()

    def _save_soon(self) -> None:
        if self._closed is not None:
            return
        self._is_dirty = True
        if self._saving is None:
            self._saving = asyncio.create_task(self._save_all())

    async def _save_all(self) -> None:
        """Saves until nothing is to be saved; what comes in the meantime goes together."""
        pause = _FIRST_PAUSE
        try:
            while self._is_dirty and self._closed is None:
                self._is_dirty = False
                try:
                    await self._save()
                    pause = _FIRST_PAUSE
                except Fenced:
                    self._lose_to_another()
                except Exception as error:
                    _log_store_error(error)
                    self._is_dirty = True
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            self._saving = None

    async def _save(self) -> None:
        """Saves what is new, and lets go out what depends on it."""
        if self._is_lease_due:
            await self._keep(self._core.connection)
        done, done_size = self._done, self._done_size
        messages = self._unsaved.copy()
        await self._settings.store.save(
            self.id,
            self._epoch,
            done=done,
            confirmed=self._core.confirmed,
            first=self._stored + 1,
            messages=messages,
        )
        if self._closed is not None:
            return
        del self._unsaved[: len(messages)]
        self._stored += len(messages)
        self._core.finish(done, self._received_size - done_size)
        if self._core.has_unacknowledged and self._ack_timer is None:
            self._ack_timer = self._loop.call_later(ACK_DELAY, self._acknowledge)
        self._progress.set()
        self._wake_writer()

    async def _keep(self, connection: int) -> None:
        """Renews the lease, and saves the number of the connection.

        Raises:
            Fenced: Another process has the session.
        """
        settings = self._settings
        await settings.store.keep(self.id, self._epoch, connection, settings.lease)
        self._is_lease_due = False
        self._lease_timer.cancel()
        if self._closed is None:
            self._lease_timer = self._loop.call_later(self._settings.expires / 2, self._renew)

    def _renew(self) -> None:
        self._is_lease_due = True
        self._save_soon()

    def _acknowledge(self) -> None:
        self._ack_timer = None
        if self._core.has_unacknowledged:
            self._core.acknowledge()
            self._wake_writer()

    # Connections.

    def _open(self, transport: Transport, hello: Hello, secret: str) -> _Link:
        """Begins the session."""
        self._core.open(hello, secret, self._settings.expires)
        return self._join(transport, [])

    def _resume(self, transport: Transport, hello: Hello) -> _Link:
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
        outbox.restore(record.confirmed, map(_sized, record.outgoing[:count]))
        for message in record.outgoing[count:]:
            outbox.accept(*_sized(message))

    def _join(self, transport: Transport, again: Sequence[Delivery]) -> _Link:
        if self._expiry_timer is not None:
            self._expiry_timer.cancel()
            self._expiry_timer = None
        self._link = _Link(self, transport, again)
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

    def _disconnect(self, link: _Link) -> None:
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
        self._end(SessionExpired(reason, self._core.outbox.unfinished()))

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
        for timer in (self._expiry_timer, self._ack_timer, self._lease_timer):
            if timer is not None:
                timer.cancel()
        link, self._link = self._link, None
        if link is not None:
            link.stop(closed.code, closed.reason, self._core.controls())
        self._core.disconnect()
        self._core.outbox.connection_lost("session ended")
        self._core.outbox.clear("session ended")
        self._unsaved.clear()
        self._arrived.set()
        self._progress.set()
        self._on_end(self, forget_record)

    async def _leave(self) -> None:
        """Saves what another process needs to go on, if it can in time; it ends here only."""
        if self._saving is not None:
            await asyncio.wait([self._saving], timeout=self._settings.close_timeout)
        reason = "the server goes away"
        self._end(connection_closed(_GOING_AWAY, reason, was_clean=True), forget_record=False)


class _Link:
    """A connection that a session goes on with: its reader, its writer and its end."""

    def __init__(
        self, session: ServerSession, transport: Transport, again: Sequence[Delivery]
    ) -> None:
        self.transport = transport
        self._session = session
        self._settings = session._settings
        self._again = deque(again)
        self._awake = asyncio.Event()
        self._is_sending = False
        # Of the client's controls, those since the writer was free.
        self._unanswered = 0
        self._answered = asyncio.Event()
        # Since when the client's window is full, and how many messages it had confirmed then.
        self._full_since: float | None = None
        self._confirmed = 0
        self._loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[tuple[int, str, Sequence[str]]] = self._loop.create_future()

    def wake(self) -> None:
        """There may be something to be sent."""
        self._awake.set()

    def stop(self, code: int, reason: str, farewell: Sequence[str] = ()) -> None:
        """Nothing is sent any more but ``farewell`` and a close frame."""
        if not self._stopped.done():
            self._stopped.set_result((code, reason, farewell))

    async def run(self) -> None:
        """Serves the connection to its end."""
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        was_sending = False
        try:
            await asyncio.wait((reader, writer, self._stopped), return_when=_FIRST_COMPLETED)
            if writer.done() and not self._stopped.done():
                await asyncio.wait((reader,), timeout=_CLOSE_FRAME_TIMEOUT)
            was_sending = self._is_sending
        except asyncio.CancelledError:
            self.transport.abort()
            raise
        finally:
            reader.cancel()
            writer.cancel()
            self._session._disconnect(self)
            results = await asyncio.gather(reader, writer, return_exceptions=True)
        if self._stopped.done():
            code, reason, farewell = self._stopped.result()
            await self._close(code, reason, () if was_sending else farewell)
        elif self.transport.close_code in (None, _NO_CLOSE_FRAME):
            self.transport.abort()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, _LOST):
                raise result

    async def _close(self, code: int, reason: str, farewell: Sequence[str]) -> None:
        with contextlib.suppress(*_LOST):
            for text in farewell:
                await self._send(text)
        await _close(self.transport, code, reason, self._settings.close_timeout)

    async def _read(self) -> None:
        while (message := await self.transport.receive()) is not None:
            if self._stopped.done():
                return
            if self._session._receive(message):
                self._unanswered += 1
                self._awake.set()
                while self._unanswered > _MAX_UNANSWERED:
                    self._answered.clear()
                    await self._answered.wait()

    async def _write(self) -> None:
        while not self._stopped.done():
            batch = self._next_batch()
            for message in batch:
                await self._send(message)
            if batch:
                continue
            self._awake.clear()
            try:
                async with asyncio.timeout_at(self._deadline()):
                    await self._awake.wait()
            except TimeoutError:
                reason = "nothing was acknowledged for too long while the window was full"
                self._session._fail(ProtocolError(reason, control.TIMED_OUT))

    async def _send(self, message: Message) -> None:
        self._is_sending = True
        async with asyncio.timeout(self._settings.ack_timeout):
            await self.transport.send(message)
        self._is_sending = False

    def _next_batch(self) -> list[Message]:
        """What is to be sent now."""
        session, core = self._session, self._session._core
        outbox = core.outbox
        controls = core.controls()
        self._unanswered = 0
        self._answered.set()
        if self._again:
            batch = [self._again.popleft() for _ in range(min(_BATCH, len(self._again)))]
        else:
            batch = outbox.take(min(_BATCH, session._stored - outbox.sent))
            session._progress.set()
        is_wanted = core.confirmed < session._wanted or outbox.is_window_half_full
        if is_wanted and core.has_unasked and not self._again:
            core.ask()  # after all that it is about
        messages = control.escape([delivery.message for delivery in batch])
        return [*controls, *messages, *core.controls()]

    def _deadline(self) -> float | None:
        """When the client must have acknowledged something."""
        core = self._session._core
        if not core.outbox.pending or core.outbox.sent == self._session._stored:
            self._full_since = None
            return None
        if self._full_since is None or core.confirmed > self._confirmed:
            self._full_since = self._loop.time()
            self._confirmed = core.confirmed
        return self._full_since + self._settings.ack_timeout


class Sessions:
    """All sessions of one handler in this process.

    Args:
        handler: Runs once for each session, however many connections that has, until it returns,
            which ends the session with 1000, after a :meth:`ServerSession.drain`. When it raises,
            that is logged, and the session ends with 4411.
        store: Where sessions are kept; by default in this process, and nowhere else.
        expires: For how many seconds a session is kept without a connection.
        identify: Gives the text of whom a session belongs to, from the ``Origin`` and the user; by
            default from both. With another one there is no such session.
        window: How many messages a client may send that are not acknowledged.
        window_bytes: How much of them, in bytes (of text: characters).
        max_unconfirmed: How many messages are sent to a client that it has not acknowledged.
        max_unconfirmed_bytes: How much of them, in bytes; one message may always be.
        max_pending: How many messages wait beside these before ``send()`` does.
        max_pending_bytes: How much of them, in bytes; one message may always.
        max_message: How long a message from a client may be, in bytes (of text: characters).
        max_sessions: How many sessions there may be, with those whose handler has not returned.
        handshake_timeout: For how many seconds a connection may say nothing at first.
        ack_timeout: For how many seconds a client may acknowledge nothing while its window is full,
            or not read what is sent; the latter ends the connection only.
        close_timeout: For how many seconds at most something is waited for at the end: that all
            is acknowledged, that a connection closes.
        resume_burst: How often a session may be resumed at once.
        resume_rate: How often a second, on average.
        unknown_burst: How many ids may be tried at once that this process does not know.
        unknown_rate: How many a second, on average; those of other processes do not count.

    Raises:
        ValueError: An argument makes no sense.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        store: Store | None = None,
        expires: float = 120.0,
        identify: Callable[[str | None, Any], str] | None = None,
        window: int = 1024,
        window_bytes: int = 2**20,
        max_unconfirmed: int = 1024,
        max_unconfirmed_bytes: int = 2**20,
        max_pending: int = 1024,
        max_pending_bytes: int = 2**20,
        max_message: int = 4 * 2**20,
        max_sessions: int = 10_000,
        handshake_timeout: float = 10.0,
        ack_timeout: float = 60.0,
        close_timeout: float = 10.0,
        resume_burst: int = 20,
        resume_rate: float = 1.0,
        unknown_burst: int = 1000,
        unknown_rate: float = 100.0,
    ) -> None:
        for name, value in (
            ("expires", expires),
            ("window", window),
            ("window_bytes", window_bytes),
            ("max_unconfirmed", max_unconfirmed),
            ("max_unconfirmed_bytes", max_unconfirmed_bytes),
            ("max_pending", max_pending),
            ("max_pending_bytes", max_pending_bytes),
            ("max_message", max_message),
            ("max_sessions", max_sessions),
            ("handshake_timeout", handshake_timeout),
            ("ack_timeout", ack_timeout),
            ("close_timeout", close_timeout),
            ("resume_burst", resume_burst),
            ("unknown_burst", unknown_burst),
        ):
            if not value > 0:
                raise ValueError(f"{name}={value!r} must be more than 0")
        for name, value in (("resume_rate", resume_rate), ("unknown_rate", unknown_rate)):
            if not value >= 0:
                raise ValueError(f"{name}={value!r} must be at least 0")
        self._handler = handler
        self._identify = identify or _origin_and_user
        # One of our own needs no lease: whoever has a session here deletes its record.
        self._store = MemoryStore(clock=lambda: 0.0) if store is None else store
        self._has_own_store = store is None
        self._settings = _Settings(
            store=self._store,
            expires=expires,
            window=Window(window, window_bytes),
            max_unconfirmed=max_unconfirmed,
            max_unconfirmed_bytes=max_unconfirmed_bytes,
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
            max_message=max_message,
            ack_timeout=ack_timeout,
            close_timeout=close_timeout,
            resume_burst=resume_burst,
            resume_rate=resume_rate,
        )
        self._max_sessions = max_sessions
        self._handshake_timeout = handshake_timeout
        self._unknown = _Bucket(unknown_burst, unknown_rate)
        self._is_closed = False
        # With those that have ended and whose records are being deleted.
        self._by_key: dict[str, ServerSession] = {}
        # Of those that are being resumed, by key and owner.
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._starting = 0
        self._handlers: set[asyncio.Task[None]] = set()
        self._greeting: set[Transport] = set()
        self._connections: set[asyncio.Task[Any]] = set()
        self._deletions: set[asyncio.Task[None]] = set()

    @property
    def max_message(self) -> int:
        """How long a message from a client may be, in bytes (of text: characters)."""
        return self._settings.max_message

    def __len__(self) -> int:
        """How many sessions there are, connected or not."""
        return sum(session._closed is None for session in self._by_key.values())

    async def serve(self, transport: Transport, user: Any = None) -> None:
        """Serves one connection, from its first message to its end.

        Args:
            transport: The connection, with its handshake done.
            user: Whom it belongs to, if the application knows: anything that JSON can express.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for mypy
        self._connections.add(task)
        try:
            link = await self._join(transport, user)
            if link is not None:
                await link.run()
        finally:
            self._connections.discard(task)

    async def close(self) -> None:
        """Ends all connections with 1001, and cancels the handlers.

        In a store that other processes share, the sessions live on. A
        :class:`~readystate.Delivery` that is not confirmed by now is dropped, though it may be
        delivered there.
        """
        self._is_closed = True
        timeout = self._settings.close_timeout
        for transport in self._greeting:
            transport.abort()
        await _cancel(self._handlers, timeout)
        await asyncio.gather(*(session._leave() for session in list(self._by_key.values())))
        others = self._connections - {asyncio.current_task()}
        for tasks in (others, self._deletions):
            if tasks:
                await asyncio.wait(tasks, timeout=2 * timeout)
        if self._has_own_store:
            await self._store.close()

    def __repr__(self) -> str:
        return f"<Sessions {len(self):,} sessions, {len(self._connections):,} connections>"

    async def _join(self, transport: Transport, user: Any) -> _Link | None:
        """The connection of a session, or ``None`` if it was closed."""
        try:
            hello = await self._greet(transport)
            if hello is None:
                transport.abort()
                return None
            owner = self._identify(transport.origin, user)
            if hello.session is None:
                return await self._open(transport, hello, owner, user)
            return await self._resume(transport, hello, hello.session, owner, user)
        except ProtocolError as error:
            refusal = error
        except asyncio.CancelledError:
            transport.abort()
            raise
        await _close(transport, refusal.code, refusal.reason, self._settings.close_timeout)
        return None

    async def _greet(self, transport: Transport) -> Hello | None:
        """What the client says first; ``None`` if the connection has ended.

        Raises:
            ProtocolError: It says something else, or nothing in time.
        """
        if self._is_closed:
            raise ProtocolError("the server goes away", _GOING_AWAY)
        if len(self._greeting) >= self._max_sessions:
            raise ProtocolError("too many connections", control.TOO_MANY)
        self._greeting.add(transport)
        try:
            async with asyncio.timeout(self._handshake_timeout):
                message = await transport.receive()
        except TimeoutError:
            raise ProtocolError("no session was asked for in time", control.TIMED_OUT) from None
        finally:
            self._greeting.discard(transport)
        return None if message is None else Hello.parse(message)

    async def _open(self, transport: Transport, hello: Hello, owner: str, user: Any) -> _Link:
        secret = secrets.token_urlsafe(32)
        key = _key(secret)
        with self._room(), _store_errors():
            epoch = await self._store.create(key, owner, self._settings.lease)
            session = self._start(key, Record(owner, epoch), user, connection=1)
        return session._open(transport, hello, secret)

    async def _resume(
        self, transport: Transport, hello: Hello, secret: str, owner: str, user: Any
    ) -> _Link:
        key = _key(secret)
        # Kept as long as somebody waits for it.
        lock = self._locks.setdefault((key, owner), asyncio.Lock())
        async with lock:
            session = await self._find(key, owner, hello)
            if session is None:
                session = await self._claim(key, owner, hello, user)
            if session._closed is not None:
                raise _no_such_session()
            return session._resume(transport, hello)

    async def _find(self, key: str, owner: str, hello: Hello) -> ServerSession | None:
        """The session, if this process holds it."""
        session = self._by_key.get(key)
        if session is None or session._owner != owner:
            return None
        if not session._resumptions.take():
            raise ProtocolError("the session is resumed too often", control.TOO_MANY)
        if hello.connection > session._core.connection:
            with _store_errors():
                try:
                    await session._keep(hello.connection)
                except Fenced:
                    session._lose_to_another()
        return self._by_key.get(key)

    async def _claim(self, key: str, owner: str, hello: Hello, user: Any) -> ServerSession:
        """The session, taken over from another process."""
        if not self._unknown.take():
            raise ProtocolError("too many sessions are asked for", control.TOO_MANY)
        lease = self._settings.lease
        with self._room(), _store_errors():
            try:
                record = await self._store.claim(key, owner, hello.connection, lease)
            except Fenced:
                raise ProtocolError("a later connection has come", control.TAKEN_OVER) from None
            if record is None:
                raise _no_such_session()
            self._unknown.put_back()
            if not 0 <= hello.received - record.confirmed <= len(record.outgoing):
                raise ProtocolError("what the other end says it has received it cannot have")
            session = self._start(key, record, user, connection=hello.connection)
        session._restore(record, hello.received)
        return session

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        """There is room for another session, and goes on to be.

        Raises:
            ProtocolError: There is none.
        """
        if len(self._handlers) + self._starting >= self._max_sessions:
            raise ProtocolError("too many sessions", control.TOO_MANY)
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1

    def _start(self, key: str, record: Record, user: Any, *, connection: int) -> ServerSession:
        if self._is_closed:
            raise ProtocolError("the server goes away", _GOING_AWAY)
        session = ServerSession(self._settings, key, record, connection, user, self._ended)
        self._by_key[key] = session
        task = asyncio.create_task(self._handle(session))
        self._handlers.add(task)
        task.add_done_callback(functools.partial(self._handled, session))
        return session

    async def _handle(self, session: ServerSession) -> None:
        try:
            await self._handler(session)
        except Exception as error:
            is_its_end = isinstance(error, (ConnectionClosed, MessageDropped))
            if session._closed is None or not is_its_end:
                _logger.exception("the handler of %r has failed, which ends the session", session)
                session._fail(ProtocolError("the application has failed", control.FAILED))
        else:
            if not self._is_closed:  # else others may go on
                await session.close()

    def _handled(self, session: ServerSession, task: asyncio.Task[None]) -> None:
        self._handlers.discard(task)
        if task.cancelled() and not self._is_closed:
            session._fail(ProtocolError("the application has failed", control.FAILED))

    def _ended(self, session: ServerSession, forget_record: bool) -> None:
        if not forget_record:
            self._drop(session)
            return
        deletion = asyncio.create_task(self._delete(session))
        self._deletions.add(deletion)
        deletion.add_done_callback(self._deletions.discard)

    async def _delete(self, session: ServerSession) -> None:
        """Forgets a session that has ended; until then it is known that it has."""
        if session._saving is not None:
            await asyncio.wait((session._saving,))
        try:
            await self._store.delete(session.id, session._epoch)
        except Fenced:
            pass
        except Exception as error:
            _log_store_error(error)
        finally:
            self._drop(session)

    def _drop(self, session: ServerSession) -> None:
        if self._by_key.get(session.id) is session:
            del self._by_key[session.id]


def _origin_and_user(origin: str | None, user: Any) -> str:
    return json.dumps([origin, user], separators=(",", ":"), sort_keys=True)


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _no_such_session() -> ProtocolError:
    return ProtocolError("there is no such session", control.NO_SUCH_SESSION)


def _sized(data: Any) -> tuple[Message, int]:
    """A message as it is kept, and how long it is, in bytes.

    Raises:
        TypeError: It is none.
        UnicodeEncodeError: It is text that UTF-8 cannot express.
    """
    if isinstance(data, str):
        return data, len(data) if data.isascii() else len(data.encode())
    try:
        message = data if type(data) is bytes else bytes(memoryview(data))
    except TypeError:
        raise TypeError(f"a message is text or bytes-like, not {type(data).__name__}") from None
    return message, len(message)


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    """What the store raises is logged; the client is to try again later."""
    try:
        yield
    except ProtocolError:
        raise
    except Exception as error:
        _log_store_error(error)
        raise ProtocolError("the session cannot be looked up now", control.TOO_MANY) from error


def _log_store_error(error: Exception) -> None:
    _logger.warning("the session store is out of order: %s: %s", type(error).__name__, error)


async def _close(transport: Transport, code: int, reason: str, timeout: float) -> None:
    """Closes a connection, within ``timeout`` seconds."""
    try:
        async with asyncio.timeout(timeout):
            await transport.close(code, reason)
    except TimeoutError:
        transport.abort()
    except asyncio.CancelledError:
        transport.abort()
        raise


async def _cancel(tasks: set[asyncio.Task[None]], timeout: float) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=timeout)
