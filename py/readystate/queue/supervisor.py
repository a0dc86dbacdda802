"""Connects and reconnects, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

from .._host import PageEvents, local_permission, timeout_after, wait
from ..connection.receiver import (
    OVERFLOW_CODE,
    OVERFLOW_REASON,
    UNREADABLE_CODE,
    UNREADABLE_REASON,
    Incoming,
)
from ..core import checks, log
from ..core.delivery import Delivery, DropReason
from ..core.handlers import call_handler, report
from ..core.reconnector import Reconnector
from ..core.states import State, StateChange, StateLog
from ..dom.websocket import CloseEvent, Event, WebSocket
from ..exceptions import (
    ConnectionClosed,
    OpenTimeout,
    SessionExpired,
    connection_closed,
)
from .handshake import Handshake
from .heart import Beating
from .link import Link, Opening, current_opening
from .sender import Sender
from .target import Target, as_exception, uncancelled

_CLOSING_HANDSHAKE = 1.0
"""The least timeout for a closing handshake, in seconds, even if no time is left."""

_AWAY = ("pagehide", "hidden", "freeze")
"""The events of a page that is going away."""


class Supervisor:
    """Connects a :class:`Sender` and :class:`Incoming` to successive links.

    The :class:`Reconnector` decides when, the :class:`Target` where to, and the sender's
    :class:`Confirmation` when a link is ready. The class is long because each event of a link, of
    the application and of the page can change the same few states.

    Args:
        owner: The user's object, for ``on_open`` and error reports.
        connect_timeout: How long an attempt may take, in seconds; ``None`` means no limit.
        after_opening: Receives the next message after ``on_open`` has returned.

    Attributes:
        end: The exception with which it has ended, or ``None``.
        link: The current attempt or connection.
        states: Its states.
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
        # Completed to end a wait early.
        self._alarm: asyncio.Future[None] | None = None
        # The timeout of the current attempt; whether reconnect() has replaced it.
        self._attempt_timeout: asyncio.Timeout | None = None
        self._is_replaced = False
        # Why the last attempt or connection ended.
        self._error: Exception | None = None
        self.link: Link | None = None
        self.end: Exception | None = None
        self.states: StateLog = StateLog()

    def bind(self, incoming: Incoming, heart: Beating | None) -> None:
        """Sets what receives, and the heartbeat."""
        self._incoming = incoming
        self._heart = heart

    def start(self) -> None:
        """Starts to connect.

        Raises:
            DOMException: The browser refuses the URL or the subprotocols.
            TypeError: The URL or the subprotocols have a wrong type.
            RuntimeError: It was already started.
            ConnectionClosed: It was already closed.
        """
        if self._task is not None:
            raise RuntimeError("start() was called before: to start anew, make a new object")
        if self._sender.is_over:
            raise self.refusal()
        link = None
        if self._target.is_constant:
            # At once, so that errors in the URL or subprotocols are raised here.
            link = self._begin(self._target.connect())
        self._start_attempt()
        if self.end is not None:
            return
        self._page_events = PageEvents(self._on_page_event)
        if self._page_events.is_hidden:
            self._on_page_event("hidden")  # which it has been from the start, without an event
        self._task = self._loop.create_task(self._run(link))
        # Pyodide 0.27 reports the cancellation of a task that has no callback.
        self._task.add_done_callback(lambda _: None)

    async def close(self, code: int, reason: str, timeout: float | None) -> None:
        """Sends what waits, waits for confirmations, and closes; only the first call counts."""
        if self._closing is None:
            self._sender.is_over = True
            self._sender.changed()
            self._closing = self._loop.create_task(self._close_or_fail(code, reason, timeout))
        await asyncio.shield(self._closing)

    def reconnect(self) -> None:
        """Replaces the current connection or attempt at once.

        Raises:
            RuntimeError: It was not started.
            ConnectionClosed: It is closing or closed.
        """
        if self._sender.is_over or self.end is not None:
            raise self.refusal()
        self.require_start("reconnect()")
        link = self.link
        if self.states.state is State.WAITING:
            self._reconnector.restart()
            self._ring()
            return
        self._is_replaced = True
        if link is None:
            if self._attempt_timeout is not None:  # The URL function is under way.
                self._attempt_timeout.reschedule(self._loop.time())
            return
        link.is_replaced = True
        if link.ready.done():
            self._incoming.take()
            self._confirmation.arriving()  # What has left the page need not be sent again.
        self.abandon(link)

    async def wait_open(self, timeout: float | None) -> None:
        """Waits until there is a connection."""
        if self.end is None:
            self.require_start("wait_open()")
        try:
            async with timeout_after(timeout):
                async for _ in self.states.follow():
                    # The link may have ended before the state has changed.
                    is_open = self.states.state is State.OPEN and self.link is not None
                    if is_open or self.end is not None:
                        break
        except TimeoutError:
            raise TimeoutError(
                f"{self._owner!r} is not open after {timeout:g} s and "
                f"{self._reconnector.attempts} attempts; it goes on trying"
            ) from self._error
        if (end := self.end_of_messages()) is not None:
            raise end

    def require_start(self, what: str) -> None:
        """Refuses to wait forever.

        Raises:
            RuntimeError: It was not started, and has not ended.
        """
        if self._task is None and self.end is None and self._closing is None:
            raise RuntimeError(
                f"{what} would wait forever, as {self._owner!r} was not started: use "
                "'async with', or call start() first"
            )

    def leave(self, error: BaseException) -> None:
        """Ends at once, as ``error`` has left the block."""
        if self.end is not None:
            return
        outbox = self._sender.outbox
        if count := outbox.pending + outbox.unconfirmed:
            log.left(self._owner, error, count, outbox.pending_bytes + outbox.unconfirmed_bytes)
        self.abort()

    def fail(self, error: Exception) -> None:
        """Ends after an unexpected exception, so that no task waits forever."""
        report(f"{self._owner!r} has ended because of an exception", error)
        self.end_by_itself(error)

    def abort(self) -> None:
        """Ends at once."""
        link, last_words = self.link, self._confirmation.close_on_abort
        if link is not None and link.is_open and last_words is not None:
            link.ws.close(*last_words)
        end = connection_closed(1006, "aborted", False, cause="aborted, by abort()")
        self._finish(end, "aborted")

    def overflow(self) -> None:
        """Closes for good, as the receive queue is full."""
        if self.link is not None:
            self.link.ws.close(OVERFLOW_CODE, OVERFLOW_REASON)
        cause = (
            "more has arrived than max_queue and max_queue_bytes allow, with on_overflow='close'"
        )
        self.end_by_itself(connection_closed(OVERFLOW_CODE, OVERFLOW_REASON, False, cause))

    def unreadable(self, what: str) -> None:
        """Closes for good, after a message that cannot be converted."""
        if self.link is not None:
            self.link.ws.close(UNREADABLE_CODE, UNREADABLE_REASON)
        self.end_by_itself(connection_closed(1006, "", False, what))

    def dead(self, cause: str) -> None:
        """Replaces the connection, which is dead."""
        if self.link is not None:
            self.link.failure = connection_closed(1006, "", False, cause)
            self.abandon(self.link)

    def hurry(self) -> None:
        """Starts the next attempt now."""
        self._reconnector.hurry()
        self._ring()

    def sort(self, messages: list[Any]) -> list[Any]:
        """Handles messages that arrived; returns those for the application."""
        link = self.link
        if link is None:
            return messages
        stats = self._sender.outbox.stats
        confirmed = stats.confirmed
        try:
            if self._heart is not None:
                self._heart.heard()
            messages = self._confirmation.received(messages)
        except Exception as error:
            self.fail(error)
            return []
        if messages or stats.confirmed > confirmed:
            self._reconnector.progressed()
        if link.opening is not None:
            link.opening.push(messages)
            return []
        return messages

    def end_of_messages(self) -> Exception | None:
        """Returns the exception to raise if there will be no more messages, otherwise ``None``."""
        end = self.end
        if isinstance(end, ConnectionClosed) and not isinstance(end, SessionExpired):
            return end.anew()
        return end.with_traceback(None) if end is not None else None

    def refusal(self) -> Exception:
        """Returns the exception for a message after the end."""
        return self.end_of_messages() or connection_closed(1000, "", was_clean=True)

    def own_opening(self) -> Opening | None:
        """Returns the :class:`Opening` if called by its ``on_open``, otherwise ``None``."""
        opening = current_opening.get()
        is_own = opening is not None and self.link is not None and self.link.opening is opening
        return opening if is_own else None

    # One attempt after another

    async def _run(self, link: Link | None) -> None:
        try:
            while await self._attempt(link):
                link = None
        except Exception as error:
            self.fail(error)
        except asyncio.CancelledError as error:
            # Not cancelled by this class, unless it has ended: the event loop is closing.
            self.end_by_itself(as_exception(error))
            raise

    async def _attempt(self, link: Link | None) -> bool:
        """Runs one attempt and its connection; returns whether another attempt follows."""
        link, error = await self._wait_ready(link)
        if self.end is not None:
            return False
        if link is not None:
            event = await link.ended
            if link.close_code is not None:
                return False
            error = error or link.error()
            self._log_end(link, error)
            renewed = self._confirmation.renew(event)
            if renewed is not None:
                error = renewed
            else:
                end = self._confirmation.final(event)
                if end is not None or not (link.is_replaced or await self._may_reconnect(event)):
                    self.end_by_itself(end or error)
                    return False
        elif error is not None:
            log.failed(self._owner, error, self._reconnector.attempt)
        if self._closing is not None and not self._sender.outbox.unfinished():
            return False
        return await self._wait(error)

    def _log_end(self, link: Link, error: Exception) -> None:
        if link.is_open:
            log.ended(self._owner, error, link.seconds)
        else:
            log.failed(self._owner, error, self._reconnector.attempt)

    async def _wait(self, error: Exception | None) -> bool:
        """Waits for the next attempt and starts it; returns whether there is one."""
        self._error = error
        if self._page_events is not None:
            self._reconnector.is_online = self._page_events.is_online
        if self._is_replaced:
            self._is_replaced = False
            self._reconnector.restart()
        delay = self._reconnector.ended()
        if delay is None:
            self.end_by_itself(self._reconnector.failure(self._where(error), error))
            return False
        self._alarm = self._loop.create_future()
        self._change_state(State.WAITING, delay=delay, error=error)
        log.waits(self._owner, delay)
        await wait(self._alarm, delay)
        self._start_attempt()
        return True

    def _where(self, error: Exception | None) -> str:
        return getattr(error, "url", "") or self._target.address

    async def _wait_ready(self, link: Link | None) -> tuple[Link | None, Exception | None]:
        """Waits until the attempt has succeeded or failed; returns its link and its error."""
        error: Exception | None = None
        try:
            async with timeout_after(self._connect_timeout) as timeout:
                self._attempt_timeout = timeout
                if link is None:
                    connect = await self._target.resolve()
                    if self.end is not None:
                        return None, None
                    link = self._begin(connect())
                # Not awaited itself, as a timeout would cancel the future.
                await asyncio.wait([link.ready])
        except Exception as failure:
            if timeout.expired():
                if self._is_replaced:
                    pass  # which it has been expired for
                elif link is None or not link.ready.done():
                    error = self._late(link)
            elif self._target.is_hopeless(failure):
                self.end_by_itself(failure)
                return None, failure
            else:
                report(f"An attempt of {self._owner!r} has failed", failure)
                error = failure
            if link is not None and error is not None:
                self.abandon(link)
        finally:
            self._attempt_timeout = None
        return link, error

    def _late(self, link: Link | None) -> OpenTimeout:
        """Returns the exception for an attempt that has taken too long."""
        what = ""
        if link is None:
            what = "the function for the URL or the protocols has not returned"
        elif link.is_open and self._confirmation.subprotocol is not None:
            what = f"{link.address} has not opened or resumed the session"
        elif link.is_open:
            what = f"on_open has not returned for {link.address}"
        where = link.address if link is not None else "the server"
        permission = local_permission(where)
        return OpenTimeout(where, self._connect_timeout or 0, what, permission=permission)

    async def _may_reconnect(self, event: CloseEvent) -> bool:
        try:
            answer = self._should_reconnect(event)
            return bool(await uncancelled(answer) if inspect.isawaitable(answer) else answer)
        except Exception as error:
            report(f"Exception in should_reconnect of {self._owner!r}", error)
            return may_reconnect(event)

    def _start_attempt(self) -> None:
        self._reconnector.begin()
        self._change_state(State.CONNECTING)

    def _begin(self, ws: WebSocket) -> Link:
        link = Link(ws)
        ws.onopen = functools.partial(self._guarded, self._on_link_open, link)
        ws.onclose = functools.partial(self._guarded, self._end_link, link)
        self.link = link
        self._target.note(link.address)
        self._incoming.connect(ws.js_websocket)
        return link

    def _guarded(self, function: Callable[[Link, Any], None], link: Link, event: Event) -> None:
        try:
            function(link, event)
        except Exception as error:
            self.fail(error)

    # One link, from its opening to its end

    def _on_link_open(self, link: Link, _: Event) -> None:
        if link.ended.done():
            return
        link.opened()
        self._sender.connect(link.ws.js_websocket, hold=True)
        if self._heart is not None:
            self._heart.start()
        if self._confirmation.opened(Handshake(link, self)):
            return
        if self._on_open is None:
            self.link_ready(link)
        else:
            link.opening = Opening(link, self._after_opening)
            link.opening_task = self._loop.create_task(
                self._open(link, link.opening, self._on_open)
            )
            # If the task is cancelled before its first step, _open() does not run.
            link.opening_task.add_done_callback(lambda _: self._end_opening(link))

    async def _open(self, link: Link, opening: Opening, on_open: Callable[[Any], object]) -> None:
        """Runs ``on_open``."""
        current_opening.set(opening)
        try:
            result = on_open(self._owner)
            if inspect.isawaitable(result) and not isinstance(result, Delivery):
                await result
        except (Exception, asyncio.CancelledError) as error:
            if not link.ended.done():
                report(f"Exception in on_open of {self._owner!r}", error)
                link.failure = as_exception(error)
                self.abandon(link)
            return
        try:
            self._end_opening(link)
            if not link.ended.done():
                self.link_ready(link)
        except Exception as error:
            self.fail(error)

    def _end_opening(self, link: Link) -> None:
        """Passes on the messages that ``on_open`` has not received."""
        opening, link.opening = link.opening, None
        if opening is not None:
            self._incoming.add(opening.end())

    def release(self) -> None:
        """Lets waiting messages be sent before the link is ready."""
        self._sender.release()

    def link_ready(self, link: Link) -> None:
        """Marks the link as ready, after ``on_open``."""
        self._sender.release()
        if link.ended.done():
            return
        link.ready.set_result(True)
        log.connected(self._owner, self._reconnector.attempt)
        self._reconnector.connected()
        self._change_state(State.OPEN)

    def _end_link(self, link: Link, event: CloseEvent) -> None:
        if link.ended.done():
            return
        self._sender.halt()  # What the last messages confirm makes no room for others.
        self._incoming.disconnect()
        if link.ended.done():
            return  # A function of the user has ended it.
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

    def abandon(self, link: Link) -> None:
        """Drops a connection without waiting for its end, which may never be reported."""
        self._end_link(link, link.lost_event())
        link.ws.close()

    # The end

    async def _close_or_fail(self, code: int, reason: str, timeout: float | None) -> None:
        try:
            await self._close(code, reason, timeout)
        except Exception as error:
            self.fail(error)

    async def _close(self, code: int, reason: str, timeout: float | None) -> None:
        since = time.monotonic()
        if self._task is not None:
            self.hurry()
            with contextlib.suppress(TimeoutError):
                async with timeout_after(timeout):
                    await self._sender.drain()
        link = self.link
        if link is not None and link.ready.done():
            self._confirmation.closing()
            link.close_code = code
            link.ws.close(code, reason)
            rest = None if timeout is None else since + timeout - time.monotonic()
            if rest is not None:
                rest = max(rest, _CLOSING_HANDSHAKE)
            await wait(link.ended, rest)
        self._finish(connection_closed(code, reason, was_clean=True), "closed")

    def end_by_itself(self, end: Exception) -> None:
        """Ends for good, other than by close() or abort()."""
        self._finish(end, self._confirmation.ends_as if self._closing is None else "closed")

    def _finish(self, end: Exception, reason: DropReason) -> None:
        """Ends for good; only the first call counts."""
        if self.end is not None:
            return
        self.end = end
        self._sender.is_over = True
        self._sender.drop_reason = reason
        if self.link is not None:
            self.abandon(self.link)
        else:
            self._sender.disconnect()
        self._sender.clear(reason)
        self._reconnector.stop(str(end))
        self._confirmation.ended()
        if self._task is not None:
            self._task.cancel()
        if self._page_events is not None:
            # Later, as its function may be running.
            self._loop.call_soon(self._page_events.destroy)
        self._change_state(State.CLOSED, error=end)
        log.over(self._owner, end)
        self._incoming.wake()

    def _change_state(
        self, state: State, *, delay: float | None = None, error: Exception | None = None
    ) -> None:
        attempt = 0 if state is State.OPEN else self._reconnector.attempt
        change = StateChange(state, attempt, delay, error)
        log.state(self._owner, state)
        if self.states.change(change) and self._on_state is not None:
            call_handler(
                self._on_state, change, lambda _: f"Exception in on_state of {self._owner!r}"
            )

    def _ring(self) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    def _on_page_event(self, type: str) -> None:
        try:
            end = self._confirmation.on_page_event(type)
            if end is not None:
                self.end_by_itself(end)
            if type in _AWAY:
                return
            if type != "offline":
                self._reconnector.came_back()
                self._ring()
            if self._heart is not None:
                # The connection may be dead, or about to be.
                self._heart.request()
        except Exception as error:
            self.fail(error)


def may_reconnect(event: CloseEvent) -> bool:
    """Whether to reconnect, unless the server's close code says that it is useless."""
    return not (event.code in (1000, 1008) or 4400 <= event.code <= 4499)
