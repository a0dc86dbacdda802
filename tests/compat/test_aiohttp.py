"""``aiohttp``'s ``ws_connect()``, to the server of ``websockets``."""

from __future__ import annotations

import sys
import uuid
from typing import Any

from readystate_server.testing.inpage import raises

CODES = (1000, 1001, 1008, 1011, 1012, 3500, 4001)
ON_PYODIDE = sys.platform == "emscripten"


async def test_ws_connect(peer: str, refusing: str) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        await echoes(session, peer)
        await learns_how_it_was_closed(session, peer)
        await tells_how_it_closes(session, peer)
        await fails(session, refusing)
        # A name, which it looks up, and then may connect to several addresses at a time.
        await echoes(session, peer.replace("127.0.0.1", "localhost"))


async def echoes(session: Any, peer: str) -> None:
    from aiohttp import WSMsgType

    async with session.ws_connect(
        f"{peer}/echo?a=b", protocols=["one", "two"], max_msg_size=0
    ) as ws:
        assert ws.protocol == "two"
        assert isinstance(ws.get_extra_info("peername"), tuple)
        for text in ("", "grün 😀", "x" * 70_000):
            await ws.send_str(text)
            assert await ws.receive_str() == text
        for data in (b"", bytes(range(256)), b"y" * 900_000):
            await ws.send_bytes(data)
            assert await ws.receive_bytes() == data
    assert ws.close_code == 1000
    async with session.ws_connect(f"{peer}/close?count=3000", autoping=True) as ws:
        received = [message.data async for message in ws if message.type is WSMsgType.TEXT]
    assert received == [str(number) for number in range(3000)]


async def learns_how_it_was_closed(session: Any, peer: str) -> None:
    from aiohttp import WSMsgType

    for code in CODES:
        async with session.ws_connect(f"{peer}/close?code={code}&reason=weil&count=1") as ws:
            assert await ws.receive_str() == "0"
            message = await ws.receive()
            assert (message.type, message.data) == (WSMsgType.CLOSE, code)
            assert message.extra == "weil"
        assert ws.close_code == code
    async with session.ws_connect(f"{peer}/abort?count=1") as ws:
        assert await ws.receive_str() == "0"
        await ws.send_str("abort")
        assert (await ws.receive()).type is WSMsgType.CLOSED
    assert ws.close_code == 1006


async def tells_how_it_closes(session: Any, peer: str) -> None:
    for code, reason in ((1000, ""), (3500, "grün"), (1001, "away")):
        id = uuid.uuid4()
        async with session.ws_connect(f"{peer}/echo?id={id}") as ws:
            await ws.close(code=code, message=reason.encode())
        assert ws.close_code == code
        # A browser does not let a page close with 1001: it closes without a code.
        told = [1005, ""] if ON_PYODIDE and code == 1001 else [code, reason]
        async with session.ws_connect(f"{peer}/ended?id={id}") as ws:
            assert await ws.receive_json(timeout=20) == [told]


async def fails(session: Any, refusing: str) -> None:
    import aiohttp

    with raises(aiohttp.ClientError) as caught:
        await session.ws_connect(f"{refusing}/refuse?status=403")
    if ON_PYODIDE:
        assert "does not tell pages why" in str(caught.value)
