"""``python-socketio``'s ``AsyncClient``, over ``aiohttp``."""

from __future__ import annotations

import asyncio


async def test_calls_and_events(servers: str) -> None:
    import socketio

    welcome = asyncio.get_running_loop().create_future()
    client = socketio.AsyncClient(reconnection=False)
    client.on("welcome", welcome.set_result)
    await client.connect(servers, transports=["websocket"])
    assert client.transport() == "websocket"
    data = bytes(range(256)) * 400
    assert await client.call("reverse", data) == {"reversed": data[::-1]}
    await client.emit("hello", "grün 😀")
    assert await welcome == {"name": "grün 😀", "picture": bytes(range(256))}
    await client.disconnect()
    await client.wait()
    assert not client.connected
