"""What a run of tests.long.scale measures: connections in any second, growth, and its aims."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from typing import Any

import pytest

from tests.long.scale import proxy as proxies
from tests.long.scale import report
from tests.long.scale.namespace import Namespace


def results_of(**changes: Any) -> dict[str, Any]:
    herd = {"nine tenths back after": 9.0, "most connections in a second": 200}
    right = {
        "plan": {"clients": 2000},
        "memory": {"growth": 1.02},
        "herds": [herd, herd],
        "problems": {},
    }
    return {**right, **changes}


def met(**changes: Any) -> list[bool | None]:
    return [aim["is met"] for aim in report.aims(results_of(**changes))]


def test_connections_are_counted_in_any_second_not_only_in_those_of_the_clock() -> None:
    opened = Counter({1005: 5, 1009: 3, 1012: 4, 1020: 1})
    assert report.busiest(opened, 100, 103) == 12
    assert report.busiest(opened, 101, 103) == 5
    assert report.busiest(Counter(), 100, 103) == 0


def test_an_aim_is_met_missed_or_not_shown() -> None:
    assert report.even_rate(2000) == 120
    assert met() == [True] * 4
    assert met(problems={"server's messages lost": 1}) == [False, True, True, True]
    assert met(memory={"growth": 1.11}) == [True, False, True, True]
    assert met(memory={"growth": None}, herds=[]) == [True, None, None, None]
    never = {"nine tenths back after": None, "most connections in a second": 241}
    assert met(herds=[never]) == [True, True, False, False]


@pytest.mark.parametrize("may_drop_packets", [True, False])
async def test_what_hangs_is_told_nothing_and_flows_again(
    monkeypatch: pytest.MonkeyPatch, may_drop_packets: bool
) -> None:
    """By packets that are dropped where that is possible, else by the proxy."""

    def refuse() -> Namespace:
        raise OSError("not here")

    if not may_drop_packets:
        monkeypatch.setattr(proxies, "Namespace", refuse)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionResetError):
            while data := await reader.read(100):
                writer.write(data)
        writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = proxies.Proxy(port, server.sockets[0].getsockname()[1])
    await proxy.start()
    try:
        host = proxy.url.removeprefix("ws://").partition(":")[0]
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"before")
        assert await reader.read(100) == b"before"
        assert await proxy.hang() == 1
        writer.write(b"while")
        answered = asyncio.create_task(reader.read(100))
        done, _ = await asyncio.wait([answered], timeout=0.3)
        assert not done
        await proxy.flow()
        other_reader, other = await asyncio.open_connection(host, port)
        other.write(b"after")
        assert await other_reader.read(100) == b"after"
        for each in (writer, other):
            each.transport.abort()
        await asyncio.wait([answered])
        answered.exception()
    finally:
        await proxy.stop()
        server.close()
