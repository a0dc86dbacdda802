"""The server under aiohttp; each framework has its own module, as importing takes long."""

from __future__ import annotations

import asyncio
import functools
import signal

from aiohttp import web

from readystate_server.sessions import SUBPROTOCOL, Sessions
from readystate_server.sessions.aiohttp import serve

from .children import say
from .serving import BACKLOG, GREETING, working


async def plain(request: web.Request, *, compress: bool) -> web.WebSocketResponse:
    """A connection without a session: what the framework itself needs."""
    websocket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), heartbeat=20, compress=compress)
    await websocket.prepare(request)
    await websocket.send_str(GREETING)
    async for _ in websocket:
        pass
    return websocket


async def run(sessions: Sessions, port: int, compress: bool) -> None:
    """Serves with aiohttp until SIGTERM."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    app = web.Application()
    app.router.add_get("/session", functools.partial(serve, sessions, compress=compress))
    app.router.add_get("/plain", functools.partial(plain, compress=compress))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
    async with working(sessions):
        say(listens=port)
        await told.wait()
    await runner.cleanup()
