"""The server in its own thread."""

import asyncio
import socket
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from .access import LOOPBACK_NAMES, is_loopback, loopback_only
from .app import build
from .breakable import Breakable
from .journal import Journal
from .places import WEB

SHUTDOWN_TIMEOUT = 0.1
"""Seconds that running requests get when the server stops."""
ACCEPTING = 3
"""Turns of the event loop from a socket that was accepted to a connection that can be closed."""


class Server(Breakable):
    """Serves pages and WebSocket endpoints from a background thread.

    `port` 0 is any free one. Pages of `allow_origins` may open WebSockets too ("*": all).
    `max_message` is in bytes. `folders` are extra folders by URL prefix.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        allow_origins: Collection[str] = (),
        max_message: int = 16 * 2**20,
        max_connections: int = 256,
        folders: Mapping[str, Path] | None = None,
        web_folder: Path = WEB,
    ) -> None:
        super().__init__(host, port)
        self._allow_origins = frozenset(allow_origins)
        self._max_message = max_message
        self._max_connections = max_connections
        self._folders = {"": web_folder, **(folders or {})}
        self._journal = Journal()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Listen and serve. Raises OSError if the address is not available."""
        if self._thread is not None:
            raise RuntimeError("The server is already running: stop() it first.")
        listener = listen(self.host, self.port)
        self.port: int = listener.getsockname()[1]
        self._journal = Journal()
        self._stopping = asyncio.Event()
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, ready)), name="server", daemon=True
        )
        self._thread.start()
        ready.result()

    def stop(self) -> None:
        """Close all connections and end the thread. Does nothing if it is not running."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = self._loop = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def journal(
        self,
        id: str,
        messages: int | None = None,
        closed: int | None = None,
        timeout: float = 5,
    ) -> list[dict[str, Any]]:
        """Return what the connections of `id` received, like GET /journal/<id>.

        With `messages` or `closed`, wait for that many, at most `timeout` seconds (0: for the first
        connection). Raises LookupError for an unknown id, and TimeoutError, with what there is, if
        the wait is too long.
        """
        if self._loop is None:
            raise RuntimeError("The server is not running: start() it first.")

        async def look() -> tuple[bool, list[dict[str, Any]] | None]:
            reached = await self._journal.wait(
                id, messages=messages, closed=closed, timeout=timeout
            )
            return reached, self._journal.get(id)

        reached, found = asyncio.run_coroutine_threadsafe(look(), self._loop).result()
        if not reached:
            raise TimeoutError(
                f"The journal of {id!r} has not reached messages={messages}, closed={closed} "
                f"in {timeout} s; it holds {found}"
            )
        if found is None:
            raise LookupError(f"No connection had the id {id!r}.")
        return found

    async def _serve(self, listener: socket.socket, ready: "Future[None]") -> None:
        address = listener.getsockname()[0]
        own = f"[{address}]" if ":" in address else address
        middlewares = [loopback_only({*LOOPBACK_NAMES, own})] if is_loopback(address) else []
        runner = web.AppRunner(
            build(
                self._journal,
                self._folders,
                middlewares=middlewares,
                allow_origins=self._allow_origins,
                max_message=self._max_message,
                max_connections=self._max_connections,
            ),
            access_log=None,
            shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
        try:
            await runner.setup()
            await web.SockSite(runner, listener).start()
        except BaseException as error:
            listener.close()
            ready.set_exception(error)
            return
        self._loop = asyncio.get_running_loop()
        ready.set_result(None)
        await self._stopping.wait()
        with suppress(NotImplementedError):  # Windows' event loop
            self._loop.remove_reader(listener)
        for _ in range(ACCEPTING):
            await asyncio.sleep(0)
        await runner.cleanup()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OSError if the address is not available."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # create_server sets SO_REUSEADDR where that allows to listen right after a stop.
    return socket.create_server(address[:2], family=family, backlog=128)
