"""A WebSocket that reconnects, with a queue for what is sent: :class:`QueuedWebSocket`."""

import asyncio

from .connection import Receiver, Reconnector
from .exceptions import (
    ConnectionClosedOK,
    ConnectionFailed,
    DOMException,
    DOMSyntaxError,
    InvalidAccessError,
    OpenTimeout,
    connection_closed,
)
from .native import PageEvents, call_handler, now, report, shown, wait
from .outbox import Outbox, QueueStats, Sender
from .websocket import WebSocket

_INF = float("inf")


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

    attempts = 0
    reconnects = 0


class Heartbeat:
    """A message that is sent every ``interval`` seconds to detect dead connections.

    If nothing arrives within ``timeout`` seconds of it, the connection is replaced. Without a
    message, something has to arrive at least every ``timeout`` seconds. With ``is_reply``, a reply
    confirms all that was sent before its request.
    """

    def __init__(self, message=None, *, interval=None, timeout, is_reply=None, when_quiet=False):
        if message is None and (interval is not None or is_reply is not None or when_quiet):
            raise TypeError("interval=, is_reply= and when_quiet= need a message to send")
        if message is not None and interval is None:
            raise TypeError("interval= is missing: how often to send the message, in seconds")
        if timeout <= 0 or (interval is not None and interval <= 0):
            raise ValueError("interval and timeout must be more than 0 seconds")
        self.message = message
        self.interval = _INF if interval is None else interval
        self.timeout = timeout
        self.is_reply = is_reply
        self.when_quiet = when_quiet


class Acks:
    """Acknowledgements in the application's own protocol, which confirm messages.

    ``key(message)`` returns the key with which a message will be acknowledged, or ``None``;
    ``acked(message)`` the keys that a received message acknowledges, or ``None``.
    """

    def __init__(self, key, acked, *, pass_on=True):
        self.key = key
        self.acked = acked
        self.pass_on = pass_on


class _Link:
    """One attempt to connect, and its connection."""

    def __init__(self):
        self.ws = None
        self.address = ""
        # Whether the attempt, including on_open, has succeeded or failed.
        self.settled = asyncio.Event()
        self.ended = asyncio.Event()
        self.is_open = self.is_replaced = False
        self.opening = None
        self.error = None
        self.event = None
        self.close_code = None


class QueuedWebSocket:
    """Reconnects by itself, accepts messages in any state, and tells what became of each.

    The options are those of the reference, without ``session``.
    """

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
        acks=None,
        on_open=None,
        on_state=None,
        ttl=None,
        max_pending=2**16,
        max_pending_bytes=2**26,
        on_full="raise",
        in_doubt="resend",
        max_resends=None,
        max_unconfirmed=2**14,
        max_unconfirmed_bytes=2**24,
        max_queue=2**16,
        max_queue_bytes=2**26,
        on_overflow="drop-oldest",
    ):
        self._url = url
        self._protocols = protocols
        self._connect_timeout = connect_timeout
        self._close_timeout = close_timeout
        self._should_reconnect = should_reconnect or _may_reconnect
        self._heartbeat = heartbeat
        self._acks = acks
        self._on_open = on_open
        self._on_state = on_state
        self._outbox = Outbox(
            max_pending,
            max_pending_bytes,
            on_full,
            in_doubt,
            max_unconfirmed,
            max_unconfirmed_bytes,
            max_resends,
        )
        self._sender = sender = Sender(self._outbox, ttl, self._refusal, self)
        self._has_replies = heartbeat is not None and heartbeat.is_reply is not None
        sender.by_leaving = not self._has_replies and acks is None
        sender.key_of = acks.key if acks is not None else None
        sender.wanted = self._want if self._has_replies else None
        self._reconnector = Reconnector(backoff, max_attempts, give_up_after)
        self._receiver = Receiver(
            max_queue, max_queue_bytes, on_overflow, self._overflow, lambda: self._end
        )
        self._state = State.WAITING
        self._changes = []  # The lists of those who follow the states, and their events.
        self._link = None
        self._task = None
        self._closing = None
        self._pages = None
        self._end = None
        self._alarm = asyncio.Event()
        self._requests = []
        self._deadline = self._next_request = _INF
        self._is_wanted = False
        self._calling_on_open = False
        self.latency = None

    @property
    def state(self):
        """The current :class:`State`."""
        return self._state

    @property
    def url(self):
        """The URL of the current connection or attempt; ``""`` if there is none."""
        return self._link.ws.url if self._link is not None and self._link.ws else ""

    @property
    def protocol(self):
        """The subprotocol chosen by the server."""
        return self._link.ws.protocol if self._link is not None and self._link.ws else ""

    @property
    def pending(self):
        """How many messages wait to be sent, or sent again."""
        return self._outbox.pending

    @property
    def pending_bytes(self):
        """How many bytes wait to be sent, or sent again."""
        return self._outbox.pending_bytes

    @property
    def unconfirmed(self):
        """How many messages were sent but are not confirmed yet."""
        return self._outbox.unconfirmed

    @property
    def dropped(self):
        """How many received messages ``on_overflow`` has dropped."""
        return self._receiver.dropped

    @property
    def stats(self):
        """A copy of the statistics so far."""
        stats = Stats(self._outbox.stats)
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
        if self._sender.is_over:
            raise self._refusal()
        ws = None
        if not (callable(self._url) or callable(self._protocols)):
            ws = self._open(self._url, self._protocols)
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
            QueueFull: As many messages wait as may, and ``on_full`` is "raise" or "wait".
            TypeError: ``data`` is neither text nor binary.
        """
        if self._is_opening():
            return self._sender.send_transient(data)
        return self._sender.send(data, ttl)

    async def put(self, data, *, ttl=None):
        """Accepts a message like :meth:`send`; with ``on_full="wait"``, waits for room first."""
        if self._is_opening():
            return self._sender.send_transient(data)
        return await self._sender.put(data, ttl)

    async def drain(self):
        """Waits until every message is confirmed or dropped."""
        self._refuse_opening("drain()")
        await self._sender.drain()

    async def wait_open(self, timeout=None):
        """Waits until there is a connection. Raises :exc:`ConnectionClosed` if there will be none,
        and ``asyncio.TimeoutError``.
        """
        self._refuse_opening("wait_open()")

        async def follow():
            async for change in self.states():
                if change.state in (State.OPEN, State.CLOSED):
                    break

        await (follow() if timeout is None else asyncio.wait_for(follow(), timeout))
        if self._end is not None:
            raise self._end

    def reconnect(self):
        """Replaces the connection at once, for example to use a new token."""
        if self._sender.is_over:
            raise self._refusal()
        self._reconnector.restart()
        if self._link is not None:
            self._link.is_replaced = True
            self._sender.confirm_left()
            self._abandon(self._link)
        self._alarm.set()

    def clear(self):
        """Drops all waiting messages, and returns their number."""
        return self._sender.clear("cleared")

    def __iter__(self):
        return iter(self._outbox)

    async def recv(self, decode=None):
        """Waits for the next message and returns it, across reconnections.

        Raises:
            ConnectionClosed: It is closed for good, and all messages were received.
            ConnectionFailed: It has given up connecting.
        """
        return await self._receiver.recv(decode)

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return await self._receiver.next()
        except ConnectionClosedOK:
            raise StopAsyncIteration

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
        self._refuse_opening("close()")
        if self._closing is None:
            self._sender.is_over = True
            self._sender.changed()
            timeout = self._close_timeout if timeout is None else timeout
            self._closing = asyncio.Event()
            asyncio.create_task(self._close(code, reason, timeout))
        await self._closing.wait()

    def abort(self):
        """Closes at once, and drops all unconfirmed messages with the reason "aborted"."""
        end = connection_closed(1006, "aborted", False, "aborted, by abort()")
        self._finish(end, "aborted")

    def __repr__(self):
        return f"<QueuedWebSocket {self._address()} {self._state}>"

    # One attempt after another

    def _address(self):
        return "url()" if callable(self._url) else shown(self._url)

    def _open(self, url, protocols):
        ws = WebSocket(url, protocols or None)
        ws.binaryType = "arraybuffer"
        return ws

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
                if self._closing and not (self._outbox.pending or self._outbox.unconfirmed):
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
                ws = self._open(url, protocols)
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
        if link.error is None:
            if link.is_open:
                event = link.event
                link.error = connection_closed(event.code, event.reason, event.wasClean)
            else:
                link.error = ConnectionFailed(link.address)
        if link.event is None:
            return True
        try:
            answer = self._should_reconnect(link.event)
            return bool(await answer if hasattr(answer, "throw") else answer)
        except Exception as error:
            report(f"Exception in should_reconnect of {self!r}", error)
            return _may_reconnect(link.event)

    def _opened(self, link):
        if link.ended.is_set():
            return
        link.is_open = True
        self._requests = []
        heartbeat = self._heartbeat
        self._sender.connect(link.ws, True)
        if heartbeat is not None:
            self._next_request = now() + heartbeat.interval
            self._deadline = now() + heartbeat.timeout if heartbeat.message is None else _INF
            asyncio.create_task(self._beat(link))
        if self._on_open is None:
            self._ready(link)
        else:
            link.opening = asyncio.create_task(self._run_on_open(link))

    async def _run_on_open(self, link):
        try:
            self._calling_on_open = True
            try:
                result = self._on_open(self)
            finally:
                self._calling_on_open = False
            if hasattr(result, "throw"):
                await result
        except Exception as error:
            report(f"Exception in on_open of {self!r}", error)
            link.error = error
            self._abandon(link)
            return
        self._ready(link)

    def _ready(self, link):
        link.opening = None
        if link.ended.is_set():
            return
        link.settled.set()
        self._reconnector.connected()
        self._change(State.OPEN)
        self._sender.is_held = False
        self._sender.flush()
        self._ask_if_wanted()

    def _is_opening(self):
        link = self._link
        return (
            link is not None
            and link.opening is not None
            and (self._calling_on_open or asyncio.current_task() is link.opening)
        )

    def _refuse_opening(self, what):
        if self._is_opening():
            raise RuntimeError(f"{what} in on_open would wait forever: it waits for on_open")

    def _received(self, link, message):
        if link is not self._link:
            return
        confirmed = self._outbox.stats.confirmed
        self._sender.confirm_left()
        heartbeat = self._heartbeat
        if heartbeat is not None:
            self._deadline = now() + heartbeat.timeout if heartbeat.message is None else _INF
            if heartbeat.when_quiet:
                self._next_request = now() + heartbeat.interval
        is_passed_on = self._confirm(message)
        if is_passed_on or self._outbox.stats.confirmed > confirmed:
            self._reconnector.has_progressed = True
        self._sender.flush()
        if is_passed_on:
            self._receiver.push(message)
        else:
            self._ask_if_wanted()

    def _confirm(self, message):
        """Confirms what a message does; returns whether it is for the application."""
        try:
            if self._has_replies and self._heartbeat.is_reply(message):
                if self._requests:
                    mark, since = self._requests.pop(0)
                    self.latency = now() - since
                    self._outbox.confirm_before(mark, "heartbeat")
                return False
            if self._acks is not None:
                keys = self._acks.acked(message)
                if keys is not None:
                    self._outbox.confirm_keys(keys)
                    return self._acks.pass_on
        except Exception as error:
            report(f"Exception in is_reply or acked of {self!r}", error)
        return True

    def _ended(self, link, event):
        """Called when a link has ended, with its ``close`` event, or ``None`` if it is dropped."""
        if link.ended.is_set():
            return
        sender = self._sender
        sender.is_held = True
        if event is not None and event.wasClean and link.close_code == event.code:
            sender.confirm_left()
            if not sender.by_leaving:
                self._outbox.confirm_before(_INF, "closing handshake")
        link.event = event
        self._link = None
        if link.opening is not None and asyncio.current_task() is not link.opening:
            link.opening.cancel()
        sender.disconnect()
        self._is_wanted = self._has_replies
        link.settled.set()
        link.ended.set()

    def _abandon(self, link):
        if link.ws is not None:
            self._ended(link, None)
            link.ws.close()

    # The heartbeat

    def _want(self):
        self._is_wanted = True
        self._ask_if_wanted()

    def _ask_if_wanted(self):
        outbox = self._outbox
        if (
            self._has_replies
            and (self._is_wanted or outbox.is_half_full)
            and outbox.unconfirmed
            and not self._requests
        ):
            self._request()

    def _request(self):
        heartbeat, sender = self._heartbeat, self._sender
        if not sender.is_open or heartbeat.message is None:
            return
        try:
            sender.ws.send(
                heartbeat.message() if callable(heartbeat.message) else heartbeat.message
            )
        except Exception as error:
            report(f"The heartbeat of {self!r} cannot be sent", error)
            return
        self._next_request = now() + heartbeat.interval
        self._deadline = min(self._deadline, now() + heartbeat.timeout)
        self._is_wanted = self._outbox.pending > 0
        if self._has_replies:
            self._requests.append((self._outbox.sent, now()))

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
                link.error = connection_closed(
                    1006, "", False, f"nothing has arrived within {heartbeat.timeout:g} s"
                )
                self._abandon(link)
                return
            else:
                had_chance = had_chance and self._deadline < _INF
                if now() >= self._next_request:
                    self._request()

    def _came_back(self):
        """Called when the network or the page came back."""
        self._reconnector.came_back()
        self._alarm.set()
        if self._link is not None and self._heartbeat is not None:
            self._request()  # The connection may be dead.

    # The end

    async def _close(self, code, reason, timeout):
        since = now()
        try:
            if self._task is not None:
                self._alarm.set()
                try:
                    drain = self._sender.drain()
                    await (drain if timeout is None else asyncio.wait_for(drain, timeout))
                except asyncio.TimeoutError:
                    pass
            link = self._link
            if link is not None and link.ws is not None and link.settled.is_set():
                link.close_code = code
                link.ws.close(code, reason)
                rest = None if timeout is None else max(1, since + timeout - now())
                await wait(link.ended, rest)
            self._finish(connection_closed(code, reason, True), "closed")
        except Exception as error:
            report(f"{self!r} has ended because of an exception", error)
            self._finish(error, "closed")
        self._closing.set()

    def _overflow(self):
        cause = "more has arrived than max_queue and max_queue_bytes allow"
        if self._link is not None:
            self._link.ws.close(4008, "receive queue full")
        self._finish(connection_closed(4008, "receive queue full", False, cause))

    def _refusal(self):
        return self._end or connection_closed(1000, "", True)

    def _finish(self, end, reason=None):
        if self._end is not None:
            return
        self._end = end
        self._sender.is_over = True
        self._sender.drop_reason = reason = reason or "closed"
        if self._link is not None:
            self._abandon(self._link)
        else:
            self._sender.disconnect()
        self._sender.clear(reason)
        self._alarm.set()
        if self._pages is not None:
            self._pages.destroy()
        self._change(State.CLOSED, None, end)
        self._receiver.wake()

    def _change(self, state, delay=None, error=None):
        self._state = state
        attempt = 0 if state == State.OPEN else self._reconnector.attempt
        change = StateChange(state, attempt, delay, error)
        for follower in self._changes:
            follower.add(change)
        if self._on_state is not None:
            call_handler(self._on_state, change, self)


class _States:
    """Iterates over the states of a queue."""

    def __init__(self, queue):
        self._queue = queue
        self._seen = asyncio.Event()
        self._list = [StateChange(queue.state)]
        self._is_over = False
        queue._changes.append(self)
        self._seen.set()

    def add(self, change):
        """Called with each change."""
        self._list.append(change)
        self._seen.set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self._is_over:
            raise StopAsyncIteration
        while not self._list:
            self._seen.clear()
            await self._seen.wait()
        change = self._list.pop(0)
        if change.state == State.CLOSED:
            self._is_over = True
            self._queue._changes.remove(self)
        return change


async def _value(given):
    """Returns ``given``, or the result of calling it."""
    if callable(given):
        given = given()
        if hasattr(given, "throw"):
            given = await given
    return given


def _may_reconnect(event):
    return not (event.code in (1000, 1008) or 4400 <= event.code <= 4499)
