"""The journal, over HTTP and from the test's thread."""

import asyncio
import base64
import hashlib
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse

from readystate_server.lab import Server, journal


async def fetch(server: Server, id: str, **query: object) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.url_for(f"/journal/{id}", **query)) as response,
    ):
        return response.status, await response.json()


def talk(server: Server, id: str, *messages: str | bytes, path: str = "/ws/echo") -> None:
    async def main() -> None:
        url = server.ws_url(path, id=id)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=["a", "b"], origin=server.url) as ws,
        ):
            await say(ws, *messages)

    asyncio.run(main())


async def say(ws: ClientWebSocketResponse, *messages: str | bytes) -> None:
    for message in messages:
        await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
        await ws.receive()


def test_what_came_is_told(server: Server, id: str) -> None:
    talk(server, id, "höja", b"\xff\0")
    (entry,) = server.journal(id, closed=1)
    assert asyncio.run(fetch(server, id)) == (200, [entry])
    text, binary = entry.pop("messages")
    assert entry == {
        "path": "/ws/echo",
        "query": f"id={id}",
        "origin": server.url,
        "offered": ["a", "b"],
        "protocol": "a",
        "opened": True,
        "count": 2,
        "bytes": 7,
        "sent": 2,
        "truncated": False,
        "close": {"code": 1000, "reason": "", "clean": True},
    }
    assert 0 < text.pop("time") <= binary.pop("time")
    assert text == {
        "order": 0,
        "kind": "text",
        "size": 5,
        "data": "höja",
        "sha256": hashlib.sha256("höja".encode()).hexdigest(),
    }
    assert binary == {
        "order": 1,
        "kind": "binary",
        "size": 2,
        "data": base64.b64encode(b"\xff\0").decode(),
        "sha256": hashlib.sha256(b"\xff\0").hexdigest(),
    }


def test_one_id_may_have_several_connections(server: Server, id: str) -> None:
    for text in ("one", "two"):
        talk(server, id, text)
    entries = server.journal(id, messages=2, closed=2)
    assert [entry["messages"][0]["data"] for entry in entries] == ["one", "two"]


def test_the_order_of_an_id_goes_over_all_its_connections(server: Server, id: str) -> None:
    async def main() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(server.ws_url("/ws/echo", id=id)) as first,
            session.ws_connect(server.ws_url("/ws/echo", id=id)) as second,
            session.ws_connect(server.ws_url("/ws/echo", id=f"{id} too")) as other,
        ):
            for ws in (first, second, other, second, first, other):
                await say(ws, "x")

    asyncio.run(main())
    talk(server, id, "x")
    orders = [
        [message["order"] for message in entry["messages"]]
        for name in (id, f"{id} too")
        for entry in server.journal(name)
    ]
    assert orders == [[0, 3], [1, 2], [4], [0, 1]]


@pytest.mark.parametrize("path", ["/ws/echo", "/ws/close", "/ws/drop", "/ws/sink", "/ws/peer"])
def test_the_endpoints_that_record(server: Server, id: str, path: str) -> None:
    async def main() -> None:
        url = server.ws_url(path, id=id, after=1, fault="drop")
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
            await ws.send_str("x")
            await ws.receive()

    asyncio.run(main())
    assert server.journal(id, closed=1)[0]["messages"][0]["data"] == "x"


def test_contents_are_bounded_but_counted_and_hashed(server: Server, id: str) -> None:
    big = b"x" * (journal.MAX_HELD - 1)
    talk(server, id, big, "xx", "x", "x")
    (entry,) = server.journal(id, closed=1)
    assert [message["data"] is None for message in entry["messages"]] == [False, True, False, True]
    assert entry["truncated"]
    assert (entry["count"], entry["bytes"]) == (4, journal.MAX_HELD + 3)
    assert entry["messages"][1]["sha256"] == hashlib.sha256(b"xx").hexdigest()


def test_records_are_bounded(monkeypatch: pytest.MonkeyPatch, server: Server, id: str) -> None:
    monkeypatch.setattr(journal, "MAX_RECORDS", 2)
    talk(server, id, "x", "x", "x")
    (entry,) = server.journal(id, closed=1)
    assert (len(entry["messages"]), entry["count"], entry["truncated"]) == (2, 3, True)


def test_ids_and_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_IDS", 2)
    monkeypatch.setattr(journal, "MAX_CONNECTIONS", 3)
    pages = journal.Journal()
    for id in ("a", "b", "c"):
        for number in range(5):
            pages.add(id, path=str(number), query="", origin=None, offered=[], protocol=None)
    assert pages.get("a") is None
    assert [entry["path"] for entry in pages.get("c") or []] == ["2", "3", "4"]
    again = pages.add("a", path="", query="", origin=None, offered=[], protocol=None)
    assert again.number == 0


def test_what_is_held_in_all_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_TOTAL", 10_000)
    pages = journal.Journal()
    for id in ("a", "b", "c", "b"):
        entry = pages.add(id, path="", query="", origin=None, offered=[], protocol=None)
        entry.receive(b"x" * 3_000)
    # The oldest id made room; a connection of one that is gone takes no more from the others.
    assert [id for id in "abc" if pages.get(id) is not None] == ["c"]
    for _ in range(10):
        entry.receive(b"x")
    assert pages.get("c") is not None


def test_a_long_run_of_many_connections_is_recorded_whole() -> None:
    pages = journal.Journal()
    for connection in range(500):
        entry = pages.add("a", path="", query="", origin=None, offered=[], protocol=None)
        for number in range(220):
            entry.receive(str(connection * 220 + number).ljust(64))
    messages = [message for entry in pages.get("a") or [] for message in entry["messages"]]
    assert [message["order"] for message in messages] == list(range(110_000))
    last = hashlib.sha256(b"109999".ljust(64)).hexdigest()
    assert (messages[-1]["size"], messages[-1]["sha256"]) == (64, last)
    assert pages.add("b", path="", query="", origin=None, offered=[], protocol=None).number == 0
    assert pages.get("a") is not None


def test_connections_and_messages_are_numbered_beyond_what_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(journal, "MAX_RECORDS", 1)
    pages = journal.Journal()
    for number in range(4):
        entry = pages.add("a", path="", query="", origin=None, offered=[], protocol=None)
        assert entry.number == number
        entry.receive("x")
        entry.receive("x")
    orders = [entry["messages"][0]["order"] for entry in pages.get("a") or []]
    assert orders == [4, 6]


def test_an_unknown_id(server: Server) -> None:
    status, body = asyncio.run(fetch(server, "nobody"))
    assert (status, body) == (404, {"error": "No connection had the id 'nobody'."})
    with pytest.raises(LookupError, match="nobody"):
        server.journal("nobody")


def test_an_id_may_have_any_characters(server: Server) -> None:
    id = "test_x.py::test[a/b]"
    talk(server, id, "x")
    assert server.journal(id)[0]["count"] == 1
    assert asyncio.run(fetch(server, "test_x.py::test%5Ba%2Fb%5D"))[0] == 200


def test_waiting_for_messages_and_ends(server: Server, id: str) -> None:
    async def main() -> None:
        waits = [
            asyncio.create_task(fetch(server, id, messages=2)),
            asyncio.create_task(fetch(server, id, closed=1)),
        ]
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(server.ws_url("/ws/echo", id=id)) as ws:
                await say(ws, "one")
                assert not any(wait.done() for wait in waits)
                await say(ws, "two")
                status, body = await waits[0]
                assert (status, body[0]["count"]) == (200, 2)
                assert not waits[1].done()
            status, body = await waits[1]
            assert (status, body[0]["close"]["code"]) == (200, 1000)

    asyncio.run(main())


def test_waiting_in_vain_answers_504_with_what_there_is(server: Server, id: str) -> None:
    assert asyncio.run(fetch(server, id, messages=1, timeout=0.01)) == (504, [])
    talk(server, id, "one")
    status, body = asyncio.run(fetch(server, id, messages=2, timeout=0.01))
    assert (status, body[0]["count"]) == (504, 1)
    with pytest.raises(TimeoutError, match="messages=2"):
        server.journal(id, messages=2, timeout=0.01)


@pytest.mark.parametrize("query", [{"messages": "x"}, {"closed": -1}, {"timeout": 61}])
def test_wrong_values_answer_400(server: Server, query: dict[str, object]) -> None:
    async def main() -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.url_for("/journal/x", **query)) as response,
        ):
            return response.status

    assert asyncio.run(main()) == 400


def test_a_summary_is_short(server: Server, id: str) -> None:
    messages = ("0", "1", "2", "1", "5 and text", b"\0\0\0\7", "4", "no number", "5")
    talk(server, id, *messages[:4])
    talk(server, id, *messages[4:])
    server.journal(id, closed=2)
    assert asyncio.run(fetch(server, id, summary=1)) == (
        200,
        {
            "connections": 2,
            "open": 0,
            "messages": 9,
            "bytes": 4 + 10 + 4 + 1 + 9 + 1,
            "truncated": False,
            "numbered": 8,
            "distinct": 6,
            "out_of_order": 1,
            "ranges": [[0, 2], [4, 5], [7, 7]],
        },
    )


def test_a_summary_can_be_waited_for(server: Server, id: str) -> None:
    status, body = asyncio.run(fetch(server, id, summary=1, messages=1, timeout=0.01))
    assert (status, body["connections"], body["ranges"]) == (504, 0, [])
    talk(server, id, "7")
    status, body = asyncio.run(fetch(server, id, summary=1, messages=1))
    assert (status, body["messages"], body["ranges"]) == (200, 1, [[7, 7]])
    assert asyncio.run(fetch(server, "nobody", summary=1))[0] == 404


def test_a_summary_says_what_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch, server: Server, id: str
) -> None:
    monkeypatch.setattr(journal, "MAX_RECORDS", 2)
    talk(server, id, "1", "2", "3")
    server.journal(id, closed=1)
    _, body = asyncio.run(fetch(server, id, summary=1))
    assert (body["messages"], body["numbered"], body["truncated"]) == (3, 2, True)


def test_how_many_ids_there_are() -> None:
    with Server() as server:
        assert asyncio.run(fetch(server, "")) == (200, {"ids": 0})
        for id in ("one", "two", "one"):
            talk(server, id)
        assert asyncio.run(fetch(server, "")) == (200, {"ids": 2})


@pytest.mark.parametrize(("method", "path"), [("GET", "journal/"), ("POST", "faults/one?drop=0")])
def test_who_may_read_from_another_origin(method: str, path: str) -> None:
    async def shared_with(server: Server, origin: str) -> str | None:
        async with (
            aiohttp.ClientSession(headers={"Origin": origin}) as session,
            session.request(method, server.url_for(f"/{path}")) as response,
        ):
            assert "Origin" in response.headers["Vary"]
            return response.headers.get("Access-Control-Allow-Origin")

    def ask(server: Server, origin: str) -> str | None:
        return asyncio.run(shared_with(server, origin))

    with Server(allow_origins=["https://example.org"]) as server:
        assert ask(server, "https://example.org") == "https://example.org"
        assert ask(server, "https://example.com") is None
    with Server(allow_origins=["*"]) as server:
        assert ask(server, "https://example.com") == "https://example.com"
