"""Sessions in a Starlette or FastAPI application."""

from __future__ import annotations

import contextlib
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from readystate.session.control import SUBPROTOCOL

from .sessions import Sessions
from .store import Message

__all__ = ["serve"]

_NO_CLOSE_FRAME = 1006


async def serve(sessions: Sessions, websocket: WebSocket, user: Any = None) -> None:
    """Accepts and serves one connection of a session. ::

        sessions = Sessions(handler)

        @app.websocket("/session")
        async def session(websocket: WebSocket) -> None:
            await serve(sessions, websocket)

    Answers 403 if the handshake does not offer the subprotocol. A message beyond the server's limit
    (such as uvicorn's ``--ws-max-size``) ends the session.

    Args:
        sessions: The sessions.
        websocket: The route's WebSocket, not yet accepted.
        user: The connection's user, if the application knows it, as a JSON value.

    Raises:
        RuntimeError: ``websocket`` was already accepted or closed.
    """
    if websocket.application_state is not WebSocketState.CONNECTING:
        raise RuntimeError(
            "serve() accepts the connection itself, to choose the subprotocol "
            f"{SUBPROTOCOL}: leave out websocket.accept(), and refuse with websocket.close() "
            "instead of calling serve()"
        )
    if SUBPROTOCOL not in websocket.scope.get("subprotocols", ()):
        await websocket.close()
        return
    await websocket.accept(SUBPROTOCOL)
    await sessions.serve(_Transport(websocket), user)


class _Transport:
    def __init__(self, websocket: WebSocket) -> None:
        self.origin = websocket.headers.get("Origin")
        self.close_code: int | None = None
        self.close_reason = ""
        self._websocket = websocket

    async def receive(self) -> Message | None:
        if self._websocket.client_state is WebSocketState.DISCONNECTED:
            return None
        event = await self._websocket.receive()
        if event["type"] == "websocket.receive":
            text: str | None = event.get("text")
            data: bytes = event.get("bytes") or b""
            return data if text is None else text
        self.close_code = event.get("code", _NO_CLOSE_FRAME)
        self.close_reason = event.get("reason") or ""
        return None

    async def send(self, message: Message) -> None:
        try:
            if isinstance(message, str):
                await self._websocket.send_text(message)
            else:
                await self._websocket.send_bytes(message)
        except (WebSocketDisconnect, RuntimeError) as error:
            # RuntimeError: Starlette already knows that it has ended.
            raise ConnectionResetError("the connection has ended") from error

    async def close(self, code: int, reason: str) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._websocket.close(code, reason)

    def abort(self) -> None:
        """Does nothing: the server ends the connection when the application returns."""
