"""One attempt to connect, and the connection that it leads to."""

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
    """One attempt, and the connection that it leads to.

    Attributes:
        ws: The socket.
        ready: Done when it is known whether a connection came about, ``on_open`` included.
        ended: Done when it has ended.
        opening: What receives while ``on_open`` runs.
        opening_task: Runs ``on_open``.
        is_open: Whether the socket has been open.
        is_replaced: Whether the application has asked for another one in its place.
        failure: Why it is of no use, if not because the socket has ended.
        close_code: What our own close frame says, once it was sent.
    """

    def __init__(self, ws: WebSocket) -> None:
        loop = asyncio.get_running_loop()
        self.ws = ws
        self.ready: asyncio.Future[bool] = loop.create_future()
        self.ended: asyncio.Future[CloseEvent] = loop.create_future()
        self.opening: Opening | None = None
        self.opening_task: asyncio.Task[None] | None = None
        self.is_open = False
        self.is_replaced = False
        self.failure: Exception | None = None
        self.close_code: int | None = None
        self._opened_at = 0.0

    @property
    def address(self) -> str:
        """The URL, as it may be shown."""
        return shown(self.ws.url)

    @property
    def seconds(self) -> float:
        """For how long it has been open."""
        return time.monotonic() - self._opened_at

    def opened(self) -> None:
        """The socket is open."""
        self.is_open = True
        self._opened_at = time.monotonic()

    def lost_event(self) -> CloseEvent:
        """The event of an end of which the browser has not told."""
        return CloseEvent(new_close_event(1006, "", False), self.ws)

    def error(self) -> Exception:
        """Why it has ended."""
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
    """What arrives while ``on_open`` runs, for that to receive.

    Args:
        link: The connection that it runs for.
        after: Returns the next message when ``on_open`` has returned.
    """

    def __init__(self, link: Link, after: Callable[[], Awaitable[str | bytes]]) -> None:
        super().__init__(deque())
        self._link = link
        self._after = after
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_current(self) -> bool:
        """Whether ``on_open`` runs still."""
        return self._link.opening is self

    def push(self, messages: Iterable[str | bytes]) -> None:
        """Messages have arrived."""
        self._queue.extend(messages)
        self._wake()

    def end(self) -> list[str | bytes]:
        """``on_open`` is over; returns what it has not received."""
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
            # A task that on_open has begun receives still: as all others do from now on.
            self._queue.append(await self._after())

    def _end_of_messages(self) -> Exception | None:
        if not self.is_current or not self._link.ended.done():
            return None
        event = self._link.ended.result()
        return connection_closed(event.code, event.reason, event.wasClean)


current_opening: contextvars.ContextVar[Opening | None] = contextvars.ContextVar(
    "readystate_opening", default=None
)
"""The opening whose ``on_open`` the current task is."""
