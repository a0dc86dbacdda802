"""Each adapter under its real framework: echo both ways, over connections that are torn down."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias
from unittest.mock import AsyncMock
from urllib.parse import urlsplit

import aiohttp
import pytest
import uvicorn
import websockets
from aiohttp import web
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from readystate import Backoff, ConnectionClosedError, QueuedWebSocket
from readystate._host.cpython.native_websocket import open_sockets
from readystate.session import control
from readystate_server.sessions import SUBPROTOCOL, ServerSession, Sessions
from readystate_server.sessions.aiohttp import serve as serve_aiohttp
from readystate_server.sessions.starlette import serve as serve_starlette
from readystate_server.sessions.store import Message
from tests.server.raw import request
from tests.server.session_server import Server, begin, refusal, resume, websockets_server
from tests.server.wires import WebSocketWire, connect, until_closed, until_heard

COUNT = 3000
STEP = 250
"""How many messages arrive over each connection, at most, before it is torn down."""

Running: TypeAlias = Callable[[Sessions], AbstractAsyncContextManager[str]]
"""Runs a server in this event loop, and gives the URL of its sessions."""
Route: TypeAlias = Callable[[WebSocket], Awaitable[None]]


@contextlib.asynccontextmanager
async def aiohttp_app(handler: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/session", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/session"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def aiohttp_server(sessions: Sessions) -> AsyncIterator[str]:
    async with aiohttp_app(functools.partial(serve_aiohttp, sessions)) as url:
        yield url
        await sessions.close()


@contextlib.asynccontextmanager
async def asgi_server(make: Callable[[Route], Any], sessions: Sessions) -> AsyncIterator[str]:
    async def session(websocket: WebSocket) -> None:
        await serve_starlette(sessions, websocket)

    options: dict[str, Any] = {"log_level": "warning", "lifespan": "off"}
    server = uvicorn.Server(uvicorn.Config(make(session), ws="websockets-sansio", **options))
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment,method-assign]
    # Who connects before uvicorn accepts waits for it.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/session"
            await sessions.close()
        finally:
            server.should_exit = True
            await task


def fastapi_app(route: Route) -> FastAPI:
    app = FastAPI()
    app.add_api_websocket_route("/session", route)
    return app


SERVERS: dict[str, Running] = {
    "aiohttp": aiohttp_server,
    "websockets": websockets_server,
    "starlette": functools.partial(
        asgi_server, lambda route: Starlette(routes=[WebSocketRoute("/session", route)])
    ),
    "fastapi": functools.partial(asgi_server, fastapi_app),
}


class Echo(Server):
    """Sessions that send back what comes, under a framework.

    Attributes:
        secret: That of the last session that was opened.
    """

    secret: str
    url: str

    def __init__(self, **options: Any) -> None:
        super().__init__(resume_burst=10**6, **options)

    @contextlib.asynccontextmanager
    async def wire(self, secret: str = "", **options: Any) -> AsyncIterator[WebSocketWire]:
        """A connection that has opened a session, or resumed that one."""
        async with connect(self.url, **options) as wire:
            self.secret = await begin(wire, secret)
            yield wire

    async def refused(self, first: Message, url: str = "", **options: Any) -> int | None:
        """The close code for a connection that begins so."""
        async with connect(url or self.url, **options) as wire:
            return (await refusal(wire, first))[0]


Serve: TypeAlias = Callable[..., AbstractAsyncContextManager[Echo]]


@pytest.fixture(params=SERVERS)
def serving(request: pytest.FixtureRequest) -> Serve:
    """Runs a server under each of the frameworks; it takes the options of the sessions."""

    @contextlib.asynccontextmanager
    async def serving(**options: Any) -> AsyncIterator[Echo]:
        echo = Echo(**options)
        async with SERVERS[request.param](echo.sessions) as echo.url:
            yield echo

    return serving


def numbered(number: int) -> Message:
    if number % 3 == 0:
        return f"\x10{number}"
    return str(number) if number % 3 == 1 else str(number).encode() * 100


async def test_all_arrive_once_and_in_order_over_connections_that_are_torn_down(
    serving: Serve,
) -> None:
    messages = [numbered(number) for number in range(COUNT)]
    received: list[Message] = []
    async with serving() as echo:
        ws = QueuedWebSocket(echo.url, session=True, max_queue=STEP, backoff=Backoff(0, 0))
        async with ws:
            for message in messages:
                ws.send(message)
            while len(received) < COUNT:
                received.append(await ws.recv())
                if len(received) % STEP == 0:
                    tear_down()
        assert ws.stats.reconnects >= COUNT // STEP // 2
        assert len(echo.all) == 1
    assert received == messages


def tear_down() -> None:
    """What has not arrived is lost."""
    for native in open_sockets():
        if native._wire is not None:
            native._wire.abort()


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (4001, "why")])
async def test_the_client_ends_the_session(serving: Serve, code: int, reason: str) -> None:
    async with serving() as echo:
        async with echo.wire() as wire:
            await wire.close(code, reason)
            assert await until_closed(wire) == code
        await echo.until_handled()
        (end,) = echo.ends
        if code == 1000:
            assert end is None
        else:
            assert isinstance(end, ConnectionClosedError)
            assert (end.code, end.reason) == (code, reason)
        assert len(echo.sessions) == 0


@pytest.mark.parametrize("how", ["hang up", "close with 1001"])
async def test_the_end_of_a_connection_is_not_the_end_of_the_session(
    serving: Serve, how: str
) -> None:
    secret = ""
    async with serving() as echo:
        for message in "012":
            async with echo.wire(secret) as wire:
                secret = echo.secret
                await wire.send(message)
                await until_heard(wire, message)
                if how == "hang up":
                    wire.hang_up()
                    assert await until_closed(wire) == 1006
                else:
                    await wire.close(1001)
        assert len(echo.sessions) == len(echo.all) == 1


@pytest.mark.parametrize(
    ("first", "limit", "code"),
    [("hello", 10.0, 4400), (resume("x" * 43), 10.0, 4404), (None, 0.05, 1013)],
    ids=["no control", "no session", "nothing in time"],
)
async def test_the_server_closes_with_its_codes(
    serving: Serve, first: str | None, limit: float, code: int
) -> None:
    async with serving(handshake_timeout=limit) as echo, connect(echo.url) as wire:
        if first is not None:
            await wire.send(first)
        assert await wire.receive() is None
        assert wire.close_code == code


async def test_shutting_down_closes_with_1001(serving: Serve) -> None:
    async with serving() as echo, echo.wire() as wire:
        await echo.sessions.close()
        assert await until_closed(wire) == 1001


async def test_the_page_is_what_the_handshake_says(serving: Serve) -> None:
    one, other = "https://one.example", "https://other.example"
    async with serving() as echo:
        async with echo.wire(origin=one):
            pass
        first = resume(echo.secret)
        assert await echo.refused(first, origin=other) == control.NO_SUCH_SESSION
        async with echo.wire(echo.secret, origin=one) as wire:
            await wire.send("still mine")
            await until_heard(wire, "still mine")


@pytest.mark.parametrize("size", [10_001, 5 * 2**20, 17 * 2**20])
async def test_a_message_that_is_too_long_ends_the_session(serving: Serve, size: int) -> None:
    # The frameworks have bounds of their own, of 1 to 16 MiB, and close with 1009.
    async with serving(max_message=10_000) as echo:
        async with echo.wire() as wire:
            with contextlib.suppress(websockets.ConnectionClosed):
                await wire.send(bytes(size))
            assert await until_closed(wire) in (control.TOO_MUCH, 1009)
        await echo.until_handled()
        (end,) = echo.ends
        assert isinstance(end, ConnectionClosedError)
        assert end.code == control.TOO_MUCH
        assert await echo.refused(resume(echo.secret)) == control.NO_SUCH_SESSION


async def test_a_client_without_the_subprotocol(serving: Serve) -> None:
    async with serving() as echo:
        try:
            async with connect(echo.url, subprotocol="another") as wire:
                assert await wire.receive() is None
                assert wire.close_code == 1002
        except websockets.InvalidStatus as refusal:
            assert refusal.response.status_code in (400, 403)
        assert len(echo.sessions) == 0


# What an adapter does beside.


async def test_a_request_that_is_no_handshake_under_aiohttp() -> None:
    async with (
        aiohttp_server(Sessions(ServerSession.drain)) as url,
        aiohttp.ClientSession() as http,
        http.get(url.replace("ws:", "http:")) as response,
    ):
        assert (response.status, response.headers["Upgrade"]) == (426, "websocket")


@pytest.mark.parametrize("compress", [True, False])
async def test_compression_under_aiohttp(compress: bool) -> None:
    serve = functools.partial(serve_aiohttp, Sessions(ServerSession.drain), compress=compress)
    protocols = [websockets.Subprotocol(SUBPROTOCOL)]
    async with (
        aiohttp_app(serve) as url,
        websockets.connect(url, subprotocols=protocols, proxy=None) as connection,
    ):
        assert bool(connection.protocol.extensions) is compress


async def test_a_client_that_has_gone_before_the_answer_under_aiohttp(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As many have whose server did nothing for some time: that is no error in the log."""
    served = asyncio.get_running_loop().create_future()
    sessions = Sessions(ServerSession.drain)

    async def serve_late(asked: web.Request) -> web.StreamResponse:
        while asked.transport is not None and not asked.transport.is_closing():
            await asyncio.sleep(0)
        response = await serve_aiohttp(sessions, asked)
        served.set_result(response)
        return response

    async with aiohttp_app(serve_late) as url:
        _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
        writer.write(request("/session", Sec_WebSocket_Protocol=SUBPROTOCOL))
        await writer.drain()
        writer.transport.abort()
        assert (await served).status == 400
    assert caplog.messages == []


async def test_the_application_says_who_the_user_is() -> None:
    async def authenticated(request: web.Request) -> web.StreamResponse:
        return await serve_aiohttp(echo.sessions, request, user=request.query["user"])

    echo, secret = Echo(), ""
    async with aiohttp_app(authenticated) as url:
        echo.url = f"{url}?user=ada"
        for _ in range(2):
            async with echo.wire(secret):
                secret = echo.secret
            first = resume(secret)
            assert await echo.refused(first, f"{url}?user=eve") == control.NO_SUCH_SESSION
        assert [session.user for session in echo.all] == ["ada"]
        await echo.sessions.close()


async def test_a_route_that_has_accepted_the_connection_is_told_to_leave_that_out() -> None:
    scope = {"type": "websocket", "subprotocols": [SUBPROTOCOL], "headers": []}
    receive = AsyncMock(return_value={"type": "websocket.connect"})
    websocket = WebSocket(scope, receive, AsyncMock())
    await websocket.accept(SUBPROTOCOL)
    with pytest.raises(RuntimeError, match=r"leave out websocket\.accept\(\)"):
        await serve_starlette(Sessions(ServerSession.drain), websocket)
