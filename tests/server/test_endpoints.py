"""The WebSocket endpoints, as the README of the lab documents them."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse

from readystate_server.lab import Server, peer

from .clients import ask, connect, handshake_status, hear, say, talk
from .raw import (
    UPGRADE,
    acknowledged,
    asked,
    assert_reset,
    assert_silent,
    close_frame,
    fill,
    frame,
    handshake,
    read,
    request,
    text,
)

LIMIT = 16 * 2**20
STALLED = 2 * 2**20
"""Bytes that TCP's buffers take at most."""
NO_CLOSE_FRAME = {"code": None, "reason": "", "clean": False}


async def refusal(server: Server, path: str, **headers: str) -> tuple[int, Any]:
    """The HTTP status and text that answer a handshake."""
    return await ask(server, path, headers={**UPGRADE, **headers})


def texts(server: Server, id: str) -> list[str]:
    """What came over the only connection of an id, which has ended."""
    (entry,) = server.journal(id, closed=1)
    return [message["data"] for message in entry["messages"]]


class TestEcho:
    async def test_messages_come_back_as_they_went(self, server: Server) -> None:
        async with connect(server, "/ws/echo") as ws:
            for message in ("höja\0", b"\xff\0", ""):
                await say(ws, message)
                assert await hear(ws) == message

    @pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
    async def test_the_peers_code_is_echoed(self, server: Server, code: int) -> None:
        async with connect(server, "/ws/echo") as ws:
            await ws.close(code=code)
            assert ws.close_code == code

    def test_a_close_frame_without_a_body_is_echoed_so(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/echo?id={id}") as sock:
            sock.sendall(frame(8, b""))
            assert sock.recv(100) == b"\x88\0"
            assert sock.recv(100) == b""
        close = server.journal(id, closed=1)[0]["close"]
        assert close == {"code": 1005, "reason": "", "clean": True}

    async def test_a_message_of_the_limit_passes(self, server: Server) -> None:
        data = b"x" * LIMIT
        async with connect(server, "/ws/echo", compress=1, deflate=True) as ws:
            for compress in (None, 15):
                await ws.send_bytes(data, compress=compress)
                assert await hear(ws) == data

    @pytest.mark.parametrize("deflate", [False, True])
    @pytest.mark.parametrize("excess", [1, 4 * 2**20])
    async def test_a_longer_one_closes_with_1009(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, excess: int, deflate: bool
    ) -> None:
        # Else it resets the connection if the rest does not come in two seconds.
        monkeypatch.setattr(peer, "LINGER", 25.0)
        async with connect(server, "/ws/echo", compress=1, deflate=deflate) as ws:
            await ws.send_bytes(b"x" * (LIMIT + excess))
            assert await hear(ws) == 1009

    @pytest.mark.parametrize(
        ("sent", "answer"),
        [
            (frame(9, b"hi"), b"\x8a\x02hi"),  # a ping
            (frame(1, b"\xff"), b"\x88\x02" + struct.pack("!H", 1007)),  # no UTF-8
        ],
    )
    def test_frames(self, server: Server, sent: bytes, answer: bytes) -> None:
        with handshake(server, "/ws/echo") as sock:
            sock.sendall(sent)
            assert sock.recv(100) == answer


WRONG = {
    "echo": ["delay=61", "delay=-1", "delay=nan", "compress=yes", "protocol=a%20b", "id="],
    "refuse": ["status=200", "status=600", f"id={'x' * 201}"],
    "close": [
        "code=x",
        "code=65536",
        "reason=why",
        f"code=1000&reason={'%C3%A9' * 62}",
        "after=-1",
    ],
    "drop": ["when=never", "after=x"],
    "flood": [
        *("count=10000001", "count=10000000&size=1000", "kind=blob", "then=stop"),
        *("number=1&kind=binary", "number=1&size=2&count=101"),
    ],
    "points": ["rate=100001", "count=-1", "size=126"],
    "sink": ["ack=x", "rate=x"],
    "peer": [
        *("ack=2", "ping=", "fault=fire", "after=-1", "times=1", "times=x&id=x", "status=200"),
        *("code=65536", "reason=why", "wait=61"),
    ],
}


class TestCommonQuery:
    async def test_delay_holds_the_handshake_back(self, server: Server) -> None:
        start = time.monotonic()
        async with connect(server, "/ws/echo", delay=0.3):
            assert time.monotonic() - start >= 0.3

    def test_a_client_that_leaves_meanwhile_frees_its_place(self, id: str) -> None:
        with Server(max_connections=1) as server:
            with (
                asked(server, f"/ws/echo?delay=60&id={id}"),
                pytest.raises(TimeoutError),
            ):
                server.journal(id, closed=1, timeout=0.1)
            (entry,) = server.journal(id, closed=1)
            assert not entry["opened"]
            assert not entry["close"]["clean"]

    @pytest.mark.parametrize(
        ("offered", "query", "chosen"),
        [
            ((), {}, None),
            (("a", "b"), {}, "a"),
            (("a", "b"), {"protocol": "b"}, "b"),
            (("a", "b"), {"protocol": ""}, None),
        ],
    )
    async def test_protocol(
        self, server: Server, offered: tuple[str, ...], query: dict[str, Any], chosen: str | None
    ) -> None:
        async with connect(server, "/ws/echo", protocols=offered, **query) as ws:
            assert ws.protocol == chosen

    @pytest.mark.parametrize("offer", [{}, {"Sec_WebSocket_Protocol": "a"}])
    def test_protocol_not_offered_is_answered_all_the_same(
        self, server: Server, offer: dict[str, Any]
    ) -> None:
        with asked(server, "/ws/echo?protocol=zzz", **offer) as sock:
            assert b"Sec-WebSocket-Protocol: zzz\r\n" in sock.recv(4096)

    @pytest.mark.parametrize("wanted", [False, True])
    async def test_compress(self, server: Server, wanted: bool) -> None:
        async with connect(server, "/ws/echo", compress=int(wanted), deflate=True) as ws:
            assert bool(ws.compress) is wanted

    @pytest.mark.parametrize(
        ("endpoint", "query"), [(name, query) for name in WRONG for query in WRONG[name]]
    )
    async def test_a_wrong_value_answers_400_and_says_why(
        self, server: Server, endpoint: str, query: str
    ) -> None:
        status, said = await refusal(server, f"/ws/{endpoint}?{query}")
        assert status == 400
        assert said.startswith(f"{query.partition('=')[0]}=") or "=" in said
        assert "is not valid: give " in said

    async def test_what_is_no_handshake_of_an_endpoint(self, server: Server) -> None:
        assert (await refusal(server, "/ws/nothing"))[0] == 404
        said = "/ws/echo is a WebSocket: open it with one.\n"
        assert await refusal(server, "/ws/echo", Upgrade="h2c") == (426, said)
        short = {"Sec-WebSocket-Key": "short"}
        assert (await refusal(server, "/ws/echo", **short))[0] == 400


OWN = "the server's own"


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        ([], None, 418),
        ([], OWN, 418),
        ([], "https://example.org", 403),
        ([], "null", 403),
        ([], "http://127.0.0.1:1", 403),
        (["https://example.org"], "https://example.org", 418),
        (["https://example.org"], "https://example.com", 403),
        (["*"], "https://example.com", 418),
    ],
)
async def test_which_origins_may_connect(allowed: list[str], origin: str, status: int) -> None:
    with Server(allow_origins=allowed) as server:
        headers = {"Origin": server.url if origin is OWN else origin} if origin else {}
        assert (await refusal(server, "/ws/refuse?status=418", **headers))[0] == status


async def test_too_many_connections_answer_503() -> None:
    with Server(max_connections=2) as server:
        async with connect(server, "/ws/echo"), connect(server, "/ws/echo"):
            assert await handshake_status(server, "/ws/echo") == 503


@pytest.mark.parametrize("status", [400, 403, 503, 599, None])
async def test_refuse(server: Server, id: str, status: int | None) -> None:
    query = f"status={status}&" if status else ""
    assert (await refusal(server, f"/ws/refuse?{query}id={id}"))[0] == status or 403
    (entry,) = server.journal(id, closed=1)
    assert not entry["opened"]


class TestClose:
    @pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 3000, 4999])
    async def test_code_and_reason(self, server: Server, id: str, code: int) -> None:
        async with connect(server, "/ws/close", code=code, reason="därför", id=id) as ws:
            message = await ws.receive()
            assert (message.data, message.extra) == (code, "därför")
        (entry,) = server.journal(id, closed=1)
        assert entry["opened"]
        assert entry["close"]["clean"]

    def test_no_code_is_an_empty_frame(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/close?id={id}") as sock:
            assert sock.recv(100) == b"\x88\0"
            sock.sendall(frame(1, b"late") + frame(8, b"\x0f\xa0bye"))
            assert sock.recv(100) == b""
        close = server.journal(id, closed=1)[0]["close"]
        assert close == {"code": 4000, "reason": "bye", "clean": True}
        assert texts(server, id) == ["late"]

    @pytest.mark.parametrize("code", [0, 999, 1005, 1006, 1015, 65535])
    def test_codes_that_nobody_may_send_are_sent(self, server: Server, code: int) -> None:
        with handshake(server, f"/ws/close?code={code}") as sock:
            assert sock.recv(100) == b"\x88\x02" + struct.pack("!H", code)

    async def test_after_some_messages(self, server: Server) -> None:
        async with connect(server, "/ws/close", code=4001, after=2) as ws:
            for message in ("one", "two"):
                await say(ws, message)
                assert await hear(ws) == message
            assert await hear(ws) == 4001


class TestDrop:
    @pytest.mark.parametrize("answer", [frame(1, b"x") + frame(10, b""), b""])
    def test_at_once_when_a_ping_is_answered_or_not(
        self, server: Server, id: str, answer: bytes
    ) -> None:
        with handshake(server, f"/ws/drop?id={id}") as sock:
            assert sock.recv(100) == b"\x89\0"
            sock.sendall(answer)
            assert_reset(sock)
        (entry,) = server.journal(id, closed=1)
        assert entry["opened"]
        assert entry["close"] == NO_CLOSE_FRAME

    def test_after_some_messages(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/drop?after=2&id={id}") as sock:
            sock.sendall(frame(1, b"one"))
            assert server.journal(id, messages=1)[0]["close"] is None
            sock.sendall(frame(2, b"two"))
            assert_reset(sock)
        assert server.journal(id, closed=1)[0]["count"] == 2

    @pytest.mark.parametrize("path", ["/ws/drop?when=handshake", "/ws/peer?fault=abort&after=3"])
    def test_instead_of_the_handshake(self, server: Server, id: str, path: str) -> None:
        with asked(server, f"{path}&id={id}") as sock:
            assert_reset(sock)
        assert_recorded(server, id, 0, opened=False)


def assert_recorded(server: Server, id: str, count: int, *, opened: bool = True) -> None:
    """How many messages came over a connection that has ended without a close frame."""
    (entry,) = server.journal(id, closed=1)
    assert (entry["opened"], entry["count"]) == (opened, count)
    assert entry["close"] == NO_CLOSE_FRAME


class TestFlood:
    @pytest.mark.parametrize("size", [0, 5, 125, 126, 65535, 65536])
    @pytest.mark.parametrize(("kind", "type"), [("text", str), ("binary", bytes)])
    async def test_messages(self, server: Server, size: int, kind: str, type: type) -> None:
        async with connect(
            server, "/ws/flood", count=100, size=size, kind=kind, then="close"
        ) as ws:
            for _ in range(100):
                data = await hear(ws)
                assert (data.__class__, len(data)) == (type, size)
            assert await hear(ws) == 1000

    @pytest.mark.parametrize(
        ("count", "size", "then", "code"),
        [(100_003, 64, "close", 1000), (5000, 1000, "drop", 1006)],
    )
    async def test_the_end_comes_after_all_messages(
        self, server: Server, id: str, count: int, size: int, then: str, code: int
    ) -> None:
        async with connect(server, "/ws/flood", count=count, size=size, then=then, id=id) as ws:
            assert len([message async for message in ws]) == count
            assert ws.close_code == code
        assert server.journal(id, closed=1)[0]["sent"] == count

    async def test_numbers(self, server: Server) -> None:
        async with connect(server, "/ws/flood", count=20_000, size=10, number=1) as ws:
            for index in range(20_000):
                message = await hear(ws)
                assert (int(message), len(message)) == (index, 10)
            await ws.send_str("still open")
            await ws.close()
            assert ws.close_code == 1000

    def test_memory_is_bounded_and_the_peer_may_close_midway(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/flood?count=10000000&size=400&id={id}") as sock:
            sock.recv(1000)
            sock.sendall(close_frame(1000))
            received = 0
            while data := sock.recv(2**20):
                received += len(data)
                tail = data
        assert received < 64 * 2**20
        assert tail.endswith(b"\x88\x02\x03\xe8")
        assert server.journal(id, closed=1)[0]["close"]["clean"]


class TestPoints:
    async def test_come_at_the_rate_and_then_the_end(self, server: Server, id: str) -> None:
        began = time.monotonic()
        async with connect(server, "/ws/points", rate=1000, count=400, id=id) as ws:
            values = [float(message.data) async for message in ws]
            assert len(values) == 400
            assert all(0 <= value <= 100 for value in values)
            assert ws.close_code == 1000
        assert time.monotonic() - began >= 0.4
        assert server.journal(id, closed=1)[0]["sent"] == 400

    async def test_a_rate_of_0_is_as_fast_as_they_are_taken(self, server: Server, id: str) -> None:
        async with connect(server, "/ws/points", rate=0, count=25_000, size=64, id=id) as ws:
            points = [message.data async for message in ws]
        assert len(points) == 25_000
        assert {len(point) for point in points} == {64}
        assert points[:10_000] == points[10_000:20_000]
        assert points[:5_000] == points[20_000:]
        assert server.journal(id, closed=1)[0]["sent"] == 25_000

    async def test_the_peer_may_close_midway(self, server: Server, id: str) -> None:
        async with connect(server, "/ws/points", id=id) as ws:
            await hear(ws)
            await ws.close()
            assert ws.close_code == 1000
        entry = server.journal(id, closed=1)[0]
        assert entry["close"]["clean"]
        assert 0 < entry["sent"] < 60_000


async def counted(ws: ClientWebSocketResponse) -> tuple[int, int]:
    """How many messages and bytes the next message acknowledges."""
    told = json.loads(await hear(ws))
    assert told.keys() == {"messages", "bytes"}
    return told["messages"], told["bytes"]


class TestSink:
    async def test_acknowledges_each_message(self, server: Server) -> None:
        async with connect(server, "/ws/sink") as ws:
            await say(ws, "é")
            assert await counted(ws) == (1, 2)
            await say(ws, b"abc")
            assert await counted(ws) == (2, 5)

    async def test_acknowledges_every_tenth(self, server: Server) -> None:
        async with connect(server, "/ws/sink", ack=10) as ws:
            await say(ws, *["x"] * 25)
            assert await counted(ws) == (10, 10)
            assert await counted(ws) == (20, 20)
            await ws.close()
            assert ws.close_code == 1000

    def test_never_acknowledges(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/sink?ack=0&id={id}") as sock:
            sock.sendall(text("x") + close_frame(1000))
            assert read(sock) == (8, b"\x03\xe8")
        assert server.journal(id, closed=1)[0]["count"] == 1

    def test_rate_stalls_a_fast_sender(self, server: Server) -> None:
        with handshake(server, "/ws/sink?ack=0&rate=1000") as sock:
            assert fill(sock) < STALLED
        with handshake(server, "/ws/sink?ack=0") as sock:
            assert fill(sock) >= LIMIT

    @pytest.mark.parametrize("size", [100, 100_000])
    async def test_rate_is_kept(self, server: Server, id: str, size: int) -> None:
        total = 2_000_000
        start = time.monotonic()
        async with connect(server, "/ws/sink", ack=0, rate=total, id=id) as ws:
            await say(ws, *[bytes(size)] * (total // size))
        # What came first, at most a receive buffer, is not waited for.
        assert time.monotonic() - start > 0.5
        assert server.journal(id, closed=1)[0]["bytes"] == total


def test_stall_neither_reads_nor_writes_until_the_peer_is_gone(id: str) -> None:
    with Server(max_connections=1) as server:
        with handshake(server, f"/ws/stall?id={id}") as sock:
            sock.sendall(frame(9, b"ping") + text("text") + frame(8, b""))
            assert_silent(sock)
            assert server.journal(id)[0]["close"] is None
        (entry,) = server.journal(id, closed=1)
        assert (entry["opened"], entry["count"]) == (True, 0)


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("/ws/stall", 0),
        ("/ws/peer?fault=stall&after=0", 0),
        ("/ws/peer?fault=stall&after=1", 1),
        ("/ws/peer?fault=stall&after=20000", 20_000),
    ],
)
def test_stall_makes_the_clients_tcp_wait(path: str, before: int) -> None:
    with Server() as server, handshake(server, path) as sock:
        sock.sendall(frame(2, bytes(1000)) * before)
        assert fill(sock) < STALLED


class TestPeerAcknowledges:
    @pytest.mark.parametrize(
        ("message", "numbers"),
        [
            ("7", [7]),
            ("0", [0]),
            ("0012 and more", [12]),
            ("7 8", [7]),
            ("7 ", [7]),
            ("9" * 15, [10**15 - 1]),
            (b"\0\0\1\0", [256]),
            (b"\xff\xff\xff\xff\0", [2**32 - 1]),
            *((none, []) for none in ("", "x", "7x", " 7", "-7", "7.0", "7\t", "\u0667", "1" * 16)),
            (b"", []),
            (b"\0\0\0", []),
        ],
    )
    async def test_each_message_by_the_number_that_it_begins_with(
        self, server: Server, id: str, message: str | bytes, numbers: list[int]
    ) -> None:
        async with connect(server, "/ws/peer", ack=1, id=id) as ws:
            await say(ws, message)
            for number in numbers:
                assert json.loads(await hear(ws)) == {"ack": [number]}
            await say(ws, "8")
            assert json.loads(await hear(ws)) == {"ack": [8]}
        assert server.journal(id, closed=1)[0]["count"] == 2

    def test_what_comes_together_is_acknowledged_together(self, server: Server) -> None:
        with handshake(server, "/ws/peer?ack=1") as sock:
            sock.sendall(text(*map(str, range(5000))))
            numbers: list[int] = []
            frames = 0
            while len(numbers) < 5000:
                numbers += acknowledged(sock)
                frames += 1
        assert numbers == list(range(5000))
        assert frames < 500

    async def test_at_the_end_of_the_turn(self, server: Server) -> None:
        async with connect(server, "/ws/peer", ack=1) as ws:
            for number in range(2000):  # with a wait each, they would take longer than a test may
                await say(ws, str(number))
                assert json.loads(await hear(ws)) == {"ack": [number]}

    @pytest.mark.parametrize(
        ("end", "answer"), [(close_frame(1000), 1000), (frame(1, b"\xff"), 1007)]
    )
    def test_nothing_after_a_close(
        self, server: Server, id: str, caplog: pytest.LogCaptureFixture, end: bytes, answer: int
    ) -> None:
        with handshake(server, f"/ws/peer?ack=1&id={id}", early=text("1") + end) as sock:
            assert read(sock) == (8, struct.pack("!H", answer))
            assert sock.recv(1) == b""
        assert texts(server, id) == ["1"]
        assert caplog.records == []

    def test_only_if_asked(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/peer?id={id}") as sock:
            sock.sendall(text("1") + frame(9, b"hi"))
            assert read(sock) == (10, b"hi")
            assert_silent(sock)
        assert server.journal(id, closed=1)[0]["count"] == 1

    def test_it_stops_reading_while_they_are_not_taken(self, server: Server) -> None:
        # An acknowledgement takes more bytes than what it acknowledges.
        frames = frame(2, b"\xff\xff\xff\xff") * 2000
        with handshake(server, "/ws/peer?ack=1") as sock:
            sock.settimeout(1)
            with pytest.raises(TimeoutError):  # noqa: PT012
                for _ in range(2000):
                    sock.sendall(frames)


class TestPeerHeartbeat:
    @pytest.mark.parametrize(
        ("word", "message", "answers"),
        [
            ("ping", "ping", ["pong"]),
            ("ping", "ping 7", ["pong 7"]),
            ("ping", "ping  å ", ["pong  å "]),
            ("♥", "♥ 1", ["pong 1"]),
            *(("ping", none, []) for none in ("pinger", "Ping", " ping", "x ping")),
            *(("ping", none, []) for none in (b"ping", b"ping 1")),
        ],
    )
    async def test_is_answered_and_not_recorded_unlike_all_else(
        self, server: Server, id: str, word: str, message: str | bytes, answers: list[str]
    ) -> None:
        async with connect(server, "/ws/peer", ping=word, id=id) as ws:
            await say(ws, message, f"{word} 2")
            assert [await hear(ws) for _ in [*answers, "2"]] == [*answers, "pong 2"]
        assert server.journal(id, closed=1)[0]["count"] == 1 - len(answers)

    def test_there_is_none_unless_asked_for(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/peer?id={id}") as sock:
            sock.sendall(text("ping") + frame(9, b""))
            assert read(sock) == (10, b"")
        assert texts(server, id) == ["ping"]

    def test_is_answered_when_all_before_it_is_recorded(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/peer?ping=ping&id={id}") as sock:
            sock.sendall(text(*["x"] * 1000, "ping", "x"))
            assert read(sock) == (1, b"pong")
            assert server.journal(id)[0]["count"] >= 1000

    def test_does_not_count_for_the_fault(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/peer?ping=ping&fault=close&after=2&id={id}") as sock:
            for number in range(3):
                sock.sendall(text(f"ping {number}"))
                assert read(sock) == (1, f"pong {number}".encode())
            sock.sendall(text("a", "ping", "b"))
            assert read(sock) == (1, b"pong")
            assert read(sock) == (8, b"")
            sock.sendall(frame(8, b""))
            assert sock.recv(1) == b""
        assert texts(server, id) == ["a", "b"]


class TestPeerFaults:
    @contextmanager
    def two_messages(self, server: Server, fault: str, id: str) -> Iterator[socket.socket]:
        """A connection with the fault at its second message, which has just been sent."""
        path = f"/ws/peer?ack=1&ping=ping&after=2&fault={fault}&id={id}"
        with handshake(server, path) as sock:
            sock.sendall(text("1"))
            assert acknowledged(sock) == [1]
            sock.sendall(text("2"))
            yield sock

    def test_none(self, server: Server, id: str) -> None:
        with self.two_messages(server, "none", id) as sock:
            assert acknowledged(sock) == [2]
            sock.sendall(text("3", "ping"))
            assert {read(sock), read(sock)} == {(1, b'{"ack": [3]}'), (1, b"pong")}
            sock.sendall(close_frame(4000))
            assert read(sock) == (8, b"\x0f\xa0")

    def test_drop(self, server: Server, id: str) -> None:
        with self.two_messages(server, "drop", id) as sock:
            assert_reset(sock)
        assert_recorded(server, id, 2)

    def test_drop_at_once_waits_until_the_client_is_open(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/peer?fault=drop&id={id}") as sock:
            assert read(sock) == (9, b"")
            sock.sendall(frame(10, b""))
            assert_reset(sock)
        assert_recorded(server, id, 0)

    def test_close(self, server: Server, id: str) -> None:
        with self.two_messages(server, "close&code=4001&reason=d%C3%A4rf%C3%B6r", id) as sock:
            assert read(sock) == (8, b"\x0f\xa1" + "därför".encode())
            sock.sendall(text("3", "ping") + close_frame(4001))
            assert sock.recv(1) == b""
        assert texts(server, id) == ["1", "2", "3"]
        close = server.journal(id)[0]["close"]
        assert close == {"code": 4001, "reason": "", "clean": True}

    def test_close_at_once(self, server: Server) -> None:
        with handshake(server, "/ws/peer?fault=close") as sock:
            assert read(sock) == (8, b"")

    @pytest.mark.parametrize("fault", ["stall", "deaf"])
    def test_who_stalls_or_is_deaf_says_nothing_more(self, id: str, fault: str) -> None:
        with Server(max_connections=1) as server:
            with self.two_messages(server, fault, id) as sock:
                sock.sendall(text("3", "ping") + frame(9, b"") + frame(8, b""))
                assert_silent(sock)
                assert server.journal(id)[0]["close"] is None
            assert_recorded(server, id, 2)

    @pytest.mark.parametrize("after", [0, 1])
    def test_deaf_takes_what_comes(self, server: Server, id: str, after: int) -> None:
        path = f"/ws/peer?fault=deaf&after={after}&id={id}&delay=0.1"
        # More than the server's queue holds.
        with handshake(server, path, early=frame(2, bytes(1000)) * 1000) as sock:
            assert fill(sock) >= LIMIT
        assert_recorded(server, id, after)

    @pytest.mark.parametrize("fault", ["stall", "deaf"])
    def test_acknowledges_nothing_of_the_turn_in_which_it_fails(
        self, server: Server, id: str, fault: str
    ) -> None:
        path = f"/ws/peer?ack=1&fault={fault}&after=2&id={id}"
        with handshake(server, path, early=text("1", "2", "3")) as sock:
            assert_silent(sock)
        assert_recorded(server, id, 2)

    @pytest.mark.parametrize(("query", "status"), [("", 403), ("&status=503", 503)])
    async def test_refuse(self, server: Server, id: str, query: str, status: int) -> None:
        path = f"/ws/peer?fault=refuse&after=3&id={id}{query}"
        assert (await refusal(server, path))[0] == status
        assert_recorded(server, id, 0, opened=False)

    @pytest.mark.parametrize(("wait", "seconds"), [("&wait=0.3", 0.3), ("", 1)])
    def test_slow(self, server: Server, wait: str, seconds: float) -> None:
        start = time.monotonic()
        with handshake(server, f"/ws/peer?fault=slow{wait}&after=1&ack=1") as sock:
            assert time.monotonic() - start >= seconds
            for number in (1, 2):
                sock.sendall(text(str(number)))
                assert acknowledged(sock) == [number]

    def test_a_client_that_leaves_a_slow_one_frees_its_place(self, id: str) -> None:
        with Server(max_connections=1) as server:
            with asked(server, f"/ws/peer?fault=slow&wait=60&id={id}") as sock:
                assert_silent(sock)
            assert_recorded(server, id, 0, opened=False)

    def test_slow_is_a_fault_and_delay_is_not(self, server: Server, id: str) -> None:
        path = f"/ws/peer?fault=slow&wait=60&times=1&delay=0.3&id={id}"
        with pytest.raises(TimeoutError), handshake(server, path, timeout=0.6):
            pass
        start = time.monotonic()
        with handshake(server, path):
            assert 0.3 <= time.monotonic() - start < 10


class TestPeerTimes:
    async def statuses(self, server: Server, count: int, **query: object) -> list[int]:
        options = {"fault": "refuse", **query}
        return [await handshake_status(server, "/ws/peer", **options) for _ in range(count)]

    async def test_the_first_connections_of_an_id_have_the_fault(
        self, server: Server, id: str
    ) -> None:
        assert await self.statuses(server, 4, times=2, id=id) == [403, 403, 101, 101]
        assert await self.statuses(server, 2, times=1, id=f"{id} too") == [403, 101]

    async def test_all_have_it_by_default(self, server: Server, id: str) -> None:
        for query in ({}, {"id": id}, {"id": id, "times": 0}):
            assert await self.statuses(server, 3, **query) == [403] * 3

    async def test_connections_of_other_urls_count(self, server: Server, id: str) -> None:
        await talk(server, id)
        assert await self.statuses(server, 2, times=2, id=id) == [403, 101]

    async def test_those_that_were_not_let_in_do_not(self, server: Server, id: str) -> None:
        assert await self.statuses(server, 1, times="x", id=id) == [400]
        assert await self.statuses(server, 2, times=1, id=id) == [403, 101]

    def test_one_without_the_fault_works(self, server: Server, id: str) -> None:
        path = f"/ws/peer?ack=1&ping=ping&fault=drop&after=1&times=1&id={id}"
        with handshake(server, path) as sock:
            sock.sendall(text("1"))
            assert_reset(sock)
        with handshake(server, path) as sock:
            for number in range(3):
                sock.sendall(text(str(number)))
                assert acknowledged(sock) == [number]
        assert server.journal(id, closed=2)[1]["count"] == 3


async def test_a_client_may_go_before_it_is_answered(
    server: Server, id: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(50):
        with socket.create_connection((server.host, server.port)) as sock:
            # Closed with a reset, and so known to the server at once.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(request("/ws/echo"))
    await talk(server, id)
    server.journal(id, closed=1)
    assert caplog.records == []
