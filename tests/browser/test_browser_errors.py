"""What only a browser throws, or takes: no JavaScript exception is left for Python to catch."""

from __future__ import annotations

import contextlib

from readystate import (
    DOMException,
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
    for session in (
        Session(persist="sessionStorage"),
        Session(persist="sessionStorage", name="mine"),
    ):
        with raises(RuntimeError, match="allow-same-origin") as caught:
            QueuedWebSocket(url("/ws/session"), session=session)
        cause = caught.value.__cause__
        assert isinstance(cause, SecurityError), repr(cause)


def test_a_page_that_may_keep_nothing(runtime: Runtime) -> None:
    runtime.page.evaluate(FORBID)
    try:
        runtime.call(cannot_be_kept)
    finally:
        runtime.page.evaluate("() => delete globalThis.sessionStorage")


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
    import traceback

    for bad in ("ws://me:SECRET@host:port/?SECRET", "ws://h/#SECRET", "ftp://me:SECRET@h/?SECRET"):
        for make in (WebSocket, connect, QueuedWebSocket):
            try:
                made = make(bad)
                if isinstance(made, connect):
                    await made
                elif isinstance(made, QueuedWebSocket):
                    made.start()
            except DOMException as error:
                text = "".join(traceback.format_exception(error))
                assert "SECRET" not in text, text
            else:
                raise AssertionError(f"{make.__name__} took it")


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
