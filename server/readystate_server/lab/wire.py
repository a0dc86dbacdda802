"""The TCP connection of a WebSocket, for what aiohttp's response cannot do."""

import asyncio
import select
import socket
import struct
from typing import cast

RECEIVE_BUFFER = 64 * 1024
"""SO_RCVBUF (bytes) of a connection that should stall its peer early."""
KEEPALIVE = 10
"""Seconds of silence before TCP checks whether an ignored peer is still there."""
HANG_UP_POLL = 0.1
"""Seconds between checks of a connection that is not read."""


class Wire(asyncio.Protocol):
    """Stands between a transport and its protocol.

    It detects the end of the connection, slows down reading, discards input, and aborts.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection is lost."""
        self._inner = cast(asyncio.Protocol, transport.get_protocol())
        self._discarding = False
        self._rate = 0
        self._held = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        transport.set_protocol(self)

    @property
    def _socket(self) -> socket.socket:
        return cast(socket.socket, self.transport.get_extra_info("socket"))

    def detach(self) -> None:
        """Return the transport to its original protocol."""
        if not self.lost.done():
            self.transport.set_protocol(self._inner)

    def abort(self) -> None:
        """Reset the connection (RST), without close frame and FIN; unsent data is lost."""
        if not self.transport.is_closing():
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def discard(self) -> None:
        """Read and discard all input from now on."""
        self._discarding = True
        self.transport.resume_reading()  # aiohttp paused it if its queue is full

    def pace(self, rate: int) -> None:
        """Read at most `rate` bytes per second, so that the peer's TCP has to wait."""
        self._narrow()
        self._rate = rate

    async def ignore(self) -> None:
        """Stop reading, and wait until the peer is gone.

        A peer whose unsent data fills the buffers cannot send its FIN; its end shows only when its
        system gives up, after a minute or more.
        """
        self._narrow()
        self._keep_alive()
        self.transport.pause_reading()
        # A paused transport does not notice a FIN behind unread data: ask the kernel.
        poller = select.poll()
        poller.register(self._socket, getattr(select, "POLLRDHUP", 0))
        while not self.lost.done() and not poller.poll(0):
            await asyncio.wait([self.lost], timeout=HANG_UP_POLL)
        self.transport.abort()

    def deafen(self) -> None:
        """Read and discard all input, until the peer is gone."""
        self._keep_alive()
        self.discard()

    async def swallow(self) -> None:
        """Read and discard all input, and wait until the peer is gone."""
        self.deafen()
        await asyncio.wait([self.lost])

    def _narrow(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def _keep_alive(self) -> None:
        if hasattr(socket, "TCP_KEEPIDLE"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)

    def _deliver(self, data: bytes) -> None:
        if not self._discarding:
            self._inner.data_received(data)
        if self._rate:
            self.transport.pause_reading()
            self._timer = self._loop.call_later(len(data) / self._rate, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        if self._held:
            data = bytes(self._held)
            self._held.clear()
            self._deliver(data)
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._timer is None:
            self._deliver(data)
        else:  # aiohttp resumes the transport when its own queue has room: too early for us
            self._held += data
            self.transport.pause_reading()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._held:
            self._inner.data_received(bytes(self._held))
        self._inner.connection_lost(exc)
        self.lost.set_result(None)
