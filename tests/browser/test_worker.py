"""The short list that also runs in a worker.

Only there is Python without a window: no document, no page events, another event loop. That each
part works at all there is what these show; how it behaves is shown elsewhere.
"""

from __future__ import annotations

import asyncio

import pytest

from readystate import (
    Blob,
    ConnectionClosedOK,
    ConnectionFailed,
    DOMSyntaxError,
    Event,
    Heartbeat,
    InvalidAccessError,
    InvalidStateError,
    QueuedWebSocket,
    SendQueue,
    Session,
    WebSocket,
    connect,
)
from readystate_server.lab import Server
from readystate_server.testing import Runtime, in_browser
from readystate_server.testing.inpage import (
    closed,
    event,
    journal,
    new_id,
    opened,
    raises,
    reported,
    until,
    url,
)
from tests.faults import check, send_through

FOREVER = 3600.0
"""A wait that no test lasts for, in seconds."""

pytestmark = [
    pytest.mark.parametrize("pyodide_place", ["worker"], indirect=True),
    pytest.mark.timeout(120),  # The first of them starts the browser, and Python in it.
]


@in_browser
async def test_it_is_a_worker() -> None:
    import js

    assert not hasattr(js, "document")


@in_browser
async def test_an_exception_of_the_browser() -> None:
    ws = WebSocket(url("/ws/echo"))
    with raises(InvalidStateError) as caught:
        ws.send("too early")
    assert (caught.value.name, caught.value.code) == ("InvalidStateError", 11)
    assert caught.value.message == caught.value.js_error.message
    with raises(InvalidAccessError):
        ws.close(999)


@in_browser
async def test_the_states_and_the_events_in_order() -> None:
    ws = WebSocket(url("/ws/close", after=1, code=4000, reason="enough"))
    seen: list[object] = [ws.readyState]

    def on_open(event: Event) -> None:
        seen.append(event.type)
        ws.send("x")

    ws.onopen = on_open
    ws.onmessage = lambda event: seen.append(event.data)
    ws.onclose = lambda event: seen.append((event.code, event.reason, event.wasClean))
    await event(ws, "close")
    assert seen == [0, "open", "x", (4000, "enough", True)]
    assert ws.readyState == WebSocket.CLOSED


@in_browser
async def test_text_binary_and_blobs() -> None:
    ws = await opened()
    for expected in (bytes, Blob):
        ws.binaryType = "arraybuffer" if expected is bytes else "blob"
        reply = event(ws, "message")
        ws.send(b"\x00\xff")
        data = (await reply).data
        assert isinstance(data, expected)
        assert (data if isinstance(data, bytes) else await data.bytes()) == b"\x00\xff"


@in_browser
async def test_what_a_handler_raises_is_reported() -> None:
    async def broken(_: object) -> None:
        raise ValueError("broken")

    ws = WebSocket(url("/ws/echo"), onopen=broken)
    await until(lambda: reported)
    assert str(reported[0]["exception"]) == "broken"
    reported.clear()
    await closed(ws)


@in_browser
async def test_connect() -> None:
    async with connect(url("/ws/flood", count=1000, size=16, number=1, then="close")) as ws:
        assert [int(message) async for message in ws] == list(range(1000))
        with raises(ConnectionClosedOK):
            await ws.recv()
    with raises(ConnectionFailed):
        await connect(url("/nothing"))


@in_browser
async def test_a_queue() -> None:
    id = new_id()
    ws = WebSocket(url("/ws/sink", id=id, ack=0))
    queue = SendQueue(ws)
    for number in range(100):
        queue.send(str(number))
    await queue.drain()
    await closed(ws)
    (connection,) = await journal(id, closed=1)
    assert [message["data"] for message in connection["messages"]] == list(map(str, range(100)))


@in_browser
async def test_a_connection_that_comes_back() -> None:
    id = new_id()
    address = url("/ws/peer", id=id, ping="ping", plan='[{"fault": "drop", "after": 5}]')
    beat = Heartbeat("ping", interval=0.1, timeout=2, is_reply=lambda message: message == "pong")
    async with QueuedWebSocket(address, heartbeat=beat) as ws:
        deliveries = [ws.send(str(number)) for number in range(20)]
        async with asyncio.timeout(20):
            await asyncio.gather(*deliveries)
    connections = await journal(id, closed=1)
    arrived = {message["data"] for each in connections for message in each["messages"]}
    assert set(map(str, range(20))) <= arrived


@in_browser
async def test_a_session() -> None:
    id = new_id()
    async with QueuedWebSocket(url("/ws/session", id=id, echo=1), session=True) as ws:
        delivery = ws.send("once")
        assert await ws.recv() == "once"
        await delivery
    (application,) = await journal(f"{id}/session")
    assert [message["data"] for message in application["messages"]] == ["once"]


@in_browser
async def test_relative_urls_where_the_worker_was_made_from_a_blob() -> None:
    import js

    from readystate._host.js.values import options

    origin = str(js.location.origin)
    place = options(href=f"blob:{origin}/0815", origin=origin)
    js.Object.defineProperty(js.globalThis, "location", options(value=place, configurable=True))
    try:
        ws = WebSocket("/ws/echo")
        assert ws.url == f"{origin.replace('http', 'ws', 1)}/ws/echo"
        await event(ws, "open")
        await closed(ws)
        async with connect("/ws/echo?token=x") as connection:
            await connection.send("x")
        for bad in ("ws/echo?SECRET", "?SECRET"):
            with raises(DOMSyntaxError, match="does not know its page's URL") as caught:
                WebSocket(bad)
            assert "SECRET" not in str(caught.value)
    finally:
        js.Reflect.deleteProperty(js.globalThis, "location")
    with raises(ConnectionClosedOK):
        await connection.recv()


@in_browser
async def test_a_session_is_kept_by_a_page_only() -> None:
    with raises(RuntimeError, match="sessionStorage"):
        QueuedWebSocket(url("/ws/session"), session=Session(persist="sessionStorage"))


def test_it_comes_online(runtime: Runtime, server: Server) -> None:
    """Its connection is lost in the midst of a burst; it would wait for long, but is told."""
    id = new_id()
    result = runtime.call(
        send_through,
        timeout=90,
        base=server.ws_url(""),
        id=id,
        plan=[{"fault": "drop", "after": 300}],
        confirmation="heartbeat",
        kind="text",
        steps=[("put", 1_000), ("until waiting", FOREVER), ("dispatch", "online")],
        backoff=(FOREVER, FOREVER, 0),
    )
    check(server, id, result, "heartbeat", "text")
    assert result["reconnects"] == 1
