"""A way to a server on which connections can be left half-open: nothing arrives any more.

Where the run may have a :class:`Namespace`, the proxy listens behind its cable, which is pulled.
Elsewhere the proxy itself passes nothing on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct

from .namespace import Namespace

_BACKLOG = 2048
_RESET = struct.pack("ii", 1, 0)

_logger = logging.getLogger(__name__)


class Proxy:
    """Passes connections on to a server, until they are to hang."""

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._namespace: Namespace | None = None
        try:
            self._namespace = Namespace()
        except OSError as error:
            _logger.info("%s; the proxy will pass nothing on instead", error)
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listens."""
        listening = (
            socket.create_server((self._host, self._port), backlog=_BACKLOG)
            if self._namespace is None
            else self._namespace.listen(self._port)
        )
        self._server = await asyncio.start_server(self._accept, sock=listening)

    async def stop(self) -> None:
        """Ends all connections, and listens no more."""
        if self._server is not None:
            self._server.close()
        self._reset_all()
        for pipe in self._pipes:
            pipe.cancel()
        if self._pipes:
            await asyncio.wait(self._pipes)
        if self._namespace is not None:
            self._namespace.close()

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"ws://{self._host}:{self._port}/session"

    @property
    def means(self) -> str:
        """How connections hang."""
        return "the proxy passes nothing on" if self._namespace is None else "packets are dropped"

    async def hang(self) -> int:
        """Nothing passes any more, over old and new connections; returns how many there are."""
        if self._namespace is None:
            self._flows.clear()
        else:
            await self._namespace.cut()
        return len(self._writers) // 2

    async def flow(self) -> None:
        """Lets it pass again. The proxy resets what hung; a cable does nothing of the kind."""
        if self._namespace is None:
            self._reset_all()
        else:
            await self._namespace.mend()

    @property
    def _host(self) -> str:
        return "127.0.0.1" if self._namespace is None else self._namespace.address

    def _reset_all(self) -> None:
        for writer in self._writers:
            _reset(writer)
        self._flows.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        both = (writer, there[1])
        self._writers.update(both)
        for source, target in ((reader, there[1]), (there[0], writer)):
            pipe = asyncio.create_task(self._pipe(source, target, both))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _pipe(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
    ) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(2**16):
                    await self._flows.wait()
                    target.write(data)
                    await target.drain()
        finally:
            for writer in both:
                writer.transport.abort()
                self._writers.discard(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
