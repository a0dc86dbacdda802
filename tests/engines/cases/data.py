"""Messages there and back."""

from __future__ import annotations

import array
from collections.abc import Callable
from typing import Any

from readystate import Blob, MessageEvent, WebSocket
from readystate_server.testing.inpage import event, journal, new_id, opened, url

from .case import Cases, Report
from .natives import JAVASCRIPT, native_blob

CASES = Cases()

TEXTS = {
    "no text": "",
    "text": "hello",
    "text beyond ASCII": "Grüße, 世界, 😀, \uffff\r\n",
    "a NUL": "a\0b",
    "1 MiB of text": "é" * 2**19,
}
BINARIES = {
    "no bytes": b"",
    "all bytes": bytes(range(256)),
    "1 MiB of bytes": bytes(range(256)) * 2**12,
}


async def echoed(ws: WebSocket, data: Any) -> Any:
    """What the server sends back."""
    echo = event(ws, "message")
    ws.send(data)
    happening = await echo
    assert isinstance(happening, MessageEvent)
    return happening.data


@CASES.each("{}, there and back", TEXTS)
async def round_trip(report: Report, text: str) -> None:
    assert await echoed(await opened(), text) == text


@CASES.add("a byte order mark, there and back")
async def byte_order_mark(report: Report) -> None:
    back = await echoed(await opened(), "\ufeffa")
    report.expects(["U+feff", "U+61"], [f"U+{ord(letter):x}" for letter in back], node=["U+61"])


@CASES.add("a lone surrogate becomes U+FFFD")
async def lone_surrogate(report: Report) -> None:
    ws = await opened()
    assert await echoed(ws, "a\ud800b") == "a\ufffdb"
    # A pair is one character.
    assert await echoed(ws, "\ud83d\ude00") == "😀"


@CASES.each("{}, there and back as bytes", BINARIES)
async def as_bytes(report: Report, binary: bytes) -> None:
    ws = await opened()
    ws.binaryType = "arraybuffer"
    back = await echoed(ws, binary)
    assert type(back) is bytes
    assert back == binary


@CASES.each("{}, there and back as a Blob", BINARIES)
async def as_blob(report: Report, binary: bytes) -> None:
    back = await echoed(await opened(), binary)
    assert isinstance(back, Blob)
    assert back.size == len(binary)
    assert await back.bytes() == binary


def javascript(make: Callable[[Any], Any]) -> Callable[[], Any]:
    def made() -> Any:
        import js

        return make(js)

    return made


SENDABLE: dict[str, tuple[Callable[[], Any], bytes]] = {
    "bytearray": (lambda: bytearray(b"abc"), b"abc"),
    "memoryview, strided": (lambda: memoryview(b"abcdef")[::2], b"ace"),
    "array of two-byte items": (lambda: array.array("H", [1, 2]), b"\1\0\2\0"),
    "two-dimensional memoryview": (lambda: memoryview(b"abcd").cast("B", (2, 2)), b"abcd"),
    "js.ArrayBuffer": (javascript(lambda js: js.ArrayBuffer.new(2)), b"\0\0"),
    "js.Uint8Array, a part of its buffer": (
        javascript(lambda js: js.Uint8Array.new(js.Uint8Array.of(1, 2, 3).buffer, 1, 1)),
        b"\2",
    ),
    "js.DataView": (javascript(lambda js: js.DataView.new(js.ArrayBuffer.new(3))), b"\0\0\0"),
    "js.Blob": (lambda: native_blob("blob"), b"blob"),
    "Blob": (lambda: Blob(native_blob("blob")), b"blob"),
}


def add_sendable(title: str, make: Callable[[], Any], expected: bytes) -> None:
    @CASES.add(f"send(a {title})", left_out=JAVASCRIPT if make.__name__ == "made" else None)
    async def sent(report: Report) -> None:
        ws = await opened()
        ws.binaryType = "arraybuffer"
        assert await echoed(ws, make()) == expected


for title, (make, expected) in SENDABLE.items():
    add_sendable(title, make, expected)


@CASES.add("binary data may change after send()")
async def changed_after_send(report: Report) -> None:
    ws = await opened()
    ws.binaryType = "arraybuffer"
    for size in (10, 2**17):
        data = bytearray(size)
        echo = event(ws, "message")
        ws.send(data)
        data[:] = b"x" * size
        assert (await echo).data == bytes(size)


@CASES.add("text and bytes arrive in order, before close()")
async def order(report: Report) -> None:
    sent = [f"{number}" if number % 2 else bytes(number) for number in range(50)]
    assert await received(sent) == [described(data) for data in sent]


@CASES.add("text and Blobs arrive in order, before close()")
async def order_of_blobs(report: Report) -> None:
    parts = ["a", "b", "c"]
    sent = [native_blob(part) if part == "b" else part for part in parts]
    kinds = [kind for kind, _ in await received(sent)]
    report.expects(["text", "binary", "text"], kinds, node=["text"], webkitgtk=["text"])


async def received(sent: list[Any]) -> list[tuple[str, int]]:
    """What the server has received of messages that are sent at once, and then close()."""
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    for data in sent:
        ws.send(data)
    ws.close()
    (connection,) = await journal(id, closed=1)
    return [(record["kind"], record["size"]) for record in connection["messages"]]


def described(data: str | bytes) -> tuple[str, int]:
    """Kind and size, as the journal tells them."""
    return ("text" if isinstance(data, str) else "binary", len(data))


@CASES.add("many messages arrive in order")
async def many(report: Report) -> None:
    ws = WebSocket(url("/ws/flood", count=2000, number=1, then="close"))
    seen: list[int] = []
    ws.onmessage = lambda event: seen.append(int(str(event.data)))
    await event(ws, "close")
    assert seen == list(range(2000))


@CASES.add("a message event")
async def message_event(report: Report) -> None:
    ws = await opened()
    echo = event(ws, "message")
    ws.send("x")
    happening = await echo
    assert (happening.type, happening.target, happening.lastEventId) == ("message", ws, "")
    assert (happening.source, list(happening.ports)) == (None, [])
    report.expects(True, happening.isTrusted, node=False)
    report.expects(url(""), happening.origin, deno=url("/ws/echo"))
