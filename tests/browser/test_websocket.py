"""The DOM's WebSocket in a browser: what becomes of its arguments, its messages and its events.

https://websockets.spec.whatwg.org/#the-websocket-interface

What it throws, how connections open and end, and how messages arrive, tests/engines/cases shows in
all engines; which listeners are called, tests/unit/test_event_target.py and tests/cpython. Here is
what crosses between Python and a browser, and what the event loop keeps.
"""

from __future__ import annotations

import array
import asyncio
import ctypes
import enum
import gc
import weakref
from typing import Any

from readystate import Blob, Event, MessageEvent, WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import (
    event,
    journal,
    new_id,
    opened,
    raises,
    reported,
    turns,
    until,
    url,
)


@in_browser
async def test_the_native_object_can_be_reached_and_no_other_attribute_is_there() -> None:
    ws = await opened()
    with raises(AttributeError, match="onmesage"):
        ws.onmesage = print  # type: ignore[attr-defined]
    assert ws.js_websocket.readyState == 1
    assert ws.js_websocket.constructor.name == "WebSocket"


@in_browser
async def test_the_url_is_resolved_and_serialized() -> None:
    import js

    host = js.location.host
    for given, resolved in (
        (f"ws://{host}", f"ws://{host}/"),
        (f"ws://{host}/a/../ws/echo?x=é y", f"ws://{host}/ws/echo?x=%C3%A9%20y"),
        ("ws://EXAMPLE.invalid:80/", "ws://example.invalid/"),
        ("wss://example.invalid:443/", "wss://example.invalid/"),
        ("ws://example.invalid:8080/", "ws://example.invalid:8080/"),
        (f"http://{host}/ws/echo", f"ws://{host}/ws/echo"),
        ("https://example.invalid/x", "wss://example.invalid/x"),
        ("/ws/echo", f"ws://{host}/ws/echo"),
        (js.URL.new(url("/ws/echo", id="a b")), url("/ws/echo", id="a b")),
    ):
        ws = WebSocket(given)
        assert ws.url == resolved, given
        ws.close()


@in_browser
async def test_arguments_of_another_type_are_a_type_error() -> None:
    for bad in (None, b"ws://host/", 5, ["ws://host/"]):
        with raises(TypeError, match=f"url .*{type(bad).__name__}"):
            WebSocket(bad)
    for protocols in (5, [b"json"], [None], b"json"):
        with raises(TypeError, match="protocol"):
            WebSocket(url("/ws/echo"), protocols)  # type: ignore[arg-type]


@in_browser
async def test_protocols_are_offered_in_order() -> None:
    import js

    for given, offered in (
        (None, []),
        ([], []),
        ("json", ["json"]),
        (("json", "msgpack"), ["json", "msgpack"]),
        (["JSON", "json"], ["JSON", "json"]),
        ((name for name in ("a", "b")), ["a", "b"]),
        (js.Array.of("c", "d"), ["c", "d"]),
    ):
        id = new_id()
        ws = await opened("/ws/echo", given, id=id)
        assert ws.protocol == (offered[0] if offered else "")
        (connection,) = await journal(id)
        assert connection["offered"] == offered


@in_browser
async def test_extensions_are_those_in_use() -> None:
    assert (await opened()).extensions == ""
    assert "permessage-deflate" in (await opened(compress=1)).extensions


# Messages


async def echoed(ws: WebSocket, data: Any) -> object:
    """What the server sends back."""
    reply = event(ws, "message")
    ws.send(data)
    return (await reply).data


@in_browser
async def test_text_may_be_of_a_subclass() -> None:
    class Command(enum.StrEnum):
        GO = "go"

    assert await echoed(await opened(), Command.GO) == "go"


@in_browser
async def test_any_object_with_the_buffer_protocol_is_sent_as_its_bytes() -> None:
    class Pair(ctypes.Structure):
        _fields_ = [("a", ctypes.c_uint8), ("b", ctypes.c_uint8)]

    ws = await opened()
    ws.binaryType = "arraybuffer"
    base = bytes(range(24))
    view = memoryview(base)
    for data in (
        base,
        bytearray(base),
        view,
        view[3:11],
        view[::2],
        view[::-1],
        view[5:5],
        view.cast("B", (4, 6)),
        view.cast("B", (2, 3, 4)),
        view.cast("I"),
        view.cast("d")[::2],
        view.cast("?"),
        view.cast("c"),
        view.cast("b"),
        view.cast("e"),  # type: ignore[call-overload]
        array.array("i", [1, -2, 3]),
        array.array("d", [0.5]),
        array.array("H", []),
        (ctypes.c_int * 3)(1, 2, 3),
        (Pair * 2)(Pair(1, 2), Pair(3, 4)),
    ):
        assert await echoed(ws, data) == memoryview(data).tobytes(), data
    # What has no dimensions may be meant as a number.
    with raises(TypeError, match=r"not Pair: .* send its bytes\(\)"):
        ws.send(Pair(1, 2))
    assert await echoed(ws, bytes(Pair(1, 2))) == b"\1\2"
    view.release()
    with raises(ValueError, match="released"):
        ws.send(view)


@in_browser
async def test_it_is_copied_when_it_is_sent() -> None:
    ws = await opened()
    ws.binaryType = "arraybuffer"
    data = bytearray(b"x" * 2**20)
    view = memoryview(data)
    replies = []
    ws.onmessage = lambda event: replies.append(event.data)
    for part in (data, view[1:], view[::2], view.cast("I")):
        ws.send(part)
    # Nothing refers to it any more: it may change, and even its size may.
    data[:] = b"y" * 2**20
    view.release()
    await until(lambda: len(replies) == 4)
    assert replies == [b"x" * size for size in (2**20, 2**20 - 1, 2**19, 2**20)]


# Events


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
async def test_no_message_is_delivered_after_close() -> None:
    """Not even one that is there already: the state is not OPEN any more."""
    ws = WebSocket(url("/ws/flood", count=1000))
    seen: list[object] = []

    def close_at_once(event: MessageEvent) -> None:
        seen.append(event.data)
        ws.close()

    ws.onmessage = close_at_once
    await event(ws, "close")
    assert len(seen) == 1


@in_browser
async def test_the_tasks_of_coroutine_handlers_are_kept_alive_and_may_be_cancelled() -> None:
    """A plain handler that raises as if it were cancelled is reported."""
    waiting: list[weakref.ref[asyncio.Future[None]]] = []
    over: list[Event] = []

    def fails(_: Event) -> None:
        raise asyncio.CancelledError

    async def waits(event: Event) -> None:
        future: asyncio.Future[None] = asyncio.get_event_loop().create_future()
        waiting.append(weakref.ref(future))
        try:
            await future
        finally:
            over.append(event)

    ws = WebSocket(url("/ws/echo"), onopen=fails)
    for listener in (waits, lambda event: waits(event)):
        ws.addEventListener("open", listener)
    await until(lambda: len(waiting) == 2)
    gc.collect()
    woken, cancelled = (future() for future in waiting)
    assert woken is not None
    assert cancelled is not None
    woken.set_result(None)
    cancelled.cancel()
    await until(lambda: len(over) == 2)
    await turns()
    (context,) = reported
    assert isinstance(context["exception"], asyncio.CancelledError)
    assert "'open'" in context["message"]
    reported.clear()


@in_browser
async def test_the_native_listener_is_for_the_types_that_somebody_listens_to() -> None:
    ws = await opened()
    ws.addEventListener("message", print)
    assert ws._native_listener is not None
    assert ws._native_listener.types == {"message", "close"}
    ws.removeEventListener("message", print)
    assert ws._native_listener.types == {"close"}


@in_browser
async def test_all_listeners_get_the_same_event_and_javascripts_the_native_one() -> None:
    import js

    ws, native = await opened(), js.Array.new()
    ours: list[Event] = []
    # A bound function of JavaScript's own, as no script of ours may be evaluated here.
    push = js.Array.prototype.push.bind(native)
    ws.onmessage = ours.append
    for listener in (lambda event: ours.append(event), push, push):
        ws.addEventListener("message", listener)
    reply = event(ws, "message")
    ws.send("x")
    happening = await reply
    assert [one is happening for one in ours] == [True, True]
    assert [one.data for one in native] == ["x"]
    ws.removeEventListener("message", push)
    ws.dispatchEvent(js.MessageEvent.new("message"))
    assert (len(ours), native.length) == (4, 1)


@in_browser
async def test_listeners_for_other_types_may_be_added() -> None:
    import js

    ws = await opened()
    seen: list[str] = []
    ws.addEventListener("custom", lambda event: seen.append(event.type))
    ws.dispatchEvent(js.Event.new("custom"))
    assert seen == ["custom"]
