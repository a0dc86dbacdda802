"""``install()``, and what is different where the connection is a browser's."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import select
import selectors
import socket
import ssl
import sys
import uuid
import warnings
from typing import Any

import pytest

from readystate_server.testing.inpage import Logged, raises, until

pytestmark = pytest.mark.in_pyodide

REPLACED = (
    *("create_connection", "getaddrinfo", "sock_connect", "start_tls"),
    *("add_reader", "remove_reader", "add_writer", "remove_writer"),
)


class Warnings(warnings.catch_warnings):
    """The texts of the warnings in the block; each is given, not only the first of a place."""

    def __init__(self) -> None:
        super().__init__(record=True)

    def __enter__(self) -> Any:
        caught = super().__enter__()
        warnings.simplefilter("always")
        # The collector tells of what another test has left when it finds it.
        warnings.simplefilter("ignore", ResourceWarning)
        return caught


async def test_it_is_undone(peer: str) -> None:
    import websockets

    import readystate.compat

    loop = type(asyncio.get_running_loop())
    installed = [getattr(loop, name) for name in REPLACED]
    # A second time changes nothing.
    readystate.compat.install()
    assert [getattr(loop, name) for name in REPLACED] == installed
    readystate.compat.uninstall()
    try:
        original = [getattr(loop, name) for name in REPLACED]
        assert not set(original) & set(installed)
        assert socket.socket.__module__ == "socket"
        assert select.select.__module__ == "select"
        assert isinstance(selectors.DefaultSelector(), selectors.PollSelector)
        with raises(NotImplementedError):
            await websockets.connect(f"{peer}/echo")
        with readystate.compat.install():
            ws = await websockets.connect(f"{peer}/echo")
        assert [getattr(loop, name) for name in REPLACED] == original
        readystate.compat.uninstall()
        # What is connected stays so.
        await ws.send("still")
        assert await ws.recv() == "still"
        await ws.close()
    finally:
        readystate.compat.install()


async def test_it_says_what_is_missing_without_ssl() -> None:
    """As before Pyodide 314, until the package is loaded."""
    import readystate.compat

    readystate.compat.uninstall()
    try:
        with Warnings() as caught:
            sys.modules["ssl"] = None  # type: ignore[assignment]
            readystate.compat.install()
            readystate.compat.install()  # which only changes the options
            sys.modules["ssl"] = ssl
            readystate.compat.uninstall()
            readystate.compat.install()
    finally:
        sys.modules["ssl"] = ssl
        readystate.compat.install()
    (warning,) = caught
    assert 'loadPackage("ssl")' in str(warning.message)
    assert ssl.SSLContext.wrap_socket.__module__ == "readystate.compat.tls"


async def test_what_is_no_websocket() -> None:
    import aiohttp

    with raises(NotImplementedError, match="only WebSocket connections.*pyfetch"):
        async with aiohttp.ClientSession() as session:
            await session.get("http://127.0.0.1:9/")
    _, writer = await asyncio.open_connection("127.0.0.1", 9)
    with raises(NotImplementedError, match="b'PING"):
        writer.write(b"PING\r\n")
    writer.close()
    with raises(NotImplementedError, match="sent nothing for 5 s"):
        reader, _ = await asyncio.open_connection("127.0.0.1", 9)
        await reader.readline()


async def test_arguments_that_only_a_socket_has(peer: str) -> None:
    import websockets

    with socket.socket() as sock, raises(NotImplementedError, match="sock="):
        await websockets.connect(f"{peer}/echo", sock=sock)
    with raises(NotImplementedError, match="local_addr="):
        await websockets.connect(f"{peer}/echo", local_addr=("127.0.0.1", 0))
    with raises(NotImplementedError, match="create_unix_connection"):
        await websockets.unix_connect("/tmp/there/is/none", f"{peer}/echo")  # noqa: S108


async def test_headers_that_no_browser_sends(peer: str) -> None:
    import aiohttp
    import websockets

    import readystate.compat

    readystate.compat.install()  # so that nothing has been warned of
    headers = {"Authorization": "Bearer token", "X-Own": "1", "Origin": "http://elsewhere"}
    with Warnings() as caught:
        for _ in range(2):
            async with websockets.connect(f"{peer}/request?a=b", additional_headers=headers) as ws:
                request = json.loads(await ws.recv())
            assert request["path"] == "/request?a=b"
            assert not {"authorization", "x-own"} & set(request["headers"])
            assert request["headers"].get("origin") != "http://elsewhere"
        async with aiohttp.ClientSession(cookies={"c": "1"}) as session:
            async with session.ws_connect(f"{peer}/request".replace("//", "//me:secret@")) as ws:
                request = await ws.receive_json()
            assert not {"authorization", "cookie"} & set(request["headers"])
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == 3, texts
    for name, text in zip(("'Authorization'", "'X-Own'", "'Cookie'"), texts, strict=True):
        assert name in text
        assert "rewrite" in text
        assert "token" not in text


async def test_headers_are_moved(peer: str) -> None:
    import websockets

    import readystate.compat

    seen = []

    def rewrite(
        url: str, headers: dict[str, str], subprotocols: list[str]
    ) -> tuple[str, list[str]]:
        seen.append((url, dict(headers), subprotocols))
        token = headers.pop("authorization").removeprefix("Bearer ")
        return f"{url}?token={token}", [f"bearer.{token}", *subprotocols]

    readystate.compat.install(rewrite=rewrite)
    try:
        with Warnings() as caught:
            async with websockets.connect(
                f"{peer}/request",
                additional_headers={"Authorization": "Bearer abc"},
                subprotocols=[websockets.Subprotocol("own")],
            ) as ws:
                assert ws.subprotocol == "own"
                request = json.loads(await ws.recv())
            # The server has chosen what the library has not offered.
            headers = {"Authorization": "Bearer abc"}
            async with websockets.connect(f"{peer}/request", additional_headers=headers) as ws:
                assert ws.subprotocol is None
    finally:
        readystate.compat.install()
    assert seen[0] == (f"{peer}/request", {"authorization": "Bearer abc"}, ["own"])
    assert request["query"] == {"token": "abc"}
    offered = request["headers"]["sec-websocket-protocol"].replace(" ", "")
    assert offered == "bearer.abc,own"
    assert not caught


async def test_tls_is_the_browsers(refusing: str) -> None:
    import aiohttp
    import websockets

    import readystate.compat

    readystate.compat.install()  # so that nothing has been warned of
    url = refusing.replace("ws:", "wss:")
    with Warnings() as caught:
        # The server has none; that it was asked for shows in the URL.
        with raises(websockets.InvalidMessage) as failed:
            await websockets.connect(url)
        assert any(f"could not connect to {url}/" in note for note in failed.value.__notes__)
        async with aiohttp.ClientSession() as session:
            with raises(aiohttp.ClientError, match=f"could not connect to {url}/"):
                await session.ws_connect(url)
        assert not caught
        for _ in range(2):
            context = ssl.create_default_context()
            context.check_hostname = False
            with raises(websockets.InvalidMessage):
                await websockets.connect(url, ssl=context)
        (warning,) = caught
        assert "SSL context is not used" in str(warning.message)


async def test_reasons_are_cut_to_what_a_frame_holds(peer: str) -> None:
    import aiohttp

    id = uuid.uuid4()
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{peer}/echo?id={id}") as ws:
            await ws.close(code=3500, message="é".encode() * 62)
        async with session.ws_connect(f"{peer}/ended?id={id}") as ws:
            assert await ws.receive_json(timeout=20) == [[3500, "é" * 61]]


async def test_writing_is_paused(narrow: str) -> None:
    import websockets

    id = uuid.uuid4()
    data = os.urandom(2**18)  # which does not become shorter on its way
    async with websockets.connect(f"{narrow}/stall?id={id}", ping_interval=None) as ws:
        transport = ws.transport
        assert transport.get_write_buffer_limits() == (8192, 32768)
        sent = 0
        while True:
            sending = asyncio.ensure_future(ws.send(data))
            sent += 1
            done, _ = await asyncio.wait([sending], timeout=2)
            if not done:
                break
            assert sent < 200, "50 MiB were sent to who does not receive"
        assert transport.get_write_buffer_size() > 32768
        async with websockets.connect(f"{narrow}/resume?id={id}"):
            pass
        await asyncio.wait_for(sending, 30)
        await ws.send("")
        assert await asyncio.wait_for(ws.recv(), 30) == str(sent * len(data))


async def test_reading_is_paused_up_to_a_bound(peer: str) -> None:
    import websockets

    import readystate.compat

    async with websockets.connect(f"{peer}/send?count=300&size=10000", max_queue=4) as ws:
        transport: Any = ws.transport
        await until(lambda: transport.held > 2_000_000)
        assert not ws.transport.is_reading()
        for _ in range(300):
            assert await ws.recv() == b"x" * 10000
    readystate.compat.install(max_held=2**20)
    try:
        with Logged() as lines:
            async with websockets.connect(f"{peer}/send?count=300&size=10000") as ws:
                await until(lambda: lines)
                received = 0
                with contextlib.suppress(websockets.ConnectionClosedError):
                    while await asyncio.wait_for(ws.recv(), 20):
                        received += 1
    finally:
        readystate.compat.install()
    # What had come until then is received.
    assert 2**20 / 10000 <= received <= 300
    (line,) = lines
    assert "has paused reading" in line
    assert "4008" in line
    assert ws.protocol.close_rcvd is not None
    assert (ws.close_code, ws.close_reason) == (4008, "receive queue full")


async def test_nothing_is_left(peer: str, refusing: str) -> None:
    await use(peer, refusing)
    before = proxies()
    for _ in range(3):
        await use(peer, refusing)
    # Runtimes keep some things for later use; but something that each use leaves would be there
    # three times.
    assert max(now - then for now, then in zip(proxies(), before, strict=True)) < 3


async def use(peer: str, refusing: str) -> None:
    import websockets

    # Without timeouts: the event loop keeps its timers until their time has come.
    never: dict[str, Any] = {"open_timeout": None, "close_timeout": None, "ping_interval": None}
    async with websockets.connect(f"{peer}/echo", **never) as ws:
        await ws.send("x")
        await ws.recv()
    for path in ("close?count=9&code=4001", "abort?count=1"):
        async with websockets.connect(f"{peer}/{path}", **never) as ws:
            with contextlib.suppress(websockets.ConnectionClosed):
                if path.startswith("abort"):
                    await ws.send("abort")
                while True:
                    await ws.recv()
    with contextlib.suppress(websockets.InvalidMessage):
        await websockets.connect(f"{refusing}/refuse?status=403", **never)
    # The browser's own end comes after the library's.
    await until(lambda: not natives())
    # To cancel a connect() closes the socket.
    connecting = asyncio.ensure_future(websockets.connect(f"{refusing}/hang", **never).__aenter__())
    await until(natives)
    (ws,) = natives()
    connecting.cancel()
    with raises(asyncio.CancelledError):
        await connecting
    assert ws.readyState >= ws.CLOSING
    await until(lambda: not natives())


def natives() -> list[Any]:
    """The sockets that have not come to their end."""
    from readystate import WebSocket

    gc.collect()
    return [
        thing
        for thing in gc.get_objects()
        if type(thing) is WebSocket and thing._native_listener is not None
    ]


def proxies() -> tuple[int, int]:
    """How many Python objects JavaScript holds, and how many JavaScript objects Python holds."""
    import pyodide_js

    module = pyodide_js._module
    module.enable_pyproxy_allocation_tracing()
    gc.collect()
    return module.pyproxy_alloc_map.size, module._hiwire_num_refs()
