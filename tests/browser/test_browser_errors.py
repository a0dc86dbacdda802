"""What only a browser throws, or takes: no JavaScript exception is left for Python to catch.

Which class, name, code and message each has, tests/engines/cases/throwing.py shows in all engines.
"""

from __future__ import annotations

import contextlib
import traceback
from types import SimpleNamespace

from readystate import (
    DOMException,
    InvalidStateError,
    QueuedWebSocket,
    SecurityError,
    SendQueue,
    Session,
    WebSocket,
    connect,
)
from readystate_server.testing import Runtime, in_browser
from readystate_server.testing.inpage import closed, event, opened, raises, url

# Which throws what the browser throws in such a frame, where the tests' Python cannot be loaded.
FORBID = """\
() => {
  const frame = document.createElement("iframe");
  frame.sandbox = "";
  document.body.append(frame);
  const get = () => frame.contentWindow.sessionStorage;
  globalThis.own = Object.getOwnPropertyDescriptor(globalThis, "sessionStorage");
  Object.defineProperty(globalThis, "sessionStorage", { configurable: true, get });
}"""
NEWER = """\
() => {
  const Native = WebSocket;
  globalThis.given = [];
  globalThis.Native = Native;
  globalThis.WebSocket = class WebSocket extends Native {
    constructor(url, options = {}) {
      const isList = typeof options === "string" || Symbol.iterator in options;
      if (isList) options = { protocols: options };
      const { protocols = [], targetAddressSpace } = options;
      super(url, protocols);
      given.push(targetAddressSpace);
    }
  };
}"""


async def cannot_be_kept() -> None:
    for name in (None, "mine"):
        with raises(RuntimeError, match="allow-same-origin") as caught:
            session = Session(persist="sessionStorage", name=name)
            QueuedWebSocket(url("/ws/session"), session=session)
        cause = caught.value.__cause__
        assert isinstance(cause, SecurityError), repr(cause)


def test_a_page_that_may_keep_nothing(runtime: Runtime) -> None:
    runtime.page.evaluate(FORBID)
    try:
        runtime.call(cannot_be_kept)
    finally:
        runtime.page.evaluate("() => Object.defineProperty(globalThis, 'sessionStorage', own)")


@in_browser
async def test_buffers_that_are_gone() -> None:
    import js

    from readystate._host.js.values import options

    buffer = js.ArrayBuffer.new(8)
    js.structuredClone(buffer, options(transfer=[buffer]))
    for send in (SendQueue().send, QueuedWebSocket(url("/ws/echo")).send):
        with contextlib.suppress(TypeError, DOMException):
            send(buffer)
    ws = await opened()
    ws.send(buffer)  # as the standard has it: nothing is in it
    ws.binaryType = "arraybuffer"
    assert (await event(ws, "message")).data == b""
    await closed(ws)


@in_browser
async def test_large_messages_are_copied() -> None:
    """What stands in for the browser's socket may keep what it is given."""
    import js

    from readystate._host import send

    kept = js.Array.new()
    data = bytearray(b"x" * 2**17)
    send(js.Array.prototype.push.bind(kept), data)
    data[:] = bytes(2**17)
    assert kept[0].to_bytes() == b"x" * 2**17


@in_browser
async def test_secrets_are_not_in_what_the_browser_says() -> None:
    for bad in ("ws://me:SECRET@host:port/?SECRET", "ws://h/#SECRET", "ftp://me:SECRET@h/?SECRET"):
        for make in (WebSocket, connect, lambda bad: QueuedWebSocket(bad).start()):
            with raises(DOMException) as caught:
                made = make(bad)
                if isinstance(made, connect):
                    await made
            text = "".join(traceback.format_exception(caught.value))
            assert "SECRET" not in text, text


@in_browser
async def test_options_that_the_browser_does_not_know() -> None:
    for make in (WebSocket, lambda *args: QueuedWebSocket(*args).start()):
        with raises(TypeError, match="does not support the option 'json'"):
            make(url("/ws/echo"), {"json": True})
    with raises(TypeError, match="does not support the option 'json'"):
        await connect(url("/ws/echo"), subprotocols={"json": True})


async def options_reach_it() -> None:
    import js

    address = url("/ws/echo")
    ws = WebSocket(address, {"targetAddressSpace": "loopback", "protocols": ["a", "b"]})
    await event(ws, "open")
    assert ws.protocol == "a"
    await closed(ws)
    async with connect(address, subprotocols={"targetAddressSpace": "local"}) as connection:
        assert connection.subprotocol is None
    assert list(js.given)[-2:] == ["loopback", "local"], list(js.given)
    with raises(TypeError, match="does not support the option 'targetaddressspace'"):
        WebSocket(address, {"targetaddressspace": "local"})


def test_options_that_the_browser_knows(runtime: Runtime) -> None:
    runtime.page.evaluate(NEWER)
    try:
        runtime.call(options_reach_it)
    finally:
        runtime.page.evaluate("() => { globalThis.WebSocket = Native; }")


# The exceptions: the object, the cause, the traceback


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
    ws.js_websocket = SimpleNamespace(send=lambda _: controller.signal.throwIfAborted())
    with raises(DOMException, match=".") as caught:
        ws.send("x")
    ws.js_websocket = native
    assert type(caught.value) is DOMException
    assert (caught.value.name, caught.value.code) == ("AbortError", 20)
    assert caught.value.js_error.constructor.name == "DOMException"


@in_browser
async def test_the_original_survives_a_way_through_javascript() -> None:
    """An exception that goes from Python to JavaScript and back can still be named."""
    import js

    ws = WebSocket(url("/ws/echo"))
    with raises(InvalidStateError):
        js.Array.of("a", "b").forEach(lambda text, *_: ws.send(text))
