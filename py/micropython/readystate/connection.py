"""``connect()`` and ``Connection``: asyncio, in the vocabulary of ``websockets``."""

import asyncio
import random

from jsffi import create_proxy

from .exceptions import (
    ConcurrencyError,
    ConnectionClosedOK,
    ConnectionFailed,
    OpenTimeout,
    connection_closed,
)
from .native import (
    INF,
    awaited,
    choice,
    limit,
    now,
    optional,
    shown,
    to_bytes,
    wake,
    when_back,
    within,
)
from .websocket import WebSocket


class Backoff:
    """Exponential backoff with jitter, which resets after ``healthy`` seconds of connection.

    The n-th consecutive wait is a random time up to ``initial * factor ** n`` seconds, at most
    ``maximum``.
    """

    def __init__(
        self, initial=2.0, maximum=30.0, factor=2.0, jitter=1.0, *, healthy=5.0, random=None
    ):
        self.maximum = limit("maximum", maximum)
        self.initial = limit("initial", initial, 0, maximum)
        self.factor = limit("factor", factor, 1)
        self.jitter = limit("jitter", jitter, 0, 1)
        self.healthy = limit("healthy", healthy)
        self.random = random

    def delays(self):
        """Yields the waits after consecutive failures, in seconds, endlessly."""
        draw = self.random or random.random
        limit = self.initial
        while True:
            yield limit * (1 - self.jitter * draw())
            limit = min(limit * self.factor, self.maximum)


class Reconnector:
    """Decides when a client connects.

    Attempts count as consecutive until a connection lasts for ``backoff.healthy`` seconds or
    receives a message.
    """

    def __init__(self, backoff=None, max_attempts=None, give_up_after=None):
        self._backoff = optional("backoff", backoff, Backoff) or Backoff()
        self._delays = self._backoff.delays()
        self._max_attempts = limit("max_attempts", max_attempts, 1)
        self._give_up_after = limit("give_up_after", give_up_after)
        self._since = self._connected_at = None
        self._came_back_at = -INF
        self.has_progressed = False
        self.attempt = self.attempts = self.connections = 0

    def begin(self):
        """Called when an attempt starts."""
        if self._since is None:
            self._since = now()
        self.attempt += 1
        self.attempts += 1
        self._connected_at = None
        self.has_progressed = False

    def connected(self):
        """Called when it has succeeded."""
        self.connections += 1
        self._connected_at = now()

    def restart(self):
        """Starts counting anew."""
        self._delays = self._backoff.delays()
        self._since = self._connected_at = None
        self.attempt = 0

    def came_back(self):
        """Called when the network or the page came back: the next wait is skipped."""
        self._came_back_at = now()

    def ended(self, error, url):
        """Returns in how many seconds the next attempt starts, as this one has ended.

        Raises:
            ConnectionFailed: There will be none.
        """
        time = now()
        if self._connected_at is not None:
            if time - self._connected_at >= self._backoff.healthy:
                self.restart()
            elif self.has_progressed:
                self.attempt = 0
                self._since = time
        elapsed = time - (time if self._since is None else self._since)
        if self.attempt >= self._max_attempts or elapsed >= self._give_up_after:
            raise ConnectionFailed(
                url, f"given up after {self.attempt} attempts in a row, in {elapsed:.1f} s: {error}"
            )
        if time - self._came_back_at < 5:
            self._came_back_at = -INF
            return 0
        return min(next(self._delays), self._give_up_after - elapsed)


class Receiver:
    """Received messages, for one task at a time.

    Args:
        max_queue: How many messages to queue; ``None`` means no limit.
        max_queue_bytes: How many bytes (of text, characters).
        on_overflow: What to do beyond these limits: "close", "drop-oldest" or "drop-newest".
        overflow: Called with ``on_overflow="close"``.
        end: Returns the exception to raise if there will be no more messages, otherwise ``None``.
    """

    def __init__(self, max_queue, max_queue_bytes, on_overflow, overflow, end):
        self._max_queue = limit("max_queue", max_queue)
        self._max_bytes = limit("max_queue_bytes", max_queue_bytes)
        kinds = ("close", "drop-oldest", "drop-newest")
        self._on_overflow = choice("on_overflow", on_overflow, *kinds)
        self._overflow = overflow
        self._end = end
        self.queue = []
        self._bytes = 0
        self._is_receiving = False
        self.changed = asyncio.Event()
        self.dropped = 0

    def push(self, message):
        """Adds a message."""
        queue = self.queue
        queue.append(message)
        self._bytes += len(message)
        if len(queue) > self._max_queue or (self._bytes > self._max_bytes and len(queue) > 1):
            if self._on_overflow == "close":
                self._overflow()
            else:
                self._bytes -= len(queue.pop(0 if self._on_overflow == "drop-oldest" else -1))
                self.dropped += 1
        wake(self.changed)

    async def recv(self, decode):
        """Waits for the next message, as ``str`` or ``bytes`` if ``decode`` is True or False."""
        if self._is_receiving:
            raise ConcurrencyError("another task is waiting for a message of this connection")
        self._is_receiving = True
        try:
            while not self.queue:
                end = self._end()
                if end is not None:
                    raise end
                await self.changed.wait()
        finally:
            self._is_receiving = False
        message = self.queue.pop(0)
        self._bytes -= len(message)
        if decode is True and isinstance(message, bytes):
            return message.decode()
        if decode is False and isinstance(message, str):
            return message.encode()
        return message


class Receiving:
    """What :class:`Connection` and :class:`QueuedWebSocket` have in common."""

    @property
    def dropped(self):
        """How many received messages ``on_overflow`` has dropped."""
        return self._receiver.dropped

    async def recv(self, decode=None):
        """Waits for the next message and returns it. Cancelling it loses none.

        Raises:
            ConnectionClosed: The connection has ended, and all its messages were received.
            ConcurrencyError: Another task is waiting for a message.
        """
        return await self._receiver.recv(decode)

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return await self.recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration


class Connection(Receiving):
    """A connection of :class:`connect`, with ``close_code`` and ``close_reason`` after its end."""

    def __init__(self, url, protocols, receiving, close_timeout, write_limit):
        self._close_timeout = close_timeout
        self._write_limit = write_limit
        self._event = self._error = self._on_end = None
        self._opened = asyncio.Event()
        self._closed = asyncio.Event()
        self.close_code = self.close_reason = None
        self._was_open = self._has_received = False
        self._receiver = Receiver(
            *receiving,
            lambda: self._ws.close(4008, "receive queue full"),
            lambda: self._error and self._ended(),
        )
        self._receive = self._receiver.push
        self._ws = WebSocket(url, protocols, onopen=self._on_open, onclose=self._on_close)
        self._ws.binaryType = "arraybuffer"
        # Not by a MessageEvent, which takes longer.
        self._ws.js_websocket.onmessage = create_proxy(self._on_message)
        self.url = self._ws.url

    @property
    def subprotocol(self):
        """The subprotocol chosen by the server, or ``None``."""
        return self._ws.protocol or None

    @property
    def extensions(self):
        """The extensions in use."""
        return self._ws.extensions

    @property
    def ready_state(self):
        """The state, as of :class:`WebSocket`."""
        return 3 if self._error is not None else self._ws.readyState

    @property
    def buffered_amount(self):
        """How many bytes were sent but have not left the page."""
        return self._ws.bufferedAmount

    async def send(self, message):
        """Sends a message; waits while more than ``write_limit`` bytes have not left the page.

        Raises:
            ConnectionClosed: The connection is closing or has ended.
            TypeError: ``message`` is neither text nor binary.
        """
        ws = self._ws
        if ws.readyState != 1:
            await self._raise_closed()
        ws.send(message)
        if ws.bufferedAmount > self._write_limit:
            await self._wait_for_buffer(self._write_limit // 4)

    async def drain(self):
        """Waits until all that was sent has left the page."""
        await self._wait_for_buffer(0)

    async def close(self, code=1000, reason=""):
        """Closes the connection and waits until it is closed, at most ``close_timeout`` seconds."""
        self._ws.close(code, reason)
        await self._wait_for_end()

    async def wait_closed(self):
        """Waits until the connection is closed, by either side."""
        await self._closed.wait()

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, traceback):
        if error is None:
            await self.close()
        else:
            self._abandon(f"{kind.__name__} in its 'async with' block")

    def _on_open(self, event):
        self._was_open = True
        self._opened.set()

    def _on_message(self, js_event):
        self._has_received = True
        if self._error is None:
            data = js_event.data
            self._receive(data if isinstance(data, str) else to_bytes(data))

    def _on_close(self, event):
        if self._error is None:
            self._event = event
            self._end(event.code, event.reason, event.wasClean)

    def _abandon(self, cause):
        """Ends it without waiting for the server."""
        self._end(1006, "", False, cause)
        self._ws.close()

    def _end(self, code, reason, was_clean, cause=""):
        if self._error is None:
            self.close_code = code
            self.close_reason = reason
            self._error = (code, reason, was_clean, cause)
            if self._on_end is not None:
                self._on_end()
            self._closed.set()
            self._opened.set()
            wake(self._receiver.changed)

    async def _wait_open(self, timeout):
        if not await within(timeout, self._opened.wait()):
            raise OpenTimeout(shown(self.url), timeout)
        if not self._was_open:
            raise ConnectionFailed(shown(self.url))

    def _ended(self):
        return connection_closed(*self._error)

    async def _wait_for_end(self):
        if not await within(self._close_timeout, self._closed.wait()):
            cause = f"the server has not ended the connection within {self._close_timeout:g} s"
            self._end(1006, "", False, cause)

    async def _raise_closed(self):
        await self._wait_for_end()
        raise self._ended()

    async def _wait_for_buffer(self, limit):
        pause = 1  # With 0, MicroPython would not return to the browser.
        while self._ws.bufferedAmount > limit:
            await asyncio.sleep_ms(pause)
            pause = min(50, 2 * pause)
            if self._ws.readyState != 1:
                await self._raise_closed()

    def __repr__(self):
        state = ("CONNECTING", "OPEN", "CLOSING", "CLOSED")[self.ready_state]
        return f"<Connection {shown(self.url)} {state}>"


class connect:
    """Connects to a WebSocket server: ``await`` it, enter it with ``async with``, or iterate over
    it with ``async for`` for a new connection after each loss. The options are those of the
    reference, without ``transport``.

    Raises:
        ConnectionFailed: The connection could not be made; when iterating, after giving up.
        OpenTimeout: The connection was not made within ``open_timeout``.
        DOMSyntaxError: ``url`` or one of ``subprotocols`` is invalid.
    """

    def __init__(
        self,
        url,
        *,
        subprotocols=None,
        open_timeout=10,
        close_timeout=10,
        write_limit=2**20,
        max_queue=2**16,
        max_queue_bytes=2**26,
        on_overflow="close",
        process_exception=None,
        **retrying,
    ):
        self._url = url
        self._subprotocols = subprotocols
        self._open_timeout = limit("open_timeout", open_timeout)
        self._timing = limit("close_timeout", close_timeout), limit("write_limit", write_limit)
        self._receiving = max_queue, max_queue_bytes, on_overflow
        self._retrying = retrying
        # Both check their options.
        Receiver(*self._receiving, None, None)
        Reconnector(**retrying)
        process_exception = optional("process_exception", process_exception)
        self._process_exception = process_exception or _go_on_if_it_may_help

    def __iter__(self):  # which await calls
        return (yield from self._connect())

    async def __aenter__(self):
        self._entered = await self._connect()
        return self._entered

    async def __aexit__(self, kind, error, traceback):
        await self._entered.__aexit__(kind, error, traceback)

    def __aiter__(self):
        self._entered = None
        self._reconnector = Reconnector(**self._retrying)
        return self

    async def __anext__(self):
        if self._entered is not None:
            await self._entered.close()
            self._reconnector.has_progressed = self._entered._has_received
            await self._wait(self._entered._ended())
        while True:
            self._reconnector.begin()
            try:
                self._entered = await self._connect()
                self._reconnector.connected()
                return self._entered
            except Exception as failure:
                error = failure
            final = await awaited(self._process_exception(error))
            if final is not None:
                raise final
            await self._wait(error)

    async def _wait(self, error):
        delay = self._reconnector.ended(error, shown(self._url))
        alarm = asyncio.Event()
        end = when_back(alarm.set)
        try:
            await within(delay, alarm.wait())
        finally:
            end()

    async def _connect(self):
        connection = Connection(self._url, self._subprotocols, self._receiving, *self._timing)
        try:
            await connection._wait_open(self._open_timeout)
        except BaseException:  # cancellation too
            connection._ws.close()
            raise
        return connection

    def __repr__(self):
        return f"<connect {shown(self._url)}>"


def _go_on_if_it_may_help(error):
    return None if isinstance(error, ConnectionFailed) else error
