"""The events and their attributes, and what arrives in them.

That handlers may be coroutine functions, and in which order events come, tests/engines/cases shows
in all engines. Here are the browser's own events, and what the event loop keeps.
"""

from __future__ import annotations

import asyncio

from readystate import Blob, Event, WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import closed, event, reported, until, url


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
async def test_a_blob_that_is_not_utf8_is_text_with_replacements() -> None:
    import js
    from pyodide.ffi import to_js

    assert await Blob(js.Blob.new([to_js(b"a\xff")])).text() == "a\ufffd"


@in_browser
async def test_the_binary_type_can_be_changed_at_any_time() -> None:
    ws = WebSocket(url("/ws/echo"))
    ws.binaryType = "arraybuffer"
    await event(ws, "open")
    for kind, cls in (("arraybuffer", bytes), ("blob", Blob), ("arraybuffer", bytes)):
        ws.binaryType = kind  # type: ignore[assignment]
        reply = event(ws, "message")
        ws.send(b"x")
        message = await reply
        assert type(message.data) is cls
        assert message.data is message.data


@in_browser
async def test_what_a_handler_raises_is_reported_and_hurts_nothing_else() -> None:
    ws = WebSocket(url("/ws/echo", secret="token"))
    seen: list[str] = []

    def broken(event: Event) -> None:
        raise ValueError(f"broken at {event.type}")

    def cancelled(event: Event) -> None:
        raise asyncio.CancelledError

    ws.onopen = broken
    ws.addEventListener("open", broken)
    ws.addEventListener("open", cancelled)
    ws.addEventListener("open", lambda _: seen.append("still called"))
    ws.onmessage = broken
    await event(ws, "open")
    assert seen == ["still called"]
    assert [str(context["exception"]) for context in reported] == ["broken at open"] * 2 + [""]
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
async def test_a_cancelled_coroutine_handler_is_not_reported() -> None:
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
