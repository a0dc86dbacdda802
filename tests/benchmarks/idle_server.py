"""``python -m tests.benchmarks.idle_server``: as little as a server with sessions can be.

/session is a session in a MemoryStore, and /plain the same application without one. It says its
port, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import functools
import sys

from aiohttp import web

from readystate_server.sessions import SUBPROTOCOL, MemoryStore, ServerSession, Sessions
from readystate_server.sessions.aiohttp import serve


async def handle(session: ServerSession) -> None:
    """The application: it takes what comes."""
    async for _ in session:
        pass


async def handle_plain(request: web.Request) -> web.WebSocketResponse:
    """The same over one connection."""
    websocket = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
    await websocket.prepare(request)
    async for _ in websocket:
        pass
    return websocket


async def main() -> None:
    """Serves until it is told to end."""
    sessions = Sessions(handle, store=MemoryStore(), expires=3600, connect_rate=1e6)
    app = web.Application()
    app.router.add_get("/session", functools.partial(serve, sessions))
    app.router.add_get("/plain", handle_plain)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
