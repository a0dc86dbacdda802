"""The DOM's interface on CPython: events and their attributes, listeners, and Blobs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from readystate import Blob, CloseEvent, Event, InvalidAccessError, MessageEvent, WebSocket
from readystate_server.testing.inpage import event, opened, raises, until, url


async def test_an_event_has_the_attributes_of_the_dom() -> None:
    ws = WebSocket(url("/ws/echo"))
    expected: dict[str, Any] = {"type": "open", "target": ws, "currentTarget": ws, "eventPhase": 2}
    expected |= {"isTrusted": True, "bubbles": False, "cancelable": False, "composed": False}
    expected |= {"defaultPrevented": False}
    seen: list[dict[str, Any]] = []

    def look(event: Event) -> None:
        event.preventDefault()
        event.stopPropagation()
        seen.append({name: getattr(event, name) for name in expected})
        assert event.composedPath() == [ws]
        assert event.timeStamp > 0
        assert repr(event) == "<Event 'open'>"

    ws.onopen = look
    after: Event = await event(ws, "open")
    assert seen == [expected]
    await asyncio.sleep(0)
    assert (after.currentTarget, after.eventPhase, after.composedPath()) == (None, 0, [])


async def test_a_message_and_the_end_have_attributes_of_their_own() -> None:
    ws = await opened()
    ws.send("grün")
    message: MessageEvent = await event(ws, "message")
    assert (message.data, message.lastEventId) == ("grün", "")
    assert message.data is message.data  # which is read once
    assert (message.source, message.ports) == (None, ())
    assert message.origin == url("").rstrip("/")
    ws.close(4000, "bye")
    end: CloseEvent = await event(ws, "close")
    # The server repeats the code alone.
    assert (end.code, end.reason, end.wasClean) == (4000, "", True)
    assert repr(ws).endswith(" CLOSED>")


async def test_a_blob_has_a_type_and_can_be_read_as_text() -> None:
    ws = await opened()
    ws.send("grün".encode())
    blob = (await event(ws, "message")).data
    assert isinstance(blob, Blob)
    assert (blob.size, blob.type, repr(blob)) == (5, "", "<Blob of 5 bytes>")
    assert (await blob.bytes(), await blob.text()) == ("grün".encode(), "grün")


async def test_what_is_no_handler_and_no_listener() -> None:
    ws = WebSocket(url("/ws/echo"))
    with raises(TypeError, match="onopen must be a function, a coroutine function or None"):
        ws.onopen = "a name"  # type: ignore[assignment]
    with raises(TypeError, match="a listener must be a function"):
        ws.addEventListener("open", "a name")
    with raises(TypeError, match="unknown listener option: 'onec'"):
        ws.addEventListener("open", print, {"onec": True})
    with raises(TypeError, match="reason must be a str, not int"):
        ws.close(1000, 1)  # type: ignore[arg-type]
    with raises(InvalidAccessError):
        ws.close(1001)
    ws.addEventListener("open", None)


@pytest.mark.parametrize("options", [True, {"capture": True}, {"once": True}])
async def test_listeners_with_options_and_objects_that_handle_events(options: Any) -> None:
    calls: list[str] = []

    class Listener:
        def handleEvent(self, event: Event) -> None:  # noqa: N802
            calls.append(event.type)

    removed = Listener()
    ws = WebSocket(url("/ws/echo"))
    ws.addEventListener("open", Listener(), options)
    ws.addEventListener("open", removed, options)
    ws.removeEventListener("open", removed, options)
    await event(ws, "open")
    assert calls == ["open"]


async def test_a_listener_that_stops_an_event_is_the_last_one() -> None:
    calls: list[str] = []
    ws = WebSocket(url("/ws/echo"))
    ws.addEventListener("open", lambda event: event.stopImmediatePropagation())
    ws.addEventListener("open", lambda event: calls.append(event.type))
    await until(lambda: ws.readyState == WebSocket.OPEN)  # as no later listener is told
    assert calls == []
