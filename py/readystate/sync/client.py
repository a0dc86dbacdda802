"""Opening connections for code that blocks: :class:`connect`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from .._host import Runner
from ..connection.client import Transport
from ..connection.client import connect as async_connect
from ..connection.connection import Connection as AsyncConnection
from ..connection.receiver import Overflow
from ..core.backoff import Backoff
from .connection import Connection

__all__ = ["connect"]


class connect:  # noqa: N801 - as in websockets
    """Connects to a WebSocket server, for code that blocks.

    ::

        with connect("wss://example.org/feed") as ws:  # closed at the end
            ws.send("hello")
            for message in ws:
                ...

        ws = connect("wss://example.org/feed").open()  # to be closed by the caller

        for ws in connect("wss://example.org/feed"):  # a new one after each loss
            try:
                for message in ws:
                    ...
            except ConnectionClosed:
                continue

    The options and exceptions are those of :class:`readystate.connect`.

    Raises:
        NotImplementedError: Python cannot be suspended here; the text says why, and what to do.
    """

    def __init__(
        self,
        url: Any,
        *,
        subprotocols: str | Iterable[str] | Mapping[str, Any] | None = None,
        open_timeout: float | None = 10,
        close_timeout: float | None = 10,
        max_queue: int | None = 2**16,
        max_queue_bytes: int | None = 2**26,
        on_overflow: Overflow = "close",
        write_limit: int | tuple[int, int] = 2**20,
        transport: Transport = "events",
        backoff: Backoff | None = None,
        max_attempts: int | None = None,
        give_up_after: float | None = None,
        process_exception: Callable[[Exception], object] | None = None,
    ) -> None:
        self._connect = async_connect(
            url,
            subprotocols=subprotocols,
            open_timeout=open_timeout,
            close_timeout=close_timeout,
            max_queue=max_queue,
            max_queue_bytes=max_queue_bytes,
            on_overflow=on_overflow,
            write_limit=write_limit,
            transport=transport,
            backoff=backoff,
            max_attempts=max_attempts,
            give_up_after=give_up_after,
            process_exception=process_exception,
        )
        self._entered: list[Connection] = []

    def open(self) -> Connection:
        """Connects, and returns the connection, which the caller has to close."""
        runner = Runner()
        try:
            connection = runner.wait(runner.start(self._connect._connect()))
        except BaseException:
            runner.close()
            raise
        return Connection(connection, runner, at_end=runner.close)

    def __enter__(self) -> Connection:
        self._entered.append(self.open())
        return self._entered[-1]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered.pop().__exit__(kind, error, traceback)

    def __iter__(self) -> Iterator[Connection]:
        """Yields a new connection each time the previous one is lost or the loop's body ends.

        Retries as :class:`readystate.connect` does when it is iterated over.
        """
        runner = Runner()
        connections = aiter(self._connect)
        try:
            while True:
                connection = runner.wait(runner.start(_next(connections)))
                with Connection(connection, runner, at_end=lambda: None) as ws:
                    yield ws
        finally:
            try:
                runner.try_wait(runner.start(_close(connections)))
            finally:
                runner.close()

    def __repr__(self) -> str:
        return repr(self._connect)


async def _next(connections: AsyncGenerator[AsyncConnection, None]) -> AsyncConnection:
    return await anext(connections)


async def _close(connections: AsyncGenerator[AsyncConnection, None]) -> None:
    await connections.aclose()
