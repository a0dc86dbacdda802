"""One connection: TCP or TLS, and the WebSocket protocol over it."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import unquote

from websockets.client import ClientProtocol
from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import USER_AGENT, Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from .outgoing import Outgoing
from .urls import Address

__all__ = ["Wire", "connect"]

OPEN_TIMEOUT = 60.0
"""How long the opening handshake may take, in seconds, TCP and TLS included."""
CLOSE_TIMEOUT = 10.0
"""How long the server may take to answer a close frame, in seconds."""
END_TIMEOUT = 2.0
"""How long the server may take to end TCP after both close frames, in seconds."""

_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)

_logger = logging.getLogger("readystate")

# The library would log all frames, with query, password and data.
_silent = logging.Logger("readystate.wire", logging.CRITICAL + 1)


class Owner(Protocol):
    """Receives the events of a wire."""

    def on_connection(self, wire: Wire) -> None: ...
    def on_open(self, protocol: str, extensions: str) -> None: ...
    def on_message(self, message: str | bytes) -> None: ...
    def on_closing(self) -> None: ...
    def on_end(self, code: int, reason: str, *, was_clean: bool) -> None: ...


async def connect(address: Address, protocols: list[str], owner: Owner) -> Wire:
    """Connects, and starts the opening handshake.

    Raises:
        OSError: The server is unreachable, or its certificate is invalid.
        TimeoutError: It took too long.
    """
    loop = asyncio.get_running_loop()
    # Without happy_eyeballs_delay, with which asyncio leaks sockets when cancelled.
    async with asyncio.timeout(OPEN_TIMEOUT) as timeout:
        _, wire = await loop.create_connection(
            lambda: Wire(address, protocols, owner, timeout.when()),
            address.host,
            address.port,
            ssl=_tls() if address.is_secure else None,
        )
    return wire


@functools.cache
def _tls() -> ssl.SSLContext:
    """Returns one context for all connections, as reading the certificates takes long."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _client(address: Address, protocols: list[str]) -> ClientProtocol:
    name, password = address.user or (None, None)
    uri = WebSocketURI(
        address.is_secure,
        address.host,
        address.port,
        address.path,
        address.query or "",
        None if name is None else unquote(name),
        None if password is None else unquote(password),
    )
    # As browsers offer it, with less memory per connection.
    deflate = ClientPerMessageDeflateFactory(
        client_max_window_bits=True, compress_settings={"memLevel": 5}
    )
    offered: Sequence[Subprotocol] | None = [Subprotocol(name) for name in protocols] or None
    return ClientProtocol(
        uri, extensions=[deflate], subprotocols=offered, max_size=None, logger=_silent
    )


class Wire(asyncio.Protocol):
    """A connection that reports messages to its owner."""

    __slots__ = (
        "_arrived",
        "_client",
        "_close_frame",
        "_fragments",
        "_is_over",
        "_is_text",
        "_loop",
        "_outgoing",
        "_owner",
        "_protocols",
        "_timer",
        "_transport",
    )

    def __init__(
        self, address: Address, protocols: list[str], owner: Owner, deadline: float | None
    ) -> None:
        self._client = _client(address, protocols)
        self._protocols = protocols
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._outgoing = Outgoing(self._loop)
        self._transport: asyncio.Transport
        # Frames that were received but not handled yet.
        self._arrived: list[Any] = []
        # The parts of an incomplete message.
        self._fragments: list[bytes] = []
        self._is_text = False
        # The server's close frame.
        self._close_frame: Close | None = None
        # Whether what arrives is ignored.
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self.abort)

    @property
    def unsent(self) -> int:
        """How many bytes of messages have not left."""
        return self._outgoing.unsent

    def send(self, payload: bytes | memoryview, *, is_text: bool) -> bool:
        """Sends a message, unless the closing handshake has started; returns whether it did."""
        client = self._client
        if client.state is not State.OPEN:
            return False
        if is_text:
            client.send_text(payload)
        else:
            client.send_binary(payload)
        for frame in client.data_to_send():
            self._outgoing.put(frame, len(payload))
        return True

    def close(self, code: int | None, reason: str) -> None:
        """Starts the closing handshake, unless the server has."""
        if self._client.state is State.OPEN:
            self._client.send_close(code, reason)
            self._send_frames()
            self._end_within(CLOSE_TIMEOUT)

    def abort(self) -> None:
        """Ends the connection at once, and discards what has not left."""
        self._is_over = True
        self._transport.abort()

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        self._outgoing.connect(transport)
        self._owner.on_connection(self)
        request = self._client.connect()
        request.headers["User-Agent"] = USER_AGENT
        self._client.send_request(request)
        self._send_frames()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        client = self._client
        was_connecting = client.state is State.CONNECTING
        client.receive_data(data)
        self._arrived += client.events_received()
        self._send_frames()
        if was_connecting:
            self._on_handshake()
        if client.parser_exc is not None:
            self._look()
            self._fail(client.parser_exc)
        elif self._arrived:
            # Later, so that a task that awaits "open" can listen before the first message.
            self._loop.call_soon(self._look)

    def eof_received(self) -> None:
        if self._client.close_rcvd is None:
            self._client.receive_eof()
            self._transport.abort()

    def pause_writing(self) -> None:
        self._outgoing.pause()

    def resume_writing(self) -> None:
        self._outgoing.resume()

    def connection_lost(self, error: Exception | None) -> None:
        self._look()
        self._is_over = True
        self._stop_timer()
        self._outgoing.stop()
        close = self._close_frame
        if close is not None:
            self._owner.on_end(close.code, close.reason, was_clean=True)
        else:
            reason = self._client.handshake_exc or self._client.parser_exc or error or "given up"
            _logger.debug("the connection of %r was lost: %r", self._owner, reason)
            self._owner.on_end(1006, "", was_clean=False)
        # Breaks a reference cycle that holds much memory for compression.
        self._client.parser.close()

    # What has arrived

    def _on_handshake(self) -> None:
        client = self._client
        if client.state is State.CONNECTING and client.handshake_exc is None:
            return
        response = self._arrived.pop(0) if self._arrived else None
        if client.handshake_exc is None and self._protocols and client.subprotocol is None:
            client.handshake_exc = NegotiationError("the server chose no subprotocol")
        if client.handshake_exc is not None or not isinstance(response, Response):
            self.abort()
            return
        self._stop_timer()
        extensions = ", ".join(response.headers.get_all("Sec-WebSocket-Extensions"))
        self._owner.on_open(client.subprotocol or "", extensions)

    def _look(self) -> None:
        """Reports what has arrived to the owner."""
        frames, self._arrived = self._arrived, []
        for frame in frames:
            if self._is_over:
                return
            if frame.opcode is Opcode.CLOSE:
                self._close_frame = self._client.close_rcvd
                self._owner.on_closing()
                self._end_within(END_TIMEOUT)
            elif frame.opcode in _DATA:
                try:
                    message = self._completed(frame)
                except UnicodeDecodeError as error:
                    self._client.fail(CloseCode.INVALID_DATA, "not UTF-8")
                    self._send_frames()
                    self._fail(error)
                    return
                if message is not None:
                    self._owner.on_message(message)

    def _completed(self, frame: Frame) -> str | bytes | None:
        """Returns the message that ``frame`` completes, or ``None``."""
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        data = frame.data
        if not frame.fin or self._fragments:
            self._fragments.append(bytes(data))
            if not frame.fin:
                return None
            data = b"".join(self._fragments)
            self._fragments.clear()
        return str(data, "utf-8") if self._is_text else bytes(data)

    # How it ends

    def _fail(self, error: Exception) -> None:
        """Ends the connection because of a protocol error."""
        _logger.debug("the connection of %r fails: %r", self._owner, error)
        self._is_over = True
        self._owner.on_closing()
        self._outgoing.flush()
        self._transport.close()
        self._end_within(END_TIMEOUT)

    def _end_within(self, seconds: float) -> None:
        """Ends the connection after ``seconds`` in which nothing has left."""
        self._stop_timer()
        left = self._outgoing.left
        self._timer = self._loop.call_later(seconds, self._check_end, seconds, left)

    def _check_end(self, seconds: float, left: int) -> None:
        if self._outgoing.left > left:
            self._end_within(seconds)
        else:
            self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send_frames(self) -> None:
        for frame in self._client.data_to_send():
            if frame:  # The mark of the end is none: TCP is ended by the transport.
                self._outgoing.put(frame)
