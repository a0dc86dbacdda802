"""Sessions under the ``websockets`` library."""

from __future__ import annotations

import contextlib
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from readystate.session.control import SUBPROTOCOL

from .sessions import Sessions
from .store import Message

__all__ = ["serve"]

_PROTOCOL_ERROR = 1002


async def serve(sessions: Sessions, connection: ServerConnection, user: Any = None) -> None:
    """Serves one connection of a session. ::

        sessions = Sessions(handler)
        async with websockets.serve(
            functools.partial(serve, sessions), host, port, subprotocols=[SUBPROTOCOL]
        ):
            ...

    Closes with 1002 if the subprotocol was not negotiated. A message beyond the ``max_size`` of the
    library's server ends the session.

    Args:
        sessions: The sessions.
        connection: The argument of the library's handler.
        user: The connection's user, if the application knows it, as a JSON value.
    """
    if connection.subprotocol != SUBPROTOCOL:
        await connection.close(_PROTOCOL_ERROR, f"offer the subprotocol {SUBPROTOCOL}")
        return
    await sessions.serve(_Transport(connection), user)


class _Transport:
    def __init__(self, connection: ServerConnection) -> None:
        request = connection.request
        self.origin = None if request is None else request.headers.get("Origin")
        self.close_code: int | None = None
        self.close_reason = ""
        self._connection = connection

    async def receive(self) -> Message | None:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            # The library may close by itself, as after a message that is too long, and get no
            # answer.
            frame = error.rcvd or error.sent
            if frame is not None:
                self.close_code, self.close_reason = frame.code, frame.reason
            return None

    async def send(self, message: Message) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise ConnectionResetError("the connection has ended") from error

    async def close(self, code: int, reason: str) -> None:
        with contextlib.suppress(ConnectionError):
            await self._connection.close(code, reason)

    def abort(self) -> None:
        self._connection.transport.abort()
