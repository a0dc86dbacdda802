"""A proxy that can leave connections half-open: nothing arrives any more, and nothing is said."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Passes connections on to a server, until they are to hang."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, backlog=2048
        )

    async def stop(self) -> None:
        """Ends all connections, and listens no more."""
        if self._server is not None:
            self._server.close()
        self.reset()
        for pipe in self._pipes:
            pipe.cancel()
        if self._pipes:
            await asyncio.wait(self._pipes)

    def hang(self) -> int:
        """Passes nothing on any more, over old and new connections; returns how many there are."""
        self._flows.clear()
        return len(self._writers) // 2

    def reset(self) -> int:
        """Resets all connections, and passes on what comes over new ones; returns how many."""
        count = len(self._writers) // 2
        for writer in self._writers:
            _reset(writer)
        self._flows.set()
        return count

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
