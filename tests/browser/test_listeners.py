"""What listeners and handlers of a browser's socket are, besides those of Python.

The rules are those of tests/unit/test_event_target.py, which follows them with a list of listeners;
tests/cpython/test_dom.py has what is no listener. Here events, signals and the native listener
behind all of them are the browser's.
"""

from __future__ import annotations

from typing import Any

import pytest

from readystate import Event, MessageEvent, WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import event, opened
from tests.unit import rules, test_event_target

# A page does not have these, and does not take what is annotated.
RULES: list[Any] = [
    pytest.param([(line.text, line.does, line.gives) for line in rule.values[0].lines], id=rule.id)
    for rule in rules.parse(test_event_target.RULES)
    if rule.id != "all can be removed"  # which is not for users
]


class Socket:
    """Does what a line says to a socket, and notes which listeners are called."""

    def __init__(self, ws: WebSocket) -> None:
        import js

        self.ws = ws
        self.called: list[str] = []
        self._listeners: dict[str, Any] = {}
        self._controller = js.AbortController.new()
        self._meanwhile: list[str] = []

    def do(self, what: str, type: str = "", *words: str) -> None:
        import js

        match what:
            case "add":
                for name, _, how in (word.partition("+") for word in words):
                    options = {"signal": self._controller.signal} if how == "signal" else {}
                    if how in ("capture", "once"):
                        options = {how: True}
                    self.ws.addEventListener(type, self._listener(name), **options)
            case "remove":
                name, _, how = words[0].partition("+")
                self.ws.removeEventListener(type, self._listener(name), how == "capture")
            case "handle":
                setattr(self.ws, f"on{type}", self._listener(words[0]) if words else None)
            case "dispatch":
                kind = js.MessageEvent if type == "message" else js.Event
                self.ws.dispatchEvent(kind.new(type))
            case "during":  # Each that is called does this.
                self._meanwhile = [*words]
                self.do("dispatch", type)
                self._meanwhile = []
            case "abort":
                self._controller.abort()

    def _listener(self, name: str) -> Any:
        def call(_: Event) -> None:
            if self._meanwhile:
                self.do(*self._meanwhile)
            self.called.append(name)

        return self._listeners.setdefault(name, call)


@pytest.mark.parametrize("lines", RULES)
@in_browser
async def test_rule(lines: list[Any]) -> None:
    socket = Socket(await opened())
    for text, does, gives in lines:
        if ["during", "open", "clear"] not in does:
            socket.called.clear()
            for action in does:
                socket.do(*action)
            assert socket.called == gives, text


@in_browser
async def test_the_native_listener_is_for_the_types_that_somebody_listens_to() -> None:
    ws = await opened()
    ws.addEventListener("message", print)
    assert ws._native_listener is not None
    assert ws._native_listener.types == {"message", "close"}
    ws.removeEventListener("message", print)
    assert ws._native_listener.types == {"close"}


@in_browser
async def test_all_listeners_get_the_same_event() -> None:
    ws = await opened()
    seen: list[Event] = []
    done = event(ws, "message")
    ws.onmessage = seen.append
    ws.addEventListener("message", lambda event: event.stopPropagation())
    ws.addEventListener("message", lambda event: seen.append(event))
    ws.send("x")
    happening = await done
    assert [one is happening for one in seen] == [True, True]


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
    reply = event(ws, "message")
    ws.send("native")
    await reply
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
