"""addEventListener and the on... handlers, as https://dom.spec.whatwg.org/#interface-eventtarget
and https://html.spec.whatwg.org/multipage/webappapis.html#event-handlers have them.

A socket's ``message`` event can be had as often as is needed: the server echoes.
"""

from __future__ import annotations

import pytest

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

    def __init__(self) -> None:
        self.seen: list[str] = []

    def listener(self, name: str) -> object:
        def listener(event: MessageEvent) -> None:
            self.seen.append(name)

        return listener

    def take(self) -> list[str]:
        seen, self.seen = self.seen, []
        return seen


@in_browser
async def test_listeners_are_called_in_the_order_in_which_they_were_added() -> None:
    ws, recorder = await opened(), Recorder()
    for name in "abc":
        ws.addEventListener("message", recorder.listener(name))
    await one_message(ws)
    assert recorder.take() == ["a", "b", "c"]


@in_browser
async def test_a_listener_is_added_once() -> None:
    ws, recorder = await opened(), Recorder()
    a = recorder.listener("a")
    ws.addEventListener("message", a)
    ws.addEventListener("message", recorder.listener("b"))
    ws.addEventListener("message", a)
    ws.addEventListener("message", a, once=True)
    await one_message(ws)
    await one_message(ws)
    assert recorder.take() == ["a", "b"] * 2
    ws.removeEventListener("message", a)
    await one_message(ws)
    assert recorder.take() == ["b"]


@in_browser
async def test_bound_methods_are_the_same_listener() -> None:
    class Counter:
        count = 0

        def on_message(self, event: MessageEvent) -> None:
            self.count += 1

    ws, counter, other = await opened(), Counter(), Counter()
    ws.addEventListener("message", counter.on_message)
    ws.addEventListener("message", counter.on_message)
    ws.addEventListener("message", other.on_message)
    await one_message(ws)
    ws.removeEventListener("message", counter.on_message)
    await one_message(ws)
    assert (counter.count, other.count) == (1, 2)


@in_browser
async def test_the_same_function_for_two_types() -> None:
    seen: list[str] = []

    def listener(event: Event) -> None:
        seen.append(event.type)

    ws = await opened()
    ws.addEventListener("message", listener)
    ws.addEventListener("close", listener)
    await one_message(ws)
    ws.removeEventListener("message", listener)
    await one_message(ws)
    future = event(ws, "close")
    ws.close()
    await future
    assert seen == ["message", "close"]


@in_browser
async def test_removing_what_is_not_there_is_no_error() -> None:
    ws, recorder = await opened(), Recorder()
    a = recorder.listener("a")
    ws.removeEventListener("message", a)
    ws.addEventListener("message", a)
    ws.removeEventListener("open", a)
    ws.removeEventListener("message", recorder.listener("a"))
    ws.removeEventListener("message", None)
    await one_message(ws)
    assert recorder.take() == ["a"]


@in_browser
async def test_a_listener_that_is_removed_is_gone_natively_too() -> None:
    ws, recorder = await opened(), Recorder()
    a = recorder.listener("a")
    ws.addEventListener("message", a)
    assert ws._native_listener is not None
    assert ws._native_listener.types == {"message", "close"}
    ws.removeEventListener("message", a)
    assert ws._native_listener.types == {"close"}


@in_browser
async def test_once() -> None:
    ws, recorder = await opened(), Recorder()
    ws.addEventListener("message", recorder.listener("once"), once=True)
    ws.addEventListener("message", recorder.listener("as in JavaScript"), {"once": True})
    ws.addEventListener("message", recorder.listener("always"))
    await one_message(ws)
    await one_message(ws)
    assert recorder.take() == ["once", "as in JavaScript", "always", "always"]


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

    ws, recorder = await opened(), Recorder()
    controller = js.AbortController.new()
    a = recorder.listener("a")
    ws.addEventListener("message", a, signal=controller.signal)
    ws.addEventListener("message", recorder.listener("b"), {"signal": controller.signal})
    ws.addEventListener("message", recorder.listener("c"))
    await one_message(ws)
    controller.abort()
    await one_message(ws)
    assert recorder.take() == ["a", "b", "c", "c"]
    # One that is aborted already adds nothing; without a signal it can be added anew, at the end.
    ws.addEventListener("message", a, signal=controller.signal)
    await one_message(ws)
    assert recorder.take() == ["c"]
    ws.addEventListener("message", a)
    await one_message(ws)
    assert recorder.take() == ["c", "a"]


@in_browser
async def test_a_signal_that_is_aborted_during_dispatch() -> None:
    import js

    ws, recorder = await opened(), Recorder()
    controller = js.AbortController.new()
    ws.addEventListener("message", lambda _: controller.abort())
    ws.addEventListener("message", recorder.listener("a"), signal=controller.signal)
    await one_message(ws)
    assert recorder.take() == []


@in_browser
async def test_listeners_with_capture_come_first_and_are_others() -> None:
    ws, recorder = await opened(), Recorder()
    both = recorder.listener("both")
    ws.addEventListener("message", recorder.listener("a"))
    ws.addEventListener("message", both)
    ws.addEventListener("message", both, True)
    ws.addEventListener("message", recorder.listener("b"), capture=True)
    await one_message(ws)
    assert recorder.take() == ["both", "b", "a", "both"]
    ws.removeEventListener("message", both)
    await one_message(ws)
    assert recorder.take() == ["both", "b", "a"]
    ws.removeEventListener("message", both, {"capture": True})
    await one_message(ws)
    assert recorder.take() == ["b", "a"]


@in_browser
async def test_listeners_that_change_the_list_while_an_event_is_dispatched() -> None:
    ws, recorder = await opened(), Recorder()
    late, removed = recorder.listener("late"), recorder.listener("removed")

    def change(event: MessageEvent) -> None:
        recorder.seen.append("change")
        ws.addEventListener("message", late)
        ws.removeEventListener("message", removed)

    ws.addEventListener("message", change)
    ws.addEventListener("message", removed)
    await one_message(ws)
    assert recorder.take() == ["change"]
    await one_message(ws)
    assert recorder.take() == ["change", "late"]


@in_browser
async def test_stop_immediate_propagation() -> None:
    ws, recorder = await opened(), Recorder()
    done = event(ws, "message")
    ws.addEventListener("message", lambda event: event.stopPropagation())
    ws.addEventListener("message", recorder.listener("a"))
    ws.addEventListener("message", lambda event: event.stopImmediatePropagation())
    ws.addEventListener("message", recorder.listener("b"))
    ws.send("x")
    await done
    assert recorder.take() == ["a"]


@in_browser
async def test_all_listeners_get_the_same_event() -> None:
    ws = await opened()
    seen: list[Event] = []
    ws.onmessage = seen.append
    ws.addEventListener("message", lambda event: seen.append(event))
    await one_message(ws)
    assert seen[0] is seen[1]


@in_browser
async def test_a_handler_is_called_in_the_place_where_it_was_first_set() -> None:
    ws, recorder = await opened(), Recorder()
    ws.addEventListener("message", recorder.listener("a"))
    ws.onmessage = recorder.listener("first handler")  # type: ignore[assignment]
    ws.addEventListener("message", recorder.listener("b"))
    ws.onmessage = recorder.listener("handler")  # type: ignore[assignment]
    await one_message(ws)
    assert recorder.take() == ["a", "handler", "b"]
    ws.onmessage = None
    await one_message(ws)
    assert recorder.take() == ["a", "b"]
    ws.onmessage = recorder.listener("handler")  # type: ignore[assignment]
    await one_message(ws)
    assert recorder.take() == ["a", "b", "handler"]


@in_browser
async def test_a_handler_reads_back_and_is_no_listener() -> None:
    ws, recorder = await opened(), Recorder()
    handler = recorder.listener("handler")
    ws.onmessage = handler  # type: ignore[assignment]
    assert ws.onmessage is handler
    # The same function as a listener is another entry, and cannot remove the handler.
    ws.addEventListener("message", handler)
    await one_message(ws)
    assert recorder.take() == ["handler", "handler"]
    ws.removeEventListener("message", handler)
    await one_message(ws)
    assert recorder.take() == ["handler"]
    ws.onmessage = None
    assert ws.onmessage is None
    await one_message(ws)
    assert recorder.take() == []


@pytest.mark.parametrize("name", ["onopen", "onmessage", "onerror", "onclose"])
@in_browser
async def test_a_handler_has_to_be_callable(name: str) -> None:
    ws = await opened()
    with raises(TypeError, match=f"{name} .*str"):
        setattr(ws, name, "handler")
    assert getattr(ws, name) is None


@in_browser
async def test_an_object_with_handle_event() -> None:
    class Listener:
        seen: list[str] = []  # noqa: RUF012

        def handleEvent(self, event: MessageEvent) -> None:  # noqa: N802
            self.seen.append(str(event.data))

    ws, listener = await opened(), Listener()
    ws.addEventListener("message", listener)
    await one_message(ws, "hello")
    assert listener.seen == ["hello"]


@in_browser
async def test_a_javascript_function_gets_the_native_event() -> None:
    import js

    ws = await opened()
    array = js.Array.new()
    ws.addEventListener("message", array.push)
    # A bound function of JavaScript's own, as no script of ours may be evaluated here.
    push = js.Array.prototype.push.bind(array)
    ws.addEventListener("message", push)
    ws.addEventListener("message", push)
    await one_message(ws, "native")
    events = [item.data for item in array]
    assert "native" in events
    ws.removeEventListener("message", push)


@pytest.mark.parametrize("bad", [5, "listener", ["listener"]])
@in_browser
async def test_what_cannot_be_called_is_a_type_error(bad: object) -> None:
    ws = await opened()
    with raises(TypeError, match=f"listener .*{type(bad).__name__}"):
        ws.addEventListener("message", bad)


@in_browser
async def test_none_is_no_listener() -> None:
    """``null`` is allowed, and does nothing, in the DOM."""
    ws = await opened()
    ws.addEventListener("message", None)
    await one_message(ws)


@in_browser
async def test_an_option_that_does_not_exist_is_a_type_error() -> None:
    ws = await opened()
    with raises(TypeError, match="'onse'"):
        ws.addEventListener("message", print, {"onse": True})


@in_browser
async def test_listeners_for_other_types_may_be_added() -> None:
    import js

    ws = await opened()
    seen: list[str] = []
    ws.addEventListener("custom", lambda event: seen.append(event.type))
    ws.dispatchEvent(js.Event.new("custom"))
    assert seen == ["custom"]
