"""Runs coroutines for code that blocks, which suspends Python (JSPI)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from .runtime import can_run_sync, needs_suspension, run_sync

__all__ = ["Runner"]

T = TypeVar("T")


class Runner:
    """Suspends Python while a task runs, unless that is done at once.

    Raises:
        NotImplementedError: Python cannot be suspended here.
    """

    def __init__(self) -> None:
        if not can_run_sync():
            raise needs_suspension()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs a coroutine until it waits for the first time, and the rest as a task."""
        loop = asyncio.get_event_loop()
        return asyncio.Task(coroutine, loop=loop, eager_start=True)  # type: ignore[call-arg]

    def wait(self, future: asyncio.Task[T]) -> T:
        """Waits until ``future`` is done, and returns its result; cancels it if interrupted.

        Raises:
            NotImplementedError: It is not done, and Python cannot be suspended.
        """
        if not future.done():
            try:
                if not can_run_sync():
                    raise needs_suspension()
                run_sync(future)
            except BaseException:
                future.cancel()
                raise
        return future.result()

    def try_wait(self, future: asyncio.Task[Any]) -> bool:
        """Waits as :meth:`wait` does, where that is possible; returns whether it is done."""
        if is_done := future.done() or can_run_sync():
            self.wait(future)
        return bool(is_done)

    def close(self) -> None:
        """Does nothing, as there is no thread."""
