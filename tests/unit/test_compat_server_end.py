"""The server's end of what a library writes, against a real client: ``websockets``' own."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from readystate.compat.server_end import (
    Close,
    NotAnUpgrade,
    Ping,
    ProtocolError,
    Request,
    ServerEnd,
    close_frame,
    frames,
    mask,
    pong,
    response,
)

MESSAGES = st.lists(st.text(max_size=300) | st.binary(max_size=300), max_size=8)
BINARIES: list[str | bytes] = [
    b"x" * size for size in (0, 1, 125, 126, 127, 65_535, 65_536, 65_537)
]
"""At the borders of the frame header."""


def written(client: ClientProtocol) -> bytes:
    return b"".join(client.data_to_send())


def connected(**options: object) -> tuple[ClientProtocol, ServerEnd, Request]:
    """A client and a server's end that have shaken hands."""
    client = ClientProtocol(parse_uri("ws://example.org/feed?a=b"), max_size=None, **options)  # type: ignore[arg-type]
    client.send_request(client.connect())
    end = ServerEnd()
    (request,) = end.receive(written(client))
    assert isinstance(request, Request)
    client.receive_data(response(request, next(iter(request.subprotocols), None)))
    (answer,) = client.events_received()
    assert isinstance(answer, Response)
    assert client.handshake_exc is None
    return client, end, request


def test_the_handshake() -> None:
    client, _, request = connected(subprotocols=[Subprotocol("one"), Subprotocol("two")])
    assert request.target == "/feed?a=b"
    assert request.headers["host"] == "example.org"
    assert request.subprotocols == ["one", "two"]
    assert client.subprotocol == "one"
    assert connected()[2].subprotocols == []


def test_a_request_in_pieces_that_repeats_headers() -> None:
    end = ServerEnd()
    sent = (
        b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n"
        b"X-A: 1\r\nx-a:2\r\nSec-WebSocket-Protocol: a,b\r\nSEC-WEBSOCKET-PROTOCOL: c\r\n\r\n"
    )
    assert [events for byte in sent[:-1] if (events := end.receive(bytes([byte])))] == []
    (request,) = end.receive(sent[-1:])
    assert isinstance(request, Request)
    assert request.headers["x-a"] == "1, 2"
    assert request.subprotocols == ["a", "b", "c"]


@given(messages=MESSAGES, cuts=st.lists(st.integers(0, 5000), max_size=20))
@example(messages=BINARIES, cuts=[1])
def test_messages_of_a_client(messages: list[str | bytes], cuts: list[int]) -> None:
    client, end, _ = connected()
    for message in messages:
        if isinstance(message, str):
            client.send_text(message.encode())
        else:
            client.send_binary(message)
    data = written(client)
    places = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    pieces = [data[start:stop] for start, stop in itertools.pairwise(places)]
    assert [event for piece in pieces for event in end.receive(piece)] == messages


@given(
    pieces=st.lists(st.text(), min_size=1, max_size=5)
    | st.lists(st.binary(), min_size=1, max_size=5)
)
def test_fragments_are_joined_and_pings_come_between(pieces: list[Any]) -> None:
    client, end, _ = connected()
    for index, piece in enumerate(pieces):
        is_last = index == len(pieces) - 1
        payload = piece.encode() if isinstance(piece, str) else piece
        if index > 0:
            client.send_continuation(payload, fin=is_last)
        elif isinstance(piece, str):
            client.send_text(payload, fin=is_last)
        else:
            client.send_binary(payload, fin=is_last)
        client.send_ping(b"%d" % index)
    *pings, message, last = end.receive(written(client))
    assert [*pings, last] == [Ping(b"%d" % index) for index in range(len(pieces))]
    assert message == pieces[0][:0].join(pieces)


@given(MESSAGES)
@example(BINARIES)
def test_messages_for_a_client(messages: list[str | bytes]) -> None:
    client, _, _ = connected()
    client.receive_data(b"".join(frames(messages)))
    assert client.events_received() == [
        Frame(Opcode.TEXT, message.encode())
        if isinstance(message, str)
        else Frame(Opcode.BINARY, message)
        for message in messages
    ]


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_the_mask_is_that_of_the_protocol(data: bytes, key: bytes) -> None:
    masked = bytes(byte ^ key[index % 4] for index, byte in enumerate(data))
    assert mask(data, key) == masked
    assert mask(memoryview(bytearray(masked)), bytearray(key)) == data


def test_pings_are_answered() -> None:
    client, end, _ = connected()
    client.send_ping(b"here")
    assert end.receive(written(client)) == [Ping(b"here")]
    client.receive_data(pong(b"here"))
    assert client.events_received() == [Frame(Opcode.PONG, b"here")]
    client.receive_data(b"\x89\x00")  # The server pings, which only a browser would see.
    assert end.receive(written(client)) == []


@pytest.mark.parametrize(
    ("code", "reason"), [(None, ""), (1000, ""), (1011, "weg \u00e9"), (4001, "x" * 120)]
)
def test_either_side_closes(code: int | None, reason: str) -> None:
    client, end, _ = connected()
    client.send_close(code, reason)
    assert end.receive(written(client)) == [Close(code, reason)]

    client, end, _ = connected()
    client.receive_data(close_frame(code, reason))
    assert end.receive(written(client)) == [Close(code, reason)]
    client.receive_eof()
    assert (client.close_code, client.close_reason) == (code or 1005, reason)


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: h2c\r\nSec-WebSocket-Key: x\r\n\r\n",
        b"\x16\x03\x01",
        b"GO",
    ],
)
def test_what_is_no_upgrade(data: bytes) -> None:
    with pytest.raises(NotAnUpgrade):
        ServerEnd().receive(data)


def masked(first: int, payload: bytes) -> bytes:
    return struct.pack("!BB4x", first, 0x80 | len(payload)) + payload


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01x     ", 1002),  # without a mask
        (masked(0xC1, b"x"), 1002),  # compressed
        (masked(0x83, b""), 1002),  # no such opcode
        (masked(0x80, b""), 1002),  # goes on, but nothing has begun
        (masked(0x01, b"") + masked(0x81, b""), 1002),  # begins again
        (masked(0x81, b"\xff"), 1007),
        (masked(0x88, b"\x03"), 1002),
        (masked(0x88, b"\x03\xe8\xff"), 1007),
    ],
)
def test_what_the_protocol_does_not_allow(data: bytes, code: int) -> None:
    _, end, _ = connected()
    with pytest.raises(ProtocolError) as caught:
        end.receive(data)
    assert caught.value.code == code
    assert str(caught.value)
