"""The server in a process of its own, as a test uses it that kills it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientWebSocketResponse

from readystate_server.lab import Server
from readystate_server.lab.process import ServerProcess

from .clients import connect, handshake_status, hear, say, talk

ORIGIN = "https://example.org"


@pytest.fixture
def process() -> Iterator[ServerProcess]:
    with ServerProcess(allow_origins=[ORIGIN, "http://127.0.0.1:1"]) as process:
        yield process


@asynccontextmanager
async def acknowledged(process: ServerProcess) -> AsyncIterator[ClientWebSocketResponse]:
    """A connection over which a message went."""
    async with connect(process, "/ws/peer", id="x", ack=1) as ws:
        await say(ws, "1")
        await hear(ws)
        yield ws


def assert_nobody_listens(process: ServerProcess) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((process.host, process.port))


async def test_the_journal(process: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # which is not used
    monkeypatch.delenv("no_proxy", raising=False)
    id = "a/b?c ä"
    await talk(process, id, "1", "2")
    (entry,) = process.journal(id, messages=2, closed=1)
    assert [message["data"] for message in entry["messages"]] == ["1", "2"]
    assert process.journal(id) == [entry]
    with pytest.raises(LookupError, match="nobody"):
        process.journal("nobody")
    with pytest.raises(TimeoutError, match="messages=3"):
        process.journal(id, messages=3, timeout=0.01)
    with pytest.raises(ValueError, match="timeout="):
        process.journal(id, timeout=61)


async def test_kill_closes_nothing(process: ServerProcess) -> None:
    async with acknowledged(process) as ws:
        process.kill()
        assert await hear(ws) is None
        assert ws.close_code == 1006
    assert_nobody_listens(process)
    with pytest.raises(OSError, match="refused"):
        process.journal("x")
    process.kill()


@pytest.mark.parametrize("killed", [True, False])
async def test_restarts_on_the_same_port_with_an_empty_journal(
    process: ServerProcess, killed: bool
) -> None:
    port = process.port
    for _ in range(2):
        async with acknowledged(process) as ws:
            if killed:
                process.kill()
            process.restart()
            assert await hear(ws) is None
    assert process.port == port
    with pytest.raises(LookupError):
        process.journal("x")
    await talk(process, "x", "1")
    assert process.journal("x")[0]["count"] == 1


def test_it_listens_on_the_chosen_port_until_it_has_ended(process: ServerProcess) -> None:
    process.kill()
    with ServerProcess(port=process.port) as other:
        assert other.port == process.port
        with pytest.raises(LookupError):
            other.journal("x")
        with pytest.raises(RuntimeError, match="kill"):
            other.start()
    assert_nobody_listens(other)


def test_a_port_in_use_is_an_oserror(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    process = ServerProcess(port=server.port)
    with pytest.raises(OSError, match=f"port {server.port} .* ended with status 1"):
        process.start()
    assert f"Port {server.port} of 127.0.0.1 is in use" in capfd.readouterr().err


def test_a_process_that_does_not_get_to_listen_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readystate_server.lab.process.START_TIMEOUT", 0.0)
    process = ServerProcess()
    with pytest.raises(OSError, match="ended with status -9"):
        process.start()


async def test_only_the_allowed_origins_may(process: ServerProcess) -> None:
    origins = [ORIGIN, "http://127.0.0.1:1", process.url, "https://example.com"]
    statuses = [await handshake_status(process, "/ws/peer", origin=origin) for origin in origins]
    assert statuses == [101, 101, 101, 403]
