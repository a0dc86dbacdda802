"""``websockets``, to its own server. tests/long/compat has its other versions."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import sys
import uuid
import warnings
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest

from readystate_server.testing.inpage import raises

CODES = (1000, 1001, 1008, 1011, 1012, 3500, 4001)
ON_PYODIDE = sys.platform == "emscripten"


def imported(name: str, version: str) -> Iterator[Any]:
    """The module ``name`` of a version of ``websockets``; after the block, there is none of it."""
    paths, before = sys.path[:], forget()
    if version != "15.0.1":  # That is installed.
        sys.path.insert(0, f"tests/compat/wheels/versions/websockets-{version}-py3-none-any.whl")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # as the legacy client is
            module = importlib.import_module(name)
        assert importlib.import_module("websockets.version").version == version
        yield module
    finally:
        sys.path[:] = paths
        forget()
        sys.modules.update(before)


def forget() -> dict[str, Any]:
    names = [name for name in sys.modules if name.partition(".")[0] == "websockets"]
    return {name: sys.modules.pop(name) for name in names}


async def closed(receiving: Awaitable[Any]) -> tuple[int, str] | None:
    """The close frame with which it ends, which the library has answered; ``None`` without one."""
    with raises(Exception) as caught:
        await receiving
    error = caught.value
    assert type(error).__name__.startswith("ConnectionClosed"), repr(error)
    if error.rcvd is None:
        return None
    end = (error.rcvd.code, error.rcvd.reason)
    assert (error.sent.code, error.sent.reason) == end, error.sent
    return end


@pytest.mark.parametrize(("version", "module"), [("15.0.1", "websockets")])
async def test_a_version(peer: str, refusing: str, version: str, module: str) -> None:
    with contextlib.contextmanager(imported)(module, version) as client:
        connect = client.connect
        await echoes(connect, peer)
        await iterates(connect, peer)
        await learns_how_it_was_closed(connect, peer)
        await tells_how_it_closes(connect, peer)
        await limits_the_size(connect, peer)
        await fails(connect, refusing)
        await reconnects(connect, refusing)


async def echoes(connect: Any, peer: str) -> None:
    async with connect(f"{peer}/echo?a=b", subprotocols=["one", "two"]) as ws:
        assert ws.subprotocol == "two"
        assert isinstance(ws.remote_address, tuple)
        for message in ("", "grün 😀", b"", bytes(range(256)), "x" * 70_000, b"y" * 900_000):
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(["gr", "ün", ""])
        assert await ws.recv() == "grün"
        await ws.send([b"a", b"b"])
        assert await ws.recv() == b"ab"
        await asyncio.wait_for(await ws.ping(), 10)
        await ws.send("taken")
        receiving = asyncio.ensure_future(ws.recv())
        await receiving
        receiving = asyncio.ensure_future(ws.recv())
        await asyncio.sleep(0)
        with raises(RuntimeError, match="recv"):  # ConcurrencyError, since there is one
            await ws.recv()
        await ws.send("for the first")
        assert await receiving == "for the first"
    assert end_of(ws) == (1000, "")


def end_of(ws: Any) -> tuple[int, str]:
    protocol = getattr(ws, "protocol", ws)  # where 13.1 has it
    return protocol.close_code, protocol.close_reason


async def iterates(connect: Any, peer: str) -> None:
    async with connect(f"{peer}/close?count=3000") as ws:
        received = [message async for message in ws]
    assert received == [str(number) for number in range(3000)]


async def learns_how_it_was_closed(connect: Any, peer: str) -> None:
    for code in CODES:
        async with connect(f"{peer}/close?code={code}&reason=weil+{code}&count=1&id={code}") as ws:
            assert await ws.recv() == "0"
            assert await closed(ws.recv()) == (code, f"weil {code}")
    async with connect(f"{peer}/abort?count=2") as ws:
        assert [await ws.recv(), await ws.recv()] == ["0", "1"]
        await ws.send("abort")
        assert await closed(ws.recv()) is None
        assert end_of(ws)[0] == 1006


async def tells_how_it_closes(connect: Any, peer: str) -> None:
    id = uuid.uuid4()
    for code, reason in ((1000, ""), (3500, "grün"), (4001, "x")):
        async with connect(f"{peer}/echo?id={id}-{code}") as ws:
            await ws.close(code, reason)
        assert end_of(ws) == (code, reason)
        assert await ended(connect, peer, f"{id}-{code}") == [[code, reason]]
    # A browser does not let a page close with this code: it closes without one.
    with contextlib.suppress(ZeroDivisionError):
        async with connect(f"{peer}/echo?id={id}-error") as ws:
            raise ZeroDivisionError
    code, reason = end_of(ws)
    assert code in (1000, 1011)  # by version; what the library has chosen in any case
    (end,) = await ended(connect, peer, f"{id}-error")
    assert end == ([1005, ""] if ON_PYODIDE and code == 1011 else [code, reason])


async def ended(connect: Any, peer: str, id: str) -> Any:
    async with connect(f"{peer}/ended?id={id}") as ws:
        return json.loads(await asyncio.wait_for(ws.recv(), 20))


async def limits_the_size(connect: Any, peer: str) -> None:
    async with connect(f"{peer}/send?count=1&size=2000", max_size=1999) as ws:
        with raises(Exception) as caught:
            await ws.recv()
        assert type(caught.value).__name__ == "ConnectionClosedError", repr(caught.value)
        assert caught.value.sent.code == 1009, caught.value
    async with connect(f"{peer}/send?count=1&size=2000", max_size=2000) as ws:
        assert len(await ws.recv()) == 2000


async def fails(connect: Any, refusing: str) -> None:
    with raises(Exception) as caught:
        await connect(f"{refusing}/refuse?status=403")
    if ON_PYODIDE:
        error = caught.value
        assert type(error).__name__ in ("InvalidMessage", "EOFError"), repr(error)
        told = [str(error.__cause__), *getattr(error, "__notes__", [])]
        assert any("does not tell pages why" in text for text in told), told


async def reconnects(connect: Any, refusing: str) -> None:
    served = 0
    async for ws in connect(f"{refusing}/close?code=1012&count=1"):
        assert await ws.recv() == "0"
        served += 1
        if served == 3:
            break
        assert await closed(ws.recv()) == (1012, "")
    await ws.close()
