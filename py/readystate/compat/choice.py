"""Connections where Python has sockets: ordinary ones until the first data shows a handshake.

As in Node.js, after ``pyodide.useNodeSockFS()``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

from .server_end import NotAnUpgrade, ServerEnd
from .transport import Transport

__all__ = ["Choice"]


class Choice(asyncio.Protocol):
    """The socket's protocol, and the library's transport.

    The library's first data decides: for a WebSocket handshake, the socket is closed and replaced
    by a :class:`Transport`; otherwise the socket stays in use.
    """

    def __init__(
        self,
        protocol: asyncio.BaseProtocol,
        new_transport: Callable[[asyncio.BaseProtocol], Transport],
    ) -> None:
        self._protocol = protocol
        self._new_transport = new_transport
        self._transport: Any = None
        self._head: bytearray | None = bytearray()
        self._is_upgraded = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    # The transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Switches to another protocol."""
        self._protocol = protocol
        if self._is_upgraded:
            self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Writes to the chosen transport, after choosing it."""
        if self._head is None:
            self._transport.write(data)
            return
        self._head += data
        try:
            if not ServerEnd().receive(self._head):
                return  # It is too little to tell.
        except NotAnUpgrade:
            pass
        else:
            self._is_upgraded = True
            self._transport.abort()
            self._transport = self._new_transport(self._protocol)
        head, self._head = bytes(self._head), None
        self._transport.write(head)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    # The socket's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._protocol.connection_made(cast(asyncio.BaseTransport, self))

    def data_received(self, data: bytes) -> None:
        if not self._is_upgraded:
            cast(asyncio.Protocol, self._protocol).data_received(data)

    def eof_received(self) -> bool | None:
        if self._is_upgraded:
            return None
        return cast(asyncio.Protocol, self._protocol).eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_upgraded:
            self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        if not self._is_upgraded:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if not self._is_upgraded:
            self._protocol.resume_writing()
