"""One attempt to connect, and its connection."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from .._host import local_permission, new_close_event
from ..connection.receiver import Receiver
from ..core.addresses import shown
from ..dom.websocket import CloseEvent, WebSocket
from ..exceptions import ConnectionFailed, connection_closed


class Link:
    """One attempt to connect, and its connection.

    Attributes:
        ws: The socket.
        ready: Done when the attempt, including ``on_open``, has succeeded or failed.
        ended: Done, with the close event, when it has ended.
        opening: Receives for ``on_open`` while that runs.
        opening_task: The task that runs ``on_open``.
        is_open: Whether the socket has been open.
        is_replaced: Whether ``reconnect()`` has replaced it.
        failure: Why it was dropped, if the socket did not end.
        close_code: The code of our own close frame, once sent.
    """

    def __init__(self, ws: WebSocket) -> None:
        loop = asyncio.get_running_loop()
        self.ws = ws
        self.ready: asyncio.Future[bool] = loop.create_future()
        self.ended: asyncio.Future[CloseEvent] = loop.create_future()
        self.opening: Opening | None = None
        self.opening_task: asyncio.Task[None] | None = None
        self.is_open: bool = False
        self.is_replaced = False
        self.failure: Exception | None = None
        self.close_code: int | None = None
        self._opened_at = 0.0

    @property
    def address(self) -> str:
        """The URL without secrets."""
        return shown(self.ws.url)

    @property
    def seconds(self) -> float:
        """For how long it has been open, in seconds."""
        return time.monotonic() - self._opened_at

    def opened(self) -> None:
        """Called when the socket is open."""
        self.is_open = True
        self._opened_at = time.monotonic()

    def lost_event(self) -> CloseEvent:
        """Returns a close event for an end that the browser has not reported."""
        return CloseEvent(new_close_event(1006, "", False), self.ws)

    def error(self) -> Exception:
        """Returns why it has ended."""
        if self.failure is not None:
            return self.failure
        if self.is_open:
            event = self.ended.result()
            return connection_closed(event.code, event.reason, event.wasClean)
        return ConnectionFailed(
            self.address,
            subprotocols=self.ws._offered,
            permission=local_permission(self.address),
        )


class Opening(Receiver):
    """Receives for ``on_open`` what arrives while that runs.

    Args:
        link: The connection.
        after: Receives the next message after ``on_open`` has returned.
    """

    def __init__(self, link: Link, after: Callable[[], Awaitable[str | bytes]]) -> None:
        super().__init__(deque())
        self._link = link
        self._after = after
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_current(self) -> bool:
        """Whether ``on_open`` is still running."""
        return self._link.opening is self

    def push(self, messages: Iterable[str | bytes]) -> None:
        """Adds messages that have arrived."""
        self._queue.extend(messages)
        self._wake()

    def end(self) -> list[str | bytes]:
        """Ends it; returns the messages that ``on_open`` has not received."""
        rest = list(self._queue)
        self._queue.clear()
        self._wake()
        return rest

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self) -> None:
        pass

    async def _receive(self) -> None:
        if self.is_current:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if not self.is_current:
            # A task that on_open started still receives: like all others from now on.
            self._queue.append(await self._after())

    def _end_of_messages(self) -> Exception | None:
        if not self.is_current or not self._link.ended.done():
            return None
        event = self._link.ended.result()
        return connection_closed(event.code, event.reason, event.wasClean)


current_opening: contextvars.ContextVar[Opening | None] = contextvars.ContextVar(
    "readystate_opening", default=None
)
"""The opening of the ``on_open`` that the current task runs."""
