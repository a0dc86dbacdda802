"""A queue of messages over a connection that comes back: :class:`QueuedWebSocket`."""

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
    """Accepts messages in any state, sends them over one connection after another, and accounts for
    each. ::

        async with QueuedWebSocket("wss://example.org/feed") as ws:
            delivery = ws.send("kept until confirmed, across reconnections")
            await delivery  # or: await ws.drain()
            async for message in ws:  # goes on across reconnections
                ...

    What confirms a message is what the other side says: a ``heartbeat`` with replies, or ``acks``.
    Without either, "confirmed" means no more than that it has left the page, and a message that had
    left and was still on its way when the connection was lost is lost, as everywhere in the web.

    It is used with ``async with``, or with :meth:`start` and :meth:`close`. Messages are accepted
    before that too; whatever waits for the server before that raises :exc:`RuntimeError`. Leaving
    the block closes as :meth:`close` does. If an exception is the cause, or a cancellation, that is
    at once, as with :meth:`abort`, and what is dropped is logged.

    The logger ``readystate`` tells of connections made and lost (INFO), and of states and of what
    is sent (DEBUG); never of contents.

    Args:
        url: Where to connect to: a ``str`` or a ``js.URL``; or a function, plain or async, that
            returns one for each attempt.
        protocols: The subprotocols to offer: one, or an iterable of them; or such a function.
        backoff: How long to wait between attempts.
        connect_timeout: How long an attempt may take, in seconds, with the functions above and
            ``on_open``; ``None``: as long as the browser lets it.
        close_timeout: How long :meth:`close` waits for confirmations, in seconds; ``None``: for
            ever.
        max_attempts: After how many attempts in a row without a connection to give up.
        give_up_after: After how many seconds without a connection to give up; no attempt is begun
            later.
        should_reconnect: Asked with the :class:`CloseEvent` of each connection lost and attempt
            failed whether to go on: a function, plain or async. By default 1000, 1008 and from 4400
            to 4499 are final.
        heartbeat: Finds out connections that are dead, and can confirm messages.
        acks: The application's acknowledgements, which confirm messages.
        session: ``True``, or a :class:`Session`: each message arrives exactly once, over any number
            of lost connections, and so does each of the server's, which has to speak
            ``readystate.v1``. It takes the place of ``heartbeat``, ``acks``, ``on_open``,
            ``in_doubt`` and ``max_resends``; and the server waits where ``on_overflow`` would drop
            what it sends.
        on_open: Called with this object on each connection, before messages that wait: for
            authentication and subscriptions. A function, plain or async; its own ``send()`` go
            ahead of the queue and are for this connection only, and its own ``recv()`` get what
            arrives meanwhile. If it raises, that is reported and the attempt has failed.
        on_state: Called with each :class:`StateChange`: a function, plain or async.
        ttl: How long a message may wait, in seconds; then it is dropped.
        max_pending: How many messages may wait; ``None`` is without a limit.
        max_pending_bytes: How much may wait, in bytes; ``None`` is without a limit.
        on_full: What happens beyond that: ``"raise"`` raises :exc:`QueueFull`; ``"wait"`` has
            :meth:`put` wait for room (:meth:`send`, which cannot wait, raises); ``"drop-oldest"``
            and ``"drop-newest"`` drop messages.
        in_doubt: What becomes of a message that was sent and not confirmed when its connection was
            lost: ``"resend"`` sends it again, before all others; ``"drop"`` drops it.
        max_resends: How often a message is sent again that the server may have failed on: the
            oldest one that is unconfirmed when a connection is lost. Then it is dropped, for the
            reason "resent too often". ``None`` is without a limit.
        max_unconfirmed: How many messages are sent before the others wait for confirmations;
            ``None`` is without a limit. Less of it is used after each loss, and more again with
            each confirmation.
        max_unconfirmed_bytes: How much of them, in bytes; one message may always be.
        max_queue: How many messages are held that nobody has received yet; ``None`` is without a
            limit.
        max_queue_bytes: How much is held of them, in bytes (of text: in characters).
        on_overflow: What happens beyond that: ``"drop-oldest"`` and ``"drop-newest"`` drop
            messages, and count them in ``dropped``; ``"close"`` closes with 4008, for good.

    Raises:
        TypeError: An argument is of a wrong type.
        ValueError: An argument makes no sense.
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
            # The window bounds what is received, so that nothing has to be dropped.
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
        """What it is doing."""
        return self._supervisor.states.state

    @property
    def url(self) -> str:
        """The URL of the present connection, or attempt; ``""`` if there is none."""
        link = self._supervisor.link
        return link.ws.url if link is not None else ""

    @property
    def protocol(self) -> str:
        """The subprotocol that the server has chosen; ``""`` if none, or without a connection."""
        link = self._supervisor.link
        return link.ws.protocol if link is not None else ""

    @property
    def latency(self) -> float | None:
        """How long the last reply to a heartbeat took, in seconds; ``None`` before there was one.

        It needs a heartbeat with ``is_reply``, or a session.
        """
        return self._heart.latency if self._heart is not None else None

    @property
    def pending(self) -> int:
        """How many messages wait to be sent, or to be sent again."""
        return self._outbox.pending

    @property
    def pending_bytes(self) -> int:
        """How many bytes these have."""
        return self._outbox.pending_bytes

    @property
    def unconfirmed(self) -> int:
        """How many messages were sent over this connection and are not confirmed yet."""
        return self._outbox.unconfirmed

    @property
    def dropped(self) -> int:
        """How many messages were received and dropped, by ``on_overflow``."""
        return self._incoming.dropped

    @property
    def stats(self) -> Stats:
        """What has been done so far; a copy."""
        return Stats(
            **vars(self._sender.stats),
            attempts=self._reconnector.attempts,
            reconnects=max(0, self._reconnector.connections - 1),
            seconds=self._supervisor.states.seconds(),
        )

    def start(self) -> None:
        """Begins to connect, and to go on connecting.

        Raises:
            DOMSyntaxError: ``url`` or one of ``protocols`` is not well-formed. It has not begun
                then, and what waits goes on waiting.
            SecurityError: The browser forbids the connection.
            TypeError: ``url`` or ``protocols`` is of a type that it cannot be.
            RuntimeError: It was started already.
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
        """Accepts a message, in any state but CLOSED, and sends it when there is a connection.

        When there is one, and nothing waits, that is now. Order is kept.

        What ``await x.send(message)`` waits for depends on what ``x`` is:

        ===================  =======================================================================
        ``Connection``       until the browser holds little that has not left; gives nothing
        ``QueuedWebSocket``  until the message is confirmed, as ``send()`` itself returns a
                             :class:`Delivery` at once
        ``ServerSession``    until there is room for the message; gives its :class:`Delivery`
        ===================  =======================================================================

        With the latter two, ``await x.put(message)`` waits for room and gives the
        :class:`Delivery`, and to await that waits until the other side is done with the message.

        Args:
            data: What :meth:`WebSocket.send` takes. Binary data that may change is copied.
            ttl: How long it may wait, in seconds; by default as long as the queue says.
            text: ``True`` sends bytes, which have to be UTF-8, as a text message, ``False`` text as
                a binary one; by default each goes as what it is.

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
        """Accepts a message as :meth:`send` does; with ``on_full="wait"`` it waits for room first.

        Cancelled while it waits, it has accepted nothing.

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
        """Waits until no message waits or is in doubt: each is confirmed, or was dropped.

        Raises:
            RuntimeError: It was called by ``on_open``, for which the messages wait; or before the
                start.
        """
        if self._supervisor.own_opening():
            raise RuntimeError("drain() in on_open waits for messages that wait for on_open")
        self._supervisor.require_start("drain()")
        await self._sender.drain()

    async def wait_open(self, timeout: float | None = None) -> None:
        """Waits until there is a connection.

        Args:
            timeout: How long, in seconds; ``None``: until there is one, or there will be none.

        Raises:
            TimeoutError: There was none within ``timeout``; its cause is that of the last attempt.
            ConnectionClosed: It is closed, for good.
            ConnectionFailed: It was given up.
            RuntimeError: It was called by ``on_open``, or before the start.
        """
        checks.seconds("timeout", timeout)
        if self._supervisor.own_opening():
            raise RuntimeError("wait_open() in on_open waits for the end of on_open")
        await self._supervisor.wait_open(timeout)

    def reconnect(self) -> None:
        """Goes on over a new connection, at once, whatever the state: as with another token.

        A URL function is asked anew. Nothing is lost: what is not confirmed is sent again (or
        dropped, if ``in_doubt`` says so), and whoever receives goes on receiving. Attempts, and the
        waits between them, are counted anew.

        Raises:
            ConnectionClosed: It is closing, or has ended.
            RuntimeError: It was not started.
        """
        self._supervisor.reconnect()

    def clear(self) -> int:
        """Drops all that waits; returns how many messages that were."""
        return self._sender.clear("cleared")

    def __iter__(self) -> Iterator[Any]:
        """The messages that wait, in the order in which they will be sent."""
        return iter(self._outbox)

    @overload
    async def recv(self, decode: Literal[True]) -> str: ...
    @overload
    async def recv(self, decode: Literal[False]) -> bytes: ...
    @overload
    async def recv(self, decode: bool | None = None) -> str | bytes: ...
    async def recv(self, decode: bool | None = None) -> str | bytes:
        """Waits for the next message and returns it, over whatever connection it comes.

        Cancelling it loses no message. What arrived before the end is returned before the end is
        raised.

        Args:
            decode: ``True`` returns binary messages as ``str`` (UTF-8), ``False`` text as
                ``bytes``; by default each comes as it was sent.

        Raises:
            ConnectionClosed: There will be no more messages: the connection was closed for good.
            ConnectionFailed: It was given up.
            ConcurrencyError: Another task is waiting for one.
            RuntimeError: It was not started.
            UnicodeDecodeError: A binary message, decoded, is not UTF-8.
        """
        self._supervisor.require_start("recv()")
        receiver = self._supervisor.own_opening() or self._receiver
        return await receiver.recv(decode)

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yields messages, over whatever connection they come, until the end.

        Raises:
            ConnectionClosedError: It has ended in another way than by closing.
            ConnectionFailed: It was given up.
            ConcurrencyError: Another task is waiting for a message.
            RuntimeError: It was not started.
        """
        self._supervisor.require_start("iteration")
        receiver = self._supervisor.own_opening() or self._receiver
        return receiver.__aiter__()

    def states(self) -> AsyncIterator[StateChange]:
        """Yields the state of now, and then each change; CLOSED is the last one."""
        return self._supervisor.states.follow()

    async def close(
        self, code: int = 1000, reason: str = "", *, timeout: float | None = None
    ) -> None:
        """Sends what waits, waits for confirmations, and closes. Accepts no message from now on.

        What is not confirmed in time is dropped, with the reason "closed". It reconnects for that
        as long as there is time. Cancelling it does not undo the closing.

        Args:
            code: 1000, or from 3000 to 4999.
            reason: At most 123 bytes of UTF-8.
            timeout: How long to wait, in seconds, instead of ``close_timeout``; the closing
                handshake may take a second more.

        Raises:
            RuntimeError: It was called by ``on_open``, for which the messages wait: use
                :meth:`abort` there.
            InvalidAccessError: ``code`` is another number.
            DOMSyntaxError: ``reason`` is too long.
        """
        if code != 1000 and not 3000 <= code <= 4999:
            raise InvalidAccessError(f"the close code {code!r} is neither 1000 nor 3000 to 4999")
        if len(reason.encode()) > 123:
            raise DOMSyntaxError(f"the close reason {reason!r} is longer than 123 bytes of UTF-8")
        if self._supervisor.own_opening():
            raise RuntimeError("close() in on_open waits for messages that wait for on_open")
        timeout = self._close_timeout if timeout is None else timeout
        await self._supervisor.close(code, reason, timeout)

    def abort(self) -> None:
        """Ends at once: drops all that is not confirmed, with the reason "aborted"."""
        self._supervisor.abort()

    def __repr__(self) -> str:
        return f"<QueuedWebSocket {self._target.address} {self.state}>"


def _confirmation(outbox: Outbox, heartbeat: Heartbeat | None, acks: Acks | None) -> Confirmation:
    """What confirms messages without a session."""
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
    """Refuses options that a session takes the place of.

    Raises:
        ValueError: One of them is given.
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
                f"{name}= cannot be had with session=, which takes its place: leave one out"
            )


def _new_session(
    outbox: Outbox,
    session: Session,
    queue: deque[str | bytes],
    max_queue: int | None,
    max_queue_bytes: int | None,
    url: Any,
) -> SessionConfirmation:
    # Compiled only for those who want one.
    from ..session.confirmation import SessionConfirmation

    return SessionConfirmation(
        outbox, session, queue, max_queue=max_queue, max_queue_bytes=max_queue_bytes, url=url
    )
