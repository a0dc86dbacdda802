"""The journal, over HTTP and from the test's thread."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import aiohttp
import pytest

from readystate_server.lab import Server, journal

from .clients import ask, connect, hear, say, talk


async def fetch(server: Server, id: str, **query: Any) -> tuple[int, Any]:
    return await ask(server, f"/journal/{id}", **query)


def connection(pages: journal.Journal, id: str, path: str = "") -> Any:
    """A connection, to be recorded."""
    return pages.add(id, path=path, query="", origin=None, offered=[], protocol=None)


def orders(entries: list[dict[str, Any]]) -> list[list[int]]:
    return [[message["order"] for message in entry["messages"]] for entry in entries]


async def test_what_came_is_told(server: Server, id: str) -> None:
    await talk(server, id, "höja", b"\xff\0", protocols=("a", "b"), origin=server.url)
    (entry,) = server.journal(id, closed=1)
    assert await fetch(server, id) == (200, [entry])
    text, binary = entry.pop("messages")
    asked = {"path": "/ws/echo", "query": f"id={id}", "origin": server.url, "offered": ["a", "b"]}
    numbers = {"count": 2, "bytes": 7, "sent": 2, "truncated": False}
    close = {"code": 1000, "reason": "", "clean": True}
    assert entry == {**asked, "protocol": "a", "opened": True, **numbers, "close": close}
    assert 0 < text.pop("time") <= binary.pop("time")
    digest = hashlib.sha256("höja".encode()).hexdigest()
    assert text == {"order": 0, "kind": "text", "size": 5, "data": "höja", "sha256": digest}
    digest = hashlib.sha256(b"\xff\0").hexdigest()
    assert binary == {"order": 1, "kind": "binary", "size": 2, "data": "/wA=", "sha256": digest}


async def test_the_order_of_an_id_goes_over_all_its_connections(server: Server, id: str) -> None:
    async with (
        connect(server, "/ws/echo", id=id) as first,
        connect(server, "/ws/echo", id=id) as second,
        connect(server, "/ws/echo", id=f"{id} too") as other,
    ):
        for ws in (first, second, other, second, first, other):
            await say(ws, "x")
            await hear(ws)
    await talk(server, id, "x")
    assert orders(server.journal(id, closed=3)) == [[0, 3], [1, 2], [4]]
    assert orders(server.journal(f"{id} too")) == [[0, 1]]


async def test_contents_are_bounded_but_counted_and_hashed(server: Server, id: str) -> None:
    await talk(server, id, b"x" * (journal.MAX_HELD - 1), "xx", "x", "x")
    (entry,) = server.journal(id, closed=1)
    assert [message["data"] is None for message in entry["messages"]] == [False, True, False, True]
    assert entry["truncated"]
    assert (entry["count"], entry["bytes"]) == (4, journal.MAX_HELD + 3)
    assert entry["messages"][1]["sha256"] == hashlib.sha256(b"xx").hexdigest()


async def test_records_are_bounded(
    monkeypatch: pytest.MonkeyPatch, server: Server, id: str
) -> None:
    monkeypatch.setattr(journal, "MAX_RECORDS", 2)
    await talk(server, id, "1", "2", "3")
    (entry,) = server.journal(id, closed=1)
    assert (len(entry["messages"]), entry["count"], entry["truncated"]) == (2, 3, True)
    _, summary = await fetch(server, id, summary=1)
    assert (summary["messages"], summary["numbered"], summary["truncated"]) == (3, 2, True)


def test_ids_and_connections_are_bounded_and_numbered_beyond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "MAX_IDS", 2)
    monkeypatch.setattr(journal, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(journal, "MAX_RECORDS", 1)
    pages = journal.Journal()
    for id in ("a", "b", "c"):
        for number in range(5):
            entry = connection(pages, id, str(number))
            assert entry.number == number
            entry.receive("x")
            entry.receive("x")
    assert pages.get("a") is None
    entries = pages.get("c") or []
    assert [entry["path"] for entry in entries] == ["2", "3", "4"]
    assert orders(entries) == [[4], [6], [8]]
    assert connection(pages, "a").number == 0


def test_what_is_held_in_all_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_TOTAL", 10_000)
    pages = journal.Journal()
    for id in ("a", "b", "c", "b"):
        entry = connection(pages, id)
        entry.receive(b"x" * 3_000)
    # The oldest id made room; a connection of one that is gone takes no more from the others.
    assert [id for id in "abc" if pages.get(id) is not None] == ["c"]
    for _ in range(10):
        entry.receive(b"x")
    assert pages.get("c") is not None


def test_a_long_run_of_many_connections_is_recorded_whole() -> None:
    pages = journal.Journal()
    for number in range(500):
        entry = connection(pages, "a")
        for index in range(220):
            entry.receive(str(number * 220 + index).ljust(64))
    messages = [message for entry in pages.get("a") or [] for message in entry["messages"]]
    assert [message["order"] for message in messages] == list(range(110_000))
    last = hashlib.sha256(b"109999".ljust(64)).hexdigest()
    assert (messages[-1]["size"], messages[-1]["sha256"]) == (64, last)
    connection(pages, "b")
    assert pages.get("a") is not None


async def test_an_unknown_id(server: Server) -> None:
    nobody = 404, {"error": "No connection had the id 'nobody'."}
    assert await fetch(server, "nobody") == nobody
    assert (await fetch(server, "nobody", summary=1))[0] == 404
    with pytest.raises(LookupError, match="nobody"):
        server.journal("nobody")


async def test_waiting_for_messages_and_ends(server: Server, id: str) -> None:
    messages = asyncio.create_task(fetch(server, id, messages=2))
    ends = asyncio.create_task(fetch(server, id, closed=1))
    summary = asyncio.create_task(fetch(server, id, summary=1, messages=2))
    async with connect(server, "/ws/echo", id=id) as ws:
        await say(ws, "6")
        await hear(ws)
        assert not messages.done()
        await say(ws, "7")
        status, body = await messages
        assert (status, body[0]["count"]) == (200, 2)
        status, body = await summary
        assert (status, body["messages"], body["ranges"]) == (200, 2, [[6, 7]])
        assert not ends.done()
    status, body = await ends
    assert (status, body[0]["close"]["code"]) == (200, 1000)


async def test_waiting_in_vain_answers_504_with_what_there_is(server: Server, id: str) -> None:
    assert await fetch(server, id, messages=1, timeout=0.01) == (504, [])
    status, body = await fetch(server, id, summary=1, messages=1, timeout=0.01)
    assert (status, body["connections"], body["ranges"]) == (504, 0, [])
    await talk(server, id, "one")
    status, body = await fetch(server, id, messages=2, timeout=0.01)
    assert (status, body[0]["count"]) == (504, 1)
    with pytest.raises(TimeoutError, match="messages=2"):
        server.journal(id, messages=2, timeout=0.01)


@pytest.mark.parametrize("query", [{"messages": "x"}, {"closed": -1}, {"timeout": 61}])
async def test_wrong_values_answer_400(server: Server, query: dict[str, Any]) -> None:
    assert (await fetch(server, "x", **query))[0] == 400


async def test_a_summary_is_short(server: Server, id: str) -> None:
    messages = ("0", "1", "2", "1", "5 and text", b"\0\0\0\7", "4", "no number", "5")
    await talk(server, id, *messages[:4])
    await talk(server, id, *messages[4:])
    server.journal(id, closed=2)
    size = 4 + 10 + 4 + 1 + 9 + 1
    counts = {"connections": 2, "open": 0, "messages": 9, "bytes": size, "truncated": False}
    numbers = {"numbered": 8, "distinct": 6, "out_of_order": 1, "ranges": [[0, 2], [4, 5], [7, 7]]}
    assert await fetch(server, id, summary=1) == (200, {**counts, **numbers})


async def test_how_many_ids_there_are() -> None:
    with Server() as server:
        assert await fetch(server, "") == (200, {"ids": 0})
        for id in ("one", "two", "one"):
            await talk(server, id)
        assert await fetch(server, "") == (200, {"ids": 2})


@pytest.mark.parametrize(
    ("allowed", "origin", "told"),
    [
        ("https://example.org", "https://example.org", "https://example.org"),
        ("https://example.org", "https://example.com", None),
        ("*", "https://example.com", "https://example.com"),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/journal/"), ("POST", "/faults/one?drop=0")])
async def test_who_may_read_from_another_origin(
    method: str, path: str, allowed: str, origin: str, told: str | None
) -> None:
    with Server(allow_origins=[allowed]) as server:
        async with (
            aiohttp.ClientSession(headers={"Origin": origin}) as http,
            http.request(method, server.url_for(path)) as response,
        ):
            headers = response.headers
    assert "Origin" in headers["Vary"]
    assert headers.get("Access-Control-Allow-Origin") == told
