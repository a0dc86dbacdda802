"""Sessions in an aiohttp application."""

from __future__ import annotations

import contextlib
from typing import Any

from aiohttp import WSMsgType, hdrs, web

from readystate.session.control import SUBPROTOCOL

from .sessions import Sessions
from .store import Message

__all__ = ["serve"]

_NO_CODE = 1005
_HEARTBEAT = 20.0
"""Seconds between pings, as in the other frameworks, to detect clients that are gone."""


async def serve(
    sessions: Sessions, request: web.Request, user: Any = None, *, compress: bool = True
) -> web.StreamResponse:
    """Serves one connection of a session, and returns its response. ::

        sessions = Sessions(handler)
        app.router.add_get("/session", functools.partial(serve, sessions))

    Answers 426 if the request is not a WebSocket handshake, and 400 if it does not offer the
    subprotocol.

    Args:
        sessions: The sessions.
        request: The route's request.
        user: The connection's user, if the application knows it, as a JSON value.
        compress: Whether to compress messages for clients that offer it. It takes most of a
            connection's memory.
    """
    # Sessions count text in characters, aiohttp in bytes, up to four for each.
    websocket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,),
        autoclose=False,
        heartbeat=_HEARTBEAT,
        compress=compress,
        max_msg_size=4 * sessions.max_message + 1,
    )
    ready = websocket.can_prepare(request)
    if not ready.ok:
        return web.Response(
            status=426, headers={hdrs.UPGRADE: "websocket"}, text="This is a WebSocket endpoint."
        )
    if ready.protocol != SUBPROTOCOL:
        return web.Response(status=400, text=f"Offer the subprotocol {SUBPROTOCOL}.")
    try:
        await websocket.prepare(request)
    except ConnectionError:
        return web.Response(status=400, text="The client has gone.")
    await sessions.serve(_Transport(request, websocket), user)
    return websocket


class _Transport:
    def __init__(self, request: web.Request, websocket: web.WebSocketResponse) -> None:
        self.origin = request.headers.get(hdrs.ORIGIN)
        self.close_code: int | None = None
        self.close_reason = ""
        self._request = request
        self._websocket = websocket

    async def receive(self) -> Message | None:
        message = await self._websocket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            data: Message = message.data
            return data
        # aiohttp's own close_code is 1000 even without a close frame.
        if message.type is WSMsgType.CLOSE:
            self.close_code = message.data or _NO_CODE
            self.close_reason = message.extra or ""
            await self._websocket.close(code=message.data or 1000, drain=False)
        elif message.type is WSMsgType.ERROR:
            self.close_code = getattr(message.data, "code", None)
        return None

    async def send(self, message: Message) -> None:
        if isinstance(message, str):
            await self._websocket.send_str(message)
        else:
            await self._websocket.send_bytes(message)

    async def close(self, code: int, reason: str) -> None:
        with contextlib.suppress(ConnectionError):
            await self._websocket.close(code=code, message=reason.encode())

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()
