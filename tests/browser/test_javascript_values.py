"""Values of JavaScript's, and its functions: what connections and queues make of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from readystate import Backoff, Blob, QueuedWebSocket, SendQueue, connect
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import closed, journal, new_id, opened, raises, url


async def received(id: str) -> list[Any]:
    """The data of the messages that the server received on the one connection with ``id``."""
    (connection,) = await journal(id, closed=1)
    return [message["data"] for message in connection["messages"]]


def sendable() -> list[tuple[Any, str]]:
    """What can be sent, made anew, and how the journal tells it: bytes in Base64."""
    import js
    from pyodide.ffi import to_js

    native = to_js(b"abcdef")
    return [
        (native, "YWJjZGVm"),
        (native.buffer, "YWJjZGVm"),
        (js.Uint8Array.new(native.buffer, 1, 3), "YmNk"),
        (js.DataView.new(native.buffer, 2), "Y2RlZg=="),
        (js.Float64Array.new(0), ""),
        ("between", "between"),
        (js.Blob.new(["native"]), "bmF0aXZl"),
        (Blob(js.Blob.new(["wrapped"])), "d3JhcHBlZA=="),
        (js.File.new(["a file"], "name"), "YSBmaWxl"),
        (js.Blob.new([]), ""),
    ]


@pytest.mark.parametrize("by", ["connect()", "QueuedWebSocket", "a session"])
@in_browser
async def test_they_are_sent(by: str) -> None:
    id = new_id()
    address = url("/ws/session" if by == "a session" else "/ws/sink", id=id)
    if by == "connect()":
        async with connect(address) as ws:
            for message, _ in sendable():
                await ws.send(message)
    else:
        async with QueuedWebSocket(address, session=by == "a session") as queued:
            for message, _ in sendable():
                queued.send(message)
            await queued.drain()
    journal_id = f"{id}/session" if by == "a session" else id
    assert await received(journal_id) == [text for _, text in sendable()]


@pytest.mark.parametrize("waiting", [True, False])
@in_browser
async def test_a_queue_sends_what_they_were_when_it_was_given_them(waiting: bool) -> None:
    import js

    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    queue = SendQueue(None if waiting else ws)
    messages = sendable()
    sent = [queue.send(message) for message, _ in messages]
    messages[0][0].fill(0)
    if waiting:
        queue.attach(ws)
    await queue.drain()
    await closed(ws)
    assert await received(id) == [text for _, text in messages]
    assert [delivery.size for delivery in sent] == [6, 6, 3, 4, 0, 7, 6, 7, 6, 0]
    binary = [b"abcdef", b"abcdef", b"bcd", b"cdef", b""]
    assert [delivery.message for delivery in sent[:5]] == binary
    assert js.Object.prototype.toString.call(sent[6].message) == "[object Blob]"


@in_browser
async def test_what_cannot_be_sent_is_a_type_error_that_says_what_to_do() -> None:
    import js
    from pyodide.ffi import jsnull

    ws, queue, queued = await opened(), SendQueue(), QueuedWebSocket(url("/ws/echo"))
    for bad, told in (
        (js.Object.new(), r"a JavaScript Object: encode it first, .*js\.JSON\.stringify\(\)"),
        (js.Array.new(), r"a JavaScript Array: encode it first, .*js\.JSON\.stringify\(\)"),
        (js.Map.new(), r"a JavaScript Map: encode it first, .*js\.JSON\.stringify\(\)"),
        (js.URL.new("ws://host/"), "a JavaScript URL: encode it first"),
        (js.Date, "a JavaScript Function: encode it first"),
        (js.SharedArrayBuffer.new(4), "a JavaScript SharedArrayBuffer(:|$)"),
        (jsnull, "JavaScript's null: encode it first"),
    ):
        for send in (ws.send, queue.send, queued.send):
            with raises(TypeError, match=f"not {told}"):
                send(bad)
        with raises(TypeError, match=f"not {told}"):
            await queue.put(bad)
    assert (ws.bufferedAmount, queue.pending, queue.stats.accepted) == (0, 0, 0)
    await closed(ws)


@pytest.mark.parametrize("kind", ["URL", "function", "promise"])
@in_browser
async def test_kinds_of_url(kind: str) -> None:
    import js

    address = url("/ws/echo")
    kinds: dict[str, Any] = {
        "URL": js.URL.new(address),
        "function": lambda: js.URL.new(address),
        "promise": lambda: js.Promise.resolve(address),
    }
    async with QueuedWebSocket(kinds[kind]) as ws:
        ws.send("x")
        assert await ws.recv() == "x"
        assert ws.url == address


@in_browser
async def test_an_array_of_protocols_is_offered_in_each_attempt() -> None:
    from pyodide.ffi import to_js

    id = new_id()
    paths = iter(["/ws/close?code=1012&"])
    async with QueuedWebSocket(
        lambda: url(next(paths, "/ws/echo?") + f"id={id}"),
        to_js(["json", "cbor"]),
        backoff=Backoff(0.01, 0.01),
    ) as ws:
        while ws.stats.reconnects == 0:
            await asyncio.sleep(0)
    assert [each["offered"] for each in await journal(id, closed=2)] == [["json", "cbor"]] * 2
