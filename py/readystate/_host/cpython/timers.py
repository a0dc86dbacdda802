"""Timers that release all they hold when they are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ...core.handlers import report

__all__ = ["Timer", "UnthrottledTimer", "sleep_unthrottled", "timeout_after", "wait"]


class Timer:
    """Calls a function once, after ``delay`` seconds, unless cancelled before.

    The function's exceptions are reported.
    """

    __slots__ = ("_handle",)

    def __init__(self, delay: float, function: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = loop.call_later(
            max(delay, 0.0), self._run, function
        )

    def _run(self, function: Callable[[], object]) -> None:
        self._handle = None
        try:
            function()
        except Exception as error:
            report("Exception in a timer", error)

    def cancel(self) -> None:
        """Does nothing if the function has been called."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class UnthrottledTimer(Timer):
    """The same, as there are no hidden tabs."""

    __slots__ = ()


async def sleep_unthrottled(seconds: float) -> None:
    """Sleeps for ``seconds``."""
    await asyncio.sleep(seconds)


def timeout_after(seconds: float | None) -> asyncio.Timeout:
    """``asyncio.timeout()``."""
    return asyncio.timeout(seconds)


async def wait(future: asyncio.Future[Any], seconds: float | None) -> None:
    """Returns when ``future`` is done, or after ``seconds``."""
    await asyncio.wait([future], timeout=seconds)
