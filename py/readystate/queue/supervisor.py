"""Keeps one connection after another, from the start to the end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

from .._host import PageEvents
from ..connection.receiver import OVERFLOW_CODE, OVERFLOW_REASON, Incoming
from ..core import checks
from ..core.delivery import Delivery, DropReason
from ..core.handlers import call_handler, report
from ..core.reconnector import Reconnector
from ..core.states import State, StateChange, StateLog
from ..dom.websocket import CloseEvent, Event, WebSocket
from ..exceptions import (
    ConnectionClosed,
    ConnectionFailed,
    OpenTimeout,
    SessionExpired,
    connection_closed,
)
from .heart import Beating
from .link import Link, Opening
from .sender import Sender
from .target import Target, as_exception

_CLOSING_HANDSHAKE = 1.0
"""How long a closing handshake may take at least, in seconds, however long the rest has taken."""

# The opening whose on_open the current task is.
_current_opening: contextvars.ContextVar[Opening | None] = contextvars.ContextVar(
    "readystate_opening", default=None
)


class Supervisor:
    """Connects a :class:`Sender` and what is :class:`Incoming` to one link after another.

    The :class:`Reconnector` says when, the :class:`Target` where to, and the sender's
    :class:`Confirmation` what has to be done first.

    Args:
        owner: What the user has: for ``on_open``, and for reports.
        connect_timeout: How long an attempt may take, in seconds; ``None``: without a limit.
        after_opening: Returns the next message when ``on_open`` has returned.

    Attributes:
        end: With what it has ended, for good.
        link: The attempt, or the connection, that is under way.
        states: What it does and has done.
    """

    def __init__(
        self,
        target: Target,
        sender: Sender,
        reconnector: Reconnector,
        *,
        owner: Any,
        connect_timeout: float | None,
        should_reconnect: Callable[[CloseEvent], object] | None,
        on_open: Callable[[Any], object] | None,
        on_state: Callable[[StateChange], object] | None,
        after_opening: Callable[[], Awaitable[str | bytes]],
    ) -> None:
        checks.seconds("connect_timeout", connect_timeout)
        for name, function in (
            ("should_reconnect", should_reconnect),
            ("on_open", on_open),
            ("on_state", on_state),
        ):
            checks.function(name, function)
        self._target = target
        self._sender = sender
        self._confirmation = sender.confirmation
        self._reconnector = reconnector
        self._owner = owner
        self._connect_timeout = connect_timeout
        self._should_reconnect = should_reconnect or may_reconnect
        self._on_open = on_open
        self._on_state = on_state
        self._after_opening = after_opening
        self._loop = asyncio.get_running_loop()
        self._heart: Beating | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._page_events: PageEvents | None = None
        # Done to cut a wait short.
        self._alarm: asyncio.Future[None] | None = None
        self.link: Link | None = None
        self.end: Exception | None = None
        self.states = StateLog()

    def bind(self, incoming: Incoming, heart: Beating | None) -> None:
        """Says what receives, and what sees whether connections live."""
        self._incoming = incoming
        self._heart = heart

    def start(self) -> None:
        """Begins to connect.

        Raises:
            DOMException: What the constructor of the socket throws.
            TypeError: The URL or the subprotocols are of a wrong type.
            RuntimeError: It was started already.
            ConnectionClosed: It was closed already.
        """
        if self._task is not None:
            raise RuntimeError("start() was called before: to start anew, make a new object")
        if self._sender.is_over:
            raise self.refusal()
        link = None
        if self._target.is_constant:
            # At once, so that what is wrong with them is raised here.
            link = self._begin(self._target.connect())
        self._start_attempt()
        if self.end is not None:
            return
        self._page_events = PageEvents(self._on_page_event)
        self._task = self._loop.create_task(self._run(link))

    async def close(self, code: int, reason: str, timeout: float | None) -> None:
        """Sends what waits, waits for confirmations, and closes; only the first call counts."""
        if self._closing is None:
            self._sender.is_over = True
            self._sender.changed()
            self._closing = self._loop.create_task(self._close(code, reason, timeout))
        await asyncio.shield(self._closing)

    def abort(self) -> None:
        """Ends at once."""
        link, last_words = self.link, self._confirmation.close_on_abort
        if link is not None and link.is_open and last_words is not None:
            link.ws.close(*last_words)
        self._finish(connection_closed(1006, "aborted", was_clean=False), "aborted")

    def overflow(self) -> None:
        """More has arrived than may be held: closes for good."""
        if self.link is not None:
            self.link.ws.close(OVERFLOW_CODE, OVERFLOW_REASON)
        self._end_by_itself(connection_closed(OVERFLOW_CODE, OVERFLOW_REASON, was_clean=False))

    def dead(self) -> None:
        """Nothing is to be heard over the connection: another one takes its place."""
        if self.link is not None:
            self._abandon(self.link)

    def hurry(self) -> None:
        """Cuts a wait short."""
        self._reconnector.hurry()
        self._ring()

    def sort(self, messages: list[Any]) -> list[Any]:
        """Heeds what has arrived; returns what of it is for the application."""
        link = self.link
        if link is None:
            return messages
        if self._heart is not None:
            self._heart.heard()
        messages = self._confirmation.received(messages)
        if messages:
            self._reconnector.progressed()
        if link.opening is not None:
            link.opening.push(messages)
            return []
        return messages

    def end_of_messages(self) -> Exception | None:
        """What is to be raised if there will be no more messages, each time a new one."""
        end = self.end
        if isinstance(end, ConnectionClosed) and not isinstance(end, SessionExpired):
            return connection_closed(end.code, end.reason, end.was_clean)
        return end.with_traceback(None) if end is not None else None

    def refusal(self) -> Exception:
        """What is raised for a message that comes too late."""
        return self.end_of_messages() or connection_closed(1000, "", was_clean=True)

    def own_opening(self) -> Opening | None:
        """Where ``on_open`` receives, if that is what is running."""
        opening = _current_opening.get()
        is_own = opening is not None and self.link is not None and self.link.opening is opening
        return opening if is_own else None

    # One attempt after another

    async def _run(self, link: Link | None) -> None:
        try:
            while await self._attempt(link):
                link = None
        except Exception as error:
            report(f"{self._owner!r} has ended because of an exception", error)
            self._end_by_itself(error)

    async def _attempt(self, link: Link | None) -> bool:
        """Sees one attempt, and what it leads to, to its end; returns whether another begins."""
        link, error = await self._wait_ready(link)
        if self.end is not None:
            return False
        if link is not None:
            event = await link.ended
            if link.close_code is not None:
                return False
            error = error or link.error()
            renewed = self._confirmation.renew(event)
            if renewed is not None:
                error = renewed
            else:
                end = self._confirmation.final(event)
                if end is not None or not await self._may_reconnect(event):
                    self._end_by_itself(end or error)
                    return False
        if self._closing is not None and not self._sender.outbox.unfinished():
            return False
        if self._page_events is not None:
            self._reconnector.is_online = self._page_events.is_online
        delay = self._reconnector.ended()
        if delay is None:
            self._end_by_itself(_given_up(error, self._reconnector.gave_up))
            return False
        self._alarm = self._loop.create_future()
        self._change_state(State.WAITING, delay=delay, error=error)
        await asyncio.wait([self._alarm], timeout=delay)
        self._start_attempt()
        return True

    async def _wait_ready(self, link: Link | None) -> tuple[Link | None, Exception | None]:
        """Returns when there is a connection, or the attempt has failed, for that reason."""
        error: Exception | None = None
        try:
            async with asyncio.timeout(self._connect_timeout) as timeout:
                if link is None:
                    connect = await self._target.resolve()
                    if self.end is not None:
                        return None, None
                    link = self._begin(connect())
                # A timeout would cancel the future itself, were it awaited.
                await asyncio.wait([link.ready])
        except Exception as failure:
            if timeout.expired():
                if link is None or not link.ready.done():
                    where = link.address if link is not None else "the server of the URL function"
                    error = OpenTimeout(where, self._connect_timeout or 0)
            elif self._target.is_hopeless(failure):
                self._end_by_itself(failure)
                return None, failure
            else:
                report(f"An attempt of {self._owner!r} has failed", failure)
                error = failure
            if link is not None and error is not None:
                self._abandon(link)
        return link, error

    async def _may_reconnect(self, event: CloseEvent) -> bool:
        try:
            answer = self._should_reconnect(event)
            return bool(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:
            report(f"Exception in should_reconnect of {self._owner!r}", error)
            return may_reconnect(event)

    def _start_attempt(self) -> None:
        self._reconnector.begin()
        self._change_state(State.CONNECTING)

    def _begin(self, ws: WebSocket) -> Link:
        link = Link(ws)
        ws.onopen = functools.partial(self._on_link_open, link)
        ws.onclose = functools.partial(self._end_link, link)
        self.link = link
        self._incoming.connect(ws.js_websocket)
        return link

    # One link, from its opening to its end

    def _on_link_open(self, link: Link, _: Event) -> None:
        if link.ended.done():
            return
        link.is_open = True
        self._sender.connect(link.ws.js_websocket, hold=True)
        if self._heart is not None:
            self._heart.start()
        if self._confirmation.opened(_Handshake(self, link)):
            return
        if self._on_open is None:
            self._on_link_ready(link)
        else:
            link.opening = Opening(link, self._after_opening)
            link.opening_task = self._loop.create_task(
                self._open(link, link.opening, self._on_open)
            )
            # A task that is cancelled before its first step does nothing at its end.
            link.opening_task.add_done_callback(lambda _: self._end_opening(link))

    async def _open(self, link: Link, opening: Opening, on_open: Callable[[Any], object]) -> None:
        """Has ``on_open`` do its part."""
        _current_opening.set(opening)
        try:
            result = on_open(self._owner)
            if inspect.isawaitable(result) and not isinstance(result, Delivery):
                await result
        except (Exception, asyncio.CancelledError) as error:
            if not link.ended.done():
                report(f"Exception in on_open of {self._owner!r}", error)
                link.failure = as_exception(error)
                self._abandon(link)
            return
        self._end_opening(link)
        if not link.ended.done():
            self._on_link_ready(link)

    def _end_opening(self, link: Link) -> None:
        """What ``on_open`` has not received is for the others."""
        opening, link.opening = link.opening, None
        if opening is not None:
            self._incoming.add(opening.end())

    def _on_link_ready(self, link: Link) -> None:
        self._sender.release()
        if link.ended.done():
            return
        link.ready.set_result(True)
        self._reconnector.connected()
        self._change_state(State.OPEN)

    def _end_link(self, link: Link, event: CloseEvent) -> None:
        if link.ended.done():
            return
        self._sender.halt()  # What the last messages confirm makes no room for others.
        self._incoming.disconnect()
        if link.ended.done():
            return  # One of the user's functions has ended it.
        if event.wasClean and link.ws._began_close and link.close_code == event.code:
            self._confirmation.close_answered()
        if self._heart is not None:
            self._heart.stop()
        self.link = None
        if not link.ready.done():
            link.ready.set_result(False)
        link.ended.set_result(event)
        if link.opening_task is not None and link.opening_task is not asyncio.current_task():
            link.opening_task.cancel()
        self._sender.disconnect()

    def _abandon(self, link: Link) -> None:
        """Lets go of a connection without waiting for its end, of which nobody may ever tell."""
        self._end_link(link, link.lost_event())
        link.ws.close()

    # The end

    async def _close(self, code: int, reason: str, timeout: float | None) -> None:
        since = time.monotonic()
        if self._task is not None:
            self.hurry()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._sender.drain()
        link = self.link
        if link is not None and link.ready.done():
            self._confirmation.closing()
            link.close_code = code
            link.ws.close(code, reason)
            rest = None if timeout is None else since + timeout - time.monotonic()
            if rest is not None:
                rest = max(rest, _CLOSING_HANDSHAKE)
            await asyncio.wait([link.ended], timeout=rest)
        self._finish(connection_closed(code, reason, was_clean=True), "closed")

    def _end_by_itself(self, end: Exception) -> None:
        """It ends for good, and not because it was told to."""
        self._finish(end, self._confirmation.ends_as if self._closing is None else "closed")

    def _finish(self, end: Exception, reason: DropReason) -> None:
        """It has ended, for good; only the first call counts."""
        if self.end is not None:
            return
        self.end = end
        self._sender.is_over = True
        self._sender.drop_reason = reason
        if self.link is not None:
            self._abandon(self.link)
        else:
            self._sender.disconnect()
        self._sender.clear(reason)
        self._reconnector.stop(str(end))
        self._confirmation.ended()
        if self._task is not None:
            self._task.cancel()
        if self._page_events is not None:
            # Not from within its function.
            self._loop.call_soon(self._page_events.destroy)
        self._change_state(State.CLOSED, error=end)
        self._incoming.wake()

    def _change_state(
        self, state: State, *, delay: float | None = None, error: Exception | None = None
    ) -> None:
        attempt = 0 if state is State.OPEN else self._reconnector.attempt
        change = StateChange(state, attempt, delay, error)
        if self.states.change(change) and self._on_state is not None:
            call_handler(
                self._on_state, change, lambda _: f"Exception in on_state of {self._owner!r}"
            )

    def _ring(self) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    def _on_page_event(self, type: str) -> None:
        end = self._confirmation.on_page_event(type)
        if end is not None:
            self._end_by_itself(end)
        if type in ("pagehide", "hidden"):
            return
        if type != "offline":
            self._reconnector.came_back()
            self._ring()
        if self._heart is not None:
            # The connection may have died meanwhile, or be about to.
            self._heart.request()


class _Handshake:
    """A link that is open, as a :class:`Confirmation` sees it."""

    def __init__(self, supervisor: Supervisor, link: Link) -> None:
        self._supervisor = supervisor
        self._link = link

    @property
    def protocol(self) -> str:
        return self._link.ws.protocol

    @property
    def address(self) -> str:
        return self._link.address

    def release(self) -> None:
        self._supervisor._sender.release()

    def ready(self) -> None:
        self._supervisor._on_link_ready(self._link)

    def fail(self, error: Exception) -> None:
        self._link.failure = error
        self._supervisor._abandon(self._link)

    def end(self, code: int, reason: str) -> None:
        self._link.ws.close(code, reason)
        self._supervisor._end_by_itself(connection_closed(code, reason, was_clean=False))


def may_reconnect(event: CloseEvent) -> bool:
    """Whether the server may be connected to again: it has not said that it is of no use."""
    return not (event.code in (1000, 1008) or 4400 <= event.code <= 4499)


def _given_up(error: Exception | None, why: str | None) -> ConnectionFailed:
    given_up = ConnectionFailed(getattr(error, "url", "the server"), f"{why}: {error}")
    given_up.__cause__ = error
    return given_up
