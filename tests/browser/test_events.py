"""The events and their attributes, and what arrives in them."""

from __future__ import annotations

import pytest

from readystate import Blob, CloseEvent, Event, MessageEvent, WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import closed, event, opened, raises, reported, until, url


@in_browser
async def test_open() -> None:
    ws = WebSocket(url("/ws/echo"))
    seen: list[object] = []

    def on_open(event: Event) -> None:
        seen.append((event.currentTarget is ws, event.eventPhase, event.composedPath() == [ws]))
        seen.append(ws.readyState)

    ws.onopen = on_open
    open_event = await event(ws, "open")
    assert seen == [(True, 2, True), WebSocket.OPEN]
    assert type(open_event) is Event
    assert open_event.type == "open"
    assert open_event.target is ws
    assert open_event.js_event.constructor.name == "Event"
    assert open_event.isTrusted is True
    assert open_event.timeStamp > 0
    assert (open_event.bubbles, open_event.cancelable, open_event.composed) == (False,) * 3
    open_event.preventDefault()
    assert open_event.defaultPrevented is False
    # It has been dispatched.
    assert (open_event.currentTarget, open_event.eventPhase) == (None, 0)
    assert open_event.composedPath() == []


@in_browser
async def test_message() -> None:
    import js

    ws = await opened()
    reply = event(ws, "message")
    ws.send("hello")
    message = await reply
    assert type(message) is MessageEvent
    assert message.type == "message"
    assert message.data == "hello"
    assert message.origin == f"ws://{js.location.host}"
    assert (message.lastEventId, message.source, message.ports) == ("", None, ())
    assert message.target is ws


@in_browser
async def test_close() -> None:
    ws = await opened("/ws/close", after=1, code=3001, reason="bye")
    future = event(ws, "close")
    ws.send("x")
    close = await future
    assert type(close) is CloseEvent
    assert (close.type, close.code, close.reason, close.wasClean) == ("close", 3001, "bye", True)
    assert close.target is ws


@in_browser
async def test_error_says_nothing() -> None:
    ws = WebSocket(url("/ws/refuse", status=403))
    error = await event(ws, "error")
    assert type(error) is Event
    assert error.type == "error"
    await until(lambda: ws.readyState == WebSocket.CLOSED)


@in_browser
async def test_binary_arrives_as_a_blob_by_default() -> None:
    ws = await opened()
    reply = event(ws, "message")
    ws.send("é".encode())
    blob = (await reply).data
    assert isinstance(blob, Blob)
    assert (blob.size, blob.type) == (2, "")
    assert await blob.bytes() == "é".encode()
    assert await blob.text() == "é"
    assert blob.js_blob.constructor.name == "Blob"
    assert repr(blob) == "<Blob of 2 bytes>"
    # It can be read again, and sent on as it is.
    assert await blob.bytes() == "é".encode()
    ws.binaryType = "arraybuffer"
    reply = event(ws, "message")
    ws.send(blob)
    assert (await reply).data == "é".encode()


@in_browser
async def test_an_empty_blob() -> None:
    ws = await opened()
    reply = event(ws, "message")
    ws.send(b"")
    blob = (await reply).data
    assert blob.size == 0
    assert await blob.bytes() == b""


@in_browser
async def test_a_blob_that_is_not_utf8_is_text_with_replacements() -> None:
    import js
    from pyodide.ffi import to_js

    assert await Blob(js.Blob.new([to_js(b"a\xff")])).text() == "a\ufffd"


@in_browser
async def test_binary_arrives_as_bytes_if_asked_for() -> None:
    ws = await opened()
    ws.binaryType = "arraybuffer"
    assert ws.binaryType == "arraybuffer"
    reply = event(ws, "message")
    ws.send(b"\x00\xff")
    message = await reply
    assert type(message.data) is bytes
    assert message.data == b"\x00\xff"
    assert message.data is message.data


@in_browser
async def test_the_binary_type_can_be_changed_at_any_time() -> None:
    ws = WebSocket(url("/ws/echo"))
    ws.binaryType = "arraybuffer"
    await event(ws, "open")
    for kind, cls in (("arraybuffer", bytes), ("blob", Blob), ("arraybuffer", bytes)):
        ws.binaryType = kind  # type: ignore[assignment]
        reply = event(ws, "message")
        ws.send(b"x")
        assert type((await reply).data) is cls


@pytest.mark.parametrize("bad", ["Blob", "bytes", ""])
@in_browser
async def test_another_binary_type_is_ignored(bad: str) -> None:
    """By Web IDL; the browser says so on its console."""
    ws = await opened()
    ws.binaryType = bad  # type: ignore[assignment]
    assert ws.binaryType == "blob"


@in_browser
async def test_messages_come_in_order() -> None:
    ws = WebSocket(url("/ws/flood", count=2000, size=8, number=1, then="close"))
    seen: list[str] = []
    ws.onmessage = lambda event: seen.append(str(event.data))
    await event(ws, "close")
    assert [int(text) for text in seen] == list(range(2000))


@in_browser
async def test_what_a_handler_raises_is_reported_and_hurts_nothing_else() -> None:
    ws = WebSocket(url("/ws/echo", secret="token"))
    seen: list[str] = []

    def broken(event: Event) -> None:
        raise ValueError(f"broken at {event.type}")

    ws.onopen = broken
    ws.addEventListener("open", broken)
    ws.addEventListener("open", lambda _: seen.append("still called"))
    ws.onmessage = broken
    await event(ws, "open")
    assert seen == ["still called"]
    assert [str(context["exception"]) for context in reported] == ["broken at open"] * 2
    assert "'open'" in reported[0]["message"]
    assert "token" not in reported[0]["message"]
    reported.clear()
    reply = event(ws, "message")
    ws.send("payload")
    assert (await reply).data == "payload"
    assert [str(context["exception"]) for context in reported] == ["broken at message"]
    assert "payload" not in reported[0]["message"]
    reported.clear()


@in_browser
async def test_even_cancelled_error_from_a_handler_is_only_reported() -> None:
    import asyncio

    def broken(event: Event) -> None:
        raise asyncio.CancelledError

    ws = WebSocket(url("/ws/echo"), onopen=broken)
    await event(ws, "open")
    assert len(reported) == 1
    reported.clear()


@in_browser
async def test_handlers_may_be_coroutine_functions() -> None:
    import asyncio

    ws = WebSocket(url("/ws/echo"))
    seen: list[str] = []

    async def on_open(event: Event) -> None:
        await asyncio.sleep(0)
        assert isinstance(event.target, WebSocket)
        event.target.send("from a coroutine")

    async def on_message(event: MessageEvent) -> None:
        await asyncio.sleep(0)
        seen.append(str(event.data))

    ws.onopen = on_open
    ws.addEventListener("message", on_message)
    await until(lambda: seen)
    assert seen == ["from a coroutine"]


@in_browser
async def test_what_a_coroutine_handler_raises_is_reported() -> None:
    async def broken(event: Event) -> None:
        raise ValueError("broken later")

    ws = WebSocket(url("/ws/echo"), onopen=broken)
    await until(lambda: reported)
    assert str(reported[0]["exception"]) == "broken later"
    assert "'open'" in reported[0]["message"]
    reported.clear()
    assert ws.readyState == WebSocket.OPEN


@in_browser
async def test_a_cancelled_coroutine_handler_is_not_reported() -> None:
    import asyncio

    tasks: list[asyncio.Task[None] | None] = []

    async def waits(event: Event) -> None:
        tasks.append(asyncio.current_task())
        await asyncio.get_event_loop().create_future()

    ws = WebSocket(url("/ws/echo"), onopen=waits)
    await until(lambda: tasks)
    assert tasks[0] is not None
    tasks[0].cancel()
    await until(lambda: tasks[0] is None or tasks[0].done())
    await asyncio.sleep(0)
    assert reported == []
    assert ws.readyState == WebSocket.OPEN


@in_browser
async def test_the_task_of_a_coroutine_handler_is_kept_alive() -> None:
    import asyncio
    import gc
    import weakref

    seen: list[str] = []
    wake: list[weakref.ref[asyncio.Future[None]]] = []

    async def waits(event: Event) -> None:
        future: asyncio.Future[None] = asyncio.get_event_loop().create_future()
        wake.append(weakref.ref(future))
        await future
        seen.append("woken")

    ws = WebSocket(url("/ws/echo"), onopen=waits)
    await until(lambda: wake)
    gc.collect()
    future = wake[0]()
    assert future is not None
    future.set_result(None)
    await until(lambda: seen)
    await closed(ws)


@in_browser
async def test_an_event_that_a_script_dispatches_reaches_the_listeners() -> None:
    import js

    ws = await opened()
    seen: list[object] = []
    ws.onmessage = lambda event: seen.append((event.data, event.isTrusted))
    init = js.Object.new()
    init.data = "made up"
    made = js.MessageEvent.new("message", init)
    assert ws.dispatchEvent(made) is True
    assert seen == [("made up", False)]
    with raises(TypeError):
        ws.dispatchEvent("message")
    # One that only says that it is closed does not end the socket.
    ws.dispatchEvent(js.Event.new("close"))
    assert (await closed(ws)).wasClean
