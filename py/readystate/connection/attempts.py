"""One connection after another, for those who iterate over :class:`connect`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

from .._host import PageEvents
from ..core import log
from ..core.backoff import Backoff
from ..core.reconnector import Reconnector
from ..exceptions import ConnectionFailed, connection_closed
from .connection import Connection

_AWAY = ("pagehide", "hidden", "freeze", "offline")
"""The events of a page, or a network, that goes away."""


class Attempts:
    """When to connect, and which failures end it.

    Args:
        address: Where to, as it may be shown.
        backoff: How long to wait between attempts.
        max_attempts: After how many in a row to give up.
        give_up_after: After how many seconds of these to give up.
        process_exception: Returns for the exception of an attempt that has failed the one to be
            raised, or ``None`` to go on.
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
        """An attempt begins."""
        self._reconnector.begin()

    async def failed(self, error: Exception) -> None:
        """The attempt has failed.

        Raises:
            Exception: What is to end it.
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
                f"process_exception must return an exception to raise, or None to go on, not "
                f"{raised!r}"
            ) from error

    def connected(self) -> None:
        """The attempt has led to a connection."""
        self._reconnector.connected()

    def lost(self, connection: Connection) -> None:
        """The connection is no more."""
        self._error = connection_closed(
            connection.close_code or 1006, connection.close_reason or "", False, connection._cause
        )
        if connection._has_received:
            self._reconnector.progressed()

    async def wait(self) -> None:
        """Returns when the next attempt is due.

        Raises:
            ConnectionFailed: There is none.
        """
        self._reconnector.is_online = self._page_events.is_online
        delay = self._reconnector.ended()
        if delay is None:
            raise self._reconnector.failure(self._address, self._error)
        log.waits(self._address, delay)
        self._alarm = self._loop.create_future()
        await asyncio.wait([self._alarm], timeout=delay)

    def close(self) -> None:
        """There are no more attempts."""
        # Not from within the function of the events.
        self._loop.call_soon(self._page_events.destroy)

    def _on_page_event(self, type: str) -> None:
        if type not in _AWAY:
            self._reconnector.came_back()
            if self._alarm is not None and not self._alarm.done():
                self._alarm.set_result(None)


def _go_on_if_it_may_help(error: Exception) -> Exception | None:
    return None if isinstance(error, ConnectionFailed) else error
