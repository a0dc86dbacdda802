"""What listeners and handlers of a browser's socket are, besides those of Python.

tests/unit/test_event_target.py compares the list of listeners with the DOM's own steps, and
tests/cpython/test_dom.py has the rest of the interface. Here are the native listener behind them,
and what only JavaScript has. A ``message`` event can be had as often as is needed: the server
echoes.
"""

from __future__ import annotations

from typing import Any

from readystate import Event, MessageEvent, WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import event, opened, raises


async def one_message(ws: WebSocket, text: str = "x") -> None:
    """A message has come, and all listeners that were there have had it."""
    reply = event(ws, "message")
    ws.send(text)
    await reply


class Recorder:
    """Notes which listeners were called."""

    def __init__(self, ws: WebSocket) -> None:
        self._ws = ws
        self._seen: list[str] = []

    def listener(self, name: str) -> Any:
        return lambda _: self._seen.append(name)

    async def called(self) -> list[str]:
        """Those that a message reaches, in order."""
        self._seen.clear()
        await one_message(self._ws)
        return self._seen[:]


@in_browser
async def test_listeners_are_called_in_order_and_each_once_until_they_are_removed() -> None:
    ws = await opened()
    recorder = Recorder(ws)
    a, b = recorder.listener("a"), recorder.listener("b")
    ws.removeEventListener("message", a)
    for listener, once in ((a, False), (b, False), (a, False), (a, True)):
        ws.addEventListener("message", listener, once=once)
    ws.addEventListener("message", recorder.listener("once"), {"once": True})
    ws.removeEventListener("open", a)
    ws.removeEventListener("message", recorder.listener("a"))
    ws.removeEventListener("message", None)
    assert await recorder.called() == ["a", "b", "once"]
    assert await recorder.called() == ["a", "b"]
    ws.removeEventListener("message", a)
    assert await recorder.called() == ["b"]


@in_browser
async def test_the_native_listener_is_for_the_types_that_somebody_listens_to() -> None:
    ws = await opened()
    listener = Recorder(ws).listener("a")
    ws.addEventListener("message", listener)
    assert ws._native_listener is not None
    assert ws._native_listener.types == {"message", "close"}
    ws.removeEventListener("message", listener)
    assert ws._native_listener.types == {"close"}


@in_browser
async def test_a_once_listener_is_removed_before_it_is_called() -> None:
    ws = await opened()
    seen: list[str] = []

    def again(event: MessageEvent) -> None:
        seen.append(str(event.data))
        ws.addEventListener("message", again, once=True)

    ws.addEventListener("message", again, once=True)
    await one_message(ws, "1")
    await one_message(ws, "2")
    assert seen == ["1", "2"]


@in_browser
async def test_signal() -> None:
    import js

    ws = await opened()
    recorder = Recorder(ws)
    controller = js.AbortController.new()
    a = recorder.listener("a")
    ws.addEventListener("message", a, signal=controller.signal)
    ws.addEventListener("message", recorder.listener("b"), {"signal": controller.signal})
    ws.addEventListener("message", recorder.listener("c"))
    assert await recorder.called() == ["a", "b", "c"]
    controller.abort()
    assert await recorder.called() == ["c"]
    # One that is aborted already adds nothing; without a signal it can be added anew, at the end.
    ws.addEventListener("message", a, signal=controller.signal)
    assert await recorder.called() == ["c"]
    ws.addEventListener("message", a)
    assert await recorder.called() == ["c", "a"]


@in_browser
async def test_what_a_listener_changes_holds_for_the_event_that_is_dispatched() -> None:
    """But for those that it adds."""
    import js

    ws = await opened()
    recorder = Recorder(ws)
    controller = js.AbortController.new()
    late, removed = recorder.listener("late"), recorder.listener("removed")

    def change(event: MessageEvent) -> None:
        ws.addEventListener("message", late)
        ws.removeEventListener("message", removed)
        controller.abort()

    ws.addEventListener("message", change)
    ws.addEventListener("message", removed)
    ws.addEventListener("message", recorder.listener("aborted"), signal=controller.signal)
    assert await recorder.called() == []
    assert await recorder.called() == ["late"]


@in_browser
async def test_listeners_with_capture_come_first_and_are_others() -> None:
    ws = await opened()
    recorder = Recorder(ws)
    both = recorder.listener("both")
    ws.addEventListener("message", recorder.listener("a"))
    ws.addEventListener("message", both)
    ws.addEventListener("message", both, True)
    ws.addEventListener("message", recorder.listener("b"), capture=True)
    assert await recorder.called() == ["both", "b", "a", "both"]
    ws.removeEventListener("message", both)
    assert await recorder.called() == ["both", "b", "a"]
    ws.removeEventListener("message", both, {"capture": True})
    assert await recorder.called() == ["b", "a"]


@in_browser
async def test_all_listeners_get_the_same_event_until_one_stops_it() -> None:
    ws = await opened()
    seen: list[Event] = []
    done = event(ws, "message")
    ws.onmessage = seen.append
    ws.addEventListener("message", lambda event: event.stopPropagation())
    ws.addEventListener("message", lambda event: seen.append(event))
    ws.addEventListener("message", lambda event: event.stopImmediatePropagation())
    ws.addEventListener("message", lambda event: seen.append(event))
    ws.send("x")
    happening = await done
    assert [one is happening for one in seen] == [True, True]


@in_browser
async def test_a_handler_is_called_in_the_place_where_it_was_first_set() -> None:
    """It is no listener: the same function as one is another entry, and does not remove it."""
    ws = await opened()
    recorder = Recorder(ws)
    handler = recorder.listener("handler")
    ws.addEventListener("message", recorder.listener("a"))
    ws.onmessage = recorder.listener("first handler")
    ws.addEventListener("message", recorder.listener("b"))
    ws.onmessage = handler
    assert ws.onmessage is handler
    ws.addEventListener("message", handler)
    assert await recorder.called() == ["a", "handler", "b", "handler"]
    ws.removeEventListener("message", handler)
    assert await recorder.called() == ["a", "handler", "b"]
    ws.onmessage = None
    assert ws.onmessage is None
    assert await recorder.called() == ["a", "b"]
    ws.onmessage = handler
    assert await recorder.called() == ["a", "b", "handler"]


@in_browser
async def test_what_is_no_handler_and_no_listener() -> None:
    ws = await opened()
    for name in ("onopen", "onmessage", "onerror", "onclose"):
        with raises(TypeError, match=f"{name} .*str"):
            setattr(ws, name, "handler")
        assert getattr(ws, name) is None
    for bad in (5, "listener", ["listener"]):
        with raises(TypeError, match=f"listener .*{type(bad).__name__}"):
            ws.addEventListener("message", bad)
    with raises(TypeError, match="'onse'"):
        ws.addEventListener("message", print, {"onse": True})
    # ``null`` is allowed, and does nothing, in the DOM.
    ws.addEventListener("message", None)
    await one_message(ws)


@in_browser
async def test_an_object_with_handle_event_and_a_function_of_javascript() -> None:
    """Which gets the native event."""
    import js

    class Listener:
        seen: list[str] = []  # noqa: RUF012

        def handleEvent(self, event: MessageEvent) -> None:  # noqa: N802
            self.seen.append(str(event.data))

    ws, listener = await opened(), Listener()
    array = js.Array.new()
    # A bound function of JavaScript's own, as no script of ours may be evaluated here.
    push = js.Array.prototype.push.bind(array)
    for each in (listener, array.push, push, push):
        ws.addEventListener("message", each)
    await one_message(ws, "native")
    assert listener.seen == ["native"]
    assert "native" in [item.data for item in array]
    ws.removeEventListener("message", push)


@in_browser
async def test_listeners_for_other_types_may_be_added() -> None:
    import js

    ws = await opened()
    seen: list[str] = []
    ws.addEventListener("custom", lambda event: seen.append(event.type))
    ws.dispatchEvent(js.Event.new("custom"))
    assert seen == ["custom"]
