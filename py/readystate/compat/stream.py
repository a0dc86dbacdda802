"""The byte stream of a blocking socket, over a transport."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Any, Final

from .readiness import Watchers, wait_until
from .transport import Options, Transport

__all__ = ["Stream", "os_error"]

_MAX_READ: Final = 2**16
"""How many bytes to read ahead."""


def os_error(number: int) -> OSError:
    """Returns the exception of a system call that fails with ``errno``."""
    return OSError(number, os.strerror(number))


class Stream(asyncio.Protocol):
    """Reads and writes the bytes of one connection; waiting suspends Python.

    Args:
        options: The options of :func:`install`.
        address: Where to connect to.
        context: The TLS context; ``None`` means no TLS.
        watchers: Called at each change.
    """

    def __init__(self, options: Options, address: Any, context: Any, watchers: Watchers) -> None:
        self._received = bytearray()
        self._is_over = False
        self._is_full = False
        self._error: Exception | None = None
        self._watchers = watchers
        self._transport = Transport(asyncio.get_running_loop(), self, options, address)
        if context is not None:
            self._transport.secure(self, context)

    @property
    def pending(self) -> int:
        """How many bytes have arrived but were not read."""
        return len(self._received)

    @property
    def is_readable(self) -> bool:
        """Whether reading returns or raises at once."""
        return bool(self._received) or self._is_over

    @property
    def is_writable(self) -> bool:
        """Whether writing returns or raises at once."""
        return not self._is_full or self._is_over

    def take_error(self) -> Exception | None:
        """Returns why the connection was lost, once, like ``SO_ERROR``."""
        error, self._error = self._error, None
        return error

    def read(
        self, size: int, timeout: float | None, *, peek: bool = False, whole: bool = False
    ) -> bytes:
        """Waits for data and returns at most ``size`` bytes; none at the end.

        Args:
            size: In bytes.
            timeout: In seconds; 0: does not wait.
            peek: Does not consume them.
            whole: Waits for ``size`` bytes.

        Raises:
            BlockingIOError: There are none, and ``timeout`` is 0.
            TimeoutError: There are none within ``timeout`` seconds.
        """
        received = self._received
        least = size if whole else 1
        self._wait(lambda: len(received) >= least or self._is_over, timeout)
        if not received and (error := self.take_error()) is not None:
            raise error
        data = bytes(received[:size])
        if not peek:
            del received[:size]
            if len(received) <= _MAX_READ:
                self._transport.resume_reading()
        return data

    def write(self, data: Any, timeout: float | None) -> None:
        """Waits until the send buffer has room, and sends ``data``.

        Raises:
            BlockingIOError: There is no room, and ``timeout`` is 0. Nothing was sent.
            TimeoutError: There is none within ``timeout`` seconds. Nothing was sent.
            BrokenPipeError: The connection has ended.
        """
        self._wait(lambda: self.is_writable, timeout)
        if self._is_over:
            raise self.take_error() or os_error(errno.EPIPE)
        self._transport.write(data)

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def _wait(self, is_ready: Any, timeout: float | None) -> None:
        if not wait_until(is_ready, [self._watchers], timeout):
            raise TimeoutError("timed out") if timeout else os_error(errno.EAGAIN)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > _MAX_READ:
            self._transport.pause_reading()
        self._watchers.tell()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over, self._error = True, exc
        self._watchers.tell()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._watchers.tell()
