"""The server's half: sessions that outlive their connections, under any asyncio framework.

An adapter (:mod:`.aiohttp`, :mod:`.websockets`, :mod:`.starlette`) makes a :class:`Transport` of a
connection, and :meth:`Sessions.serve` does the rest::

    Transport --> Link --> core --> ServerSession --> handler
        ^          |                      |
        +----------+ <-- what is saved ---+--> Store

Nothing goes out, no message and no acknowledgement, before the store has it.
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

from readystate.exceptions import (
    ConnectionClosed,
    MessageDropped,
    SessionExpired,
)
from readystate.session import control
from readystate.session.control import ProtocolError, Window
from readystate.session.core import Hello

from .bucket import Bucket
from .link import Link
from .server_session import GOING_AWAY, ServerSession
from .settings import Settings
from .stats import Health, Refusals, SessionsStats
from .store import Fenced, MemoryStore, Record, Store
from .transport import Transport, close_transport

__all__ = ["Handler", "Sessions"]

_logger = logging.getLogger("readystate")

Handler: TypeAlias = Callable[[ServerSession], Awaitable[None]]
"""What serves a session."""


class Sessions:
    """All sessions of one handler in this process.

    Args:
        handler: Runs once for each session, however many connections that has, until it returns,
            which ends the session with 1000, after a :meth:`ServerSession.drain`. When it raises,
            that is logged with the ``message_id`` of the message in hand, and the session ends
            with 4411: the same message would fail again. A handler that is to go on after a
            message that it cannot handle catches the exception for each message.
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
            or not read what is sent. Then its connection is ended, and the session is kept for
            ``expires`` seconds, as it is for a client that is gone.
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
        resume_burst: int = 20,
        resume_rate: float = 1.0,
        unknown_burst: int = 1000,
        unknown_rate: float = 100.0,
    ) -> None:
        self._handler = handler
        self._identify = identify or _origin_and_user
        # One of our own needs no lease: whoever has a session here deletes its record.
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
            resume_burst=resume_burst,
            resume_rate=resume_rate,
            unknown_burst=unknown_burst,
            unknown_rate=unknown_rate,
        )
        # What the ids begin with that are given out here: so one that is gone is told from one that
        # never was here.
        self._mark = secrets.token_urlsafe(6)
        self._unknown = Bucket(unknown_burst, unknown_rate)
        self._refusals = Refusals()
        self._opened = self._resumed = self._taken_over = self._expired = 0
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

    @property
    def stats(self) -> SessionsStats:
        """How many sessions there are, for how long clients acknowledge nothing, and what was done
        and refused so far; a copy.
        """
        alive = [session for session in self._by_key.values() if session._closed is None]
        connected = sum(session.is_connected for session in alive)
        return SessionsStats(
            connected=connected,
            disconnected=len(alive) - connected,
            ending=max(0, len(self._handlers) - len(alive)),
            greeting=len(self._greeting),
            unacknowledged=sum(session._unacknowledged for session in alive),
            oldest_unacknowledged=max(
                (session._oldest_unacknowledged for session in alive), default=0.0
            ),
            opened=self._opened,
            resumed=self._resumed,
            taken_over=self._taken_over,
            expired=self._expired,
            refused=dict(self._refusals.counts),
        )

    def health(self) -> Health:
        """Whether sessions can be begun and resumed now: for a probe. It costs nothing. ::

        async def ready(request):
            health = sessions.health()
            return web.Response(status=200 if health else 503, text="\\n".join(health.problems))
        """
        problems = []
        if self._is_closed:
            problems.append("the server goes away: close() was called")
        count, limit = len(self._handlers) + self._starting, self._settings.max_sessions
        if count >= limit:
            problems.append(f"there are {count:,} sessions, as many as max_sessions= allows")
        error = self._settings.store_health.error
        if error is not None:
            problems.append(f"the session store is out of order: {type(error).__name__}: {error}")
        return Health(tuple(problems))

    def __repr__(self) -> str:
        return f"<Sessions {len(self):,} sessions, {len(self._connections):,} connections>"

    async def _join(self, transport: Transport, user: Any) -> Link | None:
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
        await close_transport(transport, refusal.code, refusal.reason, self._settings.close_timeout)
        return None

    async def _greet(self, transport: Transport) -> Hello | None:
        """What the client says first; ``None`` if the connection has ended.

        Raises:
            ProtocolError: It says something else, or nothing in time.
        """
        if self._is_closed:
            raise ProtocolError("the server goes away", GOING_AWAY)
        if len(self._greeting) >= self._settings.max_sessions:
            raise self._refusals.refuse("max_sessions", "too many connections without a session")
        self._greeting.add(transport)
        try:
            async with asyncio.timeout(self._settings.handshake_timeout):
                message = await transport.receive()
        except TimeoutError:
            raise ProtocolError("no session was asked for in time", control.TRY_AGAIN) from None
        finally:
            self._greeting.discard(transport)
        return None if message is None else Hello.parse(message)

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
        # Kept as long as somebody waits for it.
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
        """The session, if this process holds it."""
        session = self._by_key.get(key)
        if session is None or session._owner != owner:
            return None
        if not session._resumptions.take():
            raise self._refusals.refuse("resume_rate", "a session is resumed too often")
        if hello.connection > session._core.connection:
            with self._store_errors():
                try:
                    await session._saver.keep(hello.connection)
                except Fenced:
                    session._lose_to_another()
        return self._by_key.get(key)

    async def _claim(self, key: str, owner: str, hello: Hello, user: Any) -> ServerSession | None:
        """The session, taken over from another process, if the store has it."""
        if not self._unknown.take():
            raise self._refusals.refuse("unknown_rate", "too many unknown sessions are asked for")
        lease = self._settings.lease
        with self._room(), self._store_errors():
            try:
                record = await self._store.claim(key, owner, hello.connection, lease)
            except Fenced:
                raise ProtocolError("a later connection has come", control.TAKEN_OVER) from None
            if record is None:
                return None
            self._unknown.put_back()
            if not 0 <= hello.received - record.confirmed <= len(record.outgoing):
                raise ProtocolError("what the other end says it has received it cannot have")
            session = self._start(key, record, user, connection=hello.connection)
        self._taken_over += 1
        session._restore(record, hello.received)
        return session

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        """There is room for another session, and goes on to be.

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
        """What the store raises is logged; the client is to try again later."""
        try:
            yield
        except ProtocolError:
            raise
        except Exception as error:
            self._settings.store_health.failed(error)
            what = "the session cannot be looked up now"
            raise ProtocolError(what, control.TRY_AGAIN) from error
        self._settings.store_health.worked()

    def _start(self, key: str, record: Record, user: Any, *, connection: int) -> ServerSession:
        if self._is_closed:
            raise ProtocolError("the server goes away", GOING_AWAY)
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
        """Says why, by the id alone: of other people's sessions this tells nothing."""
        if secret.startswith(self._mark):
            reason = f"{control.EXPIRED}: this server has no such session any more"
        elif self._has_own_store:
            reason = f"{control.FORGOTTEN}: this server has never had such a session"
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
        """Forgets a session that has ended; until then it is known that it has."""
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
