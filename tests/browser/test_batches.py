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
