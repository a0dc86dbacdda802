"""The WebSocket endpoints, as the README of the lab documents them."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from readystate_server.lab import Server

LIMIT = 16 * 2**20


@asynccontextmanager
async def connect(url: str, **options: Any) -> AsyncIterator[ClientWebSocketResponse]:
    options.setdefault("max_msg_size", 0)
    async with aiohttp.ClientSession() as session, session.ws_connect(url, **options) as ws:
        yield ws


def run(
    url: str, use: Callable[[ClientWebSocketResponse], Awaitable[None]], **options: Any
) -> None:
    async def main() -> None:
        async with connect(url, **options) as ws, asyncio.timeout(20):
            await use(ws)

    asyncio.run(main())


def refusal(url: str, **options: Any) -> tuple[int, str]:
    """The HTTP status and text that answer a handshake."""

    async def main() -> tuple[int, str]:
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            **options.get("headers", {}),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.get(url.replace("ws:", "http:"), headers=headers) as response,
        ):
            return response.status, await response.text()

    return asyncio.run(main())


@contextmanager
def handshake(
    server: Server, path: str, timeout: float = 10, early: bytes = b""
) -> Iterator[socket.socket]:
    """A raw socket whose handshake has been answered.

    The frames `early` go with its request, so that the server finds them all at once.
    """
    with socket.create_connection((server.host, server.port), timeout=timeout) as sock:
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            + early
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        assert head.startswith(b"HTTP/1.1 101"), head
        yield sock


def fill(sock: socket.socket, most: int) -> int:
    """Send until the peer's TCP takes no more, at most `most` bytes; return how many it took."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    sock.settimeout(0.4)
    sent = 0
    with suppress(TimeoutError):
        while sent < most:
            sent += sock.send(frame(2, bytes(1000)) * 16)
    return sent


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame, masked with zeros."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BBI", 0x80 | opcode, 0x80 | size, 0) + payload
    if size < 2**16:
        return struct.pack("!BBHI", 0x80 | opcode, 0x80 | 126, size, 0) + payload
    return struct.pack("!BBQI", 0x80 | opcode, 0x80 | 127, size, 0) + payload


def text(*messages: str) -> bytes:
    return b"".join(frame(1, message.encode()) for message in messages)


def read(sock: socket.socket) -> tuple[int, bytes]:
    """The server's next frame: its opcode and its payload."""
    head, size = exactly(sock, 2)
    if size == 126:
        size = int.from_bytes(exactly(sock, 2), "big")
    elif size == 127:
        size = int.from_bytes(exactly(sock, 8), "big")
    return head & 0xF, exactly(sock, size)


def exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        assert more, "the connection has ended"
        data += more
    return data


def acknowledged(sock: socket.socket) -> list[int]:
    """The numbers of the next frame, which acknowledges."""
    opcode, payload = read(sock)
    assert opcode == 1
    (name, numbers), *others = json.loads(payload).items()
    assert (name, others) == ("ack", [])
    return list(numbers)


def assert_silent(sock: socket.socket) -> None:
    sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        sock.recv(1)


class TestEcho:
    def test_text_and_binary_come_back_as_they_went(self, server: Server) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            await ws.send_str("höja\0")
            assert await ws.receive_str() == "höja\0"
            await ws.send_bytes(b"\xff\0")
            assert await ws.receive_bytes() == b"\xff\0"
            await ws.send_str("")
            assert await ws.receive_str() == ""

        run(server.ws_url("/ws/echo"), use)

    @pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
    def test_the_peers_code_is_echoed(self, server: Server, code: int) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            await ws.close(code=code)
            assert ws.close_code == code

        run(server.ws_url("/ws/echo"), use)

    def test_a_close_frame_without_a_body_is_echoed_so(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/echo?id={id}") as sock:
            sock.sendall(frame(8, b""))
            assert sock.recv(100) == b"\x88\0"
            assert sock.recv(100) == b""
        close = server.journal(id, closed=1)[0]["close"]
        assert close == {"code": 1005, "reason": "", "clean": True}

    def test_a_message_of_the_limit_passes(self, server: Server) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            for compress in (None, 15):
                data = b"x" * LIMIT
                await ws.send_bytes(data, compress=compress)
                assert await ws.receive_bytes() == data

        run(server.ws_url("/ws/echo", compress=1), use, compress=15)

    @pytest.mark.parametrize("compress", [0, 15])
    @pytest.mark.parametrize("excess", [1, 4 * 2**20])
    def test_a_longer_one_closes_with_1009(
        self, server: Server, excess: int, compress: int
    ) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            await ws.send_bytes(b"x" * (LIMIT + excess))
            message = await ws.receive()
            assert message.type is WSMsgType.CLOSE
            assert message.data == 1009

        run(server.ws_url("/ws/echo", compress=1), use, compress=compress)

    def test_text_that_is_not_utf_8_closes_with_1007(self, server: Server) -> None:
        with handshake(server, "/ws/echo") as sock:
            sock.sendall(frame(1, b"\xff"))
            assert sock.recv(100) == b"\x88\x02" + struct.pack("!H", 1007)

    def test_a_ping_is_answered(self, server: Server) -> None:
        with handshake(server, "/ws/echo") as sock:
            sock.sendall(frame(9, b"hi"))
            assert sock.recv(100) == b"\x8a\x02hi"


class TestCommonQuery:
    def test_delay_holds_the_handshake_back(self, server: Server) -> None:
        async def use(_: ClientWebSocketResponse) -> None:
            assert time.monotonic() - start >= 0.3

        start = time.monotonic()
        run(server.ws_url("/ws/echo", delay=0.3), use)

    def test_a_client_that_leaves_meanwhile_frees_its_place(self, id: str) -> None:
        with Server(max_connections=1) as server:
            sock = socket.create_connection((server.host, server.port))
            sock.sendall(
                f"GET /ws/echo?delay=60&id={id} HTTP/1.1\r\nHost: localhost\r\n"
                "Upgrade: websocket\r\n\r\n".encode()
            )
            with pytest.raises(TimeoutError):
                server.journal(id, closed=1, timeout=0.1)
            sock.close()
            (entry,) = server.journal(id, closed=1)
            assert not entry["opened"]
            assert not entry["close"]["clean"]

    @pytest.mark.parametrize(
        ("offered", "query", "chosen"),
        [
            ([], {}, None),
            (["a", "b"], {}, "a"),
            (["a", "b"], {"protocol": "b"}, "b"),
            (["a", "b"], {"protocol": ""}, None),
        ],
    )
    def test_protocol(
        self, server: Server, offered: list[str], query: dict[str, str], chosen: str | None
    ) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            assert ws.protocol == chosen

        run(server.ws_url("/ws/echo", **query), use, protocols=offered)

    @pytest.mark.parametrize("offer", ["", "Sec-WebSocket-Protocol: a\r\n"])
    def test_protocol_not_offered_is_answered_all_the_same(
        self, server: Server, offer: str
    ) -> None:
        with socket.create_connection((server.host, server.port), timeout=10) as sock:
            sock.sendall(
                f"GET /ws/echo?protocol=zzz HTTP/1.1\r\nHost: localhost\r\n{offer}"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            assert b"Sec-WebSocket-Protocol: zzz\r\n" in sock.recv(4096)

    @pytest.mark.parametrize("wanted", [False, True])
    def test_compress(self, server: Server, wanted: bool) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            assert bool(ws.compress) is wanted

        run(server.ws_url("/ws/echo", compress=int(wanted)), use, compress=15)

    @pytest.mark.parametrize(
        "path",
        [
            "/ws/echo?delay=61",
            "/ws/echo?delay=-1",
            "/ws/echo?delay=nan",
            "/ws/echo?compress=yes",
            "/ws/echo?protocol=a%20b",
            "/ws/echo?id=",
            f"/ws/echo?id={'x' * 201}",
            "/ws/refuse?status=200",
            "/ws/refuse?status=600",
            "/ws/close?code=x",
            "/ws/close?code=65536",
            "/ws/close?reason=why",
            f"/ws/close?code=1000&reason={'%C3%A9' * 62}",
            "/ws/close?after=-1",
            "/ws/drop?when=never",
            "/ws/drop?after=x",
            "/ws/flood?count=10000001",
            "/ws/flood?count=10000000&size=1000",
            "/ws/flood?kind=blob",
            "/ws/flood?then=stop",
            "/ws/flood?number=1&kind=binary",
            "/ws/flood?number=1&size=2&count=101",
            "/ws/points?rate=100001",
            "/ws/points?count=-1",
            "/ws/points?size=126",
            "/ws/sink?ack=x",
            "/ws/sink?rate=x",
            "/ws/peer?ack=2",
            "/ws/peer?ping=",
            "/ws/peer?fault=fire",
            "/ws/peer?after=-1",
            "/ws/peer?times=1",
            "/ws/peer?times=x&id=x",
            "/ws/peer?status=200",
            "/ws/peer?code=65536",
            "/ws/peer?reason=why",
            "/ws/peer?wait=61",
        ],
    )
    def test_a_wrong_value_answers_400_and_says_why(self, server: Server, path: str) -> None:
        status, text = refusal(f"{server.url}{path}")
        assert status == 400
        name = path.partition("?")[2].partition("=")[0]
        assert text.startswith(f"{name}=") or "=" in text
        assert "is not valid: give " in text

    def test_an_unknown_endpoint_answers_404(self, server: Server) -> None:
        assert refusal(server.url_for("/ws/nothing"))[0] == 404

    def test_a_plain_request_answers_426(self, server: Server) -> None:
        status, text = refusal(server.url_for("/ws/echo"), headers={"Upgrade": "h2c"})
        assert (status, text) == (426, "/ws/echo is a WebSocket: open it with one.\n")

    def test_a_malformed_handshake_answers_400(self, server: Server) -> None:
        url = server.url_for("/ws/echo")
        assert refusal(url, headers={"Sec-WebSocket-Key": "short"})[0] == 400


class TestOrigin:
    def status(self, server: Server, origin: str | None) -> int:
        headers = {} if origin is None else {"Origin": origin}
        return refusal(server.ws_url("/ws/refuse", status=418), headers=headers)[0]

    def test_own_and_absent_origins_may(self, server: Server) -> None:
        assert self.status(server, None) == 418
        assert self.status(server, server.url) == 418

    @pytest.mark.parametrize("origin", ["https://example.org", "null", "http://127.0.0.1:1"])
    def test_others_may_not(self, server: Server, origin: str) -> None:
        assert self.status(server, origin) == 403

    def test_allowed_ones_may(self) -> None:
        with Server(allow_origins=["https://example.org"]) as server:
            assert self.status(server, "https://example.org") == 418
            assert self.status(server, "https://example.com") == 403
        with Server(allow_origins=["*"]) as server:
            assert self.status(server, "https://example.com") == 418


def test_too_many_connections_answer_503() -> None:
    async def main(server: Server) -> None:
        url = server.ws_url("/ws/echo")
        async with connect(url), connect(url):
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                async with connect(url):
                    pass
            assert error.value.status == 503

    with Server(max_connections=2) as server:
        asyncio.run(main(server))


class TestRefuse:
    @pytest.mark.parametrize("status", [400, 403, 503, 599])
    def test_status(self, server: Server, id: str, status: int) -> None:
        assert refusal(server.ws_url("/ws/refuse", status=status, id=id))[0] == status
        (entry,) = server.journal(id, closed=1)
        assert not entry["opened"]

    def test_default(self, server: Server) -> None:
        assert refusal(server.ws_url("/ws/refuse"))[0] == 403


class TestClose:
    @pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 3000, 4999])
    def test_code_and_reason(self, server: Server, id: str, code: int) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            message = await ws.receive()
            assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, code, "därför")

        run(server.ws_url("/ws/close", code=code, reason="därför", id=id), use)
        (entry,) = server.journal(id, closed=1)
        assert entry["opened"]
        assert entry["close"]["clean"]

    def test_no_code_is_an_empty_frame(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/close?id={id}") as sock:
            assert sock.recv(100) == b"\x88\0"
            sock.sendall(frame(1, b"late") + frame(8, b"\x0f\xa0bye"))
            assert sock.recv(100) == b""
        (entry,) = server.journal(id, closed=1)
        assert entry["close"] == {"code": 4000, "reason": "bye", "clean": True}
        assert [message["data"] for message in entry["messages"]] == ["late"]

    @pytest.mark.parametrize("code", [0, 999, 1005, 1006, 1015, 65535])
    def test_codes_that_nobody_may_send_are_sent(self, server: Server, code: int) -> None:
        with handshake(server, f"/ws/close?code={code}") as sock:
            assert sock.recv(100) == b"\x88\x02" + struct.pack("!H", code)

    def test_after_some_messages(self, server: Server) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            for text in ("one", "two"):
                await ws.send_str(text)
                assert await ws.receive_str() == text
            assert (await ws.receive()).data == 4001

        run(server.ws_url("/ws/close", code=4001, after=2), use)


class TestDrop:
    def test_at_once(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/drop?id={id}") as sock:
            assert sock.recv(100) == b"\x89\0"
            sock.sendall(frame(1, b"x") + frame(10, b""))
            with pytest.raises(ConnectionResetError):
                sock.recv(100)
        (entry,) = server.journal(id, closed=1)
        assert entry["opened"]
        assert entry["close"] == {"code": None, "reason": "", "clean": False}

    def test_after_some_messages(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/drop?after=2&id={id}") as sock:
            sock.sendall(frame(1, b"one"))
            assert server.journal(id, messages=1)[0]["close"] is None
            sock.sendall(frame(2, b"two"))
            with pytest.raises(ConnectionResetError):
                sock.recv(100)
        assert server.journal(id, closed=1)[0]["count"] == 2

    def test_a_peer_that_answers_no_ping_is_dropped_too(self, server: Server) -> None:
        with handshake(server, "/ws/drop") as sock:
            assert sock.recv(100) == b"\x89\0"
            with pytest.raises(ConnectionResetError):
                sock.recv(100)

    def test_instead_of_the_handshake(self, server: Server, id: str) -> None:
        with (
            pytest.raises(ConnectionResetError),
            handshake(server, f"/ws/drop?when=handshake&id={id}"),
        ):
            pass
        assert not server.journal(id, closed=1)[0]["opened"]


class TestFlood:
    @pytest.mark.parametrize("size", [0, 5, 125, 126, 65535, 65536])
    @pytest.mark.parametrize("kind", ["text", "binary"])
    def test_messages(self, server: Server, size: int, kind: str) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            for _ in range(100):
                data = await (ws.receive_str() if kind == "text" else ws.receive_bytes())
                assert len(data) == size
            assert (await ws.receive()).data == 1000

        run(server.ws_url("/ws/flood", count=100, size=size, kind=kind, then="close"), use)

    def test_many(self, server: Server, id: str) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            count = 0
            async for _ in ws:
                count += 1
            assert count == 100_003
            assert ws.close_code == 1000

        run(server.ws_url("/ws/flood", count=100_003, then="close", id=id), use)
        assert server.journal(id, closed=1)[0]["sent"] == 100_003

    def test_numbers(self, server: Server) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            for index in range(20_000):
                text = await ws.receive_str()
                assert (int(text), len(text)) == (index, 10)
            await ws.send_str("still open")
            await ws.close()
            assert ws.close_code == 1000

        run(server.ws_url("/ws/flood", count=20_000, size=10, number=1), use)

    def test_drop_comes_after_everything_has_arrived(self, server: Server) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            count = 0
            async for _ in ws:
                count += 1
            assert count == 5000
            assert ws.close_code == 1006

        run(server.ws_url("/ws/flood", count=5000, size=1000, then="drop"), use)

    def test_memory_is_bounded_and_the_peer_may_close_midway(self, server: Server, id: str) -> None:
        path = f"/ws/flood?count=10000000&size=400&id={id}"
        with handshake(server, path) as sock:
            sock.recv(1000)
            sock.sendall(frame(8, b"\x03\xe8"))
            received = 0
            while data := sock.recv(2**20):
                received += len(data)
                tail = data
        assert received < 64 * 2**20
        assert tail.endswith(b"\x88\x02\x03\xe8")
        assert server.journal(id, closed=1)[0]["close"]["clean"]


class TestPoints:
    def test_come_at_the_rate_and_then_the_end(self, server: Server, id: str) -> None:
        began = time.monotonic()

        async def use(ws: ClientWebSocketResponse) -> None:
            values = [float(message.data) async for message in ws]
            assert len(values) == 400
            assert all(0 <= value <= 100 for value in values)
            assert ws.close_code == 1000

        run(server.ws_url("/ws/points", rate=1000, count=400, id=id), use)
        assert time.monotonic() - began >= 0.4
        assert server.journal(id, closed=1)[0]["sent"] == 400

    def test_a_rate_of_0_is_as_fast_as_they_are_taken(self, server: Server, id: str) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            texts = [message.data async for message in ws]
            assert len(texts) == 25_000
            assert {len(text) for text in texts} == {64}
            assert texts[:10_000] == texts[10_000:20_000]
            assert texts[:5_000] == texts[20_000:]

        run(server.ws_url("/ws/points", rate=0, count=25_000, size=64, id=id), use)
        assert server.journal(id, closed=1)[0]["sent"] == 25_000

    def test_the_peer_may_close_midway(self, server: Server, id: str) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            await ws.receive_str()
            await ws.close()
            assert ws.close_code == 1000

        run(server.ws_url("/ws/points", id=id), use)
        entry = server.journal(id, closed=1)[0]
        assert entry["close"]["clean"]
        assert 0 < entry["sent"] < 60_000


class TestSink:
    def test_acknowledges_each_message(self, server: Server) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            await ws.send_str("é")
            assert json.loads(await ws.receive_str()) == {"messages": 1, "bytes": 2}
            await ws.send_bytes(b"abc")
            assert json.loads(await ws.receive_str()) == {"messages": 2, "bytes": 5}

        run(server.ws_url("/ws/sink"), use)

    def test_acknowledges_every_tenth(self, server: Server) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            for _ in range(25):
                await ws.send_str("x")
            assert json.loads(await ws.receive_str()) == {"messages": 10, "bytes": 10}
            assert json.loads(await ws.receive_str()) == {"messages": 20, "bytes": 20}
            await ws.close()
            assert ws.close_code == 1000

        run(server.ws_url("/ws/sink", ack=10), use)

    def test_never_acknowledges(self, server: Server, id: str) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            await ws.send_str("x")
            await ws.close()
            assert (await ws.receive()).type is WSMsgType.CLOSED

        run(server.ws_url("/ws/sink", ack=0, id=id), use)
        assert server.journal(id, closed=1)[0]["count"] == 1

    def test_rate_stalls_a_fast_sender(self, server: Server) -> None:
        with handshake(server, "/ws/sink?ack=0&rate=1000") as sock:
            assert fill(sock, 16 * 2**20) < 2 * 2**20

    def test_without_a_rate_it_takes_all(self, server: Server) -> None:
        with handshake(server, "/ws/sink?ack=0") as sock:
            assert fill(sock, 16 * 2**20) >= 16 * 2**20

    @pytest.mark.parametrize("size", [100, 100_000])
    def test_rate_is_kept(self, server: Server, id: str, size: int) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            total = 2_000_000
            start = time.monotonic()
            for _ in range(total // size):
                await ws.send_bytes(bytes(size))
            await ws.close()
            # What came first, at most a receive buffer, is not waited for.
            assert time.monotonic() - start > 0.5

        run(server.ws_url("/ws/sink", ack=0, rate=2_000_000, id=id), use)
        assert server.journal(id, closed=1)[0]["bytes"] == 2_000_000


class TestStall:
    def test_neither_reads_nor_writes_until_the_peer_is_gone(self, id: str) -> None:
        with Server(max_connections=1) as server:
            with handshake(server, f"/ws/stall?id={id}") as sock:
                sock.sendall(frame(9, b"ping") + frame(1, b"text") + frame(8, b""))
                sock.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    sock.recv(1)
                assert server.journal(id)[0]["close"] is None
            (entry,) = server.journal(id, closed=1)
            assert (entry["opened"], entry["count"]) == (True, 0)

    def test_a_fast_sender_is_stalled(self) -> None:
        with Server() as server, handshake(server, "/ws/stall") as sock:
            assert fill(sock, 16 * 2**20) < 2 * 2**20


class TestPeerAcknowledges:
    @pytest.mark.parametrize(
        ("message", "number"),
        [
            ("7", 7),
            ("0", 0),
            ("0012 and more", 12),
            ("7 8", 7),
            ("7 ", 7),
            ("9" * 15, 10**15 - 1),
            (b"\0\0\1\0", 256),
            (b"\xff\xff\xff\xff\0", 2**32 - 1),
        ],
    )
    def test_each_message_by_its_number_without_waiting_for_others(
        self, server: Server, message: str | bytes, number: int
    ) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            for _ in range(2):
                await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
                assert json.loads(await ws.receive_str()) == {"ack": [number]}

        run(server.ws_url("/ws/peer", ack=1), use)

    @pytest.mark.parametrize(
        "message", ["", "x", "7x", " 7", "-7", "7.0", "7\t", "\u0667", "1" * 16, b"", b"\0\0\0"]
    )
    def test_what_begins_with_no_number_is_recorded_and_not_acknowledged(
        self, server: Server, id: str, message: str | bytes
    ) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
            await ws.send_str("8")
            assert json.loads(await ws.receive_str()) == {"ack": [8]}

        run(server.ws_url("/ws/peer", ack=1, id=id), use)
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

    def test_at_the_end_of_the_turn(self, server: Server) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            for number in range(2000):  # with a wait each, they would take longer than run() lets
                await ws.send_str(str(number))
                assert json.loads(await ws.receive_str()) == {"ack": [number]}

        run(server.ws_url("/ws/peer", ack=1), use)

    @pytest.mark.parametrize(
        ("end", "answer"), [(frame(8, b"\x03\xe8"), 1000), (frame(1, b"\xff"), 1007)]
    )
    def test_nothing_after_a_close(
        self, server: Server, caplog: pytest.LogCaptureFixture, end: bytes, answer: int
    ) -> None:
        path = f"/ws/peer?ack=1&id=close_{answer}"
        with handshake(server, path, early=text("1") + end) as sock:
            assert read(sock) == (8, struct.pack("!H", answer))
            assert sock.recv(1) == b""
        assert server.journal(f"close_{answer}", closed=1)[0]["count"] == 1
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
        ("word", "request_", "answer"),
        [
            ("ping", "ping", "pong"),
            ("ping", "ping 7", "pong 7"),
            ("ping", "ping  å ", "pong  å "),
            ("♥", "♥ 1", "pong 1"),
        ],
    )
    def test_is_answered_and_not_recorded(
        self, server: Server, id: str, word: str, request_: str, answer: str
    ) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            for _ in range(2):
                await ws.send_str(request_)
                assert await ws.receive_str() == answer

        run(server.ws_url("/ws/peer", ping=word, ack=1, id=id), use)
        (entry,) = server.journal(id, closed=1)
        assert (entry["count"], entry["messages"]) == (0, [])

    @pytest.mark.parametrize("message", ["pinger", "Ping", " ping", "x ping", b"ping", b"ping 1"])
    def test_other_messages_are_none(self, server: Server, id: str, message: str | bytes) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            await (ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message))
            await ws.send_str("ping 2")
            assert await ws.receive_str() == "pong 2"

        run(server.ws_url("/ws/peer", ping="ping", id=id), use)
        assert server.journal(id, closed=1)[0]["count"] == 1

    def test_there_is_none_unless_asked_for(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/peer?id={id}") as sock:
            sock.sendall(text("ping") + frame(9, b""))
            assert read(sock) == (10, b"")
        assert server.journal(id, closed=1)[0]["messages"][0]["data"] == "ping"

    def test_is_answered_when_all_before_it_is_recorded(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/peer?ping=ping&id={id}") as sock:
            sock.sendall(text(*["x"] * 1000, "ping", "x"))
            assert read(sock) == (1, b"pong")
            assert server.journal(id)[0]["count"] >= 1000

    def test_does_not_count_for_the_fault(self, server: Server, id: str) -> None:
        path = f"/ws/peer?ping=ping&fault=close&after=2&id={id}"
        with handshake(server, path) as sock:
            for number in range(3):
                sock.sendall(text(f"ping {number}"))
                assert read(sock) == (1, f"pong {number}".encode())
            sock.sendall(text("a", "ping", "b"))
            assert read(sock) == (1, b"pong")
            assert read(sock) == (8, b"")
            sock.sendall(frame(8, b""))
            assert sock.recv(1) == b""
        (entry,) = server.journal(id, closed=1)
        assert [message["data"] for message in entry["messages"]] == ["a", "b"]


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

    def assert_recorded(self, server: Server, id: str, count: int, opened: bool = True) -> None:
        (entry,) = server.journal(id, closed=1)
        assert (entry["opened"], entry["count"]) == (opened, count)
        assert entry["close"] == {"code": None, "reason": "", "clean": False}

    def test_none(self, server: Server, id: str) -> None:
        with self.two_messages(server, "none", id) as sock:
            assert acknowledged(sock) == [2]
            sock.sendall(text("3", "ping"))
            assert {read(sock), read(sock)} == {(1, b'{"ack": [3]}'), (1, b"pong")}
            sock.sendall(frame(8, b"\x0f\xa0"))
            assert read(sock) == (8, b"\x0f\xa0")

    def test_drop(self, server: Server, id: str) -> None:
        with (
            self.two_messages(server, "drop", id) as sock,
            pytest.raises(ConnectionResetError),
        ):
            sock.recv(1)
        self.assert_recorded(server, id, 2)

    def test_drop_at_once_waits_until_the_client_is_open(self, server: Server, id: str) -> None:
        with handshake(server, f"/ws/peer?fault=drop&id={id}") as sock:
            assert read(sock) == (9, b"")
            sock.sendall(frame(10, b""))
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        self.assert_recorded(server, id, 0)

    def test_close(self, server: Server, id: str) -> None:
        with self.two_messages(server, "close&code=4001&reason=d%C3%A4rf%C3%B6r", id) as sock:
            assert read(sock) == (8, b"\x0f\xa1" + "därför".encode())
            sock.sendall(text("3", "ping") + frame(8, b"\x0f\xa1"))
            assert sock.recv(1) == b""
        (entry,) = server.journal(id, closed=1)
        assert [message["data"] for message in entry["messages"]] == ["1", "2", "3"]
        assert entry["close"] == {"code": 4001, "reason": "", "clean": True}

    def test_close_at_once(self, server: Server) -> None:
        with handshake(server, "/ws/peer?fault=close") as sock:
            assert read(sock) == (8, b"")

    def test_stall(self, id: str) -> None:
        with Server(max_connections=1) as server:
            with self.two_messages(server, "stall", id) as sock:
                sock.sendall(text("3", "ping") + frame(9, b"") + frame(8, b""))
                assert_silent(sock)
                assert server.journal(id)[0]["close"] is None
            self.assert_recorded(server, id, 2)

    @pytest.mark.parametrize("after", [0, 1, 20_000])
    def test_stall_makes_the_clients_tcp_wait(self, after: int) -> None:
        with (
            Server() as server,
            handshake(server, f"/ws/peer?fault=stall&after={after}") as sock,
        ):
            sock.sendall(frame(2, bytes(1000)) * after)
            assert fill(sock, 16 * 2**20) < 2 * 2**20

    def test_deaf(self, id: str) -> None:
        with Server(max_connections=1) as server:
            with self.two_messages(server, "deaf", id) as sock:
                sock.sendall(text("3", "ping") + frame(9, b"") + frame(8, b""))
                assert_silent(sock)
                assert server.journal(id)[0]["close"] is None
            self.assert_recorded(server, id, 2)

    @pytest.mark.parametrize("after", [0, 1])
    def test_deaf_takes_what_comes(self, server: Server, id: str, after: int) -> None:
        path = f"/ws/peer?fault=deaf&after={after}&id={id}&delay=0.1"
        # More than the server's queue holds.
        with handshake(server, path, early=frame(2, bytes(1000)) * 1000) as sock:
            assert fill(sock, 16 * 2**20) >= 16 * 2**20
        self.assert_recorded(server, id, after)

    @pytest.mark.parametrize("fault", ["stall", "deaf"])
    def test_acknowledges_nothing_of_the_turn_in_which_it_fails(
        self, server: Server, id: str, fault: str
    ) -> None:
        path = f"/ws/peer?ack=1&fault={fault}&after=2&id={id}"
        with handshake(server, path, early=text("1", "2", "3")) as sock:
            assert_silent(sock)
        self.assert_recorded(server, id, 2)

    @pytest.mark.parametrize(("query", "status"), [("", 403), ("&status=503", 503)])
    def test_refuse(self, server: Server, id: str, query: str, status: int) -> None:
        url = server.ws_url("/ws/peer", fault="refuse", after=3, id=id)
        assert refusal(f"{url}{query}")[0] == status
        self.assert_recorded(server, id, 0, opened=False)

    def test_abort(self, server: Server, id: str) -> None:
        with (
            pytest.raises(ConnectionResetError),
            handshake(server, f"/ws/peer?fault=abort&after=3&id={id}"),
        ):
            pass
        self.assert_recorded(server, id, 0, opened=False)

    def test_slow(self, server: Server) -> None:
        start = time.monotonic()
        with handshake(server, "/ws/peer?fault=slow&wait=0.3&after=1&ack=1") as sock:
            assert time.monotonic() - start >= 0.3
            for number in (1, 2):
                sock.sendall(text(str(number)))
                assert acknowledged(sock) == [number]

    def test_slow_takes_a_second_unless_told(self, server: Server) -> None:
        start = time.monotonic()
        with handshake(server, "/ws/peer?fault=slow"):
            assert time.monotonic() - start >= 1

    def test_a_client_that_leaves_a_slow_one_frees_its_place(self, id: str) -> None:
        with Server(max_connections=1) as server:
            with (
                pytest.raises(TimeoutError),
                handshake(server, f"/ws/peer?fault=slow&wait=60&id={id}", timeout=0.3),
            ):
                pass
            self.assert_recorded(server, id, 0, opened=False)

    def test_slow_is_a_fault_and_delay_is_not(self, server: Server, id: str) -> None:
        path = f"/ws/peer?fault=slow&wait=60&times=1&delay=0.3&id={id}"
        with pytest.raises(TimeoutError), handshake(server, path, timeout=0.6):
            pass
        start = time.monotonic()
        with handshake(server, path):
            assert 0.3 <= time.monotonic() - start < 10


class TestPeerTimes:
    def statuses(self, server: Server, count: int, **query: object) -> list[int]:
        url = server.ws_url("/ws/peer", fault="refuse", **query)
        return [self.status(url) for _ in range(count)]

    def status(self, url: str) -> int:
        async def main() -> int:
            try:
                async with connect(url):
                    return 101
            except aiohttp.WSServerHandshakeError as error:
                return error.status

        return asyncio.run(main())

    def test_the_first_connections_of_an_id_have_the_fault(self, server: Server, id: str) -> None:
        assert self.statuses(server, 4, times=2, id=id) == [403, 403, 101, 101]
        assert self.statuses(server, 2, times=1, id=f"{id} too") == [403, 101]

    def test_all_have_it_by_default(self, server: Server, id: str) -> None:
        assert self.statuses(server, 3) == [403] * 3
        assert self.statuses(server, 3, id=id) == [403] * 3
        assert self.statuses(server, 3, id=id, times=0) == [403] * 3

    def test_connections_of_other_urls_count(self, server: Server, id: str) -> None:
        self.status(server.ws_url("/ws/echo", id=id))
        assert self.statuses(server, 2, times=2, id=id) == [403, 101]

    def test_those_that_were_not_let_in_do_not(self, server: Server, id: str) -> None:
        assert self.statuses(server, 1, times="x", id=id) == [400]
        assert self.statuses(server, 2, times=1, id=id) == [403, 101]

    def test_one_without_the_fault_works(self, server: Server, id: str) -> None:
        path = f"/ws/peer?ack=1&ping=ping&fault=drop&after=1&times=1&id={id}"
        with handshake(server, path) as sock:
            sock.sendall(text("1"))
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        with handshake(server, path) as sock:
            for number in range(3):
                sock.sendall(text(str(number)))
                assert acknowledged(sock) == [number]
        assert server.journal(id, closed=2)[1]["count"] == 3


def test_a_client_may_go_before_it_is_answered(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    request = (
        f"GET /ws/echo HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            # Closed with a reset, and so known to the server at once.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(request.encode())
    talk = server.ws_url("/ws/echo", id="after_those")

    async def main() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(talk):
            pass

    asyncio.run(main())
    server.journal("after_those", closed=1)
    assert caplog.records == []
