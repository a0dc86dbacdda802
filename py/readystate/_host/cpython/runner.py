"""Runs coroutines for code that blocks, in an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from .native_websocket import NativeWebSocket, open_sockets

__all__ = ["Runner"]

T = TypeVar("T")

JOIN_TIMEOUT = 1.0
"""How long :meth:`Runner.close` waits for the thread, in seconds: connections may take longer."""


class Runner:
    """An event loop in a daemon thread, which ends with it."""

    def __init__(self) -> None:
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        # A daemon, so that a connection that nobody has closed does not keep the process.
        self._thread = threading.Thread(
            target=_run, args=(started,), name="readystate.sync", daemon=True
        )
        self._thread.start()
        self._loop, ending = started.result()
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, self._loop.call_soon_threadsafe, ending.set)
        self._end.atexit = False

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts a coroutine, and returns its future; a cancelled one after :meth:`close`.

        Raises:
            RuntimeError: The thread is not of this process, which was forked, or is this one.
        """
        thread = self._thread
        if self._end.alive and (not thread.is_alive() or thread is threading.current_thread()):
            coroutine.close()
            raise RuntimeError(
                "this connection's own thread, which runs process_exception, cannot wait for it"
                if thread.is_alive()
                else "this connection is another process's, from before os.fork(): connect again"
            )
        with self._lock:  # So that close() comes after what has been started.
            if self._end.alive:
                return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        coroutine.close()
        future: Future[T] = Future()
        future.cancel()
        return future

    def wait(self, future: Future[T]) -> T:
        """Waits until ``future`` is done, and returns its result; cancels it if interrupted.

        Raises:
            concurrent.futures.CancelledError: The runner was closed.
        """
        try:
            return future.result()
        except BaseException:  # KeyboardInterrupt
            future.cancel()
            raise

    def try_wait(self, future: Future[Any]) -> bool:
        """Waits as :meth:`wait` does; returns ``True``."""
        self.wait(future)
        return True

    def close(self) -> None:
        """Ends the sockets that are left, and the thread, which is waited for a second at most."""
        with self._lock:
            was_open = self._end.alive
            self._end()
        if was_open and self._thread is not threading.current_thread():
            self._thread.join(JOIN_TIMEOUT)


def _run(started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    asyncio.run(_serve(started))


async def _serve(started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    ending = asyncio.Event()
    started.set_result((asyncio.get_running_loop(), ending))
    await ending.wait()
    sockets = open_sockets()
    ends = [_ended(socket) for socket in sockets]
    for socket in sockets:
        socket.close()
    await asyncio.gather(*ends)


def _ended(socket: NativeWebSocket) -> asyncio.Future[None]:
    """Returns a future that is done when ``socket`` is CLOSED."""
    future = asyncio.get_running_loop().create_future()
    socket.addEventListener("close", lambda _: future.set_result(None), {"once": True})
    return future
