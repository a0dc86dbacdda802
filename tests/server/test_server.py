"""The server in its thread."""

import asyncio
import gc
import socket
import threading
import time
from contextlib import AsyncExitStack, ExitStack

import aiohttp
import pytest

from readystate_server.lab import Server


def test_addresses(server: Server) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server.url_for("/x", y="a b") == f"{server.url}/x?y=a+b"
    assert server.ws_url("/ws/echo", delay=0.3) == (
        f"ws://127.0.0.1:{server.port}/ws/echo?delay=0.3"
    )


def test_stops_at_once_with_open_sockets() -> None:
    paths = [
        "/ws/echo",
        "/ws/stall",
        "/ws/sink?rate=1",
        "/ws/flood?count=10000000",
        "/ws/close?after=1",
        "/ws/peer",
        "/ws/peer?fault=stall",
        "/ws/peer?fault=deaf",
    ]

    async def main(server: Server) -> None:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            sockets = [
                await stack.enter_async_context(session.ws_connect(f"{server.url}{path}"))
                for path in paths
            ]
            waiting = asyncio.create_task(session.get(server.url_for("/journal/x", messages=1)))
            delayed = asyncio.create_task(
                session.get(
                    server.url_for("/ws/echo", delay=60, id="delayed"),
                    headers={"Upgrade": "websocket"},
                )
            )
            await asyncio.to_thread(server.journal, "delayed", closed=0)
            start = time.monotonic()
            await asyncio.to_thread(server.stop)
            assert time.monotonic() - start < 1
            for request in (waiting, delayed):
                with pytest.raises(aiohttp.ClientError):
                    await request
            assert (await sockets[0].receive()).data == 1001

    before = threading.active_count()
    server = Server()
    server.start()
    asyncio.run(main(server))
    assert threading.active_count() == before
    server.stop()


def test_closes_the_sockets_that_it_has_just_accepted() -> None:
    """One that is left is a ResourceWarning."""
    for _ in range(10):
        with Server() as server, ExitStack() as clients:
            for _ in range(50):
                client = clients.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", server.port))
            server.stop()
        gc.collect()


def test_starts_again_on_the_same_port() -> None:
    async def main(server: Server) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(server.ws_url("/ws/echo")) as ws,
        ):
            await ws.send_str("x")
            await ws.receive()
            await asyncio.to_thread(server.stop)
            server.start()
            assert (await ws.receive()).data == 1001

    with Server() as server:
        port = server.port
        for _ in range(3):
            asyncio.run(main(server))
        assert server.port == port


def test_a_port_in_use_is_an_oserror(server: Server) -> None:
    with pytest.raises(OSError, match="in use"):
        Server(port=server.port).start()


def test_cannot_start_twice(server: Server) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        server.start()


def test_the_journal_of_a_stopped_server() -> None:
    with pytest.raises(RuntimeError, match="start"):
        Server().journal("x")


def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("This machine has no IPv6.")

    async def main(server: Server) -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.url_for("/journal/x")) as response,
        ):
            return response.status

    with Server(host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
        assert asyncio.run(main(server)) == 404
