"""Many messages that cross from one language to the other as one string.

Only where there are two languages does that happen. The test hands them over, so that they are a
batch whatever the network does.
"""

from __future__ import annotations

import pytest

from readystate_server.testing import in_browser
from readystate_server.testing.inpage import closed, opened, until

BATCHES = {
    "a few": ["a", "é", "", "😀"],
    "a few with a NUL": ["a\0b", "c", "\0"],
    "many": [*"abcdefghij"] * 4,
    "many with a NUL": ["a\0b", *"cdefghij", "\0"] * 4,
    "none but NULs": ["\0"] * 20,
    "empty ones": [""] * 20,
    "long ones": ["x" * 5000, "y\0" * 5000, "é" * 5000],
    "large and binary": [b"x" * 20_000, b"y" * 30_000],
    "large and of both kinds": [b"x" * 60_000, "y" * 60_000, ""],
    "text and binary": ["a\0b", b"\0", "c", b""] * 5,
}


@pytest.mark.parametrize("name", BATCHES)
@in_browser
async def test_it_is_received_as_it_was(name: str) -> None:
    import js

    from readystate._host import Inbox, options, to_sendable

    native = js.EventTarget.new()
    inbox = Inbox(native, lambda _: None)
    # The second time it expects what the first one was.
    for _ in range(2):
        for message in BATCHES[name]:
            event = js.MessageEvent.new("message", options(data=to_sendable(message)))
            native.dispatchEvent(event)
        assert inbox.take() == BATCHES[name]
    inbox.destroy()


@in_browser
async def test_what_the_browser_writes_into_pythons_memory() -> None:
    """All that can go wrong there, with a small buffer: no other level has two memories."""
    import js
    from pyodide.ffi import to_js

    from readystate._host.js.heap import HeapReader

    reader = HeapReader(size=2**14)
    long, huge = "x" * 5_000, "y" * 20_000
    lone = js.String.fromCharCode(0xD800)
    batches: dict[str, list[str]] = {
        "several portions": [str(number) * 9 for number in range(3_000)],
        "longer than expected": ["z" * 1_000] * 40,
        "cut within a character": ["\u20ac" * 6_000] * 3,
        "one by one": [long, "", "a\0b", "\u20ac" * 5_000, lone, "\ufffd", long],
        "more than the buffer holds": [huge, "", huge + "\0", "a"],
        "lone surrogates and NUL": ["a", lone, f"\0{lone}\0", "\ufffd", ""] * 5,
        "empty": [""] * 30,
    }

    def read(length: int) -> None:
        for name, batch in batches.items():
            found = reader.read(to_js(batch), len(batch), length)
            assert found == batch, (name, length)

    for length in (0, 64, 5_000, 2**20):
        read(length)
    # WebAssembly's memory grows, which detaches the view, also while a batch is read.
    before = reader._view
    grown = bytearray(2**26)
    while before.byteLength:
        grown.extend(bytes(2**26))
    read(64)
    assert reader._view.byteLength == 2**14
    grown = bytearray(b"")
    # Node.js refuses all but strings, and browsers a memory that can grow in place.
    reader._encode_into = js.JSON.parse  # which throws
    for length in (64, 5_000):
        read(length)
    assert reader._is_refused


@pytest.mark.parametrize("name", BATCHES)
@in_browser
async def test_it_is_sent_as_it_was(name: str) -> None:
    from readystate._host import Outlet, byte_length

    ws = await opened()
    ws.binaryType = "arraybuffer"
    received: list[object] = []
    ws.onmessage = lambda event: received.append(event.data)
    batch = BATCHES[name]
    Outlet(ws.js_websocket).send_all(batch, sum(map(byte_length, batch)))
    await until(lambda: len(received) == len(batch))
    assert received == batch
    await closed(ws)
