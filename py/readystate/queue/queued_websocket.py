"""A queue of messages over a connection that comes back: :class:`QueuedWebSocket`."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import math
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from .._host import NativeObject, Outlet, PageEvents, Timer, new_close_event, require_websocket
from ..connection.receiver import OVERFLOW_CODE, OVERFLOW_REASON, Incoming, Overflow, Receiver
from ..core.backoff import Backoff
from ..core.delivery import Delivery, DropReason
from ..core.handlers import call_handler, report
from ..core.heartbeat import Acks, Heartbeat, Pulse
from ..core.outbox import InDoubt, OnFull
from ..core.states import Moment, State, StateChange, Stats
from ..dom.events import CloseEvent, Event
from ..dom.websocket import WebSocket
from ..exceptions import (
    ConnectionClosed,
    ConnectionFailed,
    DOMException,
    DOMSyntaxError,
    InvalidAccessError,
    OpenTimeout,
    SessionExpired,
    connection_closed,
)
from .sender import Sender

if TYPE_CHECKING:
    from ..session.options import Session

__all__ = ["QueuedWebSocket"]

Protocols: TypeAlias = str | Iterable[str]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CLOSING_HANDSHAKE = 1.0
"""How long a closing handshake may take at least, in seconds, however long the rest has taken."""
_JUST_NOW = 5.0
"""For how many seconds it matters that the network, or the page, came back."""


class _Link:
    """One attempt, and the connection that it has led to."""

    def __init__(self, ws: WebSocket) -> None:
        loop = asyncio.get_running_loop()
        self.ws = ws
        # Whether it came about, on_open included.
        self.ready: asyncio.Future[bool] = loop.create_future()
        self.ended: asyncio.Future[CloseEvent] = loop.create_future()
        self.opening: _Opening | None = None
        self.opening_task: asyncio.Task[None] | None = None
        self.pulse: Pulse | None = None
        self.timer: Timer | None = None
        self.timer_at = math.inf
        self.is_open = False
        # What on_open has raised.
        self.failure: Exception | None = None
        # What our own close frame says, once it was sent.
        self.close_code: int | None = None


class _Opening(Receiver):
    """What arrives while ``on_open`` runs, for that to receive."""

    def __init__(self, ws: QueuedWebSocket, link: _Link) -> None:
        super().__init__(deque())
        self._ws = ws
        self._link = link
        self._waiter: asyncio.Future[None] | None = None

    def push(self, messages: Iterable[str | bytes]) -> None:
        self._queue.extend(messages)
        self._wake()

    def end(self) -> list[str | bytes]:
        """``on_open`` is over; returns what it has not received."""
        rest = list(self._queue)
        self._queue.clear()
        self._wake()
        return rest

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self) -> None:
        pass

    async def _receive(self) -> None:
        if self._link.opening is self:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._link.opening is not self:
            # A task that on_open has begun receives still: as all others do from now on.
            await self._ws._fill_queue()
            self._queue.append(self._ws._queue.popleft())

    def _end_of_messages(self) -> Exception | None:
        if self._link.opening is not self or not self._link.ended.done():
            return None
        event = self._link.ended.result()
        return connection_closed(event.code, event.reason, event.wasClean)


# The opening whose on_open the current task is.
_current_opening: contextvars.ContextVar[_Opening | None] = contextvars.ContextVar(
    "readystate_opening", default=None
)


class QueuedWebSocket(Sender, Receiver):
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
    before that too.

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
            failed whether to go on. By default 1000, 1008 and from 4400 to 4499 are final.
        heartbeat: Finds out connections that are dead, and can confirm messages.
        acks: The application's acknowledgements, which confirm messages.
        session: ``True``, or a :class:`Session`: each message arrives exactly once, over any number
            of lost connections, and so does each of the server's, which has to speak
            ``readystate.v1``. It takes the place of ``heartbeat``, ``acks``, ``on_open`` and
            ``in_doubt``; and the server waits where ``on_overflow`` would drop what it sends.
        on_open: Called with this object on each connection, before messages that wait: for
            authentication and subscriptions. A function, plain or async; its own ``send()`` go
            ahead of the queue and are for this connection only, and its own ``recv()`` get what
            arrives meanwhile. If it raises, that is reported and the attempt has failed.
        on_state: Called with each :class:`StateChange`.
        ttl: How long a message may wait, in seconds; then it is dropped.
        max_pending: How many messages may wait; ``None`` is without a limit.
        max_pending_bytes: How much may wait, in bytes; ``None`` is without a limit.
        on_full: What happens beyond that: ``"raise"`` raises :exc:`QueueFull`; ``"wait"`` has
            :meth:`put` wait for room (:meth:`send`, which cannot wait, raises); ``"drop-oldest"``
            and ``"drop-newest"`` drop messages.
        in_doubt: What becomes of a message that was sent and not confirmed when its connection was
            lost: ``"resend"`` sends it again, before all others; ``"drop"`` drops it.
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
        ValueError: An argument makes no sense.
        RuntimeError: There is no JavaScript here, or it has no ``WebSocket``.
    """

    _has_no_session = True

    def __new__(cls, *_: Any, session: bool | Session = False, **__: Any) -> QueuedWebSocket:
        if session and cls is QueuedWebSocket:
            # Compiled only for those who want one.
            from .session_websocket import SessionWebSocket

            return super().__new__(SessionWebSocket)
        return super().__new__(cls)

    def __init__(
        self,
        url: Any,
        protocols: Protocols | Callable[[], Protocols | Awaitable[Protocols]] = (),
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
        max_unconfirmed: int | None = 2**14,
        max_unconfirmed_bytes: int | None = 2**24,
        max_queue: int | None = 2**16,
        max_queue_bytes: int | None = 2**26,
        on_overflow: Overflow = "drop-oldest",
    ) -> None:
        if session and type(self)._has_no_session:
            raise TypeError(
                f"{type(self).__name__} is a subclass of QueuedWebSocket, which cannot have "
                "session=: let it hold a QueuedWebSocket instead"
            )
        require_websocket()  # or raise, before anything is queued
        Sender.__init__(
            self,
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
            on_full=on_full,
            ttl=ttl,
            in_doubt=in_doubt,
            max_unconfirmed=max_unconfirmed,
            max_unconfirmed_bytes=max_unconfirmed_bytes,
        )
        Receiver.__init__(self, deque())
        for name, value in (
            ("connect_timeout", connect_timeout),
            ("close_timeout", close_timeout),
            ("give_up_after", give_up_after),
        ):
            if value is not None and not value >= 0:
                raise ValueError(f"{name}={value!r} must be a number of seconds, not negative")
        for name, bound in (("max_queue", max_queue), ("max_queue_bytes", max_queue_bytes)):
            if bound is not None and bound < 0:
                raise ValueError(f"{name}={bound!r} must not be negative")
        if on_overflow not in ("close", "drop-oldest", "drop-newest"):
            raise ValueError(
                f"on_overflow={on_overflow!r} must be 'close', 'drop-oldest' or 'drop-newest'"
            )
        if max_attempts is not None and max_attempts < 1:
            raise ValueError(f"max_attempts={max_attempts!r} must be at least 1")
        self._url = url
        # Iterated over once, though there may be several attempts.
        offered: Any = protocols
        is_value = callable(offered) or offered is None or isinstance(offered, (str, NativeObject))
        self._protocols = offered if is_value else list(offered)
        self._backoff = backoff or Backoff()
        self._connect_timeout = connect_timeout
        self._close_timeout = close_timeout
        self._max_attempts = math.inf if max_attempts is None else max_attempts
        self._give_up_after = math.inf if give_up_after is None else give_up_after
        self._should_reconnect = should_reconnect or _should_reconnect
        self._heartbeat = heartbeat
        self._acks = acks
        self._key_of = acks.key if acks is not None else None
        self._is_reply = heartbeat.is_reply if heartbeat is not None else None
        # Whether the other side can be asked for confirmations.
        self._can_ask = self._is_reply is not None or bool(session)
        self._confirms_by_buffer = acks is None and not self._can_ask
        self._on_open = on_open
        self._on_state = on_state
        self._incoming = Incoming(
            self._queue,
            max_queue=math.inf if max_queue is None else max_queue,
            max_queue_bytes=math.inf if max_queue_bytes is None else max_queue_bytes,
            on_overflow=on_overflow,
            close=self._overflow,
            sort=self._sort,
            # What it answers has left the page: known before a close that may come right behind.
            on_arrival=self._look_again if self._confirms_by_buffer else None,
        )
        self._loop = asyncio.get_running_loop()
        self._link: _Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._page_events: PageEvents | None = None
        # Done to cut a wait short.
        self._alarm: asyncio.Future[None] | None = None
        self._came_back_at = -math.inf
        self._is_wanted = False
        self._end: Exception | None = None
        self._drop_reason: DropReason | None = None
        # Since it was last connected, and in all.
        self._attempt = 0
        self._attempts = 0
        self._connections = 0
        self._unconnected_since = -math.inf
        self._moment = Moment(StateChange(State.WAITING))
        self._since = time.monotonic()
        self._seconds = dict.fromkeys(State, 0.0)

    @property
    def state(self) -> State:
        """What it is doing."""
        return self._moment.change.state

    @property
    def url(self) -> str:
        """The URL of the connection, or the attempt, of the moment; ``""`` if there is none."""
        return self._link.ws.url if self._link is not None else ""

    @property
    def protocol(self) -> str:
        """The subprotocol that the server has chosen; ``""`` if none, or without a connection."""
        return self._link.ws.protocol if self._link is not None else ""

    @property
    def dropped(self) -> int:
        """How many messages were received and dropped, by ``on_overflow``."""
        return self._incoming.dropped

    @property
    def stats(self) -> Stats:
        """What has been done so far; a copy."""
        seconds = dict(self._seconds)
        if self.state is not State.CLOSED:
            seconds[self.state] += time.monotonic() - self._since
        return Stats(
            **vars(super().stats),
            attempts=self._attempts,
            reconnects=max(0, self._connections - 1),
            seconds=seconds,
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
        if self._task is not None:
            raise RuntimeError("start() was called before: to start anew, make a new object")
        if self._is_over:
            self._refuse()
        self._unconnected_since = time.monotonic()
        link = None
        if not (callable(self._url) or callable(self._protocols)):
            # At once, so that what is wrong with them is raised here.
            link = self._begin(self._url, self._protocols)
        self._start_attempt()
        if self._end is not None:
            return
        self._page_events = PageEvents(self._on_page_event)
        self._task = self._loop.create_task(self._run(link))

    async def __aenter__(self) -> QueuedWebSocket:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def send(self, data: Any, *, ttl: float | None = None) -> Delivery:
        """Accepts a message, in any state but CLOSED, and sends it when there is a connection.

        When there is one, and nothing waits, that is now. Order is kept.

        Args:
            data: What :meth:`WebSocket.send` takes. Binary data that may change is copied.
            ttl: How long it may wait, in seconds; by default as long as the queue says.

        Raises:
            ConnectionClosed: It is closing, or has ended.
            QueueFull: As many messages wait as may, and ``on_full`` is "raise" or "wait".
            TypeError: ``data`` is neither text nor binary.
            ValueError: ``ttl`` is negative.
        """
        if self._is_held and self._own_opening():
            if self._outlet is None:
                raise connection_closed(1006, "", was_clean=False)
            delivery = self._send_transient(self._outlet, data)
        else:
            delivery = super().send(data, ttl=ttl)
        if self._can_ask:
            delivery._on_wanted = self._want
            if self._outbox.is_window_half_full:
                self._probe()
        return delivery

    async def put(self, data: Any, *, ttl: float | None = None) -> Delivery:
        """Accepts a message as :meth:`send` does; with ``on_full="wait"`` it waits for room first.

        Cancelled while it waits, it has accepted nothing.

        Raises:
            ConnectionClosed: It is closing, or has ended.
            QueueFull: As many messages wait as may, and ``on_full`` is "raise".
            TypeError: ``data`` is neither text nor binary.
            ValueError: ``ttl`` is negative.
        """
        if self._is_held and self._own_opening():
            return self.send(data, ttl=ttl)
        return await super().put(data, ttl=ttl)

    async def drain(self) -> None:
        """Waits until no message waits or is in doubt: each is confirmed, or was dropped.

        Raises:
            RuntimeError: It was called by ``on_open``, for which the messages wait.
        """
        if self._own_opening():
            raise RuntimeError("drain() in on_open waits for messages that wait for on_open")
        await super().drain()

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
            UnicodeDecodeError: A binary message, decoded, is not UTF-8.
        """
        opening = self._own_opening()
        if opening is not None:
            return await opening.recv(decode)
        return await super().recv(decode)

    async def states(self) -> AsyncIterator[StateChange]:
        """Yields the state of now, and then each change; CLOSED is the last one."""
        moment = self._moment
        while True:
            yield moment.change
            if moment.change.state is State.CLOSED:
                return
            moment = await asyncio.shield(moment.next)

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
        if self._own_opening():
            raise RuntimeError("close() in on_open waits for messages that wait for on_open")
        if self._closing is None:
            timeout = self._close_timeout if timeout is None else timeout
            self._is_over = True
            self._changed()
            self._closing = self._loop.create_task(self._close(code, reason, timeout))
        await asyncio.shield(self._closing)

    def abort(self) -> None:
        """Ends at once: drops all that is not confirmed, with the reason "aborted"."""
        self._finish(connection_closed(1006, "aborted", was_clean=False), "aborted")

    def __repr__(self) -> str:
        return f"<QueuedWebSocket {self._address} {self.state}>"

    @property
    def _address(self) -> str:
        """The URL without the query, which is where tokens stand."""
        return self.url.partition("?")[0]

    def _refuse(self) -> NoReturn:
        raise self._end_of_messages() or connection_closed(1000, "", was_clean=True)

    # The connection, from one attempt to the next

    async def _run(self, link: _Link | None) -> None:
        while True:
            error: Exception | None = None
            try:
                async with asyncio.timeout(self._connect_timeout) as timeout:
                    if link is None:
                        url, protocols = await _value(self._url), await _value(self._protocols)
                        if self._end is not None:
                            return
                        link = self._begin(url, protocols)
                    # A timeout would cancel the future itself, were it awaited.
                    await asyncio.wait([link.ready])
            except Exception as failure:
                if timeout.expired():
                    if link is None or not link.ready.done():
                        address = self._address or "what the function for the URL stands for"
                        error = OpenTimeout(address, self._connect_timeout or 0)
                elif self._is_hopeless(failure):
                    self._finish(failure, "closed")
                    return
                else:
                    report(f"An attempt of {self!r} has failed", failure)
                    error = failure
                if link is not None and error is not None:
                    self._abandon(link)
            if link is not None:
                event = await link.ended
                if link.close_code is not None:
                    return
                if error is None:
                    error = link.failure or _ending(link, event)
                end = self._end_by(event, error)
                if end is not None:
                    self._finish(end, "closed")
                    return
            if self._closing is not None and not self._outbox.unfinished():
                return
            elapsed = time.monotonic() - self._unconnected_since
            if self._attempt >= self._max_attempts or elapsed >= self._give_up_after:
                self._finish(_given_up(error, self._attempt, elapsed), "closed")
                return
            await self._wait(error, at_most=self._give_up_after - elapsed)
            self._start_attempt()
            link = None

    def _start_attempt(self) -> None:
        self._attempts += 1
        self._attempt += 1
        self._change_state(StateChange(State.CONNECTING, self._attempt))

    def _begin(self, url: Any, protocols: Any) -> _Link:
        """Begins to connect.

        Raises:
            DOMException: What the constructor throws.
            TypeError: An argument is of a wrong type.
        """
        is_none = protocols is None or (not isinstance(protocols, str) and not protocols)
        link = _Link(WebSocket(url, None if is_none else protocols))
        link.ws.binaryType = "arraybuffer"
        link.ws.onopen = functools.partial(self._on_link_open, link)
        link.ws.onclose = functools.partial(self._end_link, link)
        self._link = link
        self._incoming.connect(link.ws.js_websocket)
        return link

    def _is_hopeless(self, failure: Exception) -> bool:
        """Whether the next attempt would fail as this one did."""
        if callable(self._protocols):
            return False
        if callable(self._url):
            return isinstance(failure, DOMSyntaxError) and not _are_tokens(self._protocols)
        return isinstance(failure, (DOMException, TypeError, RuntimeError))

    def _end_by(self, event: CloseEvent, error: Exception) -> Exception | None:
        """With what it ends if a connection, or an attempt, has ended so; ``None``: it goes on."""
        return None if self._may_reconnect(event) else error

    def _may_reconnect(self, event: CloseEvent) -> bool:
        try:
            return bool(self._should_reconnect(event))
        except Exception as error:
            report(f"Exception in should_reconnect of {self!r}", error)
            return _should_reconnect(event)

    async def _wait(self, error: Exception | None, *, at_most: float) -> None:
        """Waits before the next attempt."""
        delay = self._backoff.next_delay()
        if time.monotonic() - self._came_back_at < _JUST_NOW:
            self._came_back_at = -math.inf
            delay = 0.0
        elif self._page_events is not None and not self._page_events.is_online:
            # A server on this machine may be in reach even so.
            delay = max(delay, self._backoff.maximum)
        delay = min(delay, at_most)
        self._alarm = self._loop.create_future()
        self._change_state(StateChange(State.WAITING, self._attempt, delay, error))
        await asyncio.wait([self._alarm], timeout=delay)

    def _on_link_open(self, link: _Link, _: Event) -> None:
        if link.ended.done():
            return
        link.is_open = True
        self._connect(link.ws.js_websocket, hold=True)
        if self._heartbeat is not None:
            link.pulse = Pulse(self._heartbeat, time.monotonic())
            self._set_timer(link, link.pulse)
        self._prepare(link)

    def _prepare(self, link: _Link) -> None:
        """The connection is open; what is to be done before it is ready for what waits."""
        if self._on_open is None:
            self._on_link_ready(link)
        else:
            link.opening = _Opening(self, link)
            opening = self._open(link, link.opening, self._on_open)
            link.opening_task = self._loop.create_task(opening)
            # A task that is cancelled before its first step does nothing at its end.
            link.opening_task.add_done_callback(lambda _: self._end_opening(link))

    async def _open(
        self, link: _Link, opening: _Opening, on_open: Callable[[QueuedWebSocket], object]
    ) -> None:
        """Has ``on_open`` do its part."""
        _current_opening.set(opening)
        try:
            result = on_open(self)
            if inspect.isawaitable(result) and not isinstance(result, Delivery):
                await result
        except (Exception, asyncio.CancelledError) as error:
            if not link.ended.done():
                report(f"Exception in on_open of {self!r}", error)
                link.failure = _as_exception(error)
                self._abandon(link)
            return
        self._end_opening(link)
        if not link.ended.done():
            self._on_link_ready(link)

    def _end_opening(self, link: _Link) -> None:
        """What ``on_open`` has not received is for the others."""
        opening, link.opening = link.opening, None
        if opening is not None:
            self._incoming.add(opening.end())

    def _on_link_ready(self, link: _Link) -> None:
        self._release()
        if link.ended.done():
            return
        link.ready.set_result(True)
        self._attempt = 0
        self._connections += 1
        self._backoff.connected()
        self._change_state(StateChange(State.OPEN))

    def _end_link(self, link: _Link, event: CloseEvent) -> None:
        if link.ended.done():
            return
        self._outlet = None  # What the last messages confirm makes no room for others.
        self._incoming.disconnect()
        if link.ended.done():
            return  # One of the user's functions has ended it.
        if event.wasClean and link.ws._began_close and link.close_code == event.code:
            self._on_answered_close()
        if link.timer is not None:
            link.timer.cancel()
        self._link = None
        self._is_wanted = True
        if link.ready.done():
            self._unconnected_since = time.monotonic()
        else:
            link.ready.set_result(False)
        link.ended.set_result(event)
        if link.opening_task is not None and link.opening_task is not asyncio.current_task():
            link.opening_task.cancel()
        self._disconnect(self._drop_reason)

    def _on_answered_close(self) -> None:
        """Our close frame came after all that was sent, and was answered."""
        self._outbox.confirm_before(self._outbox.sent, "closing handshake")

    def _abandon(self, link: _Link) -> None:
        """Lets go of a connection without waiting for its end, of which nobody may ever tell."""
        self._end_link(link, CloseEvent(new_close_event(1006, "", False), link.ws))
        link.ws.close()

    async def _close(self, code: int, reason: str, timeout: float | None) -> None:
        since = time.monotonic()
        if self._task is not None:
            self._hurry()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self.drain()
        link = self._link
        if link is not None and link.ready.done():
            self._begin_close(link, code, reason)
            rest = None if timeout is None else since + timeout - time.monotonic()
            if rest is not None:
                rest = max(rest, _CLOSING_HANDSHAKE)
            await asyncio.wait([link.ended], timeout=rest)
        self._finish(connection_closed(code, reason, was_clean=True), "closed")

    def _begin_close(self, link: _Link, code: int, reason: str) -> None:
        """All that could be has been sent and confirmed."""
        link.close_code = code
        link.ws.close(code, reason)

    def _finish(self, end: Exception, reason: DropReason) -> None:
        """It has ended, for good; only the first call counts."""
        if self._end is not None:
            return
        self._end = end
        self._drop_reason = reason
        self._is_over = True
        if self._link is not None:
            self._abandon(self._link)
        else:
            self._disconnect(reason)
        self._outbox.clear(reason)
        self._watch_expiry()
        if self._task is not None:
            self._task.cancel()
        if self._page_events is not None:
            # Not from within its function.
            self._loop.call_soon(self._page_events.destroy)
        self._change_state(StateChange(State.CLOSED, self._attempt, error=end))
        self._changed()
        self._incoming.wake()

    def _end_of_messages(self) -> Exception | None:
        end = self._end
        if isinstance(end, ConnectionClosed) and not isinstance(end, SessionExpired):
            return connection_closed(end.code, end.reason, end.was_clean)
        return end.with_traceback(None) if end is not None else None

    def _change_state(self, change: StateChange) -> None:
        if self.state is State.CLOSED:
            return
        now = time.monotonic()
        self._seconds[self.state] += now - self._since
        self._since = now
        before, self._moment = self._moment, Moment(change)
        before.next.set_result(self._moment)
        if self._on_state is not None:
            call_handler(self._on_state, change, lambda _: f"Exception in on_state of {self!r}")

    def _hurry(self) -> None:
        """Cuts a wait short."""
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    def _on_page_event(self, type: str) -> None:
        if type == "pagehide":
            return
        if type != "offline":
            self._came_back_at = time.monotonic()
            self._hurry()
        if self._link is not None and self._link.pulse is not None:
            # The connection may have died meanwhile, or be about to.
            self._request(self._link, self._link.pulse)

    # What arrives, and what it says

    def _take(self) -> None:
        self._incoming.take()

    async def _receive(self) -> None:
        await self._incoming.wait()

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        opening = self._own_opening()
        return super().__aiter__() if opening is None else opening.__aiter__()

    def _own_opening(self) -> _Opening | None:
        """Where ``on_open`` receives, if that is what is running."""
        opening = _current_opening.get()
        is_own = opening is not None and self._link is not None and self._link.opening is opening
        return opening if is_own else None

    def _sort(self, messages: list[Any]) -> list[Any]:
        link = self._link
        if link is None:
            return messages
        if link.pulse is not None:
            link.pulse.heard(time.monotonic())
        return self._heed(link, messages)

    def _heed(self, link: _Link, messages: list[Any]) -> list[Any]:
        """Does what messages say that are not the application's, and returns the others."""
        if self._is_reply is not None or self._acks is not None:
            messages = [message for message in messages if self._is_for_application(message)]
            self._flush()
        if link.opening is not None:
            link.opening.push(messages)
            return []
        return messages

    def _is_for_application(self, message: str | bytes) -> bool:
        """Heeds what ``message`` confirms."""
        try:
            if self._is_reply is not None and self._is_reply(message):
                self._on_reply()
                return False
            if self._acks is not None:
                keys = self._acks.acked(message)
                if keys is not None:
                    self._outbox.confirm_keys(keys)
                    return self._acks.pass_on
        except Exception as error:
            report(f"Exception in is_reply or acked of {self!r}", error)
        return True

    def _overflow(self) -> None:
        if self._link is not None:
            self._link.ws.close(OVERFLOW_CODE, OVERFLOW_REASON)
        self._finish(connection_closed(OVERFLOW_CODE, OVERFLOW_REASON, was_clean=False), "closed")

    # The heartbeat

    def _flush(self) -> None:
        super()._flush()
        if self._can_ask:
            self._probe()

    def _want(self) -> None:
        if self._can_ask:
            self._is_wanted = True
            self._probe()

    def _probe(self) -> None:
        """Sends the heartbeat out of turn, if a reply is wanted and none is on its way."""
        outbox, link = self._outbox, self._link
        if (
            (self._is_wanted or outbox.is_window_half_full)
            and outbox.has_unkeyed
            and link is not None
            and link.pulse is not None
            and not link.pulse.awaits_reply
        ):
            self._request(link, link.pulse)

    def _request(self, link: _Link, pulse: Pulse) -> None:
        """Sends the heartbeat."""
        heartbeat, outlet = self._heartbeat, self._outlet
        if heartbeat is None or outlet is None or not outlet.is_open:
            return
        try:
            self._send_request(heartbeat, outlet)
        except Exception as error:
            report(f"The heartbeat of {self!r} cannot be sent", error)
            return
        pulse.requested(time.monotonic(), self._outbox.sent)
        # For what waits still it will be wanted again.
        self._is_wanted = self._outbox.pending > 0
        self._set_timer(link, pulse)

    def _send_request(self, heartbeat: Heartbeat, outlet: Outlet) -> None:
        message = heartbeat.message() if callable(heartbeat.message) else heartbeat.message
        outlet.send(message)

    def _on_reply(self) -> None:
        pulse = self._link.pulse if self._link is not None else None
        mark = pulse.replied() if pulse is not None else None
        if mark is not None:
            self._outbox.confirm_before(mark, "heartbeat")

    def _set_timer(self, link: _Link, pulse: Pulse) -> None:
        if link.timer is None or pulse.wake_at < link.timer_at:
            if link.timer is not None:
                link.timer.cancel()
            link.timer_at = pulse.wake_at
            delay = pulse.wake_at - time.monotonic()
            link.timer = Timer(delay, functools.partial(self._beat, link, pulse))

    def _beat(self, link: _Link, pulse: Pulse) -> None:
        link.timer = None
        self._incoming.take()
        if link.ended.done():
            return
        what = pulse.check(time.monotonic())
        if what == "lost":
            self._abandon(link)
            return
        if what == "request":
            self._request(link, pulse)
        self._set_timer(link, pulse)


def _should_reconnect(event: CloseEvent) -> bool:
    """Whether the server may be connected to again: it has not said that it is of no use."""
    return not (event.code in (1000, 1008) or 4400 <= event.code <= 4499)


def _given_up(error: Exception | None, attempts: int, seconds: float) -> ConnectionFailed:
    url = getattr(error, "url", "the server")
    given_up = ConnectionFailed(
        url, f"given up after {attempts} attempts and {seconds:.1f} s without a connection: {error}"
    )
    given_up.__cause__ = error
    return given_up


async def _value(given: Any) -> Any:
    """What was given, or what the function that was given returns."""
    if callable(given):
        given = given()
        if inspect.isawaitable(given):
            try:
                given = await given
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                raise _as_exception(error) from error
    return given


def _as_exception(error: BaseException) -> Exception:
    """``error``; that what somebody waited for was cancelled does not cancel the waiting task."""
    if isinstance(error, Exception):
        return error
    return RuntimeError("what it waited for was cancelled")


def _ending(link: _Link, event: CloseEvent) -> Exception:
    if link.is_open:
        return connection_closed(event.code, event.reason, event.wasClean)
    return ConnectionFailed(link.ws.url.partition("?")[0])


def _are_tokens(protocols: Any) -> bool:
    """Whether these are well-formed subprotocols (RFC 6455, 4.1)."""
    names = [protocols] if isinstance(protocols, str) else list(protocols or ())
    return len(set(names)) == len(names) and all(map(_TOKEN.fullmatch, names))
