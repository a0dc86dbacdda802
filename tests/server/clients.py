"""Clients of the lab's server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import ClientWebSocketResponse, WSMsgType

from readystate_server.lab.address import Address


@asynccontextmanager
async def connect(
    server: Address,
    path: str,
    *,
    protocols: tuple[str, ...] = (),
    origin: str | None = None,
    deflate: bool = False,
    **query: object,
) -> AsyncIterator[ClientWebSocketResponse]:
    """A WebSocket, closed properly at the end."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(
            server.ws_url(path, **query),
            protocols=protocols,
            origin=origin,
            compress=15 if deflate else 0,
            max_msg_size=0,
        ) as ws,
    ):
        yield ws


async def handshake_status(server: Address, path: str, **options: Any) -> int:
    """How a handshake is answered; 101 if it succeeds."""
    try:
        async with connect(server, path, **options):
            return 101
    except aiohttp.WSServerHandshakeError as error:
        return error.status


async def ask(
    server: Address,
    path: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    **query: object,
) -> tuple[int, Any]:
    """The status and the text, or JSON, of a response."""
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(method, server.url_for(path, **query)) as response,
    ):
        is_json = response.content_type == "application/json"
        return response.status, await (response.json() if is_json else response.text())


async def say(ws: ClientWebSocketResponse, *messages: str | bytes) -> None:
    for message in messages:
        await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))


async def hear(ws: ClientWebSocketResponse) -> Any:
    """The next message, or the code of a close frame, None without one."""
    message = await ws.receive()
    is_known = message.type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CLOSE)
    return message.data if is_known else None


async def hear_end(ws: ClientWebSocketResponse) -> Any:
    """The code of the close frame after all messages, None without one."""
    while isinstance(heard := await hear(ws), str | bytes):
        pass
    return heard


async def is_silent(ws: ClientWebSocketResponse) -> bool:
    """Whether nothing comes for a while."""
    try:
        await ws.receive(timeout=0.3)
    except TimeoutError:
        return True
    return False


async def talk(
    server: Address, id: str, *messages: str | bytes, path: str = "/ws/echo", **options: Any
) -> None:
    """Sends messages, each of which is answered, over a connection of its own."""
    async with connect(server, path, id=id, **options) as ws:
        for message in messages:
            await say(ws, message)
            await ws.receive()
