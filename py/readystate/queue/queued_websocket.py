"""A queue over a connection that reconnects: :class:`QueuedWebSocket`.

Most of the class is documentation: its methods delegate, and ``__init__``, which is long because of
its options, only connects the parts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from .._host import require_websocket
from ..connection.receiver import Incoming, IncomingReceiver, Overflow
from ..core import checks
from ..core.backoff import Backoff
from ..core.confirmation import Confirmation
from ..core.delivery import Delivery
from ..core.heartbeat import Acks, Heartbeat
from ..core.outbox import InDoubt, OnFull, Outbox
from ..core.reconnector import Reconnector
from ..core.states import State, StateChange, Stats
from ..dom.sendable import Sendable, as_frame
from ..dom.websocket import CloseEvent
from ..exceptions import DOMSyntaxError, InvalidAccessError, connection_closed
from ..session.options import Session
from .confirmations import Acknowledgements, HeartbeatReplies, LeftThePage
from .heart import Beating
from .sender import Sender
from .supervisor import Supervisor
from .target import ProtocolsOrFunction, Target, check

if TYPE_CHECKING:
    from ..session.confirmation import SessionConfirmation

__all__ = ["QueuedWebSocket"]


class QueuedWebSocket:
    """Queues messages, reconnects, and reports the delivery of each message. ::

        async with QueuedWebSocket("wss://example.org/feed") as ws:
            delivery = ws.send("kept until confirmed, across reconnections")
            await delivery  # or: await ws.drain()
            async for message in ws:  # continues across reconnections
                ...

    A ``heartbeat`` with replies, ``acks`` or a ``session`` confirms messages. Without one,
    "confirmed" only means that a message has left the page: if it was still on its way when the
    connection was lost, it is lost.

    Use it with ``async with``, or call :meth:`start` and :meth:`close`. It accepts messages before
    it is started, but waiting for the server then raises :exc:`RuntimeError`. Leaving the block
    calls :meth:`close`; an exception or cancellation calls :meth:`abort`, and dropped messages are
    logged.

    The logger ``readystate`` logs connections (INFO), and states and what is sent (DEBUG), but
    never contents.

    Args:
        url: A ``str`` or a ``js.URL``; or a function, plain or async, that returns one for each
            attempt.
        protocols: The subprotocols to offer: one, or an iterable of them; or such a function.
        backoff: How long to wait between attempts.
        connect_timeout: How long an attempt may take, in seconds, including the functions above and
            ``on_open``; ``None``: until the browser gives up.
        close_timeout: How long :meth:`close` waits for confirmations, in seconds; ``None``:
            forever.
        max_attempts: After how many consecutive attempts to give up; ``None``: never. A connection
            that receives a message, or lasts for ``backoff.healthy`` seconds, resets the count.
        give_up_after: After how many seconds of such attempts to start no more; ``None``: never.
        should_reconnect: A function, plain or async, that is called with the :class:`CloseEvent` of
            each lost connection or failed attempt and returns whether to reconnect. By default not
            after the codes 1000, 1008 and 4400 to 4499.
        heartbeat: Detects dead connections, and can confirm messages.
        acks: Confirms messages by the application's acknowledgements.
        session: ``True`` or a :class:`Session`: each message arrives exactly once, in both
            directions, across reconnections. The server must speak ``readystate.v1``. It replaces
            ``heartbeat``, ``acks``, ``on_open``, ``in_doubt``, ``max_resends`` and ``on_overflow``:
            the server waits instead.
        on_open: A function, plain or async, that is called with this object on each connection, as
            for authentication. Its own ``send()`` go ahead of the queue, for this connection only,
            and its ``recv()`` return what arrives meanwhile. If it raises, the error is reported
            and the attempt has failed.
        on_state: A function, plain or async, that is called with each :class:`StateChange`.
        ttl: After how many seconds a waiting message is dropped; ``None``: never.
        max_pending: How many messages may wait. For this and the other limits, ``None`` means none.
        max_pending_bytes: How many bytes may wait.
        on_full: What to do beyond these limits: ``"raise"`` raises :exc:`QueueFull`; ``"wait"``
            makes :meth:`put` wait for room, while :meth:`send` raises; ``"drop-oldest"`` and
            ``"drop-newest"`` drop messages.
        in_doubt: What to do with messages that are unconfirmed when their connection is lost:
            ``"resend"`` sends them again, before all others; ``"drop"`` drops them.
        max_resends: How many lost connections a message may survive as the oldest unconfirmed one.
            Then it is dropped as "resent too often", as it may make the server fail.
        max_unconfirmed: How many messages may be unconfirmed before others wait. As in TCP, the
            limit in use shrinks with each loss and grows with each confirmation.
        max_unconfirmed_bytes: How many bytes may be unconfirmed; one message always may.
        max_queue: How many received messages to queue.
        max_queue_bytes: How many bytes (of text, characters) to queue.
        on_overflow: What to do beyond these limits: ``"drop-oldest"`` and ``"drop-newest"`` drop
            messages, counted in ``dropped``; ``"close"`` closes with 4008 for good.

    Raises:
        TypeError: An argument has a wrong type.
        ValueError: An argument is out of range, or conflicts with ``session``.
        RuntimeError: There is no JavaScript here, or it has no ``WebSocket``.
    """

    def __init__(
        self,
        url: Any,
        protocols: ProtocolsOrFunction = (),
        *,
        backoff: Backoff | None = None,
        connect_timeout: float | None = 10,
        close_timeout: float | None = 10,
        max_attempts: int | None = None,
        give_up_after: float | None = None,
        should_reconnect: Callable[[CloseEvent], object] | None = None,
        heartbeat: Heartbeat | None = None,
        acks: Acks | None = None,
        session: bool | Session = False,
        on_open: Callable[[QueuedWebSocket], object] | None = None,
        on_state: Callable[[StateChange], object] | None = None,
        ttl: float | None = None,
        max_pending: int | None = 2**16,
        max_pending_bytes: int | None = 2**26,
        on_full: OnFull = "raise",
        in_doubt: InDoubt = "resend",
        max_resends: int | None = None,
        max_unconfirmed: int | None = 2**14,
        max_unconfirmed_bytes: int | None = 2**24,
        max_queue: int | None = 2**16,
        max_queue_bytes: int | None = 2**26,
        on_overflow: Overflow = "drop-oldest",
    ) -> None:
        require_websocket()  # or raise, before anything is queued
        check(url, protocols)
        checks.seconds("close_timeout", close_timeout)
        checks.instance("backoff", backoff, Backoff)
        checks.instance("heartbeat", heartbeat, Heartbeat)
        checks.instance("acks", acks, Acks)
        if not isinstance(session, (bool, Session)):
            raise TypeError(f"session={session!r} must be True, False or a Session")
        outbox = Outbox(
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
            on_full=on_full,
            in_doubt=in_doubt,
            max_resends=max_resends,
            max_unconfirmed=max_unconfirmed,
            max_unconfirmed_bytes=max_unconfirmed_bytes,
        )
        queue: deque[str | bytes] = deque()
        confirmation: Confirmation
        send_heartbeat: Callable[[], None] | None = None
        waiting: list[str | bytes] = []
        if session:
            _check_session(heartbeat, acks, on_open, in_doubt, max_resends, on_overflow)
            chosen = session if isinstance(session, Session) else Session()
            kept = _new_session(outbox, chosen, queue, max_queue, max_queue_bytes, url)
            confirmation, heartbeat, send_heartbeat = kept, chosen.heartbeat, kept.ask
            waiting = kept.restore()
            # The session's window limits what is received, so nothing has to be dropped.
            max_queue = max_queue_bytes = None
        else:
            confirmation = _confirmation(outbox, heartbeat, acks)
        self._outbox = outbox
        self._close_timeout = close_timeout
        self._sender = Sender(
            outbox,
            confirmation,
            ttl=ttl,
            on_full=on_full,
            refusal=lambda: self._supervisor.refusal(),
            failed=lambda error: self._supervisor.fail(error),
            owner=self,
        )
        self._reconnector = Reconnector(
            backoff or Backoff(), max_attempts=max_attempts, give_up_after=give_up_after
        )
        self._target = Target(url, protocols, confirmation.subprotocol)
        self._supervisor = Supervisor(
            self._target,
            self._sender,
            self._reconnector,
            owner=self,
            connect_timeout=connect_timeout,
            should_reconnect=should_reconnect,
            on_open=on_open,
            on_state=on_state,
            after_opening=lambda: self._receiver.next(),
        )
        self._incoming = Incoming(
            queue,
            max_queue=max_queue,
            max_queue_bytes=max_queue_bytes,
            on_overflow=on_overflow,
            close=self._supervisor.overflow,
            fail=self._supervisor.unreadable,
            sort=self._supervisor.sort,
            on_arrival=confirmation.arriving,
        )
        self._receiver = IncomingReceiver(
            queue,
            self._incoming,
            end=self._supervisor.end_of_messages,
            taken=confirmation.taken,
        )
        self._heart = heart = None
        if heartbeat is not None:
            look, dead = self._incoming.take, self._supervisor.dead
            heart = Beating(heartbeat, self._sender, look=look, dead=dead, send=send_heartbeat)
            self._heart = heart
        confirmation.bind(self._sender, heart)
        self._supervisor.bind(self._incoming, heart)
        for message in waiting:
            self.send(message)

    @property
    def state(self) -> State:
        """The current :class:`State`."""
        return self._supervisor.states.state

    @property
    def url(self) -> str:
        """The URL of the current connection or attempt; ``""`` if there is none."""
        link = self._supervisor.link
        return link.ws.url if link is not None else ""

    @property
    def protocol(self) -> str:
        """The subprotocol chosen by the server; ``""`` if none, or without a connection."""
        link = self._supervisor.link
        return link.ws.protocol if link is not None else ""

    @property
    def latency(self) -> float | None:
        """How long the last heartbeat reply took, in seconds; ``None`` before the first.

        Needs a heartbeat with ``is_reply``, or a session.
        """
        return self._heart.latency if self._heart is not None else None

    @property
    def pending(self) -> int:
        """How many messages wait to be sent, or sent again."""
        return self._outbox.pending

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait to be sent, or sent again."""
        return self._outbox.pending_bytes

    @property
    def unconfirmed(self) -> int:
        """How many messages were sent but are not confirmed yet."""
        return self._outbox.unconfirmed

    @property
    def dropped(self) -> int:
        """How many received messages ``on_overflow`` has dropped."""
        return self._incoming.dropped

    @property
    def stats(self) -> Stats:
        """A copy of the statistics so far."""
        return Stats(
            **vars(self._sender.stats),
            attempts=self._reconnector.attempts,
            reconnects=max(0, self._reconnector.connections - 1),
            seconds=self._supervisor.states.seconds(),
        )

    def start(self) -> None:
        """Starts connecting.

        Raises:
            DOMSyntaxError: ``url`` or one of ``protocols`` is invalid. Then nothing was started.
            SecurityError: The browser forbids the connection.
            TypeError: ``url`` or ``protocols`` has a wrong type.
            RuntimeError: It was already started.
        """
        self._supervisor.start()

    async def __aenter__(self) -> QueuedWebSocket:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._supervisor.leave(error)
            return
        try:
            await self.close()
        except asyncio.CancelledError as cancelled:
            self._supervisor.leave(cancelled)
            raise

    def send(
        self, data: Sendable, *, ttl: float | None = None, text: bool | None = None
    ) -> Delivery:
        """Accepts a message in any state but CLOSED, and sends it when connected.

        Messages are sent in order; immediately if possible.

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
            data: What :meth:`WebSocket.send` takes. Mutable binary data is copied.
            ttl: How long it may wait, in seconds, instead of the queue's ``ttl``.
            text: ``True`` sends bytes, which must be UTF-8, as a text message; ``False`` sends text
                as a binary one. By default a ``str`` is sent as text, and all else as binary.

        Raises:
            ConnectionClosed: It is closing, or has ended.
            QueueFull: As many messages wait as may, and ``on_full`` is "raise" or "wait".
            TypeError: ``data`` is neither text nor binary, or a ``Blob`` with ``persist=``.
            ValueError: ``ttl`` is negative; ``data`` is more than ``persist=`` can keep; or it is
                not UTF-8, with ``text=True``.
        """
        if text is not None:
            data = as_frame(data, text)
        sender = self._sender
        if sender.is_held and self._supervisor.own_opening():
            delivery = sender.send_transient(data)
            if delivery is None:
                raise connection_closed(1006, "", was_clean=False)
            return delivery
        return sender.send(data, ttl)

    async def put(
        self, data: Sendable, *, ttl: float | None = None, text: bool | None = None
    ) -> Delivery:
        """Accepts a message like :meth:`send`; with ``on_full="wait"``, waits for room first.

        If cancelled while waiting, the message is not accepted.

        Raises:
            ConnectionClosed: It is closing, or has ended.
            QueueFull: As many messages wait as may, and ``on_full`` is "raise".
            TypeError: ``data`` is neither text nor binary, or a ``Blob`` with ``persist=``.
            ValueError: As for :meth:`send`.
        """
        if text is not None:
            data = as_frame(data, text)
        if self._sender.is_held and self._supervisor.own_opening():
            return self.send(data, ttl=ttl)
        return await self._sender.put(data, ttl)

    async def drain(self) -> None:
        """Waits until every message is confirmed or dropped.

        Raises:
            RuntimeError: Called in ``on_open``, for which the messages wait, or before
                :meth:`start`.
        """
        if self._supervisor.own_opening():
            raise RuntimeError(
                "drain() in on_open would wait forever: messages wait for on_open to return"
            )
        self._supervisor.require_start("drain()")
        await self._sender.drain()

    async def wait_open(self, timeout: float | None = None) -> None:
        """Waits until there is a connection.

        Args:
            timeout: How long to wait, in seconds; ``None``: until connected, or closed for good.

        Raises:
            TimeoutError: There was none within ``timeout``; its cause is the error of the last
                attempt.
            ConnectionClosed: It is closed for good.
            ConnectionFailed: It has given up connecting.
            RuntimeError: Called in ``on_open``, or before :meth:`start`.
        """
        checks.seconds("timeout", timeout)
        if self._supervisor.own_opening():
            raise RuntimeError(
                "wait_open() in on_open would wait forever: it waits for on_open to return"
            )
        await self._supervisor.wait_open(timeout)

    def reconnect(self) -> None:
        """Replaces the connection at once, for example to use a new token.

        Calls a URL function again. Unconfirmed messages are sent again (or dropped, by
        ``in_doubt``), and receiving continues. Resets the attempts and the backoff.

        Raises:
            ConnectionClosed: It is closing or closed.
            RuntimeError: :meth:`start` was not called.
        """
        self._supervisor.reconnect()

    def clear(self) -> int:
        """Drops all waiting messages, and returns their number."""
        return self._sender.clear("cleared")

    def __iter__(self) -> Iterator[Any]:
        """Iterates over the waiting messages, in the order in which they will be sent."""
        return iter(self._outbox)

    @overload
    async def recv(self, decode: Literal[True]) -> str: ...
    @overload
    async def recv(self, decode: Literal[False]) -> bytes: ...
    @overload
    async def recv(self, decode: bool | None = None) -> str | bytes: ...
    async def recv(self, decode: bool | None = None) -> str | bytes:
        """Waits for the next message and returns it, across reconnections.

        Cancelling it loses no message. Messages that arrived before the end are returned first.

        Args:
            decode: ``True`` returns binary messages as ``str`` (UTF-8); ``False`` returns text as
                ``bytes``. By default each is returned as it was sent.

        Raises:
            ConnectionClosed: It is closed for good, and all messages were received.
            ConnectionFailed: It has given up connecting.
            ConcurrencyError: Another task is waiting for a message.
            RuntimeError: :meth:`start` was not called.
            UnicodeDecodeError: A binary message is not UTF-8, with ``decode=True``.
        """
        self._supervisor.require_start("recv()")
        receiver = self._supervisor.own_opening() or self._receiver
        return await receiver.recv(decode)

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yields messages, across reconnections, until it is closed normally.

        Raises:
            ConnectionClosedError: It ended abnormally.
            ConnectionFailed: It has given up connecting.
            ConcurrencyError: Another task is waiting for a message.
            RuntimeError: :meth:`start` was not called.
        """
        self._supervisor.require_start("iteration")
        receiver = self._supervisor.own_opening() or self._receiver
        return receiver.__aiter__()

    def states(self) -> AsyncIterator[StateChange]:
        """Yields the current state, then each change until CLOSED."""
        return self._supervisor.states.follow()

    async def close(
        self, code: int = 1000, reason: str = "", *, timeout: float | None = None
    ) -> None:
        """Accepts no more messages, sends those that wait, waits for confirmations, and closes.

        Reconnects for that if necessary. After the timeout, unconfirmed messages are dropped with
        the reason "closed". Cancelling the wait does not cancel the closing.

        Args:
            code: 1000, or from 3000 to 4999.
            reason: At most 123 bytes of UTF-8.
            timeout: Replaces ``close_timeout``, in seconds; the closing handshake may take 1 s
                more.

        Raises:
            RuntimeError: Called in ``on_open``, for which the messages wait: use :meth:`abort`
                there.
            InvalidAccessError: ``code`` is another number.
            DOMSyntaxError: ``reason`` is too long.
        """
        if code != 1000 and not 3000 <= code <= 4999:
            raise InvalidAccessError(f"the close code {code!r} is neither 1000 nor 3000 to 4999")
        if len(reason.encode()) > 123:
            raise DOMSyntaxError(f"the close reason {reason!r} is longer than 123 bytes of UTF-8")
        if self._supervisor.own_opening():
            raise RuntimeError("close() in on_open would wait forever: call abort() there")
        timeout = self._close_timeout if timeout is None else timeout
        await self._supervisor.close(code, reason, timeout)

    def abort(self) -> None:
        """Closes at once, and drops all unconfirmed messages with the reason "aborted"."""
        self._supervisor.abort()

    def __repr__(self) -> str:
        return f"<QueuedWebSocket {self._target.address} {self.state}>"


def _confirmation(outbox: Outbox, heartbeat: Heartbeat | None, acks: Acks | None) -> Confirmation:
    """Returns what confirms messages without a session."""
    replies = None
    if heartbeat is not None and heartbeat.is_reply is not None:
        replies = HeartbeatReplies(outbox, heartbeat.is_reply)
    if acks is not None:
        return Acknowledgements(outbox, acks, replies)
    return replies or LeftThePage(outbox)


def _check_session(
    heartbeat: object,
    acks: object,
    on_open: object,
    in_doubt: InDoubt,
    max_resends: int | None,
    on_overflow: Overflow,
) -> None:
    """Refuses options that a session replaces.

    Raises:
        ValueError: One of them was given.
    """
    for name, is_given in (
        ("heartbeat", heartbeat is not None),
        ("acks", acks is not None),
        ("on_open", on_open is not None),
        ("in_doubt", in_doubt != "resend"),
        ("max_resends", max_resends is not None),
        ("on_overflow", on_overflow != "drop-oldest"),
    ):
        if is_given:
            raise ValueError(
                f"{name}= cannot be combined with session=, which replaces it: leave one out"
            )


def _new_session(
    outbox: Outbox,
    session: Session,
    queue: deque[str | bytes],
    max_queue: int | None,
    max_queue_bytes: int | None,
    url: Any,
) -> SessionConfirmation:
    # Loaded only when needed.
    from ..session.confirmation import SessionConfirmation

    return SessionConfirmation(
        outbox, session, queue, max_queue=max_queue, max_queue_bytes=max_queue_bytes, url=url
    )
