"""What goes wrong at run time: POST /faults/<id>."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSServerHandshakeError

from readystate.session.control import NO_SUCH_SESSION, SUBPROTOCOL
from readystate_server.lab import Server, faults
from readystate_server.lab.address import Address
from readystate_server.lab.process import ServerProcess

from .clients import ask, connect, handshake_status, hear, hear_end, is_silent, say
from .session_server import OPEN, resume

PATHS = ("/ws/peer", "/ws/session", "/ws/echo")


async def command(server: Server, id: str, *, origin: str = "", **query: Any) -> tuple[int, Any]:
    headers = {"Origin": origin} if origin else {}
    return await ask(server, f"/faults/{id}", method="POST", headers=headers, **query)


def answer(connections: int = 0, sessions: int = 0) -> tuple[int, Any]:
    return 200, {"connections": connections, "sessions": sessions, "refused": 0}


@asynccontextmanager
async def begun(
    server: Address, path: str, id: str, **query: Any
) -> AsyncIterator[ClientWebSocketResponse]:
    """A connection that has been answered, its session begun if the path has sessions."""
    protocols = (SUBPROTOCOL,) if path == "/ws/session" else ()
    async with connect(server, path, protocols=protocols, id=id, **query) as ws:
        if protocols:
            await begin(ws)
        yield ws


async def begin(ws: ClientWebSocketResponse) -> str:
    """Begins a session, and returns its id."""
    await say(ws, OPEN)
    return str(json.loads((await hear(ws))[1:])["opened"]["session"])


async def status(server: Address, id: str) -> int:
    return await handshake_status(server, "/ws/peer", id=id)


async def echoes(ws: ClientWebSocketResponse) -> bool:
    await say(ws, "still here")
    return bool(await hear(ws) == "still here")


@pytest.mark.parametrize("path", PATHS)
async def test_drop_ends_the_connections_of_the_id_and_no_others(
    server: Server, id: str, path: str
) -> None:
    async with (
        begun(server, path, id) as one,
        begun(server, "/ws/peer", id) as two,
        begun(server, "/ws/echo", f"{id}-other") as other,
    ):
        assert await command(server, id, drop=0) == answer(connections=2)
        assert await hear_end(one) is None
        assert await hear_end(two) is None
        assert await echoes(other)
    assert [entry["close"]["clean"] for entry in server.journal(id, closed=2)] == [False, False]


async def test_what_comes_before_the_reset_is_lost(server: Server, id: str) -> None:
    async with begun(server, "/ws/peer", id, ack=1) as ws:
        await say(ws, "1")
        assert await ws.receive_json() == {"ack": [1]}
        await command(server, id, drop=0.2)
        await say(ws, "2")
        assert await hear_end(ws) is None
    (entry,) = server.journal(id, closed=1)
    assert [message["data"] for message in entry["messages"]] == ["1"]


@pytest.mark.parametrize("path", PATHS)
async def test_deaf_hears_nothing_and_says_nothing(server: Server, id: str, path: str) -> None:
    async with begun(server, path, id, ack=1, ping="ping") as ws:
        assert await command(server, id, deaf=1) == answer(connections=1)
        await say(ws, "1", "ping")
        await ws.ping()
        assert await is_silent(ws)
        assert server.journal(id)[0]["close"] is None
        async with begun(server, "/ws/echo", id) as another:
            assert await echoes(another)
        await command(server, id, drop=0)
    deaf, another_one = server.journal(id, closed=2)
    asked_for_a_session = path == "/ws/session"
    assert (deaf["count"], another_one["count"]) == (asked_for_a_session, 1)


async def test_a_deaf_connection_does_not_answer_a_close(server: Server, id: str) -> None:
    async with begun(server, "/ws/peer", id) as ws:
        await command(server, id, deaf=1)
        closing = asyncio.create_task(ws.close())
        _, waiting = await asyncio.wait([closing], timeout=0.3)
        assert waiting
        await command(server, id, drop=0)
        await closing
    assert not server.journal(id, closed=1)[0]["close"]["clean"]


async def test_refuse_lasts_and_can_be_ended(server: Server, id: str) -> None:
    async with begun(server, "/ws/peer", id, ack=1) as ws:
        _, told = await command(server, id, refuse=60)
        assert told["refused"] == pytest.approx(60, abs=5)
        assert await status(server, id) == 503
        assert await status(server, f"{id}-other") == 101
        # What is open stays so, and other commands change nothing.
        assert (await command(server, id))[1]["refused"] > 0
        await say(ws, "1")
        assert await ws.receive_json() == {"ack": [1]}
    assert (await command(server, id, refuse=0))[1]["refused"] == 0
    assert await status(server, id) == 101


async def test_refuse_ends_by_itself(server: Server, id: str) -> None:
    await command(server, id, refuse=0.3)
    assert await status(server, id) == 503
    while await status(server, id) == 503:
        pass


async def test_a_handshake_under_way_is_refused_too(server: Server, id: str) -> None:
    async with aiohttp.ClientSession() as http:
        url = server.ws_url("/ws/peer", id=id, delay=0.5)
        connecting = asyncio.create_task(http._ws_connect(url))
        await asyncio.to_thread(server.journal, id, messages=0)
        await command(server, id, refuse=60)
        with pytest.raises(WSServerHandshakeError, match="503"):
            await connecting


@pytest.mark.parametrize(("query", "code"), [({}, 1001), ({"drop": 0}, None)])
async def test_forget_ends_the_sessions(
    server: Server, id: str, query: dict[str, Any], code: int | None
) -> None:
    protocols = (SUBPROTOCOL,)
    async with connect(server, "/ws/session", protocols=protocols, id=id) as ws:
        secret = await begin(ws)
        # It answers when they have ended, closing handshakes included.
        forgetting = asyncio.create_task(command(server, id, forget=1, **query))
        assert await hear_end(ws) == code
        assert await forgetting == answer(connections=1, sessions=1)
    async with connect(server, "/ws/session", protocols=protocols, id=id) as ws:
        await say(ws, resume(secret))
        assert await hear_end(ws) == NO_SUCH_SESSION
    server.journal(f"{id}/session", closed=1)


@pytest.mark.parametrize(
    "query", [{"deaf": 2}, {"drop": "x"}, {"drop": 61}, {"refuse": 601}, {"refuse": ""}]
)
async def test_wrong_values_answer_400_and_do_nothing(
    server: Server, id: str, query: dict[str, Any]
) -> None:
    [(name, value)] = query.items()
    async with begun(server, "/ws/echo", id) as ws:
        code, text = await command(server, id, forget=1, **query)
        assert (code, text.partition(" ")[0]) == (400, f"{name}={str(value)!r}")
        assert await echoes(ws)
    assert (await command(server, "x" * 201))[0] == 400


async def test_other_origins_may_not(server: Server, id: str) -> None:
    assert (await command(server, id, origin="https://example.org", refuse=60))[0] == 403
    assert (await command(server, id, origin=server.url))[0] == 200
    assert (await ask(server, f"/faults/{id}", refuse=60))[0] == 404
    assert await status(server, id) == 101


async def test_refusals_are_bounded(
    monkeypatch: pytest.MonkeyPatch, server: Server, id: str
) -> None:
    monkeypatch.setattr(faults, "MAX_REFUSALS", 2)
    names = [f"{id}-{number}" for number in range(3)]
    for name in names:
        await command(server, name, refuse=60)
    assert [await status(server, name) for name in names] == [101, 503, 503]
    for name in names:
        await command(server, name, refuse=0)


@pytest.mark.parametrize("kind", [Server, ServerProcess])
async def test_a_test_asks_for_them_with_methods(kind: type[Server | ServerProcess]) -> None:
    id = "a/b?c ä"
    do = asyncio.to_thread
    with kind() as server:
        assert server.drop(id) == server.deafen(id) == server.forget(id) == 0
        server.refuse(id, 0)
        async with (
            begun(server, "/ws/session", id) as session,
            begun(server, "/ws/echo", id) as one,
            begun(server, "/ws/echo", id) as two,
        ):
            forgotten = asyncio.ensure_future(do(server.forget, id))
            assert await hear_end(session) == 1001
            await session.close()
            assert await forgotten == 1
            assert await do(server.deafen, id) == 2
            await say(one, "1")
            assert await is_silent(one)
            await do(server.refuse, id, 60)
            assert await status(server, id) == 503
            await do(server.refuse, id, 0)
            assert await status(server, id) == 101
            assert await do(server.drop, id) >= 2
            assert await hear_end(one) is None
            assert await hear_end(two) is None
        assert server.drop(id, after=60) == 0
        with pytest.raises(ValueError, match="drop"):
            server.drop(id, after=61)
    with pytest.raises(OSError, match="refused"):
        server.drop(id)
