"""A server of sessions in a process of its own: ``python -m tests.long.scale.server CONFIG``.

It answers each message with its number, and writes down what its handlers receive. It says its
statistics once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from readystate_server.sessions import SUBPROTOCOL, RedisStore, ServerSession, Sessions

from .accounts import pack
from .children import commands, lift_limits, say

BACKLOG = 2048
GREETING = "x" * 120
"""What a connection without a session is told: as long as the answer to a client that opens one."""


@dataclasses.dataclass
class Config:
    """What a server is told.

    Attributes:
        framework: "aiohttp" or "starlette".
        port: Where to listen.
        redis: The port of Redis; ``None`` for sessions in memory.
        journal: The file for what handlers receive.
        options: Those of Sessions.
        compress: Whether messages are compressed for clients that offer it.
    """

    framework: str
    port: int
    redis: int | None
    journal: str
    options: dict[str, Any]
    compress: bool = True


class Application:
    """The handler, and its journal, which survives SIGKILL."""

    def __init__(self, journal: str) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._runs = itertools.count(1)

    async def handle(self, session: ServerSession) -> None:
        """Answers each message; nothing is awaited between the answer and its being done."""
        run = next(self._runs)
        async for message in session:
            assert isinstance(message, str)
            client, number, sent_at = message.split()
            count = int(session.message_id.rpartition("-")[2])
            os.write(self._journal, pack(int(client), int(number), count, run, session.id))
            await session.send(f"{number} {sent_at} {time.monotonic():.6f}")


@contextlib.asynccontextmanager
async def working(sessions: Sessions) -> AsyncIterator[None]:
    """Says the statistics once a second, and ends at once with the one that started it."""

    async def speak() -> None:
        while True:
            await asyncio.sleep(1)
            say(stats=dataclasses.asdict(sessions.stats))

    async def obey() -> None:
        async for _ in commands():
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    tasks = [asyncio.create_task(speak()), asyncio.create_task(obey())]
    try:
        yield
    finally:
        await sessions.close()
        for task in tasks:
            task.cancel()


async def serve_aiohttp(sessions: Sessions, port: int, compress: bool) -> None:
    """Serves with aiohttp until SIGTERM."""
    from aiohttp import web

    from readystate_server.sessions.aiohttp import serve

    async def plain(request: web.Request) -> web.WebSocketResponse:
        """A connection without a session: what the framework itself needs."""
        websocket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), heartbeat=20, compress=compress)
        await websocket.prepare(request)
        await websocket.send_str(GREETING)
        async for _ in websocket:
            pass
        return websocket

    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    app = web.Application()
    app.router.add_get("/session", functools.partial(serve, sessions, compress=compress))
    app.router.add_get("/plain", plain)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
    async with working(sessions):
        say(listens=port)
        await told.wait()
    await runner.cleanup()


async def serve_starlette(sessions: Sessions, port: int, compress: bool) -> None:
    """Serves with Starlette and uvicorn until SIGTERM."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket
    from uvicorn import Config as UvicornConfig
    from uvicorn import Server

    from readystate_server.sessions.starlette import serve

    async def plain(websocket: WebSocket) -> None:
        await websocket.accept(SUBPROTOCOL)
        await websocket.send_text(GREETING)
        async for _ in websocket.iter_text():
            pass

    async def endpoint(websocket: WebSocket) -> None:
        await serve(sessions, websocket)

    routes = [WebSocketRoute("/session", endpoint), WebSocketRoute("/plain", plain)]
    server = Server(
        UvicornConfig(
            Starlette(routes=routes),
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


# Each imports its own: that takes long.
FRAMEWORKS = {"aiohttp": serve_aiohttp, "starlette": serve_starlette}


async def main(config: Config) -> None:
    """Serves until it is told to end."""
    lift_limits()
    store = None
    if config.redis is not None:
        # As the documentation has it: sessions try again by themselves.
        retry = Retry(NoBackoff(), 1)
        store = RedisStore(Redis(host="127.0.0.1", port=config.redis, retry=retry))
    handle = Application(config.journal).handle
    sessions = Sessions(handle, store=store, **config.options)
    await FRAMEWORKS[config.framework](sessions, config.port, config.compress)


if __name__ == "__main__":
    asyncio.run(main(Config(**json.loads(sys.argv[1]))))
