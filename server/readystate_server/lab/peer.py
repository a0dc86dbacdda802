"""A client's WebSocket connection, from its request to its end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from . import frames
from .journal import Entry
from .wire import Wire

CLOSE_TIMEOUT = 10.0
"""Seconds that our closing handshake may take."""
SETTLE_TIMEOUT = 1.0
"""Seconds to wait for the answer to the ping that shows that the peer is open."""
DATA = (WSMsgType.TEXT, WSMsgType.BINARY)
CONTROL = (WSMsgType.PING, WSMsgType.PONG)
LINGER = 2.0
"""Seconds to continue reading after a failure."""


class _Response(web.WebSocketResponse):
    """aiohttp's response, without its closing handshake.

    Its close() answers any code with 1000, and after a failure closes TCP with unread input, which
    resets the connection before the peer receives the close frame.
    """

    async def close(self, **_: object) -> bool:
        """Leave closing to Peer."""
        return False


class Peer:
    """A client that requested a WebSocket, which accept() or refuse() answers."""

    def __init__(
        self,
        request: web.Request,
        *,
        id: str | None,
        protocol: str | None,
        compress: bool,
        max_message: int,
        entry: Entry | None,
    ) -> None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("The client disconnected before it was answered.")
        self.id = id
        self.wire: Wire = Wire(transport)
        self.response: web.StreamResponse = web.Response()
        self._request = request
        self._protocol = protocol
        self._max_message = max_message
        self._entry = entry
        # aiohttp refuses a frame that is as long as its limit.
        self._ws = _Response(
            compress=compress, max_msg_size=max_message + 1, autoclose=False, autoping=False
        )
        self.close_code: int | None = None
        """The code of the peer's close frame; None without one."""
        self.close_reason: str = ""
        self.counts_only = False
        """Whether the journal only counts the messages."""
        self.heartbeat: str | None = None
        """A text that starts with this word is answered with pong, and not a message."""
        self._writer: AbstractStreamWriter | None = None
        self._closing = False
        self._is_deaf = False

    @property
    def number(self) -> int:
        """How many connections of its id came before."""
        return 0 if self._entry is None else self._entry.number

    @property
    def origin(self) -> str | None:
        """The origin of the page; None if it is not a browser."""
        return self._request.headers.get(hdrs.ORIGIN)

    @property
    def gone(self) -> bool:
        """Whether nothing more can be sent."""
        return self._closing or self.wire.transport.is_closing()

    async def hold(self, seconds: float) -> bool:
        """Wait for `seconds`, or until the client is gone; return whether it is still there."""
        if seconds:
            await asyncio.wait([self.wire.lost], timeout=seconds)
        return not self.wire.lost.done()

    async def accept(self) -> None:
        """Answer the handshake. Raises HTTPBadRequest if it is malformed."""
        if self._protocol is not None:
            self._ws.headers[hdrs.SEC_WEBSOCKET_PROTOCOL] = self._protocol
        # aiohttp can only choose an offered protocol: hide them from it.
        headers = CIMultiDict(self._request.headers)
        headers.popall(hdrs.SEC_WEBSOCKET_PROTOCOL, None)
        self._writer = await self._ws.prepare(self._request.clone(headers=headers))
        self.response = self._ws
        if self._entry is not None:
            self._entry.open()

    def refuse(self, status: int) -> None:
        """Answer with an HTTP status instead of a WebSocket."""
        self.response = web.Response(status=status, text=f"Refused with {status}, as asked.\n")
        self.response.force_close()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield each message until the connection has ended, with its closing handshake."""
        while (message := await self.receive()) is not None:
            yield message

    async def receive(self) -> str | bytes | None:
        """Return the next message; None when the connection has ended."""
        while (message := await self._next()).type in CONTROL:
            pass
        return message.data if message.type in DATA else None

    async def settle(self) -> None:
        """Wait until the peer answers a ping, which shows that it is open, at most a second."""
        await self.write(frames.encode(frames.PING, b""))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_TIMEOUT):
                while (await self._next()).type in (*DATA, WSMsgType.PING):
                    pass

    def deafen(self) -> None:
        """Ignore all input and send nothing from now on, without closing TCP."""
        self._is_deaf = True
        self.wire.deafen()

    async def send(self, message: str | bytes) -> None:
        """Send a message. Does nothing if the connection has ended."""
        if self.gone or self._is_deaf:
            return
        with contextlib.suppress(ConnectionError):
            if isinstance(message, str):
                await self._ws.send_str(message)
            else:
                await self._ws.send_bytes(message)
            self._count_sent(1)

    async def write(self, data: bytes, messages: int = 0) -> None:
        """Write encoded frames as they are, and wait while the transport's buffer is full.

        `messages` is their number of messages.
        """
        if self._writer is None:
            raise RuntimeError("There is no WebSocket yet: accept() first.")
        if not self._is_deaf:
            self.wire.transport.write(data)
            self._count_sent(messages)
        await self.drain()

    async def drain(self) -> None:
        """Wait while the transport's buffer is full."""
        if self._writer is not None:
            with contextlib.suppress(ConnectionError):
                await self._writer.drain()

    def post(self, text: str) -> None:
        """Send a text message without waiting; drain() waits."""
        if not (self.gone or self._is_deaf):
            self.wire.transport.write(frames.encode(frames.TEXT, text.encode()))
            self._count_sent(1)

    def start_close(self, code: int | None, reason: str = "") -> None:
        """Send a close frame; receive() handles the peer's answer."""
        if not (self.gone or self._is_deaf):
            self.wire.transport.write(frames.encode_close(code, reason))
            self._closing = True

    async def close(self, code: int | None, reason: str = "") -> None:
        """Close, and read until the peer has answered."""
        self.start_close(code, reason)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                async for _ in self:
                    pass

    def go_away(self) -> None:
        """Close with 1001 without waiting."""
        transport = self.wire.transport
        if self.response is self._ws:
            self.start_close(WSCloseCode.GOING_AWAY)
        transport.close()
        if transport.get_write_buffer_size():
            transport.abort()

    async def release(self) -> None:
        """End the connection, after its endpoint has returned."""
        if self.response is self._ws and not self.wire.lost.done():
            self.wire.transport.close()
            await asyncio.wait([self.wire.lost], timeout=LINGER)
            self.wire.transport.abort()
        self.wire.detach()
        if self._entry is not None:
            self._entry.end()

    def _count_sent(self, messages: int) -> None:
        if self._entry is not None:
            self._entry.send(messages)

    async def _next(self) -> WSMessage:
        """Return the next message, after recording or answering it."""
        message: WSMessage = await self._ws.receive()
        if message.type in DATA:
            if size_of(message.data) > self._max_message:
                await self._fail(WSCloseCode.MESSAGE_TOO_BIG)
                return WSMessage(WSMsgType.CLOSED, None, None)
            if self.heartbeat is not None and begins_with(message.data, self.heartbeat):
                await self.send(f"pong{message.data[len(self.heartbeat) :]}")
                return WSMessage(WSMsgType.PING, None, None)
            if self._entry is not None and self.counts_only:
                self._entry.count_one(message.data)
            elif self._entry is not None:
                self._entry.receive(message.data)
        elif message.type is WSMsgType.PING and not self.gone:
            await self.write(frames.encode(frames.PONG, bytes(message.data)))
        elif message.type is WSMsgType.CLOSE:
            await self._finish_close(message.data or None, message.extra or "")
        elif message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
            await self._fail(message.data.code)
        return message

    async def _finish_close(self, code: int | None, reason: str) -> None:
        self.close_code, self.close_reason = code or frames.NO_CODE, reason
        self.start_close(code)
        if self._entry is not None:
            self._entry.end(code or frames.NO_CODE, reason, clean=True)
        self.wire.transport.close()
        await asyncio.wait([self.wire.lost], timeout=CLOSE_TIMEOUT)

    async def _fail(self, code: int) -> None:
        """Fail the connection (RFC 6455, 7.1.7); keep reading so that the close frame arrives."""
        self.start_close(code)
        self.wire.discard()
        if not self.wire.transport.is_closing():
            self.wire.transport.write_eof()
        await asyncio.wait([self.wire.lost], timeout=LINGER)


def begins_with(message: str | bytes, word: str) -> bool:
    """Whether `message` is a text that starts with the word `word`."""
    return isinstance(message, str) and (message == word or message.startswith(f"{word} "))


def size_of(message: str | bytes) -> int:
    """Return the size of `message` in bytes."""
    return len(message.encode() if isinstance(message, str) else message)
