"""The server's end of sessions, for any asyncio framework.

An adapter (:mod:`.aiohttp`, :mod:`.websockets`, :mod:`.starlette`) wraps a connection in a
:class:`Transport` for :meth:`Sessions.serve`::

    Transport --> Link --> core --> ServerSession --> handler
        ^          |                      |
        +----------+ <-- what is saved ---+--> Store

Messages and acknowledgements are sent only after they were stored. A third of the class are its
options; the rest leads a connection to its session, within one set of limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from readystate.core.delivery import DropReason
from readystate.exceptions import (
    ConnectionClosed,
    MessageDropped,
    SessionExpired,
)
from readystate.session import control
from readystate.session.control import ProtocolError, Window
from readystate.session.core import Hello

from .bucket import Bucket, Turns
from .link import Link
from .server_session import GOING_AWAY, ServerSession
from .settings import Settings
from .stats import Health, Refusals, SessionsStats
from .store import Fenced, MemoryStore, Record, Store
from .transport import Transport, close_transport

__all__ = ["Handler", "Sessions"]

LONGEST_WAIT = 5.0
"""Seconds to wait for a turn: half of a client's default ``connect_timeout``."""

_logger = logging.getLogger("readystate")

Handler: TypeAlias = Callable[[ServerSession], Awaitable[None]]
"""A coroutine function that serves a session."""


class Sessions:
    """All sessions of one handler in this process.

    Args:
        handler: Runs once for each session, across its connections. When it returns, the session
            ends with 1000, after a :meth:`ServerSession.drain`. If it raises, the error is logged
            with the ``message_id`` in hand, and the session ends with 4411, as the same message
            would fail again. To continue instead, catch exceptions for each message.
        store: Where to keep sessions; by default in this process's memory.
        expires: How long to keep a session without a connection, in seconds.
        identify: Returns a session's owner, a ``str``, from the ``Origin`` and the user; by default
            made of both. Other owners cannot resume the session.
        window: How many messages a client may send before they are acknowledged.
        window_bytes: How many bytes (of text, characters) it may send.
        max_unconfirmed: How many messages to send to a client before it acknowledges them.
        max_unconfirmed_bytes: How many bytes to send; one message always may.
        max_pending: How many more messages may wait before ``send()`` waits.
        max_pending_bytes: How many bytes may wait; one message always may.
        max_message: The maximum size of a client's message, in bytes (of text, characters).
        max_sessions: The maximum number of sessions, including those whose handler is still
            running.
        handshake_timeout: How long to wait for a connection's first message, in seconds.
        ack_timeout: After how many seconds without an acknowledgement, while its window is full, or
            without reading, a client's connection is closed. Its session is kept for ``expires``.
        close_timeout: How long to wait, at the end, for acknowledgements and for a connection to
            close, in seconds.
        connect_rate: How many connections per second may open or resume a session, so that clients
            which come back together do not overload the process. The others wait for their turn,
            in order; one that would wait for longer than 5 s is refused with 1013.
        resume_burst: How often a session may be resumed in a burst.
        resume_rate: How often per second, on average.
        unknown_burst: How many ids that this process does not know may be tried in a burst.
        unknown_rate: How many per second, on average; those of other processes do not count.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        store: Store | None = None,
        expires: float = 120.0,
        identify: Callable[[str | None, Any], str] | None = None,
        window: int = 2**14,
        window_bytes: int = 2**22,
        max_unconfirmed: int = 2**14,
        max_unconfirmed_bytes: int = 2**22,
        max_pending: int = 2**14,
        max_pending_bytes: int = 2**22,
        max_message: int = 4 * 2**20,
        max_sessions: int = 10_000,
        handshake_timeout: float = 10.0,
        ack_timeout: float = 60.0,
        close_timeout: float = 10.0,
        connect_rate: float = 200.0,
        resume_burst: int = 20,
        resume_rate: float = 1.0,
        unknown_burst: int = 1000,
        unknown_rate: float = 100.0,
    ) -> None:
        self._handler = handler
        self._identify = identify or _origin_and_user
        # Our own store needs no lease: ending a session deletes its record.
        self._store = MemoryStore(clock=lambda: 0.0) if store is None else store
        self._has_own_store = store is None
        self._settings = Settings(
            store=self._store,
            expires=expires,
            window=Window(window, window_bytes),
            max_unconfirmed=max_unconfirmed,
            max_unconfirmed_bytes=max_unconfirmed_bytes,
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
            max_message=max_message,
            max_sessions=max_sessions,
            handshake_timeout=handshake_timeout,
            ack_timeout=ack_timeout,
            close_timeout=close_timeout,
            connect_rate=connect_rate,
            resume_burst=resume_burst,
            resume_rate=resume_rate,
            unknown_burst=unknown_burst,
            unknown_rate=unknown_rate,
        )
        # The prefix of this process's ids, which tells expired sessions from unknown ones.
        self._mark = secrets.token_urlsafe(6)
        self._turns = Turns(connect_rate, LONGEST_WAIT)
        self._unknown = Bucket(unknown_burst, unknown_rate)
        self._refusals = Refusals()
        self._opened = self._resumed = self._taken_over = self._expired = 0
        self._closing = asyncio.Event()
        # Including ended ones whose records are being deleted.
        self._by_key: dict[str, ServerSession] = {}
        # Locks for resuming sessions, by key and owner.
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._starting = 0
        self._handlers: set[asyncio.Task[None]] = set()
        self._greeting: set[Transport] = set()
        self._waiting = 0
        self._connections: set[asyncio.Task[Any]] = set()
        self._deletions: set[asyncio.Task[None]] = set()

    @property
    def max_message(self) -> int:
        """The maximum size of a client's message, in bytes (of text, characters)."""
        return self._settings.max_message

    def __len__(self) -> int:
        """The number of sessions, connected or not."""
        return sum(session._closed is None for session in self._by_key.values())

    async def serve(self, transport: Transport, user: Any = None) -> None:
        """Serves one connection until it ends.

        Args:
            transport: The connection, after its handshake.
            user: Its user, if the application knows it, as a JSON value.
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
        """Closes all connections with 1001, and cancels the handlers.

        In a shared store, the sessions live on. An unconfirmed :class:`~readystate.Delivery` is
        dropped here, though another process may deliver it.
        """
        self._closing.set()
        timeout = self._settings.close_timeout
        for transport in self._greeting:
            transport.abort()
        await _cancel(self._handlers, timeout)
        dropped: DropReason = "session ended" if self._has_own_store else "taken over"
        await asyncio.gather(*(session._leave(dropped) for session in list(self._by_key.values())))
        others = self._connections - {asyncio.current_task()}
        for tasks in (others, self._deletions):
            if tasks:
                await asyncio.wait(tasks, timeout=2 * timeout)
        if self._has_own_store:
            await self._store.close()

    @property
    def stats(self) -> SessionsStats:
        """Returns a copy of the statistics so far."""
        alive = [session for session in self._by_key.values() if session._closed is None]
        connected = sum(session.is_connected for session in alive)
        return SessionsStats(
            connected=connected,
            disconnected=len(alive) - connected,
            ending=max(0, len(self._handlers) - len(alive)),
            greeting=len(self._greeting),
            waiting=self._waiting,
            unacknowledged=sum(session._unacknowledged for session in alive),
            oldest_unacknowledged=max(
                (session._oldest_unacknowledged for session in alive), default=0.0
            ),
            opened=self._opened,
            resumed=self._resumed,
            taken_over=self._taken_over,
            expired=self._expired,
            refused=dict(self._refusals.counts),
            store_failures=self._settings.store_health.failures,
        )

    def health(self) -> Health:
        """Returns whether sessions can be opened and resumed now, for a probe. ::

        async def ready(request):
            health = sessions.health()
            return web.Response(status=200 if health else 503, text="\\n".join(health.problems))
        """
        problems = []
        if self._is_closed:
            problems.append("the server is going away: close() was called")
        count, limit = len(self._handlers) + self._starting, self._settings.max_sessions
        if count >= limit:
            problems.append(f"there are {count:,} sessions, which is the limit max_sessions=")
        error = self._settings.store_health.error
        if error is not None:
            problems.append(f"the session store fails: {type(error).__name__}: {error}")
        return Health(tuple(problems))

    @property
    def _is_closed(self) -> bool:
        return self._closing.is_set()

    def __repr__(self) -> str:
        return f"<Sessions {len(self):,} sessions, {len(self._connections):,} connections>"

    async def _join(self, transport: Transport, user: Any) -> Link | None:
        """Returns the link of a connection, or ``None`` if it was closed."""
        try:
            hello = await self._greet(transport)
            if hello is None:
                transport.abort()
                return None
            await self._wait_turn()
            owner = self._identify(transport.origin, user)
            if hello.session is None:
                return await self._open(transport, hello, owner, user)
            return await self._resume(transport, hello, hello.session, owner, user)
        except ProtocolError as error:
            refusal = error
        except asyncio.CancelledError:
            transport.abort()
            raise
        await close_transport(transport, refusal.code, refusal.reason, self._settings.close_timeout)
        return None

    async def _greet(self, transport: Transport) -> Hello | None:
        """Receives the client's first message; ``None`` if the connection has ended.

        Raises:
            ProtocolError: It is invalid, or did not arrive in time.
        """
        if self._is_closed:
            raise ProtocolError("the server is going away", GOING_AWAY)
        if len(self._greeting) >= self._settings.max_sessions:
            raise self._refusals.refuse("max_sessions", "too many connections without a session")
        self._greeting.add(transport)
        try:
            async with asyncio.timeout(self._settings.handshake_timeout):
                message = await transport.receive()
        except TimeoutError:
            raise ProtocolError(
                "no session was opened or resumed in time", control.TRY_AGAIN
            ) from None
        finally:
            self._greeting.discard(transport)
        return None if message is None else Hello.parse(message)

    async def _wait_turn(self) -> None:
        """Waits until this connection may open or resume a session.

        Raises:
            ProtocolError: Too many are before it, or the server is going away.
        """
        turn = self._turns.take()
        if turn is None:
            raise self._refusals.refuse("connect_rate", "too many connections at once")
        self._waiting += 1
        try:
            while wait := self._turns.wait(turn):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._closing.wait()
                        raise ProtocolError("the server is going away", GOING_AWAY)
        finally:
            self._waiting -= 1

    async def _open(self, transport: Transport, hello: Hello, owner: str, user: Any) -> Link:
        secret = self._mark + secrets.token_urlsafe(32)
        key = _key(secret)
        with self._room(), self._store_errors():
            epoch = await self._store.create(key, owner, self._settings.lease)
            session = self._start(key, Record(owner, epoch), user, connection=1)
        self._opened += 1
        return session._open(transport, hello, secret)

    async def _resume(
        self, transport: Transport, hello: Hello, secret: str, owner: str, user: Any
    ) -> Link:
        key = _key(secret)
        # Kept as long as a task waits for it.
        lock = self._locks.setdefault((key, owner), asyncio.Lock())
        async with lock:
            session = await self._find(key, owner, hello)
            if session is None:
                session = await self._claim(key, owner, hello, user)
            if session is None or session._closed is not None:
                raise self._no_such_session(secret)
            link = session._resume(transport, hello)
            self._resumed += 1
            return link

    async def _find(self, key: str, owner: str, hello: Hello) -> ServerSession | None:
        """Returns the session, if this process holds it."""
        session = self._by_key.get(key)
        if session is None or session._owner != owner:
            return None
        if not session._resumptions.take():
            raise self._refusals.refuse("resume_rate", "a session was resumed too often")
        if hello.connection > session._core.connection:
            with self._store_errors():
                try:
                    await session._saver.keep(hello.connection)
                except Fenced:
                    session._lose_to_another()
        return self._by_key.get(key)

    async def _claim(self, key: str, owner: str, hello: Hello, user: Any) -> ServerSession | None:
        """Returns the session, taken over from another process, if the store has it."""
        if not self._unknown.take():
            raise self._refusals.refuse("unknown_rate", "too many unknown sessions")
        lease = self._settings.lease
        with self._room(), self._store_errors():
            try:
                record = await self._store.claim(key, owner, hello.connection, lease)
            except Fenced:
                raise ProtocolError(
                    "the client has a newer connection", control.TAKEN_OVER
                ) from None
            if record is None:
                return None
            self._unknown.put_back()
            if not 0 <= hello.received - record.confirmed <= len(record.outgoing):
                raise ProtocolError("the other end cannot have received that number of messages")
            session = self._start(key, record, user, connection=hello.connection)
        self._taken_over += 1
        session._restore(record, hello.received)
        return session

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        """Reserves room for another session.

        Raises:
            ProtocolError: There is none.
        """
        if len(self._handlers) + self._starting >= self._settings.max_sessions:
            raise self._refusals.refuse("max_sessions", "too many sessions")
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1

    @contextlib.contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Logs errors of the store, and tells the client to try again later."""
        try:
            yield
        except ProtocolError:
            raise
        except Exception as error:
            self._settings.store_health.failed(error)
            self._refusals.counts["store"] += 1
            what = "the session store fails: try again later"
            raise ProtocolError(what, control.TRY_AGAIN) from error
        self._settings.store_health.worked()

    def _start(self, key: str, record: Record, user: Any, *, connection: int) -> ServerSession:
        if self._is_closed:
            raise ProtocolError("the server is going away", GOING_AWAY)
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
                _logger.exception(
                    "the handler of %r has failed%s, which ends the session with %d",
                    session,
                    session._describe_in_hand(),
                    control.FAILED,
                )
                session._fail(ProtocolError("the application has failed", control.FAILED))
        else:
            if not self._is_closed:  # else others may go on
                await session.close()

    def _handled(self, session: ServerSession, task: asyncio.Task[None]) -> None:
        self._handlers.discard(task)
        if task.cancelled() and not self._is_closed:
            session._fail(ProtocolError("the application has failed", control.FAILED))

    def _no_such_session(self, secret: str) -> ProtocolError:
        """Returns the error. Its reason is from the id alone, and reveals nothing about others."""
        if secret.startswith(self._mark):
            reason = f"{control.EXPIRED}: this server no longer has this session"
        elif self._has_own_store:
            reason = f"{control.FORGOTTEN}: this server never had this session"
        else:
            reason = "there is no such session"
        return ProtocolError(reason, control.NO_SUCH_SESSION)

    def _ended(self, session: ServerSession, forget_record: bool) -> None:
        self._expired += isinstance(session._closed, SessionExpired)
        if not forget_record:
            self._drop(session)
            return
        deletion = asyncio.create_task(self._delete(session))
        self._deletions.add(deletion)
        deletion.add_done_callback(self._deletions.discard)

    async def _delete(self, session: ServerSession) -> None:
        """Deletes the record of a session that has ended, then the session."""
        await session._saver.wait()
        try:
            await self._store.delete(session.id, session._epoch)
        except Fenced:
            pass
        except Exception as error:
            self._settings.store_health.failed(error)
        finally:
            self._drop(session)

    def _drop(self, session: ServerSession) -> None:
        if self._by_key.get(session.id) is session:
            del self._by_key[session.id]


def _origin_and_user(origin: str | None, user: Any) -> str:
    return json.dumps([origin, user], separators=(",", ":"), sort_keys=True)


def _key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def _cancel(tasks: set[asyncio.Task[None]], timeout: float) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=timeout)
