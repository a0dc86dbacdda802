"""How :func:`install` changes the event loop."""

from __future__ import annotations

import asyncio
import socket
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, cast

from .._host import has_sockets, require_websocket
from .accelerator import Accelerator
from .blocking import BlockingSockets
from .choice import Choice
from .readiness import Readiness
from .tls import has_settings, ssl_module
from .transport import Options, Rewrite, Transport

__all__ = ["Installation", "install", "uninstall"]


class Installation:
    """The result of :func:`install`: a context manager that undoes it at the end of the block."""

    def __init__(self, loop_class: type[asyncio.AbstractEventLoop], options: Options) -> None:
        self.options = options
        self._loop_class = loop_class
        self._accelerator = Accelerator()
        self._readiness = Readiness()
        self._blocking = BlockingSockets(lambda: self.options, self._readiness)
        # Sockets that are connected as far as the library knows, and to where.
        self._connected: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self._replaced: dict[str, Any] = {}
        for name in ("create_connection", "getaddrinfo", "sock_connect", "start_tls"):
            self._replace(name, _asynchronous(getattr(self, f"_{name}")))
        for kind in ("reader", "writer"):
            self._replace_watches(kind)
        self._accelerator.install()

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        uninstall()

    def undo(self) -> None:
        """Restores the event loop. Open connections stay open."""
        for name, original in self._replaced.items():
            setattr(self._loop_class, name, original)
        self._accelerator.uninstall()
        self._blocking.uninstall()
        self._readiness.uninstall()

    def _replace(self, name: str, replacement: Callable[..., Any]) -> None:
        replacement.__name__ = name
        self._replaced[name] = getattr(self._loop_class, name)
        setattr(self._loop_class, name, replacement)

    def _replace_watches(self, kind: str) -> None:
        """``add_reader()`` and its like, for the sockets of :class:`BlockingSockets`."""
        readiness = self._readiness

        def add(
            loop: asyncio.AbstractEventLoop, fd: Any, callback: Callable[..., Any], *args: Any
        ) -> None:
            if not readiness.watch(kind, fd, callback, args):
                self._replaced[f"add_{kind}"](loop, fd, callback, *args)

        def remove(loop: asyncio.AbstractEventLoop, fd: Any) -> bool:
            if readiness.unwatch(kind, fd):
                return True
            if readiness.get(fd) is not None:
                return False
            return bool(self._replaced[f"remove_{kind}"](loop, fd))

        self._replace(f"add_{kind}", add)
        self._replace(f"remove_{kind}", remove)

    async def _create_connection(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: Any = None,
        sock: socket.socket | None = None,
        local_addr: Any = None,
        **how: Any,  # Which is the browser's to decide.
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        address = (host, port) if sock is None else self._connected.pop(sock, None)
        if has_sockets() and not ssl:
            protocol = protocol_factory()
            choice = Choice(protocol, lambda p: Transport(loop, p, self.options, address))
            original = self._replaced["create_connection"]
            where = {"host": host, "port": port, "sock": sock, "local_addr": local_addr}
            await original(loop, lambda: choice, **where, **how)
            return cast(asyncio.BaseTransport, choice), protocol
        if address is None:
            raise NotImplementedError(
                "create_connection(sock=...) is not available in browsers, which connect "
                "themselves: give a host and a port"
            )
        if local_addr is not None:
            raise NotImplementedError(
                f"create_connection(local_addr={local_addr!r}) is not available in browsers, "
                "which choose the local address"
            )
        if sock is not None:
            sock.close()  # Unused: it only gave us the address.
        elif host is None or port is None:
            raise ValueError("host and port must be specified if sock is not provided")
        protocol = protocol_factory()
        transport = Transport(loop, protocol, self.options, address)
        if ssl:
            self._check(ssl)
            transport.secure(protocol, ssl)
        protocol.connection_made(transport)
        return transport, protocol

    async def _getaddrinfo(
        self,
        loop: asyncio.AbstractEventLoop,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        if has_sockets() or not (host and isinstance(host, str) and isinstance(port, int)):
            original = self._replaced["getaddrinfo"]
            return await original(
                loop, host, port, family=family, type=type, proto=proto, flags=flags
            )
        # Return the name itself: the browser looks it up.
        family = family or (socket.AF_INET6 if ":" in host else socket.AF_INET)
        return [(family, type or socket.SOCK_STREAM, proto or socket.IPPROTO_TCP, "", (host, port))]

    async def _sock_connect(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, address: Any
    ) -> None:
        if has_sockets():
            await self._replaced["sock_connect"](loop, sock, address)
        self._connected[sock] = address

    async def _start_tls(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        **options: Any,
    ) -> Any:
        if not isinstance(transport, Transport):
            original = self._replaced["start_tls"]
            return await original(loop, transport, protocol, sslcontext, **options)
        self._check(sslcontext)
        transport.secure(protocol, sslcontext)
        return transport

    def _check(self, context: Any) -> None:
        """Warns that the browser ignores TLS settings."""
        if has_settings(context):
            self.options.warn_once(
                "ssl",
                "the SSL context is not used: the browser checks the server's certificate with its "
                "own rules and certificates",
            )


def _asynchronous(method: Callable[..., Any]) -> Callable[..., Any]:
    async def replacement(loop: asyncio.AbstractEventLoop, *arguments: Any, **options: Any) -> Any:
        return await method(loop, *arguments, **options)

    return replacement


_installed: Final[list[Installation]] = []
NO_SSL: Final = (
    "Python's ssl is not loaded, which libraries need for wss:, and some to be imported at all. "
    "Before install(), load it: 'await pyodide_js.loadPackage(\"ssl\")'"
)


def install(*, rewrite: Rewrite | None = None, max_held: int = 2**26) -> Installation:
    """Makes the event loop connect to WebSocket servers. Calling it again only changes the options.

    Call it before importing ``websockets``, which is then faster. Before Pyodide 314, load its
    package ``ssl`` first: libraries need it for ``wss:``, and some to be imported at all. Without
    it, a warning says so.

    ::

        with install():  # undone at the end of the block
            ...

    Args:
        rewrite: Called for each connection as ``rewrite(url, headers, subprotocols)``, with the
            headers that a browser cannot send, by lower-case name. Returns the URL and the
            subprotocols to use. Headers that it removes cause no warning.
        max_held: How many bytes to buffer while the library has paused reading. The server cannot
            be paused, so beyond that the connection is closed with 4008.

    Raises:
        RuntimeError: There is no JavaScript here, or it has no ``WebSocket``.
    """
    require_websocket()
    options = Options(rewrite, max_held)
    if _installed:
        _installed[0].options = options
    else:
        if ssl_module() is None:
            warnings.warn(NO_SSL, RuntimeWarning, stacklevel=2)
        _installed.append(Installation(type(asyncio.get_event_loop()), options))
    return _installed[0]


def uninstall() -> None:
    """Undoes :func:`install`, if it was called."""
    while _installed:
        _installed.pop().undo()
