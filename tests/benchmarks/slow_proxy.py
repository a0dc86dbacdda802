"""A TCP proxy on loopback, behind which the server seems to be far away."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from readystate_server.lab.address import Address

T = TypeVar("T")


class SlowProxy(Address):
    """Passes on what comes ``delay`` seconds late, each way, in a thread of its own.

    That a connection is made, or ends, is told at once.
    """

    def __init__(self, server: Address, delay: float) -> None:
        super().__init__("127.0.0.1", 0)
        self._upstream = server.host, server.port
        self._delay = delay
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start()).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._call(self._stop()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def drop(self) -> float:
        """Resets all connections; returns when that was, by ``time.monotonic()``."""
        return self._call(self._drop()).result()

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._drop()

    async def _drop(self) -> float:
        now = time.monotonic()
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        return now

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        pumps = [
            asyncio.create_task(self._pump(*ends))
            for ends in ((reader, upstream_writer), (upstream_reader, writer))
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # drop() waits for this one, and nobody else cancels it
        finally:
            for pump in pumps:
                pump.cancel()
            for end in (writer, upstream_writer):
                end.transport.abort()
            self._connections.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes on what ``reader`` brings, until its end."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, chunk = await chunks.get()
                await asyncio.sleep(due - self._loop.time())
                if not chunk:
                    return
                writer.write(chunk)

        delivery = asyncio.create_task(deliver())
        try:
            chunk = b"x"
            while chunk:
                try:
                    chunk = await reader.read(2**16)
                except ConnectionError:
                    chunk = b""
                chunks.put_nowait((self._loop.time() + self._delay, chunk))
            await delivery
        finally:
            delivery.cancel()
