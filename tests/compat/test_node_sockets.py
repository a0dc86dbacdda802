"""Node.js lets Python have its sockets: then only WebSocket connections are the native socket's."""

from __future__ import annotations

from pathlib import Path

from readystate_server.lab import Server

from .engines import in_node


def test_only_websocket_connections_are_intercepted(
    server: Server, peer: str, authority_file: Path
) -> None:
    with in_node(server, authority_file) as (engine, _):
        engine.call(connect, peer=peer, port=server.port)


async def connect(*, peer: str, port: int) -> None:
    import asyncio

    import aiohttp
    import pyodide_js
    import websockets

    await pyodide_js.useNodeSockFS()

    async def status() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        # In two parts, the first of which might be of either.
        writer.write(b"GET /ws/echo HTTP/1.1\r\n")
        writer.write(b"Host: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n")[0]

    # The same address, as HTTP.
    assert b" 426 " in await status()
    async with websockets.connect(f"{peer}/echo") as ws:
        assert "readystate" in repr(ws.transport)
        for message in ("grün 😀", b"y" * 100_000):
            await ws.send(message)
            assert await ws.recv() == message
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/nothing") as response:
            assert response.status == 404
        async with session.ws_connect(f"{peer}/echo") as client:
            await client.send_str("text")
            assert await client.receive_str() == "text"
    assert b" 426 " in await status()
