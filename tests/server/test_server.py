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

from .clients import ask, connect, hear, say


def test_addresses(server: Server) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server.url_for("/x", y="a b") == f"{server.url}/x?y=a+b"
    assert server.ws_url("/ws/echo", delay=0.3) == (
        f"ws://127.0.0.1:{server.port}/ws/echo?delay=0.3"
    )


async def test_stops_at_once_with_open_sockets() -> None:
    paths = [
        *("/ws/echo", "/ws/stall", "/ws/sink?rate=1", "/ws/flood?count=10000000"),
        *("/ws/close?after=1", "/ws/peer", "/ws/peer?fault=stall", "/ws/peer?fault=deaf"),
    ]
    before = threading.active_count()
    server = Server()
    server.start()
    async with AsyncExitStack() as stack:
        echo, *_ = [await stack.enter_async_context(connect(server, path)) for path in paths]
        waiting = asyncio.create_task(ask(server, "/journal/x", messages=1))
        upgrade = {"Upgrade": "websocket"}
        delayed = asyncio.create_task(
            ask(server, "/ws/echo", headers=upgrade, delay=60, id="delayed")
        )
        await asyncio.to_thread(server.journal, "delayed", closed=0)
        start = time.monotonic()
        await asyncio.to_thread(server.stop)
        assert time.monotonic() - start < 1
        for request in (waiting, delayed):
            with pytest.raises(aiohttp.ClientError):
                await request
        assert await hear(echo) == 1001
    server.stop()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert threading.active_count() == before


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


async def test_starts_again_on_the_same_port() -> None:
    with Server() as server:
        port = server.port
        for _ in range(3):
            async with connect(server, "/ws/echo") as ws:
                await say(ws, "x")
                assert await hear(ws) == "x"
                await asyncio.to_thread(server.stop)
                server.start()
                assert await hear(ws) == 1001
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


async def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("This machine has no IPv6.")
    with Server(host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
        assert (await ask(server, "/journal/x"))[0] == 404
