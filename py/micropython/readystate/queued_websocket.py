"""A WebSocket that reconnects, with a queue for what is sent: :class:`QueuedWebSocket`.

The class is long because it is what the sender, the supervisor and the queue of the package for
Pyodide are together: without sessions and acknowledgements, they share most of their state.
"""

import asyncio

from .connection import Receiver, Receiving, Reconnector
from .exceptions import (
    ConnectionFailed,
    DOMException,
    DOMSyntaxError,
    InvalidAccessError,
    OpenTimeout,
    connection_closed,
)
from .native import (
    INF,
    PageEvents,
    awaited,
    call_handler,
    current_task,
    function,
    instance,
    limit,
    now,
    report,
    shown,
    wait,
    wake,
)
from .outbox import Outbox, QueueStats
from .websocket import WebSocket


class State:
    """The state of a :class:`QueuedWebSocket`."""

    CONNECTING = "CONNECTING"
    OPEN = "OPEN"
    WAITING = "WAITING"
    CLOSED = "CLOSED"


class StateChange:
    """A new ``state``: its ``attempt``, the ``delay`` to the next one, and the ``error``."""

    _next = None

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
        self.is_reply = function("is_reply", is_reply)
        if not (self.interval and self.timeout):
            raise ValueError("interval and timeout must be more than 0 seconds")


class _Link:
    """One attempt to connect, and its connection."""

    ws = opening = inbox = error = event = close_code = None
    address = ""
    is_open = is_replaced = False

    def __init__(self):
        # Whether the attempt, including on_open, has succeeded or failed.
        self.settled = asyncio.Event()
        self.ended = asyncio.Event()


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
        self._should_reconnect = function("should_reconnect", should_reconnect) or _may_reconnect
        self._heartbeat = instance("heartbeat", heartbeat, Heartbeat)
        self._on_open = function("on_open", on_open)
        self._on_state = function("on_state", on_state)
        self._by_leaving = heartbeat is None or heartbeat.is_reply is None
        self._reconnector = Reconnector(backoff, max_attempts, give_up_after)
        self._receiver = Receiver(
            max_queue, max_queue_bytes, on_overflow, self._overflow, lambda: self._end
        )
        self._last_change = StateChange(State.WAITING)
        self._state_changed = asyncio.Event()
        self._link = self._task = self._closing = self._pages = self._end = None
        self._alarm = asyncio.Event()
        # The requests of the heartbeat that were not answered: what was sent before, and when.
        self._requests = []
        self._deadline = self._next_request = INF
        self._is_wanted = self._calling_on_open = False
        self.latency = None

    @property
    def state(self):
        """The current :class:`State`."""
        return self._last_change.state

    @property
    def url(self):
        """The URL of the current connection or attempt; ``""`` if there is none."""
        return self._link.ws.url if self._link and self._link.ws else ""

    @property
    def protocol(self):
        """The subprotocol chosen by the server."""
        return self._link.ws.protocol if self._link and self._link.ws else ""

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
        ws = None
        if not (callable(self._url) or callable(self._protocols)):
            ws = _open(self._url, self._protocols)
        self._begin()
        self._pages = PageEvents(self._came_back)
        self._task = asyncio.create_task(self._run(ws))

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

    async def put(self, data, *, ttl=None):
        """Accepts a message like :meth:`send`; with ``on_full="wait"``, waits for room first."""
        if self._is_opening():
            return self._send_transient(data)
        return await super().put(data, ttl=ttl)

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

        await (follow() if timeout is None else asyncio.wait_for(follow(), timeout))
        if self._end is not None:
            raise self._end

    def reconnect(self):
        """Replaces the connection at once, for example to use a new token."""
        if self._is_over:
            raise self._refusal()
        self._reconnector.restart()
        if self._link is not None:
            self._link.is_replaced = True
            self._confirm_left()
            self._abandon(self._link)
        self._alarm.set()

    async def recv(self, decode=None):
        """Waits for the next message and returns it, across reconnections.

        Raises:
            ConnectionClosed, ConnectionFailed: It has ended, and all messages were received.
        """
        receiver = self._link.inbox if self._is_opening() else self._receiver
        return await receiver.recv(decode)

    def states(self):
        """Iterates over the current state, then each change until CLOSED."""
        return _States(self)

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

    async def _run(self, ws):
        try:
            while self._end is None:
                link = _Link()
                goes_on = await self._attempt(link, ws)
                ws = None
                if self._end is not None or link.close_code is not None:
                    return
                if not (goes_on or link.is_replaced):
                    self._finish(link.error)
                    return
                if self._closing and not (self._waiting or self._sent):
                    return
                delay = self._reconnector.ended(link.error, link.address or self._address())
                self._alarm.clear()
                self._change(State.WAITING, 0 if link.is_replaced else delay, link.error)
                if not link.is_replaced:
                    await wait(self._alarm, delay)
                if self._end is None:
                    self._begin()
        except Exception as error:
            if not isinstance(error, ConnectionFailed):
                report(f"{self!r} has ended because of an exception", error)
            self._finish(error)

    async def _attempt(self, link, ws):
        """Makes one connection, until its end; returns whether to reconnect."""
        self._link = link
        try:
            if ws is None:
                url, protocols = await _value(self._url), await _value(self._protocols)
                if self._end is not None:
                    return False
                ws = _open(url, protocols)
        except Exception as error:
            self._link = None
            link.error = error
            if callable(self._url) or callable(self._protocols):
                report(f"An attempt of {self!r} has failed", error)
                return True
            return not isinstance(error, (DOMException, TypeError))
        link.ws = ws
        link.address = shown(ws.url)
        ws.onopen = lambda _: self._opened(link)
        ws.onmessage = lambda event: self._received(link, event.data)
        ws.onclose = lambda event: self._ended(link, event)
        if link.is_replaced:
            self._abandon(link)
        if not await wait(link.settled, self._connect_timeout) and not link.ended.is_set():
            link.error = OpenTimeout(link.address, self._connect_timeout)
            self._abandon(link)
        await link.ended.wait()
        event = link.event
        if link.error is None:
            if link.is_open and event is not None:
                link.error = connection_closed(event.code, event.reason, event.wasClean)
            else:
                link.error = ConnectionFailed(link.address)
        if event is None:
            return True
        try:
            return bool(await awaited(self._should_reconnect(event)))
        except Exception as error:
            report(f"Exception in should_reconnect of {self!r}", error)
            return _may_reconnect(event)

    def _opened(self, link):
        if link.ended.is_set():
            return
        link.is_open = True
        self._ws = link.ws
        self._is_held = True
        self._requests = []
        heartbeat = self._heartbeat
        if heartbeat is not None:
            self._next_request = now() + heartbeat.interval
            self._deadline = now() + heartbeat.timeout if heartbeat.message is None else INF
            asyncio.create_task(self._beat(link))
        if self._on_open is None:
            self._ready(link)
        else:
            link.inbox = Receiver(None, None, "close", None, lambda: None)
            link.opening = asyncio.create_task(self._run_on_open(link))

    async def _run_on_open(self, link):
        try:
            self._calling_on_open = True
            try:
                result = self._on_open(self)
            finally:
                self._calling_on_open = False
            await awaited(result)
        except Exception as error:
            report(f"Exception in on_open of {self!r}", error)
            link.error = error
            self._abandon(link)
            return
        self._ready(link)

    def _ready(self, link):
        self._end_opening(link)
        if not link.ended.is_set():
            link.settled.set()
            self._reconnector.connected()
            self._change(State.OPEN)
            self._is_held = False
            self._flush()

    def _end_opening(self, link):
        """Passes on the messages that on_open has not received."""
        inbox, link.inbox, link.opening = link.inbox, None, None
        if inbox is not None:
            for message in inbox.queue:
                self._receiver.push(message)

    def _is_opening(self):
        """Whether on_open is calling."""
        opening = self._link and self._link.opening
        return bool(opening) and (self._calling_on_open or current_task() is opening)

    def _check_wait(self, what):
        if self._is_opening():
            raise RuntimeError(f"{what} in on_open would wait forever: it waits for on_open")
        if self._task is None and not self._is_over:
            raise RuntimeError(f"{what} would wait forever: use 'async with', or call start()")

    def _received(self, link, message):
        if link is not self._link:
            return
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
            (link.inbox or self._receiver).push(message)

    def _ended(self, link, event):
        """Called when a link has ended, with its ``close`` event, or ``None`` if it is dropped."""
        if link.ended.is_set():
            return
        self._is_held = True
        if event is not None and event.wasClean and link.close_code == event.code:
            self._confirm_left()
            if not self._by_leaving:
                self._confirm(lambda _: True, "closing handshake")
        link.event = event
        self._link = None
        opening = link.opening
        self._end_opening(link)
        if opening is not None and current_task() is not opening:
            opening.cancel()
        self._disconnect()
        self._is_wanted = True
        link.settled.set()
        link.ended.set()

    def _abandon(self, link):
        if link.ws is not None:
            self._ended(link, None)
            link.ws.close()

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
            if await wait(link.ended, at - now()):
                return
            late = now() - self._deadline
            if late >= 1 and not had_chance:
                # The page was frozen or busy: what has arrived may not have been delivered yet.
                had_chance = True
                self._deadline = now() + heartbeat.timeout
                self._request()
            elif late >= 0:
                cause = f"nothing has arrived within {heartbeat.timeout:g} s"
                link.error = connection_closed(1006, "", False, cause)
                self._abandon(link)
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
                drained = asyncio.Event()
                draining = asyncio.create_task(self._drain(drained))
                await wait(drained, timeout)
                draining.cancel()
            link = self._link
            if link is not None and link.ws is not None and link.settled.is_set():
                link.close_code = code
                link.ws.close(code, reason)
                await wait(link.ended, max(1, since + timeout - now()))
            self._finish(connection_closed(code, reason, True), "closed")
        except Exception as error:
            report(f"{self!r} has ended because of an exception", error)
            self._finish(error, "closed")
        self._closing.set()

    async def _drain(self, drained):
        await super().drain()
        drained.set()

    def _overflow(self):
        cause = "more has arrived than max_queue and max_queue_bytes allow"
        if self._link is not None:
            self._link.ws.close(4008, "receive queue full")
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
            self._abandon(self._link)
        else:
            self._disconnect()
        self._clear(reason)
        self._alarm.set()
        if self._pages is not None:
            self._pages.destroy()
        self._change(State.CLOSED, None, end)
        wake(self._receiver.changed)

    def _change(self, state, delay=None, error=None):
        attempt = 0 if state == State.OPEN else self._reconnector.attempt
        change = StateChange(state, attempt, delay, error)
        self._last_change._next = change
        self._last_change = change
        wake(self._state_changed)
        if self._on_state is not None:
            call_handler(self._on_state, change, self)


class _States:
    """Iterates over the states of a queue."""

    def __init__(self, queue):
        self._queue = queue
        self._last = None

    def __aiter__(self):
        return self

    async def __anext__(self):
        last = self._last
        if last is None:
            last = self._queue._last_change
        elif last.state == State.CLOSED:
            raise StopAsyncIteration
        else:
            while last._next is None:
                await self._queue._state_changed.wait()
            last = last._next
        self._last = last
        return last


def _open(url, protocols):
    ws = WebSocket(url, protocols or None)
    ws.binaryType = "arraybuffer"
    return ws


async def _value(given):
    """Returns ``given``, or the result of calling it."""
    return await awaited(given()) if callable(given) else given


def _may_reconnect(event):
    return not (event.code in (1000, 1008) or 4400 <= event.code <= 4499)
