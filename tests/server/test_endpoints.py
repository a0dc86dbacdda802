"""The WebSocket endpoints, as server/README.md documents them."""

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

from server import Server

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
def handshake(server: Server, path: str) -> Iterator[socket.socket]:
    """A raw socket whose handshake has been answered."""
    with socket.create_connection((server.host, server.port), timeout=10) as sock:
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
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
            "/ws/sink?ack=x",
            "/ws/sink?rate=x",
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

    def test_many(self, server: Server) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            count = 0
            async for _ in ws:
                count += 1
            assert count == 100_003
            assert ws.close_code == 1000

        run(server.ws_url("/ws/flood", count=100_003, then="close"), use)

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

    @pytest.mark.parametrize("size", [10, 100_000])
    def test_rate_is_kept(self, server: Server, id: str, size: int) -> None:
        async def use(ws: ClientWebSocketResponse) -> None:
            total = 2_000_000
            start = time.monotonic()
            for _ in range(total // size):
                await ws.send_bytes(bytes(size))
            await ws.close()
            # What came first, at most a receive buffer, is not waited for.
            assert 0.5 < time.monotonic() - start < 4

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
