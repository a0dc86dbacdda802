"""The server under Starlette and uvicorn."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn import Config, Server

from readystate_server.sessions import SUBPROTOCOL, Sessions
from readystate_server.sessions.starlette import serve

from .children import say
from .serving import BACKLOG, GREETING, working


async def plain(websocket: WebSocket) -> None:
    """The same in Starlette."""
    await websocket.accept(SUBPROTOCOL)
    await websocket.send_text(GREETING)
    async for _ in websocket.iter_text():
        pass


async def run(sessions: Sessions, port: int, compress: bool) -> None:
    """Serves with Starlette and uvicorn until SIGTERM."""

    async def endpoint(websocket: WebSocket) -> None:
        await serve(sessions, websocket)

    routes = [WebSocketRoute("/session", endpoint), WebSocketRoute("/plain", plain)]
    app = Starlette(routes=routes)
    server = Server(
        Config(
            app,
            host="127.0.0.1",
            port=port,
            backlog=BACKLOG,
            log_level="warning",
            ws="websockets-sansio",
            ws_per_message_deflate=compress,
            lifespan="off",
            timeout_graceful_shutdown=5,
        )
    )
    async with working(sessions):
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        say(listens=port)
        await serving
