"""``connect()`` and ``Connection``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from readystate import (
    Backoff,
    Connection,
    ConnectionClosedError,
    ConnectionClosedOK,
    ConnectionFailed,
    DOMSyntaxError,
    InvalidAccessError,
    OpenTimeout,
    WebSocket,
    connect,
)
from readystate_server.testing.inpage import journal, new_id, raises, url

from .case import Cases, Function, Report

CASES = Cases()


def over_each_transport(function: Callable[[Report, Any], Awaitable[None]]) -> Function:
    """A case that is given ``connect()`` over WebSocketStream, too, where Chromium has it."""

    async def case(report: Report) -> None:
        await function(report, connect)
        if report.engine == "chromium":
            await function(report, partial(connect, transport="stream"))

    return case


@CASES.add("connect(): text and bytes there and back")
@over_each_transport
async def round_trip(report: Report, connect: Any) -> None:
    id = new_id()
    async with connect(url("/ws/echo", id=id), subprotocols=["json"]) as ws:
        assert isinstance(ws, Connection)
        assert ws.subprotocol == "json"
        assert ws.ready_state == WebSocket.OPEN
        for message in ("text", b"binary", "", b"", "é" * 2**16, bytes(2**18)):
            await ws.send(message)
            back = await ws.recv()
            assert type(back) is type(message)
            assert back == message
    assert (ws.close_code, ws.close_reason) == (1000, "")
    (connection,) = await journal(id, closed=1)
    assert connection["close"] == {"code": 1000, "reason": "", "clean": True}


@CASES.add("connect(): backpressure where there is some")
async def automatic(report: Report) -> None:
    async with connect(url("/ws/echo"), transport="auto") as ws:
        report.saw(type(ws).__name__)
        assert report.engine != "chromium" or type(ws).__name__ == "StreamConnection"
        for message in ("text", b"binary"):
            await ws.send(message)
            assert await ws.recv() == message
    assert ws.close_code == 1000


@CASES.add("connect(): a flood arrives in order, and iteration ends with it")
async def flood(report: Report) -> None:
    await arrives_in_order(connect, 5000)
    if report.engine == "chromium":  # A stream takes a turn of the event loop for each message.
        await arrives_in_order(partial(connect, transport="stream"), 1000)


async def arrives_in_order(connect: Any, count: int) -> None:
    async with connect(url("/ws/flood", count=count, number=1, then="close")) as ws:
        numbers = []
        async for message in ws:
            numbers.append(int(message))
    assert numbers == list(range(count))
    assert ws.close_code == 1000


@CASES.add("connect(): a binary flood")
@over_each_transport
async def binary_flood(report: Report, connect: Any) -> None:
    address = url("/ws/flood", count=200, size=2**14, kind="binary", then="close")
    async with connect(address) as ws:
        sizes = []
        async for message in ws:
            sizes.append(len(message))
    assert sizes == [2**14] * 200


@CASES.add("connect(): the end has a class, a code and a reason")
@over_each_transport
async def the_end(report: Report, connect: Any) -> None:
    for code, reason, kind in (
        (1000, "done", ConnectionClosedOK),
        (1001, "", ConnectionClosedOK),
        (1011, "oops", ConnectionClosedError),
        (4000, "é", ConnectionClosedError),
    ):
        ws = await connect(url("/ws/close", code=code, reason=reason))
        with raises(kind) as caught:
            await ws.recv()
        assert (caught.value.code, caught.value.reason) == (code, reason)
        assert caught.value.was_clean
        with raises(kind):
            await ws.send("too late")


@CASES.add("connect(): TCP is reset")
@over_each_transport
async def reset(report: Report, connect: Any) -> None:
    ws = await connect(f"{report.failing}/ws/drop?after=1")
    await ws.send("last words")
    with raises(ConnectionClosedError) as caught:
        await ws.recv()
    assert (caught.value.code, caught.value.was_clean) == (1006, False)
    with raises(ConnectionClosedError):
        await ws.send("too late")


@CASES.add("connect(): a handshake that fails")
@over_each_transport
async def failed(report: Report, connect: Any) -> None:
    for path in ("/ws/refuse?status=403", "/ws/drop?when=handshake"):
        with raises(ConnectionFailed) as caught:
            await connect(report.failing + path)
        assert not isinstance(caught.value, TimeoutError)


@CASES.add("connect(): a handshake that takes too long")
@over_each_transport
async def slow(report: Report, connect: Any) -> None:
    with raises(OpenTimeout):
        await connect(f"{report.failing}/ws/echo?delay=2", open_timeout=0.05)


@CASES.add("connect(): what the native API throws")
@over_each_transport
async def thrown(report: Report, connect: Any) -> None:
    with raises(DOMSyntaxError):
        await connect("ws://127.0.0.1/#fragment")
    with raises(DOMSyntaxError):
        await connect(url("/ws/echo"), subprotocols=["a", "a"])
    async with connect(url("/ws/echo")) as ws:
        for code in (999, 1001, 5000):
            with raises(InvalidAccessError):
                await ws.close(code)
        with raises(DOMSyntaxError):
            await ws.close(1000, "x" * 124)
        await ws.send("still open")
        assert await ws.recv() == "still open"


@CASES.add("connect(): a cancelled recv() loses no message")
@over_each_transport
async def cancelled(report: Report, connect: Any) -> None:
    async with connect(url("/ws/echo")) as ws:
        for number in range(5):
            receiving = asyncio.ensure_future(ws.recv())
            await asyncio.sleep(0)
            receiving.cancel()
            await asyncio.wait([receiving])
            await ws.send(str(number))
            assert await ws.recv() == str(number)


@CASES.add("connect(): send() waits while the server does not read")
@over_each_transport
async def waits(report: Report, connect: Any) -> None:
    async with connect(f"{report.failing}/ws/stall", close_timeout=0.05) as ws:

        async def send_much() -> None:
            for _ in range(1024):
                await ws.send(bytes(2**16))

        sending = asyncio.ensure_future(send_much())
        await asyncio.wait([sending], timeout=0.5)
        waits = "returned" if sending.done() else "waits"
        # Where what the engine holds outside the page is not counted, nothing tells to wait.
        report.expects("waits", waits, webkitgtk="returned")
        assert ws.buffered_amount < 2**23
        sending.cancel()
        await asyncio.wait([sending])


@CASES.add("connect(): drain()")
@over_each_transport
async def drain(report: Report, connect: Any) -> None:
    id = new_id()
    async with connect(url("/ws/sink", id=id, ack=0)) as ws:
        for _ in range(50):
            await ws.send(bytes(2**14))
        await ws.drain()
        assert ws.buffered_amount == 0
    (connection,) = await journal(id, closed=1)
    assert connection["count"] == 50


@CASES.add("connect(): a new connection after each loss")
@over_each_transport
async def reconnects(report: Report, connect: Any) -> None:
    id = new_id()
    ends = 0
    async for ws in connect(url("/ws/close", code=1011, id=id), backoff=Backoff(0.01)):
        with raises(ConnectionClosedError):
            await ws.recv()
        ends += 1
        if ends == 3:
            break
    await journal(id, closed=3)
