"""Sockets for blocking libraries, in engines that can suspend Python (JSPI)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

from .._host import can_run_sync, run_sync
from .server_end import NotAnUpgrade, ServerEnd
from .transport import Options, Transport

__all__ = ["BlockingSockets"]

_socket = socket.socket
_wrap_socket = ssl.SSLContext.wrap_socket

_MAX_READ = 2**16
"""How many bytes to read ahead."""


class BlockingSockets:
    """Connects new sockets, and TLS over them, to the browser's ``WebSocket``.

    Args:
        options: Returns the current options.
    """

    def __init__(self, options: Callable[[], Options]) -> None:
        members = {"options": staticmethod(options)}
        socket.socket = type("socket", (_Socket,), members)  # type: ignore[assignment, misc]

        def wrap_socket(context: ssl.SSLContext, sock: Any, *others: Any, **how: Any) -> Any:
            if isinstance(sock, _Socket) and sock.secure(context):
                return sock
            return _wrap_socket(context, sock, *others, **how)

        ssl.SSLContext.wrap_socket = wrap_socket  # type: ignore[assignment, method-assign]

    def uninstall(self) -> None:
        """Restores ordinary sockets."""
        socket.socket = _socket  # type: ignore[misc]
        ssl.SSLContext.wrap_socket = _wrap_socket  # type: ignore[method-assign]


class _Socket(_socket):
    """Connects only when the first data shows for what.

    A WebSocket handshake goes to a :class:`Transport`; all else to the ordinary socket.
    """

    options: Callable[[], Options]
    # The address, until that is decided, and the data sent until then.
    _address: Any = None
    _head = b""
    _context: ssl.SSLContext | None = None
    _stream: _Stream | None = None

    def connect(self, address: Any, /) -> None:
        if self.type == socket.SOCK_STREAM and isinstance(address, tuple):
            self._address = address
        else:
            super().connect(address)

    def secure(self, context: ssl.SSLContext) -> bool:
        """Enables TLS, if it is not connected yet. Returns whether it did."""
        self._context = context
        return self._address is not None

    def send(self, data: Any, flags: int = 0, /) -> int:
        if self._address is not None:
            self._decide(bytes(data))
        elif self._stream is not None:
            self._stream.write(data, self.gettimeout())
        else:
            return super().send(data, flags)
        return memoryview(data).nbytes

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        if self._address is None and self._stream is None:
            super().sendall(data, flags)
        else:
            self.send(data, flags)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        if self._stream is not None:
            return self._stream.read(bufsize, self.gettimeout())
        self._connect()
        return super().recv(bufsize, flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        if self._stream is not None:
            data = self.recv(nbytes or memoryview(buffer).nbytes)
            memoryview(buffer)[: len(data)] = data
            return len(data)
        self._connect()
        return super().recv_into(buffer, nbytes, flags)

    def shutdown(self, how: int, /) -> None:
        if self._stream is not None:
            self._stream.close()
        elif self._address is None:
            super().shutdown(how)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        super().close()

    def _decide(self, data: bytes) -> None:
        self._head += data
        try:
            if not ServerEnd().receive(self._head):
                return  # It is too little to tell.
        except NotAnUpgrade:
            self._connect()
            super().sendall(self._head)
            return
        if not can_run_sync():
            raise NotImplementedError(
                "a blocking WebSocket connection needs an engine that can suspend Python (JSPI), "
                "and Python called by runPythonAsync() or the like. Use an asyncio library instead"
            )
        address, self._address = self._address, None
        self._stream = _Stream(self.options(), address, self._context)
        self._stream.write(self._head, self.gettimeout())

    def _connect(self) -> None:
        """Connects the ordinary socket, as it is not for WebSocket."""
        address, self._address = self._address, None
        if address is not None:
            super().connect(address)


class _Stream(asyncio.Protocol):
    """Reads from and writes to a transport, blocking."""

    def __init__(self, options: Options, address: Any, context: ssl.SSLContext | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._is_over = False
        self._is_full = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._transport = Transport(self._loop, self, options, address)
        if context is not None:
            self._transport.secure(self, context)

    def read(self, size: int, timeout: float | None) -> bytes:
        """Waits for data and returns at most ``size`` bytes; none at the end.

        Raises:
            TimeoutError: None arrived within ``timeout`` seconds.
        """
        while not self._received:
            if self._error is not None:
                raise self._error
            if self._is_over:
                return b""
            self._transport.resume_reading()
            self._wait(timeout)
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def write(self, data: Any, timeout: float | None) -> None:
        """Sends ``data``, and waits while too much is buffered.

        Raises:
            TimeoutError: That took longer than ``timeout`` seconds.
        """
        self._transport.write(data)
        while self._is_full and not self._is_over:
            self._wait(timeout)

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def _wait(self, timeout: float | None) -> None:
        self._waiter = self._loop.create_future()
        run_sync(asyncio.wait_for(self._waiter, timeout))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > _MAX_READ:
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over, self._error = True, exc
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()
