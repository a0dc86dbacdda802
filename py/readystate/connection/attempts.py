"""Successive connections, for iterating over :class:`connect`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

from .._host import PageEvents, wait
from ..core import log
from ..core.backoff import Backoff
from ..core.reconnector import Reconnector
from ..exceptions import ConnectionFailed, connection_closed
from .connection import Connection

_AWAY = ("pagehide", "hidden", "freeze", "offline")
"""The events of a page or network that goes away."""


class Attempts:
    """Decides when to connect, and which failures end the iteration.

    Args:
        address: The URL without secrets.
        backoff: How long to wait between attempts.
        max_attempts: After how many consecutive attempts to give up.
        give_up_after: After how many seconds of such attempts to give up.
        process_exception: Called with the exception of a failed attempt; returns the exception to
            raise, or ``None`` to continue.
    """

    def __init__(
        self,
        address: str,
        backoff: Backoff,
        *,
        max_attempts: int | None,
        give_up_after: float | None,
        process_exception: Callable[[Exception], object] | None,
    ) -> None:
        self._address = address
        self._reconnector = Reconnector(
            backoff, max_attempts=max_attempts, give_up_after=give_up_after
        )
        self._process_exception = process_exception or _go_on_if_it_may_help
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._page_events = PageEvents(self._on_page_event)

    def begin(self) -> None:
        """Called when an attempt starts."""
        self._reconnector.begin()

    async def failed(self, error: Exception) -> None:
        """Called when the attempt has failed.

        Raises:
            Exception: The error is final.
        """
        self._error = error
        log.failed(self._address, error, self._reconnector.attempt)
        raised = self._process_exception(error)
        if inspect.isawaitable(raised):
            raised = await raised
        if raised is error:
            raise error
        if isinstance(raised, Exception):
            raise raised from error
        if raised is not None:
            raise TypeError(
                f"process_exception must return an exception to raise, or None to continue, not "
                f"{raised!r}"
            ) from error

    def connected(self) -> None:
        """Called when the attempt has succeeded."""
        self._reconnector.connected()

    def lost(self, connection: Connection) -> None:
        """Called when the connection has ended."""
        self._error = connection_closed(
            connection.close_code or 1006, connection.close_reason or "", False, connection._cause
        )
        if connection._has_received:
            self._reconnector.progressed()

    async def wait(self) -> None:
        """Returns when the next attempt is due.

        Raises:
            ConnectionFailed: There will be no more attempts.
        """
        self._reconnector.is_online = self._page_events.is_online
        delay = self._reconnector.ended()
        if delay is None:
            raise self._reconnector.failure(self._address, self._error)
        log.waits(self._address, delay)
        self._alarm = self._loop.create_future()
        await wait(self._alarm, delay)

    def close(self) -> None:
        """Stops attempting."""
        # Later, as the proxy may be being called now.
        self._loop.call_soon(self._page_events.destroy)

    def _on_page_event(self, type: str) -> None:
        if type not in _AWAY:
            self._reconnector.came_back()
            if self._alarm is not None and not self._alarm.done():
                self._alarm.set_result(None)


def _go_on_if_it_may_help(error: Exception) -> Exception | None:
    return None if isinstance(error, ConnectionFailed) else error
