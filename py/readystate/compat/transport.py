"""A client library's transport over the browser's ``WebSocket``."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from .._host import Inbox, NativeError, Timer, local_permission, python_error, send
from ..connection.connection import size_at_most
from ..connection.receiver import OVERFLOW_CODE, OVERFLOW_REASON
from ..core.addresses import shown
from ..core.pauses import Pauses
from ..dom.websocket import CloseEvent, Event, WebSocket
from ..exceptions import ConnectionFailed, DOMException
from . import server_end
from .address import SOCKNAME, Addresses
from .server_end import Close, NotAnUpgrade, Ping, ProtocolError, Request, ServerEnd

__all__ = ["Options", "Rewrite", "Transport"]

logger: logging.Logger = logging.getLogger("readystate.compat")

Rewrite: TypeAlias = Callable[[str, dict[str, str], list[str]], tuple[str, list[str]]]
"""The type of ``install(rewrite=)``, which moves headers to where a browser can send them."""

_OF_THE_BROWSER: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "host",
        "origin",
        "pragma",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "upgrade",
        "user-agent",
    }
)
"""Headers that the browser sets itself."""

_AT_A_TIME: Final = 2**18
"""How many bytes a protocol receives before it can pause, as with asyncio's sockets."""
_SOCKET_BUFFER: Final = 2**20
"""How many bytes may be unsent beyond the library's own limit, like a system's socket buffer.

The browser's number falls only in a later turn of the event loop, so without this each message
above the limit would wait for one.
"""
_ECHO_TIMEOUT: Final = 10.0
"""How long the library may take to answer the server's close frame, in seconds."""
_MAX_REASON: Final = 123
"""The maximum length of a close reason, in bytes."""
_SILENCE: Final = 5.0
"""After how many seconds without a handshake the client does not speak WebSocket."""


@dataclass
class Options:
    """The options of :func:`install`.

    Attributes:
        rewrite: As in :func:`install`.
        max_held: As in :func:`install`.
        warned: What it has already warned of.
    """

    rewrite: Rewrite | None = None
    max_held: int = 2**26
    warned: set[str] = field(default_factory=set)

    def warn_once(self, what: str, message: str) -> None:
        """Warns of ``what`` the first time."""
        if what not in self.warned:
            self.warned.add(what)
            warnings.warn(message, RuntimeWarning, stacklevel=2)


class Transport(asyncio.Transport):
    """Looks like a connection to a server, while the browser makes the real one.

    When the library writes its handshake, this creates a native ``WebSocket``, and answers when
    that is open. Then it translates frames in both directions. The class is long because a
    transport has some twenty methods, which share its state.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        options: Options,
        address: tuple[Any, ...],
    ) -> None:
        self._info: dict[str, Any] = {
            "peername": address,
            "sockname": SOCKNAME,
            "socket": Addresses(address),
        }
        super().__init__(self._info)
        self._loop = loop
        self._protocol = protocol
        self._options = options
        self._is_secure = False
        self._end = ServerEnd()
        self._request: Request | None = None
        self._ws: WebSocket | None = None
        self._native_send: Callable[[Any], None] | None = None
        self._inbox: Inbox | None = None
        self._is_open = False
        # What to pass to the library, in order; ``None`` is the end.
        self._held: deque[bytes | None] = deque()
        self._held_bytes = 0
        self._is_overflowing = False
        self._is_reading = True
        self._is_closing = False
        self._is_lost = False
        # The close frame from the library, and whether it has received the server's.
        self._close_sent: Close | None = None
        self._is_close_given = False
        self._timer: Timer | None = Timer(_SILENCE, self._on_silence)
        self.set_write_buffer_limits()
        self._unsent_at_most = 0
        self._is_writing_paused = False
        self._pauses = Pauses()

    def __repr__(self) -> str:
        state = "closing" if self._is_closing else "open"
        return f"<readystate.compat.Transport {self._ws!r} {state}>"

    # asyncio.BaseTransport

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        """Closes the connection; the library is notified in a later turn of the event loop."""
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        self.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    # asyncio.ReadTransport

    def is_reading(self) -> bool:
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        """Stops passing data to the library; what arrives is buffered, up to ``max_held``."""
        self._is_reading = False

    @property
    def held(self) -> int:
        """How many bytes are buffered while the library has paused reading."""
        return self._held_bytes

    def resume_reading(self) -> None:
        if not self._is_reading:
            self._is_reading = True
            # Later: libraries do not expect data while they resume.
            self._loop.call_soon(self._deliver)

    # asyncio.WriteTransport

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = 2**16 if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low
        if not 0 <= self._low <= self._high:
            raise ValueError(f"high={high!r} and low={low!r} must be 0 <= low <= high")

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return 0 if self._ws is None else self._ws.bufferedAmount

    def can_write_eof(self) -> bool:
        return False

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Handles data from the library.

        Raises:
            NotImplementedError: It is not a WebSocket handshake, and there are no other
                connections.
        """
        if self._is_closing or not data:
            return
        try:
            events = self._end.receive(data)
        except NotAnUpgrade as error:
            raise NotImplementedError(
                f"only WebSocket connections are possible here, but {error}. "
                "A page has no sockets; for HTTP use pyodide.http.pyfetch()"
            ) from None
        except ProtocolError as error:
            logger.error("Closed, as the library does not send WebSocket frames: %s", error)
            self._give(server_end.close_frame(error.code, str(error)))
            self._close_native()
            return
        for event in events:
            if isinstance(event, Request):
                self._connect(event)
            elif isinstance(event, Ping):
                # Answered here, as a page cannot send pings.
                self._loop.call_soon(self._give, server_end.pong(event.payload))
            elif isinstance(event, Close):
                self._on_close_frame(event)
            elif self._close_sent is None:
                self._transmit(event)

    # The connection

    def _connect(self, request: Request) -> None:
        self._request = request
        self._stop_timer()
        scheme = "wss" if self._is_secure else "ws"
        url = f"{scheme}://{request.headers.get('host', '')}{request.target}"
        headers = {
            name: value for name, value in request.headers.items() if name not in _OF_THE_BROWSER
        }
        subprotocols = request.subprotocols
        if self._options.rewrite is not None:
            url, subprotocols = self._options.rewrite(url, headers, subprotocols)
        for name in headers:
            self._options.warn_once(
                name,
                f"the header {name.title()!r} is not sent: pages cannot set the headers of a "
                "WebSocket. install(rewrite=...) can move it to the query or to a subprotocol",
            )
        try:
            self._ws = ws = WebSocket(
                url, subprotocols, onopen=self._on_open, onclose=self._on_close
            )
        except DOMException as error:
            self._loop.call_soon(self._lose, ConnectionFailed(url, f"{url}: {error}"))
            return
        ws.binaryType = "arraybuffer"
        # Kept: each access to a JavaScript method creates a new proxy.
        self._native_send = ws.js_websocket.send
        self._inbox = Inbox(ws.js_websocket, self._on_arrival)
        self._inbox.arm()

    def _on_open(self, _: Event) -> None:
        if self._is_closing or self._request is None or self._ws is None:
            return
        self._is_open = True
        # The library did not offer what rewrite() has added.
        chosen = self._ws.protocol
        subprotocol = chosen if chosen in self._request.subprotocols else None
        self._give(server_end.response(self._request, subprotocol))

    def _on_close(self, event: CloseEvent) -> None:
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            self._give(*server_end.frames(inbox.take()))
            inbox.destroy()
        if self._is_lost:
            return
        if not self._is_open:
            self._fail()
            return
        if event.wasClean or self._is_overflowing:
            self._is_close_given = True
            self._give(self._close_frame_of(event))
            if self._close_sent is None:
                # A server waits for the client's close frame before it ends the connection.
                self._timer = Timer(_ECHO_TIMEOUT, lambda: self._give(None))
                return
        self._give(None)

    def _close_frame_of(self, event: CloseEvent) -> bytes:
        code, reason, sent = event.code, event.reason, self._close_sent
        if self._is_overflowing:
            # Whatever the server has answered, this says what it was.
            code, reason = OVERFLOW_CODE, OVERFLOW_REASON
        elif code == 1005 and sent is not None and sent.code is not None:
            # The browser does not accept this code, so it closed without one. The library receives
            # its own back, as from any server.
            code, reason = sent.code, sent.reason
        return server_end.close_frame(None if code == 1005 else code, reason)

    def _on_close_frame(self, close: Close) -> None:
        if self._is_close_given:
            self._stop_timer()
            self._loop.call_soon(self._give, None)
        elif self._close_sent is None:
            self._close_sent = close
            self._close_native(close.code, close.reason)

    def _close_native(self, code: int | None = None, reason: str = "") -> None:
        """Closes the native socket, with this code if the browser accepts it."""
        if self._ws is None:
            return
        if code is not None and (code == 1000 or 3000 <= code <= 4999):
            self._ws.close(code, reason.encode()[:_MAX_REASON].decode(errors="ignore"))
        else:
            self._ws.close()

    def _fail(self) -> None:
        """Ends as if the server had not answered, as browsers do not tell why."""
        url = "" if self._ws is None else shown(self._ws.url)
        error = ConnectionFailed(url, permission=local_permission(url))
        self._lose(error)
        # ``websockets`` since 13 creates its own exception.
        raised = getattr(getattr(self._protocol, "protocol", None), "handshake_exc", None)
        if isinstance(raised, Exception):
            raised.add_note(str(error))

    def _on_silence(self) -> None:
        self._lose(
            NotImplementedError(
                "only WebSocket connections are possible here, but the client has sent nothing "
                f"for {_SILENCE:g} s. A page has no sockets"
            )
        )

    def _lose(self, error: Exception | None) -> None:
        """Ends the connection, and discards what is received afterwards."""
        if self._is_lost:
            return
        self._is_closing = self._is_lost = True
        self._stop_timer()
        self._held.clear()
        self._close_native()
        self._protocol.connection_lost(error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # From the browser to the library

    def _on_arrival(self, _: Any) -> None:
        if self._inbox is not None:
            self._inbox.is_armed = False
            self._take()

    def _take(self) -> None:
        """Takes messages that have arrived.

        The first one after a pause at once; then a batch per turn of the event loop, until one is
        empty.
        """
        inbox = self._inbox
        if inbox is None:
            return
        messages = inbox.take()
        if inbox.failure is not None:
            self._give(*server_end.frames(messages))
            self._close_native()
            self._lose(ConnectionAbortedError(inbox.failure))
            return
        if not messages:
            inbox.arm()
            return
        self._loop.call_soon(self._take)
        self._give(*server_end.frames(messages))

    def _give(self, *parts: bytes | None) -> None:
        """Passes bytes to the library, or ``None`` for their end, when it reads."""
        if self._is_lost:
            return
        self._held.extend(parts)
        self._held_bytes += sum(map(len, filter(None, parts)))
        self._deliver()
        if self._held_bytes > self._options.max_held and not self._is_overflowing:
            self._is_overflowing = True
            logger.warning(
                "%r has paused reading, but the server cannot be paused: %d bytes are buffered, "
                "more than install(max_held=%d), so it is closed with %d",
                *(self, self._held_bytes, self._options.max_held, OVERFLOW_CODE),
            )
            self._close_native(OVERFLOW_CODE, OVERFLOW_REASON)

    def _deliver(self) -> None:
        held = self._held
        while held and self._is_reading and not self._is_closing:
            parts = []
            size = 0
            while held and size < _AT_A_TIME and (part := held[0]) is not None:
                parts.append(part)
                size += len(part)
                held.popleft()
            self._held_bytes -= size
            try:
                if parts:
                    self._feed(b"".join(parts))
                else:
                    held.popleft()
                    cast(asyncio.Protocol, self._protocol).eof_received()
                    self.close()
            except Exception as error:
                self._loop.call_exception_handler(
                    {
                        "message": "Fatal error: the protocol failed to handle received data",
                        "exception": error,
                        "transport": self,
                        "protocol": self._protocol,
                    }
                )
                self._lose(error)

    def _feed(self, data: bytes) -> None:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            cast(asyncio.Protocol, protocol).data_received(data)
            return
        rest = memoryview(data)
        while rest:
            buffer = memoryview(protocol.get_buffer(len(rest)))
            count = min(len(buffer), len(rest))
            buffer[:count] = rest[:count]
            protocol.buffer_updated(count)
            rest = rest[count:]

    # From the library to the browser

    def _transmit(self, message: str | bytes) -> None:
        if self._ws is None or self._native_send is None:
            return
        try:
            send(self._native_send, message)
        except NativeError as error:
            raise python_error(error) from error
        # The browser's number can only have fallen since it was last read.
        self._unsent_at_most += size_at_most(message)
        limit = self._high + _SOCKET_BUFFER
        if self._unsent_at_most > limit and not self._is_writing_paused:
            self._unsent_at_most = self._ws.bufferedAmount
            if self._unsent_at_most > limit:
                self._is_writing_paused = True
                self._pauses = Pauses()
                self._protocol.pause_writing()
                self._look()

    def _look(self) -> None:
        """Resumes writing when enough has left; polls until then."""
        if self._is_lost or self._ws is None:
            return
        amount = self._ws.bufferedAmount
        if amount <= self._low + _SOCKET_BUFFER or self._ws.readyState != WebSocket.OPEN:
            self._unsent_at_most = amount
            self._is_writing_paused = False
            self._protocol.resume_writing()
        else:
            self._loop.call_later(self._pauses.next(amount), self._look)

    # For start_tls()

    def secure(self, protocol: asyncio.BaseProtocol, context: Any) -> None:
        """Upgrades the connection to TLS, with another protocol."""
        self._is_secure = True
        self._protocol = protocol
        self._info["sslcontext"] = context
