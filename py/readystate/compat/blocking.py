"""Sockets for blocking libraries, in engines that can suspend Python (JSPI)."""

from __future__ import annotations

import errno
import operator
import socket
from collections.abc import Callable
from typing import Any, Final

from .._host import can_run_sync, has_sockets, needs_suspension
from .address import SOCKNAME
from .readiness import Readiness, Watchers
from .server_end import NotAnUpgrade, ServerEnd
from .stream import Stream, os_error
from .tls import Wrapping
from .transport import Options

__all__ = ["BlockingSockets"]

_socket = socket.socket

_FLAGS: Final = socket.MSG_PEEK | socket.MSG_DONTWAIT | socket.MSG_WAITALL
"""The flags that ``recv()`` supports."""


class BlockingSockets:
    """Connects new sockets, and TLS over them, to the browser's ``WebSocket``.

    Args:
        options: Returns the current options.
        readiness: Learns of each connected socket.
    """

    def __init__(self, options: Callable[[], Options], readiness: Readiness) -> None:
        members = {"options": staticmethod(options), "readiness": readiness}
        socket.socket = type("socket", (_Socket,), members)  # type: ignore[assignment, misc]
        self._wrapping = Wrapping(
            lambda sock, context: isinstance(sock, _Socket) and sock.secure(context)
        )

    def uninstall(self) -> None:
        """Restores ordinary sockets."""
        socket.socket = _socket  # type: ignore[misc]
        self._wrapping.undo()


class _Socket(_socket):
    """Connects only when the first data shows for what.

    A request for a WebSocket connection goes to a :class:`Stream`. Otherwise it is an ordinary
    socket, with what that can do here.
    """

    options: Callable[[], Options]
    readiness: Readiness
    # Where it is connected to, as far as the library knows.
    _peername: Any = None
    # What was sent until it is known what for.
    _head = b""
    _context: Any = None  # An SSLContext.
    _stream: Stream | None = None
    _is_ordinary = False
    # What shutdown() was called with, plus 1: a bit each for reading and for writing.
    _shut = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.watchers = Watchers()

    def __del__(self) -> None:
        if self._stream is not None:
            self._stream.close()
        super().__del__()  # type: ignore[misc]

    @property
    def _is_undecided(self) -> bool:
        return self._peername is not None and self._stream is None and not self._is_ordinary

    @property
    def _is_unconnected(self) -> bool:
        """Whether it is a TCP socket before ``connect()``, where Python has no sockets."""
        is_tcp = self.type == socket.SOCK_STREAM and self.family != getattr(socket, "AF_UNIX", None)
        return is_tcp and self._peername is None and self.fileno() != -1 and not has_sockets()

    @property
    def is_readable(self) -> bool:
        """Whether ``recv()`` returns or raises at once."""
        return bool(self._shut & 1) or (self._stream is not None and self._stream.is_readable)

    @property
    def is_writable(self) -> bool:
        """Whether ``send()`` returns or raises at once."""
        return bool(self._shut & 2) or self._stream is None or self._stream.is_writable

    def connect(self, address: Any, /) -> None:
        if self.fileno() == -1 or self.type != socket.SOCK_STREAM or not isinstance(address, tuple):
            super().connect(address)
            return
        if self._peername is not None:
            raise os_error(errno.EISCONN)
        self._peername = address
        self.readiness.add(self)

    def connect_ex(self, address: Any, /) -> int:
        try:
            self.connect(address)
        except OSError as error:
            if error.errno is None:
                raise
            return error.errno
        return 0

    def getpeername(self) -> Any:
        if self._peername is not None and not self._is_ordinary:
            return self._peername
        if self._is_unconnected:
            raise os_error(errno.ENOTCONN)
        return super().getpeername()

    def getsockname(self) -> Any:
        """While connected, a placeholder: browsers do not tell the local address."""
        if self._peername is not None and not self._is_ordinary:
            return SOCKNAME
        return super().getsockname()

    def getsockopt(self, level: int, optname: int, *buflen: int) -> Any:
        if self._stream is not None and (level, optname) == (socket.SOL_SOCKET, socket.SO_ERROR):
            error = self._stream.take_error()
            return 0 if error is None else getattr(error, "errno", None) or errno.ECONNREFUSED
        return super().getsockopt(level, optname, *buflen)

    def send(self, data: Any, flags: int = 0, /) -> int:
        if self._shut & 2:
            raise os_error(errno.EPIPE)
        size = memoryview(data).nbytes
        if self._is_undecided:
            self._decide(bytes(data))
        elif self._stream is not None:
            self._stream.write(data, self._timeout(flags))
        elif self._is_unconnected:
            raise os_error(errno.ENOTCONN)
        else:
            return super().send(data, flags)
        return size

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        if self._is_ordinary:
            super().sendall(data, flags)
        else:
            self.send(data, flags)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        size = operator.index(bufsize)
        if size < 0:
            raise ValueError("negative buffersize in recv")
        if self._stream is not None:
            return self._read(self._stream, size, flags)
        self._await_peer(flags)
        return b"" if self._shut & 1 else super().recv(size, flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        with memoryview(buffer) as view, view.cast("B") as room:
            if room.readonly:
                kind = type(buffer).__name__
                raise TypeError(f"recv_into() takes a buffer that can be written to, not {kind}")
            size = operator.index(nbytes)
            if size < 0:
                raise ValueError("negative buffersize in recv_into")
            if size > len(room):
                raise ValueError("buffer too small for requested bytes")
            if self._stream is not None:
                data = self._read(self._stream, size or len(room), flags)
                room[: len(data)] = data
                return len(data)
        self._await_peer(flags)
        return 0 if self._shut & 1 else super().recv_into(buffer, nbytes, flags)

    def shutdown(self, how: int, /) -> None:
        if self.fileno() == -1:
            raise os_error(errno.EBADF)
        if self._is_unconnected:
            raise os_error(errno.ENOTCONN)
        if self._peername is None or self._is_ordinary:
            super().shutdown(how)
            return
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            raise os_error(errno.EINVAL)
        self._shut |= how + 1
        if self._shut & 2 and self._stream is not None:
            self._stream.close()
        self.watchers.tell()

    def _real_close(self, *arguments: Any) -> None:
        self.readiness.discard(self)
        stream, self._stream, self._peername = self._stream, None, None
        if stream is not None:
            stream.close()
        super()._real_close(*arguments)  # type: ignore[misc]

    # Of a socket with TLS

    def secure(self, context: Any) -> bool:
        """Makes it connect with TLS, if it is not connected yet; returns whether it will."""
        self._context = context
        return self._is_undecided

    def do_handshake(self) -> None:
        """Does nothing: the browser does so."""

    def pending(self) -> int:
        """How many bytes can be read at once."""
        return 0 if self._stream is None else self._stream.pending

    def _timeout(self, flags: int) -> float | None:
        return 0.0 if flags & socket.MSG_DONTWAIT else self.gettimeout()

    def _read(self, stream: Stream, size: int, flags: int) -> bytes:
        if flags & ~_FLAGS:
            raise os_error(errno.EINVAL)
        if size == 0 or (self._shut & 1 and not stream.pending):
            return b""
        timeout = self._timeout(flags)
        # With a timeout a system's socket does not block, so that it gives what there is.
        whole = bool(flags & socket.MSG_WAITALL) and timeout is None
        return stream.read(size, timeout, peek=bool(flags & socket.MSG_PEEK), whole=whole)

    def _await_peer(self, flags: int) -> None:
        """Connects the ordinary socket, as no handshake was sent and the peer is to speak first."""
        if self._shut & 1:
            return
        if self._is_unconnected:
            raise os_error(errno.ENOTCONN)
        if self._is_undecided:
            if self._timeout(flags) == 0:
                raise os_error(errno.EAGAIN)
            self._connect()

    def _decide(self, data: bytes) -> None:
        self._head += data
        try:
            if not ServerEnd().receive(self._head):
                return  # It is too little to tell.
        except NotAnUpgrade:
            self._connect()
            super().sendall(self._head)
            return
        if not can_run_sync() and self.gettimeout() != 0:
            raise needs_suspension()
        self._stream = Stream(self.options(), self._peername, self._context, self.watchers)
        self._stream.write(self._head, None)

    def _connect(self) -> None:
        """It is not for WebSocket: the ordinary socket connects."""
        self.readiness.discard(self)
        self._is_ordinary = True
        super().connect(self._peername)
