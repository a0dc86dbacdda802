"""What only a browser throws, or takes: no JavaScript exception is left for Python to catch."""

from __future__ import annotations

import contextlib

import pytest

from readystate import (
    ConnectionClosedOK,
    DOMException,
    DOMSyntaxError,
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


@pytest.fixture
def page(runtime: Runtime, request: pytest.FixtureRequest) -> Runtime:
    """A page, and no worker."""
    if request.node.callspec.params["pyodide_place"] != "page":
        pytest.skip("what the page is given by Playwright")
    return runtime


async def cannot_be_kept() -> None:
    for session in (
        Session(persist="sessionStorage"),
        Session(persist="sessionStorage", name="mine"),
    ):
        with raises(RuntimeError, match="allow-same-origin") as caught:
            QueuedWebSocket(url("/ws/session"), session=session)
        cause = caught.value.__cause__
        assert isinstance(cause, SecurityError), repr(cause)


def test_a_page_that_may_keep_nothing(page: Runtime) -> None:
    page.page.evaluate(FORBID)
    try:
        page.call(cannot_be_kept)
    finally:
        page.page.evaluate("() => delete globalThis.sessionStorage")


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
async def test_objects_of_javascript_are_refused_with_what_to_do() -> None:
    import js

    ws = await opened()
    for value in (js.Object.new(), js.Array.new(), js.Map.new()):
        for send in (ws.send, SendQueue().send, QueuedWebSocket(url("/ws/echo")).send):
            with raises(TypeError, match=r"not a JavaScript \w+: .*js\.JSON\.stringify\(\)"):
                send(value)
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


async def options_reach_it(address: str) -> None:
    import js

    ws = WebSocket(address, {"targetAddressSpace": "loopback", "protocols": ["a", "b"]})
    await event(ws, "open")
    assert ws.protocol == "a"
    await closed(ws)
    async with connect(address, subprotocols={"targetAddressSpace": "local"}) as connection:
        assert connection.subprotocol is None
    assert list(js.given)[-2:] == ["loopback", "local"], list(js.given)
    with raises(TypeError, match="does not support the option 'targetaddressspace'"):
        WebSocket(address, {"targetaddressspace": "local"})


def test_options_that_the_browser_knows(page: Runtime) -> None:
    page.page.evaluate(NEWER)
    try:
        page.call(options_reach_it, address=page.call(echo))
    finally:
        page.page.evaluate("() => { globalThis.WebSocket = Native; }")


async def echo() -> str:
    return url("/ws/echo")


async def relative_urls() -> None:
    import js

    from readystate._host.js.values import options

    origin = str(js.location.origin)
    place = options(href=f"blob:{origin}/0815", origin=origin)
    js.Object.defineProperty(js.globalThis, "location", options(value=place, configurable=True))
    try:
        ws = WebSocket("/ws/echo")
        assert ws.url == f"{origin.replace('http', 'ws', 1)}/ws/echo"
        await event(ws, "open")
        await closed(ws)
        async with connect("/ws/echo?token=x") as connection:
            await connection.send("x")
        for bad in ("ws/echo?SECRET", "?SECRET"):
            with raises(DOMSyntaxError, match="does not know its page's URL") as caught:
                WebSocket(bad)
            assert "SECRET" not in str(caught.value)
    finally:
        js.Reflect.deleteProperty(js.globalThis, "location")
    with raises(ConnectionClosedOK):
        await connection.recv()


def test_relative_urls_in_a_worker_that_was_made_from_a_blob(
    runtime: Runtime, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["pyodide_place"] != "worker":
        pytest.skip("a page knows its address")
    runtime.call(relative_urls)
