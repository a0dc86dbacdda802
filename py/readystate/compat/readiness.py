"""Which sockets can be read and written: ``select``, ``selectors``, the event loop's watches."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import select
import selectors
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from .._host import can_run_sync, needs_suspension, run_sync, timeout_after

__all__ = ["Readiness", "Watchers", "wait_until"]

_select: Callable[..., tuple[list[Any], list[Any], list[Any]]] = select.select
_READ_EVENTS: Final = 0x3
"""``POLLIN`` and ``POLLPRI``."""
_WRITE_EVENTS: Final = 0x4
"""``POLLOUT``."""


class Watchers:
    """Functions to call at each change of one socket."""

    def __init__(self) -> None:
        self._functions: set[Callable[[], None]] = set()

    def add(self, function: Callable[[], None]) -> None:
        self._functions.add(function)

    def discard(self, function: Callable[[], None]) -> None:
        self._functions.discard(function)

    def tell(self) -> None:
        for function in tuple(self._functions):
            function()


class Watched(Protocol):
    """A socket whose readiness is known here, and not to the system."""

    watchers: Watchers

    def fileno(self) -> int: ...
    @property
    def is_readable(self) -> bool: ...
    @property
    def is_writable(self) -> bool: ...


def wait_until(
    is_ready: Callable[[], bool], changes: Iterable[Watchers], timeout: float | None
) -> bool:
    """Suspends Python until ``is_ready()``, which is asked again at each of the ``changes``.

    Returns:
        Whether it is, within ``timeout`` seconds.

    Raises:
        NotImplementedError: It is not yet, and Python cannot be suspended.
    """
    if is_ready():
        return True
    if timeout == 0:
        return False
    if not can_run_sync():
        raise needs_suspension()
    changes = list(changes)

    async def become_ready() -> None:
        changed = asyncio.Event()
        for watchers in changes:
            watchers.add(changed.set)
        try:
            async with timeout_after(timeout):
                while not is_ready():
                    await changed.wait()
                    changed.clear()
        finally:
            for watchers in changes:
                watchers.discard(changed.set)

    try:
        run_sync(become_ready())
    except TimeoutError:
        return False
    return True


class Readiness:
    """Makes ``select``, ``selectors`` and the event loop's watches work for our sockets.

    For all other sockets and files they call the originals.
    """

    def __init__(self) -> None:
        self._sockets: weakref.WeakValueDictionary[int, Watched] = weakref.WeakValueDictionary()
        self._watches: dict[tuple[str, int], _Watch] = {}
        self._replaced: list[tuple[Any, str, Any]] = []
        poll = lambda: _Poll(self.select)  # noqa: E731 - as it has no other place
        self._replace(select, "select", self.select)
        self._replace(selectors.SelectSelector, "_select", staticmethod(self.select))
        if hasattr(select, "poll"):
            self._replace(select, "poll", poll)
            self._replace(selectors.PollSelector, "_selector_cls", staticmethod(poll))

    def uninstall(self) -> None:
        """Restores the originals. Watches stay."""
        for owner, name, original in self._replaced:
            setattr(owner, name, original)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self._replaced.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def add(self, sock: Watched) -> None:
        """Adds a socket."""
        self._sockets[sock.fileno()] = sock

    def discard(self, sock: Watched) -> None:
        """Removes a socket, before it is closed."""
        fd = sock.fileno()
        if self._sockets.get(fd) is sock:
            del self._sockets[fd]
            for kind in ("reader", "writer"):
                self.unwatch(kind, fd)

    def get(self, file: Any) -> Watched | None:
        """Returns our socket for a file or a file descriptor; ``None`` if it is not ours."""
        return self._sockets.get(_number(file))

    def select(
        self,
        rlist: Iterable[Any],
        wlist: Iterable[Any],
        xlist: Iterable[Any],
        timeout: float | None = None,
        /,
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """As ``select.select()``."""
        asked = [[(file, self.get(file)) for file in files] for files in (rlist, wlist, xlist)]
        changes = {sock.watchers for files in asked for _, sock in files if sock is not None}
        others = [[file for file, sock in files if sock is None] for files in asked]
        if not changes:
            return _select(*others, timeout)
        if timeout is not None and timeout < 0:
            raise ValueError("timeout must be non-negative")
        found: tuple[list[Any], list[Any], list[Any]] = ([], [], [])

        def is_ready() -> bool:
            ready = _select(*others, 0) if any(others) else ([], [], [])
            for number, (files, kind) in enumerate(
                zip(asked, ("is_readable", "is_writable", ""), strict=True)
            ):
                found[number][:] = [
                    file
                    for file, sock in files
                    if (
                        file in ready[number]
                        if sock is None
                        else bool(kind) and getattr(sock, kind)
                    )
                ]
            return any(found)

        wait_until(is_ready, changes, timeout)
        return found

    def watch(
        self, kind: str, file: Any, function: Callable[..., Any], arguments: Sequence[Any]
    ) -> bool:
        """Calls ``function`` whenever the socket is ready.

        Returns:
            Whether the socket is ours; for others this does nothing.
        """
        sock = self.get(file)
        if sock is None:
            return False
        fd = sock.fileno()
        self.unwatch(kind, fd)
        self._watches[kind, fd] = _Watch(sock, kind == "reader", function, arguments)
        return True

    def unwatch(self, kind: str, file: Any) -> bool:
        """Undoes :meth:`watch`; returns whether there was anything to undo."""
        watch = self._watches.pop((kind, _number(file)), None)
        if watch is not None:
            watch.cancel()
        return watch is not None


class _Watch:
    """Calls a function once per turn of the event loop while a socket is ready.

    In the context in which it was created.
    """

    def __init__(
        self, sock: Watched, reads: bool, function: Callable[..., Any], arguments: Sequence[Any]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._sock: Watched | None = sock
        self._reads = reads
        self._call: Callable[[], Any] = lambda: function(*arguments)
        self._is_due = False
        sock.watchers.add(self._look)
        self._look()

    def cancel(self) -> None:
        if self._sock is not None:
            self._sock.watchers.discard(self._look)
            self._sock = None

    def _is_ready(self) -> bool:
        sock = self._sock
        return sock is not None and (sock.is_readable if self._reads else sock.is_writable)

    def _look(self) -> None:
        if not self._is_due and self._is_ready():
            self._is_due = True
            self._loop.call_soon(self._run, context=self._context)

    def _run(self) -> None:
        self._is_due = False
        if self._is_ready():
            try:
                self._call()
            finally:
                self._look()


class _Poll:
    """The polling object of ``select.poll()``."""

    def __init__(self, select: Callable[..., tuple[list[Any], list[Any], list[Any]]]) -> None:
        self._select = select
        self._masks: dict[int, int] = {}

    def register(self, fd: Any, eventmask: int = _READ_EVENTS | _WRITE_EVENTS, /) -> None:
        self._masks[_number(fd)] = eventmask

    def modify(self, fd: Any, eventmask: int, /) -> None:
        if _number(fd) not in self._masks:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self._masks[_number(fd)] = eventmask

    def unregister(self, fd: Any, /) -> None:
        del self._masks[_number(fd)]

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        seconds = None if timeout is None or timeout < 0 else timeout / 1000
        masks = self._masks
        readable, writable, _ = self._select(
            [fd for fd, mask in masks.items() if mask & _READ_EVENTS],
            [fd for fd, mask in masks.items() if mask & _WRITE_EVENTS],
            [],
            seconds,
        )
        ready = [(fd, (fd in readable) | (fd in writable) << 2) for fd in masks]
        return [(fd, events) for fd, events in ready if events]


def _number(file: Any) -> int:
    return file if isinstance(file, int) else int(file.fileno())
