"""The browser's exceptions as Python's: the object, the cause, the traceback.

Which class, name, code and message each has, tests/engines/cases/throwing.py shows in all engines.
"""

from __future__ import annotations

from collections.abc import Callable

from readystate import (
    DOMException,
    InvalidStateError,
    WebSocket,
)
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import opened, raises, url


@in_browser
async def test_what_the_browser_threw_is_there_and_what_pyodide_raised_is_the_cause() -> None:
    from pyodide.ffi import JsException

    ws = WebSocket(url("/ws/echo"))
    with raises(InvalidStateError) as caught:
        ws.send("x")
    thrown = caught.value.js_error
    assert (thrown.name, thrown.code) == ("InvalidStateError", 11)
    assert thrown.constructor.name == "DOMException"
    assert isinstance(caught.value.__cause__, JsException)


@in_browser
async def test_the_traceback_shows_the_users_line_and_one_frame_of_ours() -> None:
    import traceback

    ws = WebSocket(url("/ws/echo"))
    for call in (lambda: ws.send("x"), lambda: ws.close(0), lambda: WebSocket("ws://host/#")):
        with raises(DOMException) as caught:
            call()
        frames = traceback.extract_tb(caught.value.__traceback__)
        names = [frame.filename for frame in frames if "readystate" in frame.filename]
        ours = [name for name in names if "testing" not in name]
        assert len(ours) == 1, ours
        assert frames[-2].name == "<lambda>"


@in_browser
async def test_a_javascript_type_error_is_pythons() -> None:
    from pyodide.ffi import JsException

    ws = await opened()
    with raises(TypeError) as caught:
        ws.close(2**70)
    assert not isinstance(caught.value, (DOMException, JsException))
    assert isinstance(caught.value.__cause__, JsException)
    assert str(caught.value) == caught.value.__cause__.message


@in_browser
async def test_any_other_name_is_a_plain_dom_exception() -> None:
    import js

    ws = await opened()
    native = ws.js_websocket
    controller = js.AbortController.new()
    controller.abort()
    # The WebSocket API itself throws no other name.
    ws.js_websocket = Throwing(controller.signal.throwIfAborted)
    with raises(DOMException, match=".") as caught:
        ws.send("x")
    ws.js_websocket = native
    assert type(caught.value) is DOMException
    assert (caught.value.name, caught.value.code) == ("AbortError", 20)
    assert caught.value.js_error.constructor.name == "DOMException"


class Throwing:
    """In place of a native socket."""

    def __init__(self, throw: Callable[[], None]) -> None:
        self.throw = throw

    def send(self, data: object) -> None:
        self.throw()


@in_browser
async def test_the_original_survives_a_way_through_javascript() -> None:
    """An exception that goes from Python to JavaScript and back can still be named."""
    import js

    ws = WebSocket(url("/ws/echo"))
    with raises(InvalidStateError):
        js.Array.of("a", "b").forEach(lambda text, *_: ws.send(text))
