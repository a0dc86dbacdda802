"""A WebSocket that reconnects, with a queue for what is sent: :class:`QueuedWebSocket`.

The class is long because it is what the sender, the supervisor and the queue of the package for
Pyodide are together: without sessions and acknowledgements, they share most of their state.
"""

import asyncio

from .connection import Connection, Receiver, Receiving, Reconnector
from .exceptions import (
    ConnectionFailed,
    DOMException,
    DOMSyntaxError,
    InvalidAccessError,
    connection_closed,
)
from .native import (
    INF,
    awaited,
    call_handler,
    current_task,
    limit,
    now,
    optional,
    report,
    shown,
    wake,
    when_back,
    within,
)
from .outbox import Outbox, QueueStats


class State:
    """The state of a :class:`QueuedWebSocket`."""

    CONNECTING = "CONNECTING"
    OPEN = "OPEN"
    WAITING = "WAITING"
    CLOSED = "CLOSED"


class StateChange:
    """A new ``state``: its ``attempt``, the ``delay`` to the next one, and the ``error``."""

    def __init__(self, state, attempt=0, delay=None, error=None):
        self.state = state
        self.attempt = attempt
        self.delay = delay
        self.error = error


class Stats(QueueStats):
    """Statistics of a :class:`QueuedWebSocket`, with its ``attempts`` and ``reconnects``."""

    attempts = reconnects = 0


class Heartbeat:
    """A message that is sent every ``interval`` seconds to detect dead connections.

    If nothing arrives within ``timeout`` seconds of it, the connection is replaced. Without a
    message, something has to arrive at least every ``timeout`` seconds. With ``is_reply``, a reply
    confirms all that was sent before its request.
    """

    def __init__(self, message=None, *, interval=None, timeout, is_reply=None):
        if (message is None) != (interval is None) or (is_reply and message is None):
            raise TypeError("a message needs interval=, how often to send it; both need a message")
        self.message = message
        self.interval = limit("interval", interval)
        self.timeout = limit("timeout", timeout)
        self.is_reply = optional("is_reply", is_reply)
        if not (self.interval and self.timeout):
            raise ValueError("interval and timeout must be more than 0 seconds")


class QueuedWebSocket(Outbox, Receiving):
    """Reconnects by itself, accepts messages in any state, and tells what became of each.

    The options are those of the reference, without ``session``, ``acks`` and ``max_resends``.
    """

    _STATS = Stats

    def __init__(
        self,
        url,
        protocols=(),
        *,
        backoff=None,
        connect_timeout=10,
        close_timeout=10,
        max_attempts=None,
        give_up_after=None,
        should_reconnect=None,
        heartbeat=None,
        on_open=None,
        on_state=None,
        max_queue=2**16,
        max_queue_bytes=2**26,
        on_overflow="drop-oldest",
        **options,
    ):
        super().__init__(**options)
        self._url = url
        self._protocols = protocols
        self._connect_timeout = limit("connect_timeout", connect_timeout)
        self._close_timeout = limit("close_timeout", close_timeout)
        self._should_reconnect = optional("should_reconnect", should_reconnect) or _may_reconnect
        self._heartbeat = optional("heartbeat", heartbeat, Heartbeat)
        self._on_open = optional("on_open", on_open)
        self._on_state = optional("on_state", on_state)
        self._by_leaving = heartbeat is None or heartbeat.is_reply is None
        self._reconnector = Reconnector(backoff, max_attempts, give_up_after)
        self._receiver = Receiver(
            max_queue, max_queue_bytes, on_overflow, self._overflow, lambda: self._end
        )
        self.state = State.WAITING
        self._state_changed = asyncio.Event()
        # The connection, from its attempt on; what runs on_open; the code of close().
        self._link = self._opening = self._close_code = None
        self._task = self._closing = self._end = None
        self._alarm = asyncio.Event()
        # The requests of the heartbeat that were not answered: what was sent before, and when.
        self._requests = []
        self._deadline = self._next_request = INF
        self._failure = None
        self._is_wanted = self._is_replaced = False
        self.latency = None

    @property
    def url(self):
        """The URL of the current connection or attempt; ``""`` if there is none."""
        return self._link.url if self._link else ""

    @property
    def protocol(self):
        """The subprotocol chosen by the server."""
        return self._link._ws.protocol if self._link else ""

    @property
    def stats(self):
        """A copy of the statistics so far."""
        stats = self._stats.copy()
        stats.attempts = self._reconnector.attempts
        stats.reconnects = max(0, self._reconnector.connections - 1)
        return stats

    def start(self):
        """Starts connecting.

        Raises:
            DOMSyntaxError: ``url`` or one of ``protocols`` is invalid. Then nothing was started.
            RuntimeError: It was already started.
        """
        if self._task is not None:
            raise RuntimeError("start() was called before: to start anew, make a new object")
        if self._is_over:
            raise self._refusal()
        link = None
        if not (callable(self._url) or callable(self._protocols)):
            link = self._connect(self._url, self._protocols)
        self._begin()
        self._stop_listening = when_back(self._came_back)
        self._task = asyncio.create_task(self._run(link))

    async def __aenter__(self):
        self.start()
        return self

    async def __aexit__(self, kind, error, traceback):
        if error is not None:
            self.abort()
        else:
            await self.close()

    def send(self, data, *, ttl=None):
        """Accepts a message in any state but CLOSED, and sends it when connected.

        Raises:
            ConnectionClosed: It is closing, or has ended.
            QueueFull: There is no room.
            TypeError: ``data`` is neither text nor binary.
        """
        return self._send_transient(data) if self._is_opening() else super().send(data, ttl=ttl)

    async def drain(self):
        """Waits until every message is confirmed or dropped."""
        self._check_wait("drain()")
        await super().drain()

    async def wait_open(self, timeout=None):
        """Waits until there is a connection. Raises :exc:`ConnectionClosed` if there will be none,
        and ``asyncio.TimeoutError``.
        """
        self._check_wait("wait_open()")

        async def follow():
            while self._end is None and self.state != State.OPEN:
                await self._state_changed.wait()

        if not await within(limit("timeout", timeout), follow()):
            raise asyncio.TimeoutError
        if self._end is not None:
            raise self._end

    def reconnect(self):
        """Replaces the connection at once, for example to use a new token."""
        if self._is_over:
            raise self._refusal()
        self._reconnector.restart()
        self._is_replaced = True
        self._confirm_left()
        self._abandon("reconnect() was called")
        self._alarm.set()

    async def recv(self, decode=None):
        """Waits for the next message and returns it, across reconnections.

        Raises:
            ConnectionClosed, ConnectionFailed: It has ended, and all messages were received.
        """
        return await self._inbox(self._is_opening()).recv(decode)

    async def close(self, code=1000, reason="", *, timeout=None):
        """Accepts no more messages, sends those that wait, waits for confirmations, and closes.

        After the timeout, unconfirmed messages are dropped with the reason "closed".
        """
        if code != 1000 and not 3000 <= code <= 4999:
            raise InvalidAccessError(f"the close code {code!r} is neither 1000 nor 3000 to 4999")
        if len(reason.encode()) > 123:
            raise DOMSyntaxError(f"the close reason {reason!r} is longer than 123 bytes of UTF-8")
        timeout = self._close_timeout if timeout is None else limit("timeout", timeout)
        if self._is_opening():
            self._check_wait("close()")
        if self._closing is None:
            self._is_over = True
            wake(self._changed)
            self._closing = asyncio.Event()
            asyncio.create_task(self._close(code, reason, timeout))
        await self._closing.wait()

    def abort(self):
        """Closes at once, and drops all unconfirmed messages with the reason "aborted"."""
        end = connection_closed(1006, "aborted", False, "aborted, by abort()")
        self._finish(end, "aborted")

    def __repr__(self):
        return f"<QueuedWebSocket {self._address()} {self.state}>"

    # One attempt after another

    def _address(self):
        return "url()" if callable(self._url) else shown(self._url)

    def _begin(self):
        self._reconnector.begin()
        self._change(State.CONNECTING)

    def _connect(self, url, protocols):
        link = Connection(url, protocols or None, (None, None, "close"), self._close_timeout, INF)
        link._ws.onopen = lambda _: self._opened(link)
        link._receive = lambda message: self._received(link, message)
        link._on_end = lambda: self._ended(link)
        self._link = link
        return link

    async def _run(self, link):
        try:
            while self._end is None:
                error, goes_on = await self._attempt(link)
                link = None
                if self._end is not None or self._close_code is not None:
                    return
                if not (goes_on or self._is_replaced):
                    self._finish(error)
                    return
                if self._closing and not (self._waiting or self._sent):
                    return
                delay = self._reconnector.ended(error, self._address())
                self._alarm.clear()
                self._change(State.WAITING, 0 if self._is_replaced else delay, error)
                if not self._is_replaced:
                    await within(delay, self._alarm.wait())
                if self._end is None:
                    self._is_replaced = False
                    self._begin()
        except Exception as error:
            if not isinstance(error, ConnectionFailed):
                report(f"{self!r} has ended because of an exception", error)
            self._finish(error)

    async def _attempt(self, link):
        """Makes one connection, until its end; returns why it has ended, and whether to go on."""
        if link is None:
            try:
                url, protocols = await _value(self._url), await _value(self._protocols)
                if self._end is not None or self._is_replaced:
                    return self._end, True
                link = self._connect(url, protocols)
            except Exception as error:
                if callable(self._url) or callable(self._protocols):
                    report(f"An attempt of {self!r} has failed", error)
                    return error, True
                return error, not isinstance(error, (DOMException, TypeError))
        error = None
        try:
            await link._wait_open(self._connect_timeout)
        except ConnectionFailed as failure:
            error = failure
            link._abandon("it has not opened in time")
        await link._closed.wait()
        if link._event is None:
            return error or self._failure or link._ended(), True
        error = error or link._ended()
        try:
            return error, bool(await awaited(self._should_reconnect(link._event)))
        except Exception as failure:
            report(f"Exception in should_reconnect of {self!r}", failure)
            return error, _may_reconnect(link._event)

    def _opened(self, link):
        if link._error is not None:
            return
        link._was_open = True
        self._ws = link._ws
        self._is_held = True
        self._failure = None
        self._requests = []
        heartbeat = self._heartbeat
        if heartbeat is not None:
            self._next_request = now() + heartbeat.interval
            self._deadline = now() + heartbeat.timeout if heartbeat.message is None else INF
            asyncio.create_task(self._beat(link))
        if self._on_open is None:
            self._ready(link)
        else:
            self._opening = asyncio.create_task(self._run_on_open(link))

    async def _run_on_open(self, link):
        try:
            await awaited(self._on_open(self))
        except Exception as error:
            report(f"Exception in on_open of {self!r}", error)
            self._failure = error
            link._abandon("on_open has failed")
            return
        if link._error is None:
            self._ready(link)

    def _ready(self, link):
        self._end_opening(link)
        link._opened.set()
        self._reconnector.connected()
        self._change(State.OPEN)
        self._is_held = False
        self._flush()

    def _end_opening(self, link):
        """Passes on the messages that on_open has not received."""
        self._opening = None
        for message in link._receiver.queue:
            self._receiver.push(message)

    def _inbox(self, is_opening):
        return self._link._receiver if is_opening else self._receiver

    def _is_opening(self):
        """Whether on_open is calling."""
        return self._opening is not None and current_task() is self._opening

    def _check_wait(self, what):
        if self._is_opening():
            raise RuntimeError(f"{what} in on_open would wait forever: it waits for on_open")
        if self._task is None and not self._is_over:
            raise RuntimeError(f"{what} would wait forever: use 'async with', or call start()")

    def _received(self, link, message):
        confirmed = self._stats.confirmed
        self._confirm_left()
        heartbeat, is_reply = self._heartbeat, False
        if heartbeat is not None:
            self._deadline = now() + heartbeat.timeout if heartbeat.message is None else INF
            try:
                is_reply = heartbeat.is_reply is not None and heartbeat.is_reply(message)
            except Exception as error:
                report(f"Exception in is_reply of {self!r}", error)
        if is_reply and self._requests:
            count, since = self._requests.pop(0)
            self.latency = now() - since
            self._confirm(lambda delivery: delivery._index < count, "heartbeat")
        if not is_reply or self._stats.confirmed > confirmed:
            self._reconnector.has_progressed = True
        self._flush()
        if not is_reply:
            self._inbox(self._opening is not None).push(message)

    def _ended(self, link):
        """Called when a link has ended."""
        self._is_held = True
        if link._error[2] and link._error[0] == self._close_code:
            self._confirm_left()
            if not self._by_leaving:
                self._confirm(lambda _: True, "closing handshake")
        opening = self._opening
        if opening is not None:
            self._end_opening(link)
            if current_task() is not opening:
                opening.cancel()
        self._link = None
        self._disconnect()
        self._is_wanted = True

    def _abandon(self, cause):
        if self._link is not None:
            self._link._abandon(cause)

    # The heartbeat

    def _want(self):
        self._is_wanted = True
        self._ask()

    def _flush(self):
        super()._flush()
        self._ask()

    def _ask(self):
        """Requests a confirmation, if a task waits for one, or soon no more can be sent."""
        sent = len(self._sent)
        if not self._by_leaving and sent and not self._requests:
            fill = max(sent / (self._window or 1), self._sent_bytes / (self._window_bytes or 1))
            if self._is_wanted or fill >= 0.5:
                self._request()

    def _request(self):
        heartbeat = self._heartbeat
        if not self._is_open() or heartbeat.message is None:
            return
        try:
            message = heartbeat.message
            self._ws.send(message() if callable(message) else message)
        except Exception as error:
            report(f"The heartbeat of {self!r} cannot be sent", error)
            return
        self._next_request = now() + heartbeat.interval
        self._deadline = min(self._deadline, now() + heartbeat.timeout)
        self._is_wanted = bool(self._waiting)
        if not self._by_leaving:
            self._requests.append((self._count, now()))

    async def _beat(self, link):
        heartbeat, had_chance = self._heartbeat, False
        while True:
            at = min(self._next_request, self._deadline, now() + heartbeat.timeout)
            if await within(at - now(), link._closed.wait()):
                return
            late = now() - self._deadline
            if late >= 1 and not had_chance:
                # The page was frozen or busy: what has arrived may not have been delivered yet.
                had_chance = True
                self._deadline = now() + heartbeat.timeout
                self._request()
            elif late >= 0:
                link._abandon(f"nothing has arrived within {heartbeat.timeout:g} s")
                return
            else:
                had_chance = had_chance and self._deadline < INF
                if now() >= self._next_request:
                    self._request()

    def _came_back(self):
        """Called when the network or the page came back."""
        self._reconnector.came_back()
        self._alarm.set()
        if self._heartbeat is not None:
            self._request()  # The connection may be dead.

    # The end

    async def _close(self, code, reason, timeout):
        since = now()
        try:
            if self._task is not None:
                self._alarm.set()
                await within(timeout, super().drain())
            link = self._link
            if link is not None and link._opened.is_set():
                self._close_code = code
                link._ws.close(code, reason)
                await within(max(1, since + timeout - now()), link._closed.wait())
            self._finish(connection_closed(code, reason, True), "closed")
        except Exception as error:
            report(f"{self!r} has ended because of an exception", error)
            self._finish(error, "closed")
        self._closing.set()

    def _overflow(self):
        cause = "more has arrived than max_queue and max_queue_bytes allow"
        if self._link is not None:
            self._link._ws.close(4008, "receive queue full")
        self._finish(connection_closed(4008, "receive queue full", False, cause))

    def _refusal(self):
        return self._end or connection_closed(1000, "", True)

    def _finish(self, end, reason="closed"):
        if self._end is not None:
            return
        self._end = end
        self._is_over = True
        self._drop_reason = reason
        if self._link is not None:
            self._abandon(f"the queue is {reason}")
        else:
            self._disconnect()
        self._clear(reason)
        self._alarm.set()
        if self._task is not None:
            self._stop_listening()
        self._change(State.CLOSED, None, end)
        wake(self._receiver.changed)

    def _change(self, state, delay=None, error=None):
        attempt = 0 if state == State.OPEN else self._reconnector.attempt
        change = StateChange(state, attempt, delay, error)
        self.state = state
        wake(self._state_changed)
        if self._on_state is not None:
            call_handler(self._on_state, change, self)


async def _value(given):
    """Returns ``given``, or the result of calling it."""
    return await awaited(given()) if callable(given) else given


def _may_reconnect(event):
    return not (event.code in (1000, 1008) or 4400 <= event.code <= 4499)
