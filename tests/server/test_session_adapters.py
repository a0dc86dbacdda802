"""Each adapter under its real framework: echo both ways, over connections that are torn down."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import aiohttp
import pytest
import uvicorn
import websockets
from aiohttp import web
from fastapi import FastAPI
from fastapi import WebSocket as FastAPIWebSocket
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.server import ServerConnection

from readystate import ConnectionClosedError
from readystate.session import control
from readystate_server.sessions import SUBPROTOCOL, ServerSession, Sessions
from readystate_server.sessions.aiohttp import serve as serve_aiohttp
from readystate_server.sessions.starlette import serve as serve_starlette
from readystate_server.sessions.store import Message
from readystate_server.sessions.websockets import serve as serve_websockets
from tests.server.session_client import TIMEOUT, SessionClient, connect

MANY = 10**6
COUNT = 3000
STEP = 250
"""How many messages arrive over each connection, with the controls."""

Running: TypeAlias = Callable[[Sessions], AbstractAsyncContextManager[str]]
"""Runs a server in this event loop, and gives the URL of its sessions."""


@contextlib.asynccontextmanager
async def aiohttp_server(sessions: Sessions) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/session", functools.partial(serve_aiohttp, sessions))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/session"
        await sessions.close()
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def websockets_server(sessions: Sessions) -> AsyncIterator[str]:
    async def handle(connection: ServerConnection) -> None:
        await serve_websockets(sessions, connection)

    async with websockets.serve(
        handler=handle,
        host="127.0.0.1",
        port=0,
        subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
    ) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/session"
        await sessions.close()


@contextlib.asynccontextmanager
async def starlette_server(sessions: Sessions) -> AsyncIterator[str]:
    async def session(websocket: WebSocket) -> None:
        await serve_starlette(sessions, websocket)

    async with asgi_server(Starlette(routes=[WebSocketRoute("/session", session)])) as url:
        yield url
        await sessions.close()


@contextlib.asynccontextmanager
async def fastapi_server(sessions: Sessions) -> AsyncIterator[str]:
    app = FastAPI()

    @app.websocket("/session")
    async def session(websocket: FastAPIWebSocket) -> None:
        await serve_starlette(sessions, websocket)

    async with asgi_server(app) as url:
        yield url
        await sessions.close()


class _Server(uvicorn.Server):
    """uvicorn, which says when it listens."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(app, port=0, log_level="warning", lifespan="off", ws="websockets-sansio")
        )
        self.listens = asyncio.Event()

    async def startup(self, *arguments: Any, **options: Any) -> None:
        await super().startup(*arguments, **options)
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.asynccontextmanager
async def asgi_server(app: Any) -> AsyncIterator[str]:
    server = _Server(app)
    task = asyncio.create_task(server.serve())
    try:
        await server.listens.wait()
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/session"
    finally:
        server.should_exit = True
        await task


SERVERS: dict[str, Running] = {
    "aiohttp": aiohttp_server,
    "websockets": websockets_server,
    "starlette": starlette_server,
    "fastapi": fastapi_server,
}


@pytest.fixture(params=SERVERS)
def running(request: pytest.FixtureRequest) -> Running:
    return SERVERS[request.param]


class Echo:
    """A handler that keeps what has come, and how it has ended."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.sessions: list[ServerSession] = []
        self.ended = asyncio.Event()
        self.end: BaseException | None = None

    async def __call__(self, session: ServerSession) -> None:
        self.sessions.append(session)
        try:
            async for message in session:
                self.received.append(message)
                await session.send(message)
        except BaseException as error:
            self.end = error
            raise
        finally:
            self.ended.set()


def run(running: Running, test: Callable[[str, Echo, Sessions], Any], **options: Any) -> None:
    async def main() -> None:
        echo = Echo()
        sessions = Sessions(echo, resume_burst=MANY, **options)
        async with asyncio.timeout(2 * TIMEOUT), running(sessions) as url:
            await test(url, echo, sessions)

    asyncio.run(main())


def numbered(number: int) -> Message:
    if number % 3 == 0:
        return f"\x10{number}"
    return str(number) if number % 3 == 1 else str(number).encode() * 100


def test_all_arrive_once_and_in_order_over_connections_that_are_torn_down(
    running: Running,
) -> None:
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        client = SessionClient()
        messages = [numbered(number) for number in range(COUNT)]
        for message in messages:
            client.send(message)
        connections = 0
        while len(client.received) < COUNT:
            async with connect(url) as wire, client.connected(wire) as connection:
                connections += 1
                wire.left = STEP
                everything = asyncio.create_task(client.until_received(COUNT))
                await asyncio.wait((connection, everything), return_when=FIRST_COMPLETED)
                everything.cancel()
        assert client.received == messages
        assert echo.received == messages
        assert len(echo.sessions) == 1
        assert connections > COUNT // STEP
        async with connect(url) as wire, client.connected(wire):
            await client.until_confirmed()

    run(running, test)


def test_the_client_ends_the_session(running: Running) -> None:
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        client = SessionClient()
        async with connect(url) as wire, client.connected(wire) as connection:
            await client.until_joined()
            await wire.close(1000)
            assert await connection == 1000
        await echo.ended.wait()
        assert echo.end is None
        assert len(sessions) == 0

    run(running, test)


def test_the_clients_code_and_reason_reach_the_handler(running: Running) -> None:
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        client = SessionClient()
        async with connect(url) as wire, client.connected(wire) as connection:
            await client.until_joined()
            await wire.close(4001, "why")
            assert await connection == 4001
        await echo.ended.wait()
        assert isinstance(echo.end, ConnectionClosedError)
        assert (echo.end.code, echo.end.reason) == (4001, "why")

    run(running, test)


@pytest.mark.parametrize("how", ["abort", "hang up", 1001])
def test_the_end_of_a_connection_is_not_the_end_of_the_session(
    running: Running, how: str | int
) -> None:
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        client = SessionClient()
        for number in range(3):
            async with connect(url) as wire, client.connected(wire) as connection:
                client.send(str(number))
                await client.until_received(number + 1)
                if how == "abort":
                    wire.abort()
                elif how == "hang up":
                    wire.hang_up()
                    assert await connection == 1006
                else:
                    await wire.close(1001)
        assert len(sessions) == 1
        assert len(echo.sessions) == 1

    run(running, test)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello", 4400),
        (
            '\x10{"resume":{"session":"'
            + 43 * "x"
            + '","connection":2,"received":0,"window":[1,1]}}',
            4404,
        ),
    ],
)
def test_the_server_closes_with_its_code(running: Running, message: str, code: int) -> None:
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        async with connect(url) as wire:
            await wire.send(message)
            assert await wire.receive() is None
            assert wire.close_code == code

    run(running, test)


def test_a_connection_that_says_nothing_is_closed(running: Running) -> None:
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        async with connect(url) as wire:
            assert await wire.receive() is None
            assert wire.close_code == 1013

    run(running, test, handshake_timeout=0.05)


def test_shutting_down_closes_with_1001(running: Running) -> None:
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        client = SessionClient()
        async with connect(url) as wire, client.connected(wire) as connection:
            await client.until_joined()
            await sessions.close()
            assert await connection == 1001

    run(running, test)


def test_the_page_is_what_the_handshake_says(running: Running) -> None:
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        client = SessionClient()
        async with connect(url, origin="https://one.example") as wire, client.connected(wire):
            await client.until_joined()
        async with connect(url, origin="https://other.example") as wire:
            assert await client.serve(wire) == control.NO_SUCH_SESSION
        async with connect(url, origin="https://one.example") as wire, client.connected(wire):
            client.send("still mine")
            await client.until_received(1)

    run(running, test)


@pytest.mark.parametrize("size", [10_001, 5 * 2**20, 17 * 2**20])
def test_a_message_that_is_too_long_ends_the_session(running: Running, size: int) -> None:
    # The frameworks have bounds of their own, of 1 to 16 MiB, and close with 1009.
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        client = SessionClient()
        async with connect(url) as wire, client.connected(wire) as connection:
            client.send(bytes(size))
            assert await connection in (control.TOO_MUCH, 1009)
        await echo.ended.wait()
        assert isinstance(echo.end, ConnectionClosedError)
        assert echo.end.code == control.TOO_MUCH
        async with connect(url) as wire:
            assert await client.serve(wire) == control.NO_SUCH_SESSION

    run(running, test, max_message=10_000)


def test_a_client_without_the_subprotocol(running: Running) -> None:
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        try:
            async with connect(url, subprotocol="another") as wire:
                assert await wire.receive() is None
                assert wire.close_code == 1002
        except websockets.InvalidStatus as refusal:
            assert refusal.response.status_code in (400, 403)
        assert len(sessions) == 0

    run(running, test)


def test_a_request_that_is_no_handshake_under_aiohttp() -> None:
    async def test(url: str, echo: Echo, sessions: Sessions) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url.replace("ws:", "http:")) as response,
        ):
            assert response.status == 426
            assert response.headers["Upgrade"] == "websocket"

    run(aiohttp_server, test)


@pytest.mark.parametrize("compress", [True, False])
def test_compression_under_aiohttp(compress: bool) -> None:
    async def test() -> None:
        sessions = Sessions(lambda session: session.drain())
        app = web.Application()
        serve = functools.partial(serve_aiohttp, sessions, compress=compress)
        app.router.add_get("/session", serve)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"ws://127.0.0.1:{runner.addresses[0][1]}/session"
            protocols = [websockets.Subprotocol(SUBPROTOCOL)]
            async with websockets.connect(url, subprotocols=protocols, proxy=None) as connection:
                assert bool(connection.protocol.extensions) is compress
        finally:
            await runner.cleanup()

    asyncio.run(asyncio.wait_for(test(), TIMEOUT))


def test_a_client_that_has_gone_before_the_answer_under_aiohttp(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As many have whose server did nothing for some time: that is no error in the log."""

    async def test() -> None:
        served = asyncio.get_running_loop().create_future()
        sessions = Sessions(lambda session: session.drain())

        async def serve_late(request: web.Request) -> web.StreamResponse:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0)
            response = await serve_aiohttp(sessions, request)
            served.set_result(response)
            return response

        app = web.Application()
        app.router.add_get("/session", serve_late)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            port = runner.addresses[0][1]
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"GET /session HTTP/1.1\r\nHost: x\r\n"
                b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Protocol: readystate.v1\r\n\r\n"
            )
            await writer.drain()
            writer.transport.abort()
            assert (await served).status == 400
        finally:
            await runner.cleanup()

    asyncio.run(asyncio.wait_for(test(), TIMEOUT))
    assert caplog.messages == []


def test_the_application_says_who_the_user_is() -> None:
    async def test() -> None:
        users: list[Any] = []

        async def handler(session: ServerSession) -> None:
            users.append(session.user)
            async for _ in session:
                pass

        async def authenticated(request: web.Request) -> web.StreamResponse:
            return await serve_aiohttp(sessions, request, user=request.query["user"])

        sessions = Sessions(handler)
        app = web.Application()
        app.router.add_get("/session", authenticated)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"ws://127.0.0.1:{runner.addresses[0][1]}/session"
        client = SessionClient()
        async with connect(f"{url}?user=ada") as wire, client.connected(wire):
            await client.until_joined()
        async with connect(f"{url}?user=eve") as wire:
            assert await client.serve(wire) == control.NO_SUCH_SESSION
        async with connect(f"{url}?user=ada") as wire, client.connected(wire):
            await client.until_joined()
        assert users == ["ada"]
        await sessions.close()
        await runner.cleanup()

    asyncio.run(test())
