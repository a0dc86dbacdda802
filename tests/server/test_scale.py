"""Sessions of many clients and several servers that fail: the small form of tests.long.scale.

And what its run measures: connections in any second, growth, and its aims.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.long.scale import faults, picture, report
from tests.long.scale import proxy as proxies
from tests.long.scale.accounts import Account, Journal, balance, pack
from tests.long.scale.namespace import Namespace
from tests.long.scale.run import Plan, run

CLIENTS = 50


def test_nothing_is_lost_with_redis_though_servers_are_killed(tmp_path: Path) -> None:
    plan = Plan(clients=CLIENTS, servers=2, processes=1, ramp=0.5, rate=10, every=0.5, seed=7)
    plan.seconds, plan.faults, plan.drain = 3, ["kill", "abort"], 10
    results = report.report(asyncio.run(run(plan, tmp_path)), "")
    assert results["problems"] == {}
    assert results["accounts"]["sent"] >= CLIENTS
    assert {fault["name"] for fault in results["faults"]} == {"kill", "abort"}
    assert picture.svg(results).count("<polyline") == 8
    assert results["latency"]["kill"]["up"]["count"]
    assert "problems: none" in report.words(results)


ALL = [("a", 1, 1), ("a", 1, 2), ("a", 1, 3)]
"""Process, run of the handler, number."""


@pytest.mark.parametrize(
    ("records", "changes", "problems"),
    [
        (ALL, {}, {}),
        # What another process receives again, as nobody was done with it, is allowed.
        ([*ALL, ("b", 1, 3)], {}, {}),
        ([*ALL, ("a", 2, 2), ("a", 2, 3)], {}, {}),
        ([*ALL, ("a", 1, 3)], {}, {"client's messages twice in one run": 1}),
        ([*ALL[:2], ("b", 1, 4)], {"sent": 4, "confirmed": 4}, {"client's messages lost": 1}),
        ([ALL[0], ALL[2]], {}, {"client's messages out of order": 1}),
        (ALL, {"confirmed": 2}, {"client's messages not confirmed": 1}),
        (ALL, {"lost": 1}, {"server's messages lost": 1}),
        (ALL, {"twice": 2}, {"server's messages twice": 2}),
        (ALL, {"end": "SessionExpired"}, {"sessions that ended by themselves": 1}),
    ],
)
def test_each_difference_is_found(
    records: list[tuple[str, int, int]], changes: dict[str, object], problems: dict[str, int]
) -> None:
    right: dict[str, Any] = {"client": 1, "sent": 3, "confirmed": 3, "answers": 3}
    right |= {"dropped": 0, "twice": 0, "disordered": 0, "lost": 0}
    journal = Journal()
    for process, run_number, number in records:  # of client 1
        journal.read(process, pack(1, number, number, run_number, "0" * 64))
    found = balance([Account(**(right | changes))], journal, clients=1)
    assert found.problems == problems
    assert bool(found) == (not problems)


def test_faults_are_those_of_the_seed() -> None:
    assert faults.chosen("all", has_redis=True) == list(faults.ALL)
    assert "redis-kill" not in faults.chosen("all", has_redis=False)
    with pytest.raises(ValueError, match="needs Redis"):
        faults.chosen("redis-kill", has_redis=False)
    with pytest.raises(ValueError, match="none of"):
        faults.chosen("flood", has_redis=True)


def met(**changes: Any) -> list[bool | None]:
    herd = {"nine tenths back after": 9.0, "most connections in a second": 200}
    right = {"plan": {"clients": 2000}, "memory": {"growth": 1.02}, "herds": [herd, herd]}
    return [aim["is met"] for aim in report.aims({**right, "problems": {}, **changes})]


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
