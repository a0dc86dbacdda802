"""The DOM's interface on CPython: events and their attributes, listeners, and Blobs."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

import pytest

from readystate import Blob, Event, MessageEvent, WebSocket
from readystate_server.testing.inpage import (
    all_delivered,
    closed,
    event,
    opened,
    raises,
    until,
    url,
)


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


async def test_what_a_message_holds() -> None:
    """The attributes of its event are in the cases of all engines."""
    ws = await opened()
    ws.send("grün")
    assert (await event(ws, "message")).data == "grün"
    ws.send("grün".encode())
    message: MessageEvent = await event(ws, "message")
    blob = message.data
    assert blob is message.data  # which is read once
    assert isinstance(blob, Blob)
    assert (blob.size, blob.type, repr(blob)) == (5, "", "<Blob of 5 bytes>")
    assert await blob.text() == "grün"
    await closed(ws)
    assert repr(ws).endswith(" CLOSED>")


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


async def test_what_is_closed_holds_no_listener() -> None:
    """Which may hold whatever it closes over, while the socket itself is kept."""
    ws = await opened()
    held = []
    for listener in (lambda event: (1, event), lambda event: (2, event)):
        held.append(weakref.ref(listener))
        ws.onmessage = listener
        ws.addEventListener("error", listener)
    del listener
    await closed(ws)
    await all_delivered(ws)
    assert [one() for one in held] == [None, None]
