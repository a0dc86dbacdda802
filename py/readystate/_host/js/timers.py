"""Timers that let go of all they hold when they are cancelled."""

from __future__ import annotations

from collections.abc import Callable

import js
from pyodide.ffi import create_once_callable

from ...core.handlers import report

__all__ = ["Timer"]


class Timer:
    """Calls a function once, after ``delay`` seconds, unless it is cancelled before.

    The event loop's timers stay, with all that they refer to, until their time has come, also when
    they were cancelled. This one does not.
    """

    __slots__ = ("_function", "_id", "_proxy")

    def __init__(self, delay: float, function: Callable[[], None]) -> None:
        self._function = function
        self._proxy = create_once_callable(self._run)
        # A longer delay than these 24.8 days counts as none; nobody is late who is early.
        self._id = js.setTimeout(self._proxy, min(max(delay, 0.0) * 1000, 2**31 - 1))

    def _run(self) -> None:
        self._proxy = None
        try:
            self._function()
        except Exception as error:
            report("Exception in a timer", error)

    def cancel(self) -> None:
        """Nothing, if it has been called."""
        if self._proxy is not None:
            js.clearTimeout(self._id)
            self._proxy.destroy()
            self._proxy = None
