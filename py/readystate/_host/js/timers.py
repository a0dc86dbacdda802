"""Timers that release all they hold when they are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import js
from pyodide.ffi import create_once_callable

from ...core.handlers import report
from .values import options

__all__ = ["Timer", "UnthrottledTimer", "sleep_unthrottled", "timeout_after", "wait"]


class Timer:
    """Calls a function once, after ``delay`` seconds, unless cancelled before.

    Pyodide's event loop keeps cancelled timers, and all that they refer to, until their time.
    """

    __slots__ = ("_function", "_id", "_proxy")

    def __init__(self, delay: float, function: Callable[[], object]) -> None:
        self._function = function
        self._proxy = create_once_callable(self._run)
        # A delay of more than these 24.8 days would count as 0.
        self._id = js.setTimeout(self._proxy, min(max(delay, 0.0) * 1000, 2**31 - 1))

    def _run(self) -> None:
        self._proxy = None
        try:
            self._function()
        except Exception as error:
            report("Exception in a timer", error)

    def cancel(self) -> None:
        """Does nothing if the function has been called."""
        if self._proxy is not None:
            js.clearTimeout(self._id)
            self._proxy.destroy()
            self._proxy = None


class UnthrottledTimer(Timer):
    """A timer for short waits, on time in hidden tabs too.

    Browsers run the timers of hidden tabs once a second, and later once a minute, but not
    ``Atomics.waitAsync()``: this waits, with a timeout, for memory that never changes. In a visible
    tab, or without that function, it is an ordinary timer.
    """

    __slots__ = ()

    def __init__(self, delay: float, function: Callable[[], object]) -> None:
        memory = _memory() if is_hidden() else None
        if memory is None:
            super().__init__(delay, function)
            return
        self._function = function
        self._proxy = self._id = None
        # It takes no callback of ours with it if it is never called.
        waiting = js.Atomics.waitAsync(memory, 0, 0, max(delay * 1000, 1))
        waiting.value.then(lambda _: self._run())

    def cancel(self) -> None:
        """Does nothing if the function has been called."""
        # Atomics.waitAsync() cannot be cancelled, but is short.
        self._function = _nothing
        super().cancel()


async def sleep_unthrottled(seconds: float) -> None:
    """Sleeps for a short time, on time in hidden tabs too."""
    if not (seconds and is_hidden()):
        await asyncio.sleep(seconds)
        return
    woken = asyncio.Event()
    timer = UnthrottledTimer(seconds, woken.set)
    try:
        await woken.wait()
    finally:
        timer.cancel()


@asynccontextmanager
async def timeout_after(seconds: float | None) -> AsyncIterator[asyncio.Timeout]:
    """As ``asyncio.timeout()``, which leaves its timer behind: in Node.js, that delays the exit."""
    async with asyncio.timeout(None) as scope:
        if seconds is None:
            yield scope
            return
        loop = asyncio.get_running_loop()
        timer = Timer(seconds, lambda: scope.reschedule(loop.time()))
        try:
            yield scope
        finally:
            timer.cancel()


async def wait(future: asyncio.Future[Any], seconds: float | None) -> None:
    """Returns when ``future`` is done, or after ``seconds``; leaves no timer behind."""
    if seconds is None:
        await asyncio.wait([future])
        return
    expired = asyncio.get_running_loop().create_future()
    timer = Timer(seconds, expired.cancel)
    try:
        await asyncio.wait([future, expired], return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()


def is_hidden() -> bool:
    """Whether the page is in a tab that is not shown."""
    return bool(getattr(getattr(js, "document", None), "hidden", False))


def _nothing() -> None:
    pass


_shared: list[Any] = []


def _memory() -> Any:
    """Returns shared memory to wait for, or ``None`` if not available."""
    if not _shared:
        try:
            # Shared between threads in name only: so it is there without cross-origin isolation.
            memory = js.WebAssembly.Memory.new(options(initial=1, maximum=1, shared=True))
            has_wait = hasattr(js.Atomics, "waitAsync")
            _shared.append(js.Int32Array.new(memory.buffer) if has_wait else None)
        except Exception:  # whatever a browser has against it, there are other timers
            _shared.append(None)
    return _shared[0]
