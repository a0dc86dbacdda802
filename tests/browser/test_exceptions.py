"""The browser's exceptions as Python's: class, name, code, message, the object, the cause."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from readystate import (
    DOMException,
    DOMSyntaxError,
    InvalidAccessError,
    InvalidStateError,
    WebSocket,
)
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import closed, event, opened, raises, url

CLASSES = {11: InvalidStateError, 12: DOMSyntaxError, 15: InvalidAccessError}


@pytest.mark.parametrize(
    ("code", "name", "call"),
    [
        (11, "InvalidStateError", "send while CONNECTING"),
        (15, "InvalidAccessError", "close(999)"),
        (12, "SyntaxError", "close(1000, 124 bytes)"),
        (12, "SyntaxError", "a URL with a fragment"),
        (12, "SyntaxError", "a protocol with a space"),
        (12, "SyntaxError", "a repeated protocol"),
    ],
)
@in_browser
async def test_each_thing_that_throws(code: int, name: str, call: str) -> None:
    ws = WebSocket(url("/ws/echo", delay=0.01))
    calls: dict[str, Callable[[], object]] = {
        "send while CONNECTING": lambda: ws.send("x"),
        "close(999)": lambda: ws.close(999),
        "close(1000, 124 bytes)": lambda: ws.close(1000, "x" * 124),
        "a URL with a fragment": lambda: WebSocket(url("/ws/echo") + "#secret"),
        "a protocol with a space": lambda: WebSocket(url("/ws/echo"), "a b"),
        "a repeated protocol": lambda: WebSocket(url("/ws/echo"), ["a", "a"]),
    }
    with raises(DOMException) as caught:
        calls[call]()
    error = caught.value
    assert type(error) is CLASSES[code]
    assert (error.name, error.code) == (name, code)
    assert error.message == error.js_error.message.replace("secret", "…") == str(error) != ""
    assert error.js_error.name == name
    assert error.js_error.code == code
    assert error.js_error.constructor.name == "DOMException"


@in_browser
async def test_the_cause_is_what_pyodide_raised() -> None:
    from pyodide.ffi import JsException

    ws = WebSocket(url("/ws/echo"))
    with raises(InvalidStateError) as caught:
        ws.send("x")
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


@in_browser
async def test_the_cases_that_throw_nothing() -> None:
    ws = await opened()
    future = event(ws, "close")
    ws.close()
    ws.send("discarded")
    ws.close()
    ws.close(4000, "ignored")
    await future
    ws.send("discarded")
    ws.close()
    for ok in (1000, 3000, 4999):
        await closed(await opened(), ok)
