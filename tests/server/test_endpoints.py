"""The WebSocket endpoints, as the README of the lab documents them."""

from __future__ import annotations

import base64
import json
import re
import socket
import struct
import time
from typing import Any
from urllib.parse import parse_qsl

import pytest

from readystate_server.lab import Server, peer

from .clients import ask, connect, handshake_status, hear, say, talk
from .raw import (
    UPGRADE,
    asked,
    assert_reset,
    assert_silent,
    fill,
    frame,
    handshake,
    parsed,
    play,
    read,
    request,
    text,
)

LIMIT = 16 * 2**20
STALLED = 2 * 2**20
"""Bytes that TCP's buffers take at most."""


async def refusal(server: Server, path: str, **headers: str) -> tuple[int, Any]:
    """The HTTP status and text that answer a handshake."""
    return await ask(server, path, headers={**UPGRADE, **headers})


NUMBERS = [
    *(("7", 7), ("0", 0), ("0012 and more", 12), ("7 8", 7), ("7 ", 7), ("9" * 15, 10**15 - 1)),
    *(("BYTES 00000100", 256), ("BYTES ffffffff00", 2**32 - 1)),
]
NO_NUMBERS = [
    *("", "x", "7x", " 7", "-7", "7.0", "7\t", "\u0667", "1" * 16, "BYTES ", "BYTES 000000"),
]
ACK = "/ws/peer?ack=1"
PEER = f"{ACK}&ping=ping&after=2&fault"
FIRST = '> 1; < {"ack": [1]}; > 2'
LATE = "> 3; > ping; > PING; > CLOSE"
WHY, TOLD = "code=4001&reason=d%C3%A4rf%C3%B6r", "< CLOSE 4001 därför"
END = "> CLOSE 1000; < CLOSE 1000; < end"


def ack(number: int) -> str:
    """What acknowledges a message."""
    return f'{{"ack": [{number}]}}'


def sunk(messages: int, size: int) -> str:
    """What a sink says that it has got."""
    return f'{{"messages": {messages}, "bytes": {size}}}'


TALKS = [
    # path, what is said (see raw.play), which messages and which close frame the journal has
    *(("/ws/echo", f"> {said}; < {said}", [said], "") for said in ("höja\0", "BYTES ff00", "")),
    *(
        ("/ws/echo", f"> CLOSE {code}; < CLOSE {code}; < end", [], str(code))
        for code in (1000, 1001, 3000, 4999)
    ),
    ("/ws/echo", "> PING hi; < PONG hi", [], ""),
    ("/ws/echo", "> BROKEN; < CLOSE 1007", [], ""),
    ("/ws/echo", "> CLOSE; < CLOSE; < end", [], "1005"),
    ("/ws/close", "< CLOSE; > late; > CLOSE 4000 bye; < end", ["late"], "4000 bye"),
    ("/ws/close?code=4001&after=2", "> a; < a; > b; < b; < CLOSE 4001", ["a", "b"], ""),
    (f"/ws/close?{WHY}", TOLD, [], ""),
    *(
        (f"/ws/close?code={code}&reason=why", f"< CLOSE {code} why", [], "")
        for code in (1000, 1001, 1008, 1011, 1012, 3000, 4999)
    ),
    # Codes that nobody may send are sent.
    *(
        (f"/ws/close?code={code}", f"< CLOSE {code}", [], "")
        for code in (0, 999, 1005, 1006, 1015, 65535)
    ),
    ("/ws/drop", "< PING; > a; > PONG; < reset", ["a"], ""),
    ("/ws/drop", "< PING; < reset", [], ""),
    ("/ws/drop?after=2", "> a; > PING; < PONG; > b; < reset", ["a", "b"], ""),
    ("/ws/stall", "> PING; > a; > CLOSE; < silence", [], ""),
    ("/ws/sink", f"> é; < {sunk(1, 2)}; > BYTES ff00ff; < {sunk(2, 5)}", ["é", "BYTES ff00ff"], ""),
    ("/ws/sink?ack=4", "> x; " * 11 + f"< {sunk(4, 4)}; < {sunk(8, 8)}; {END}", ["x"] * 11, "1000"),
    ("/ws/sink?ack=0", f"> x; {END}", ["x"], "1000"),
    # Only if asked for.
    ("/ws/peer", "> 1; > PING hi; < PONG hi; < silence", ["1"], ""),
    ("/ws/peer", "> ping; > PING; < PONG; < silence", ["ping"], ""),
    # Each message is acknowledged by the number that it begins with.
    *((ACK, f"> {said}; < {ack(n)}; > 8; < {ack(8)}", [said, "8"], "") for said, n in NUMBERS),
    *((ACK, f"> {said}; > 8; < {ack(8)}", [said, "8"], "") for said in NO_NUMBERS),
    # A heartbeat is answered and not recorded, unlike all else.
    *(
        ("/ws/peer?ping=ping", f"> ping{more}; < pong{more}; > x; > ping; < pong", ["x"], "")
        for more in ("", " 7", "  å ")
    ),
    ("/ws/peer?ping=%E2%99%A5", "> ♥ 1; < pong 1", [], ""),
    *(
        ("/ws/peer?ping=ping", f"> {said}; > ping 2; < pong 2", [said], "")
        for said in ("pinger", "Ping", " ping", "x ping", "BYTES 70696e67", "BYTES 70696e672031")
    ),
    # Nothing is acknowledged after a close frame.
    (ACK, f"> 1; {END}", ["1"], "1000"),
    (ACK, "> 1; > BROKEN; < CLOSE 1007; < end", ["1"], ""),
    # A heartbeat does not count for the fault.
    (
        "/ws/peer?ping=ping&fault=close&after=2",
        "> ping 0; < pong 0; > ping 1; < pong 1; > ping 2; < pong 2; "
        "> a; > ping; > b; < pong; < CLOSE; > CLOSE; < end",
        ["a", "b"],
        "1005",
    ),
    (
        f"{PEER}=none",
        f"{FIRST}; < {ack(2)}; > ping; < pong; > CLOSE 4000; < CLOSE 4000; < end",
        ["1", "2"],
        "4000",
    ),
    (f"{PEER}=drop", f"{FIRST}; < reset", ["1", "2"], ""),
    ("/ws/peer?fault=drop", "< PING; > PONG; < reset", [], ""),
    (f"{PEER}=close&{WHY}", f"{FIRST}; {TOLD}; > 3; > ping; > CLOSE 4001; < end", [*"123"], "4001"),
    ("/ws/peer?fault=close", "< CLOSE", [], ""),
    (f"{PEER}=stall", f"{FIRST}; {LATE}; < silence", ["1", "2"], ""),
    (f"{PEER}=deaf", f"{FIRST}; {LATE}; < silence", ["1", "2"], ""),
    # Nothing is acknowledged of the turn in which it fails.
    (f"{PEER}=stall", "> 1; > 2; > 3; < silence", ["1", "2"], ""),
    (f"{PEER}=deaf", "> 1; > 2; > 3; < silence", ["1", "2"], ""),
]


@pytest.mark.parametrize(("path", "said", "messages", "end"), TALKS)
def test_what_is_said_and_recorded(
    server: Server,
    id: str,
    caplog: pytest.LogCaptureFixture,
    path: str,
    said: str,
    messages: list[str],
    end: str,
) -> None:
    play(server, f"{path}{'&' if '?' in path else '?'}id={id}", said)
    (entry,) = server.journal(id, closed=1)
    assert entry["opened"]
    assert [message["data"] for message in entry["messages"]] == [*map(recorded, messages)]
    code, _, reason = end.partition(" ")
    close = {"code": int(code) if code else None, "reason": reason, "clean": code != ""}
    assert entry["close"] == close
    assert caplog.records == []


def recorded(said: str) -> str:
    """What the journal has of a message."""
    opcode, payload = parsed(said)
    return base64.b64encode(payload).decode() if opcode == 2 else payload.decode()


class TestEcho:
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


WRONG = {
    "echo": "delay=61 delay=-1 delay=nan compress=yes protocol=a%20b id=",
    "refuse": f"status=200 status=600 id={'x' * 201}",
    "close": f"code=x code=65536 reason=why code=1000&reason={'%C3%A9' * 62} after=-1",
    "drop": "when=never after=x",
    "flood": "count=10000001 count=10000000&size=1000 kind=blob then=stop number=1&kind=binary "
    "number=1&size=2&count=101",
    "points": "rate=100001 count=-1 size=126",
    "sink": "ack=x rate=x",
    "peer": "ack=2 ping= fault=fire after=-1 times=1 times=x&id=x status=200 code=65536 reason=why "
    "wait=61",
}


class TestCommonQuery:
    async def test_delay_holds_the_handshake_back(self, server: Server) -> None:
        start = time.monotonic()
        async with connect(server, "/ws/echo", delay=0.3):
            assert time.monotonic() - start >= 0.3

    @pytest.mark.parametrize("path", ["/ws/echo?delay=60", "/ws/peer?fault=slow&wait=60"])
    def test_a_client_that_leaves_meanwhile_frees_its_place(self, id: str, path: str) -> None:
        with Server(max_connections=1) as server:
            with asked(server, f"{path}&id={id}") as sock:
                assert_silent(sock)
            assert_recorded(server, id, 0, opened=False)

    @pytest.mark.parametrize(
        ("offered", "query", "chosen"),
        [
            *(("", "", []), ("a, b", "", ["a"])),
            *(("a, b", "?protocol=b", ["b"]), ("a, b", "?protocol=", [])),
            # It is answered although it was not offered.
            *((offered, "?protocol=zzz", ["zzz"]) for offered in ("", "a")),
        ],
    )
    def test_protocol(self, server: Server, offered: str, query: str, chosen: list[str]) -> None:
        headers: dict[str, Any] = {"Sec_WebSocket_Protocol": offered} if offered else {}
        with asked(server, f"/ws/echo{query}", **headers) as sock:
            answer = sock.recv(4096).decode()
        assert answer.startswith("HTTP/1.1 101")
        assert re.findall("Sec-WebSocket-Protocol: (.*)\r", answer) == chosen

    @pytest.mark.parametrize("wanted", [False, True])
    async def test_compress(self, server: Server, wanted: bool) -> None:
        async with connect(server, "/ws/echo", compress=int(wanted), deflate=True) as ws:
            assert bool(ws.compress) is wanted

    @pytest.mark.parametrize(
        ("endpoint", "query"), [(name, query) for name in WRONG for query in WRONG[name].split()]
    )
    async def test_a_wrong_value_answers_400_and_says_why(
        self, server: Server, endpoint: str, query: str
    ) -> None:
        status, said = await refusal(server, f"/ws/{endpoint}?{query}")
        assert status == 400
        assert said.partition("=")[0] in dict(parse_qsl(query, keep_blank_values=True))
        assert "is not valid: give " in said

    async def test_what_is_no_handshake_of_an_endpoint(self, server: Server) -> None:
        assert (await refusal(server, "/ws/nothing"))[0] == 404
        said = "/ws/echo is a WebSocket: open it with one.\n"
        assert await refusal(server, "/ws/echo", Upgrade="h2c") == (426, said)
        short = {"Sec-WebSocket-Key": "short"}
        assert (await refusal(server, "/ws/echo", **short))[0] == 400


@pytest.mark.parametrize(
    ("allowed", "origin", "status"),
    [
        *(([], origin, 418) for origin in (None, "its own")),
        *(([], origin, 403) for origin in ("https://example.org", "null", "http://127.0.0.1:1")),
        (["https://example.org"], "https://example.org", 418),
        (["https://example.org"], "https://example.com", 403),
        (["*"], "https://example.com", 418),
    ],
)
async def test_which_origins_may_connect(allowed: list[str], origin: str, status: int) -> None:
    with Server(allow_origins=allowed) as server:
        headers = {"Origin": server.url if origin == "its own" else origin} if origin else {}
        assert (await refusal(server, "/ws/refuse?status=418", **headers))[0] == status


async def test_too_many_connections_answer_503() -> None:
    with Server(max_connections=2) as server:
        async with connect(server, "/ws/echo"), connect(server, "/ws/echo"):
            assert await handshake_status(server, "/ws/echo") == 503


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ws/refuse?", 403),
        *((f"/ws/refuse?status={status}", status) for status in (400, 403, 503, 599)),
        ("/ws/peer?fault=refuse&after=3", 403),
        ("/ws/peer?fault=refuse&after=3&status=503", 503),
    ],
)
async def test_a_handshake_is_refused(server: Server, id: str, path: str, status: int) -> None:
    assert (await refusal(server, f"{path}&id={id}"))[0] == status
    assert_recorded(server, id, 0, opened=False)


@pytest.mark.parametrize("path", ["/ws/drop?when=handshake", "/ws/peer?fault=abort&after=3"])
def test_a_reset_instead_of_the_handshake(server: Server, id: str, path: str) -> None:
    with asked(server, f"{path}&id={id}") as sock:
        assert_reset(sock)
    assert_recorded(server, id, 0, opened=False)


def assert_recorded(server: Server, id: str, count: int, *, opened: bool = True) -> None:
    """How many messages came over a connection that has ended without a close frame."""
    (entry,) = server.journal(id, closed=1)
    assert (entry["opened"], entry["count"]) == (opened, count)
    assert entry["close"] == {"code": None, "reason": "", "clean": False}


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
            sock.sendall(frame(*parsed("CLOSE 1000")))
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


class TestSink:
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
    def test_what_comes_together_is_acknowledged_together(self, server: Server) -> None:
        with handshake(server, "/ws/peer?ack=1") as sock:
            sock.sendall(text(*map(str, range(5000))))
            numbers: list[int] = []
            frames = 0
            while len(numbers) < 5000:
                numbers += json.loads(read(sock)[1])["ack"]
                frames += 1
        assert numbers == list(range(5000))
        assert frames < 500

    async def test_at_the_end_of_the_turn(self, server: Server) -> None:
        async with connect(server, "/ws/peer", ack=1) as ws:
            for number in range(2000):  # with a wait each, they would take longer than a test may
                await say(ws, str(number))
                assert json.loads(await hear(ws)) == {"ack": [number]}

    def test_it_stops_reading_while_they_are_not_taken(self, server: Server) -> None:
        # An acknowledgement takes more bytes than what it acknowledges.
        frames = frame(2, b"\xff\xff\xff\xff") * 2000
        with handshake(server, "/ws/peer?ack=1") as sock:
            sock.settimeout(1)
            with pytest.raises(TimeoutError):  # noqa: PT012
                for _ in range(2000):
                    sock.sendall(frames)


def test_a_heartbeat_is_answered_when_all_before_it_is_recorded(server: Server, id: str) -> None:
    with handshake(server, f"/ws/peer?ping=ping&id={id}") as sock:
        sock.sendall(text(*["x"] * 1000, "ping", "x"))
        assert read(sock) == (1, b"pong")
        assert server.journal(id)[0]["count"] >= 1000


class TestPeerFaults:
    @pytest.mark.parametrize("after", [0, 1])
    def test_deaf_takes_what_comes(self, server: Server, id: str, after: int) -> None:
        path = f"/ws/peer?fault=deaf&after={after}&id={id}&delay=0.1"
        # More than the server's queue holds.
        with handshake(server, path, early=frame(2, bytes(1000)) * 1000) as sock:
            assert fill(sock) >= LIMIT
        assert_recorded(server, id, after)

    @pytest.mark.parametrize(("wait", "seconds"), [("&wait=0.3", 0.3), ("", 1)])
    def test_slow(self, server: Server, wait: str, seconds: float) -> None:
        start = time.monotonic()
        with handshake(server, f"/ws/peer?fault=slow{wait}&after=1&ack=1") as sock:
            assert time.monotonic() - start >= seconds
            for number in (1, 2):
                sock.sendall(text(str(number)))
                assert read(sock) == parsed(f'{{"ack": [{number}]}}')

    def test_slow_is_a_fault_and_delay_is_not(self, server: Server, id: str) -> None:
        path = f"/ws/peer?fault=slow&wait=60&times=1&delay=0.3&id={id}"
        with pytest.raises(TimeoutError), handshake(server, path, timeout=0.6):
            pass
        start = time.monotonic()
        with handshake(server, path):
            assert 0.3 <= time.monotonic() - start < 10


REFUSE = "/ws/peer?fault=refuse"


@pytest.mark.parametrize(
    ("paths", "statuses"),
    [
        # All have the fault, or the first ones of an id.
        ([REFUSE] * 3, [403] * 3),
        ([f"{REFUSE}&id=ID"] * 3, [403] * 3),
        ([f"{REFUSE}&id=ID&times=0"] * 3, [403] * 3),
        ([f"{REFUSE}&id=ID&times=2"] * 4, [403, 403, 101, 101]),
        ([f"{REFUSE}&id={id}&times=1" for id in ("ID", "ID", "IDtoo")], [403, 101, 403]),
        # Connections of other URLs count, and those that were not let in do not.
        (["/ws/echo?id=ID", *[f"{REFUSE}&id=ID&times=2"] * 2], [101, 403, 101]),
        ([f"{REFUSE}&id=ID&times={times}" for times in ("x", 1, 1)], [400, 403, 101]),
    ],
)
async def test_which_connections_have_the_fault(
    server: Server, id: str, paths: list[str], statuses: list[int]
) -> None:
    assert [await handshake_status(server, path.replace("ID", id)) for path in paths] == statuses


def test_a_connection_after_those_with_the_fault_works(server: Server, id: str) -> None:
    path = f"/ws/peer?ack=1&ping=ping&fault=drop&after=1&times=1&id={id}"
    play(server, path, "> 1; < reset")
    play(server, path, '> 0; < {"ack": [0]}; > 1; < {"ack": [1]}; > 2; < {"ack": [2]}')
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
