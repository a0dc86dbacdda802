"""What goes wrong at run time: POST /faults/<id>."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from readystate.session.control import NO_SUCH_SESSION, SUBPROTOCOL, encode
from readystate_server.lab import Server, faults
from readystate_server.lab.process import ServerProcess

WINDOW = [1_000, 1_000_000]
PATHS = ("/ws/peer", "/ws/session", "/ws/echo")


async def command(server: Server, id: str, origin: str = "", **query: object) -> tuple[int, Any]:
    headers = {"Origin": origin} if origin else {}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(server.url_for(f"/faults/{id}", **query)) as response,
    ):
        is_json = response.content_type == "application/json"
        return response.status, await (response.json() if is_json else response.text())


@asynccontextmanager
async def connect(
    server: Server | ServerProcess, path: str, id: str, **query: object
) -> AsyncIterator[ClientWebSocketResponse]:
    """A connection that has been answered, its session begun if the path has sessions."""
    protocols = [SUBPROTOCOL] if path == "/ws/session" else []
    async with (
        asyncio.timeout(20),
        aiohttp.ClientSession() as http,
        http.ws_connect(server.ws_url(path, id=id, **query), protocols=protocols) as ws,
    ):
        if protocols:
            await begin(ws)
        yield ws


async def begin(ws: ClientWebSocketResponse) -> str:
    """Begins a session, and returns its id."""
    await ws.send_str(encode("open", {"window": WINDOW}))
    return str(json.loads((await ws.receive_str())[1:])["opened"]["session"])


async def end(ws: ClientWebSocketResponse) -> int | None:
    """Reads on to the end; returns the code of the close frame, None if there is none."""
    while (message := await ws.receive()).type is WSMsgType.TEXT:
        pass
    return message.data if message.type is WSMsgType.CLOSE else None


async def is_silent(ws: ClientWebSocketResponse) -> bool:
    try:
        await ws.receive(timeout=0.3)
    except TimeoutError:
        return True
    return False


async def status(server: Server | ServerProcess, id: str) -> int:
    """How a handshake is answered."""
    try:
        async with connect(server, "/ws/peer", id):
            return 101
    except WSServerHandshakeError as error:
        return error.status


@pytest.mark.parametrize("path", PATHS)
def test_drop_ends_the_connections_of_the_id_and_no_others(
    server: Server, id: str, path: str
) -> None:
    async def main() -> None:
        async with (
            connect(server, path, id) as one,
            connect(server, "/ws/peer", id) as two,
            connect(server, "/ws/echo", f"{id}-other") as other,
        ):
            answer = {"connections": 2, "sessions": 0, "refused": 0}
            assert await command(server, id, drop=0) == (200, answer)
            assert await end(one) is None
            assert await end(two) is None
            await other.send_str("still here")
            assert await other.receive_str() == "still here"

    asyncio.run(main())
    assert [entry["close"]["clean"] for entry in server.journal(id, closed=2)] == [False, False]


def test_what_comes_before_the_reset_is_lost(server: Server, id: str) -> None:
    async def main() -> None:
        async with connect(server, "/ws/peer", id, ack=1) as ws:
            await ws.send_str("1")
            assert await ws.receive_json() == {"ack": [1]}
            await command(server, id, drop=0.2)
            await ws.send_str("2")
            assert await end(ws) is None

    asyncio.run(main())
    (entry,) = server.journal(id, closed=1)
    assert [message["data"] for message in entry["messages"]] == ["1"]


@pytest.mark.parametrize("path", PATHS)
def test_deaf_hears_nothing_and_says_nothing(server: Server, id: str, path: str) -> None:
    async def main() -> None:
        async with connect(server, path, id, ack=1, ping="ping") as ws:
            answer = {"connections": 1, "sessions": 0, "refused": 0}
            assert await command(server, id, deaf=1) == (200, answer)
            await ws.send_str("1")
            await ws.send_str("ping")
            await ws.ping()
            assert await is_silent(ws)
            assert server.journal(id)[0]["close"] is None
            # Another one is heard.
            async with connect(server, "/ws/echo", id) as another:
                await another.send_str("2")
                assert await another.receive_str() == "2"
            await command(server, id, drop=0)

    asyncio.run(main())
    assert sum(entry["count"] for entry in server.journal(id, closed=2)) <= 1 + (
        path == "/ws/session"  # its first message asked for the session
    )


def test_a_deaf_connection_does_not_answer_a_close(server: Server, id: str) -> None:
    async def main() -> None:
        async with connect(server, "/ws/peer", id) as ws:
            await command(server, id, deaf=1)
            closing = asyncio.create_task(ws.close())
            done, _ = await asyncio.wait([closing], timeout=0.3)
            assert not done
            await command(server, id, drop=0)
            await closing

    asyncio.run(main())
    assert not server.journal(id, closed=1)[0]["close"]["clean"]


def test_refuse_lasts_and_can_be_ended(server: Server, id: str) -> None:
    async def main() -> None:
        async with connect(server, "/ws/peer", id, ack=1) as ws:
            _, answer = await command(server, id, refuse=60)
            assert answer["refused"] == pytest.approx(60, abs=5)
            assert await status(server, id) == 503
            assert await status(server, f"{id}-other") == 101
            # What is open stays so, and other commands change nothing.
            assert (await command(server, id))[1]["refused"] > 0
            await ws.send_str("1")
            assert await ws.receive_json() == {"ack": [1]}
        assert (await command(server, id, refuse=0))[1]["refused"] == 0
        assert await status(server, id) == 101

    asyncio.run(main())


def test_refuse_ends_by_itself(server: Server, id: str) -> None:
    async def main() -> None:
        await command(server, id, refuse=0.3)
        assert await status(server, id) == 503
        async with asyncio.timeout(10):
            while await status(server, id) == 503:
                pass

    asyncio.run(main())


def test_a_handshake_under_way_is_refused_too(server: Server, id: str) -> None:
    async def main() -> None:
        url = server.ws_url("/ws/peer", id=id, delay=0.5)
        async with aiohttp.ClientSession() as http:
            connecting = asyncio.create_task(http._ws_connect(url))
            await asyncio.to_thread(server.journal, id, messages=0)
            await command(server, id, refuse=60)
            with pytest.raises(WSServerHandshakeError, match="503"):
                await connecting

    asyncio.run(main())


@pytest.mark.parametrize(("query", "code"), [({}, 1001), ({"drop": 0}, None)])
def test_forget_ends_the_sessions(
    server: Server, id: str, query: dict[str, Any], code: int | None
) -> None:
    async def main() -> None:
        protocols = [SUBPROTOCOL]
        url = server.ws_url("/ws/session", id=id)
        async with aiohttp.ClientSession() as http, asyncio.timeout(20):
            async with http.ws_connect(url, protocols=protocols) as ws:
                secret = await begin(ws)
                answer = {"connections": 1, "sessions": 1, "refused": 0}
                # It answers when they have ended, closing handshakes included.
                forgetting = asyncio.create_task(command(server, id, forget=1, **query))
                assert await end(ws) == code
                assert await forgetting == (200, answer)
            async with http.ws_connect(url, protocols=protocols) as ws:
                resume = {"session": secret, "connection": 2, "received": 0, "window": WINDOW}
                await ws.send_str(encode("resume", resume))
                assert await end(ws) == NO_SUCH_SESSION

    asyncio.run(main())
    server.journal(f"{id}/session", closed=1)


def test_an_id_without_connections_is_no_error(server: Server, id: str) -> None:
    answer = {"connections": 0, "sessions": 0, "refused": 0}
    everything: dict[str, Any] = {"deaf": 1, "drop": 1, "forget": 1, "refuse": 0}
    assert asyncio.run(command(server, id, **everything)) == (200, answer)


def test_an_id_may_have_any_characters(server: Server) -> None:
    async def main() -> None:
        async with connect(server, "/ws/echo", "a/b c") as ws:
            assert (await command(server, "a%2Fb%20c", drop=0))[1]["connections"] == 1
            assert await end(ws) is None

    asyncio.run(main())


@pytest.mark.parametrize(
    "query", [{"deaf": 2}, {"drop": "x"}, {"drop": 61}, {"refuse": 601}, {"refuse": ""}]
)
def test_wrong_values_answer_400_and_do_nothing(
    server: Server, id: str, query: dict[str, Any]
) -> None:
    async def main() -> None:
        async with connect(server, "/ws/echo", id) as ws:
            [(name, value)] = query.items()
            code, text = await command(server, id, forget=1, **query)
            assert (code, text.partition(" ")[0]) == (400, f"{name}={str(value)!r}")
            await ws.send_str("still here")
            assert await ws.receive_str() == "still here"
        assert (await command(server, "x" * 201))[0] == 400

    asyncio.run(main())


def test_other_origins_may_not(server: Server, id: str) -> None:
    async def main() -> None:
        assert (await command(server, id, origin="https://example.org", refuse=60))[0] == 403
        assert await status(server, id) == 101
        assert (await command(server, id, origin=server.url))[0] == 200
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.url_for(f"/faults/{id}", refuse=60)) as response,
        ):
            assert response.status == 404
        assert await status(server, id) == 101

    asyncio.run(main())


def test_refusals_are_bounded(monkeypatch: pytest.MonkeyPatch, server: Server, id: str) -> None:
    monkeypatch.setattr(faults, "MAX_REFUSALS", 2)

    async def main() -> None:
        for name in "abc":
            await command(server, f"{id}-{name}", refuse=60)
        assert [await status(server, f"{id}-{name}") for name in "abc"] == [101, 503, 503]
        for name in "bc":
            await command(server, f"{id}-{name}", refuse=0)

    asyncio.run(main())


@pytest.mark.parametrize("kind", [Server, ServerProcess])
def test_a_test_asks_for_them_with_methods(kind: type[Server | ServerProcess]) -> None:
    id = "a/b?c ä"

    async def main() -> None:
        ask = asyncio.to_thread
        async with (
            connect(server, "/ws/session", id) as session,
            connect(server, "/ws/echo", id) as one,
            connect(server, "/ws/echo", id) as two,
        ):
            forgotten = asyncio.ensure_future(ask(server.forget, id))
            assert await end(session) == 1001
            await session.close()
            assert await forgotten == 1
            assert await ask(server.deafen, id) == 2
            await one.send_str("1")
            assert await is_silent(one)
            await ask(server.refuse, id, 60)
            assert await status(server, id) == 503
            await ask(server.refuse, id, 0)
            assert await status(server, id) == 101
            assert await ask(server.drop, id) >= 2
            assert await end(one) is None
            assert await end(two) is None

    with kind() as server:
        assert server.drop(id) == server.deafen(id) == server.forget(id) == 0
        asyncio.run(main())
        assert server.drop(id, after=60) == 0
        with pytest.raises(ValueError, match="drop"):
            server.drop(id, after=61)
    with pytest.raises(OSError, match="refused"):
        server.drop(id)
