"""https://websockets.spec.whatwg.org/#dom-websocket-close

How connections end, and what ``close()`` throws, tests/engines/cases shows in all engines. Here is
what stands between it and the native call, and what takes the browser's own batches.
"""

from __future__ import annotations

from typing import Any

from readystate import DOMSyntaxError, InvalidAccessError, MessageEvent, WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import event, journal, new_id, opened, raises, url


async def received_close(*arguments: Any, **keywords: Any) -> tuple[int, str]:
    """The code and the reason that the server received after ``close(*arguments, **keywords)``."""
    id = new_id()
    ws = await opened(id=id)
    ws.close(*arguments, **keywords)
    (connection,) = await journal(id, closed=1)
    assert connection["close"]["clean"]
    return connection["close"]["code"], connection["close"]["reason"]


@in_browser
async def test_the_arguments_may_be_named() -> None:
    assert await received_close(code=3001) == (3001, "")
    assert await received_close(code=4999, reason="é") == (4999, "é")
    assert await received_close(None) == (1005, "")


@in_browser
async def test_a_reason_has_at_most_123_bytes() -> None:
    for reason in ("é" * 61, "😀" * 30):
        assert await received_close(3000, reason) == (3000, reason)
    ws = await opened()
    with raises(DOMSyntaxError) as caught:
        ws.close(1000, "😀" * 31)
    assert (caught.value.name, caught.value.code) == ("SyntaxError", 12)
    with raises(TypeError, match="reason .*bytes"):
        ws.close(1000, b"bytes")  # type: ignore[arg-type]
    assert ws.readyState == WebSocket.OPEN


@in_browser
async def test_a_reason_without_a_code_goes_with_1000() -> None:
    """As the standard has it. Chromium takes the missing code for 0, which is not allowed."""
    ws = await opened()
    calls: list[tuple[object, ...]] = []

    class Native:
        readyState = WebSocket.OPEN  # noqa: N815

        def close(self, *arguments: object) -> None:
            calls.append(arguments)

    native = ws.js_websocket
    try:
        ws.js_websocket = Native()
        ws.close(reason="why")
        ws.close()
        ws.close(1000)
        ws.close(1000, "")
    finally:
        ws.js_websocket = native
    assert calls == [(1000, "why"), (), (1000,), (1000, "")]


@in_browser
async def test_a_bad_code_is_refused_by_the_package_if_the_native_call_takes_it() -> None:
    """As Bun takes some. The engine's words are not about the code then, and are not shown."""
    from pyodide.ffi import JsException

    ws = await opened()
    calls: list[tuple[object, ...]] = []

    class Native:
        readyState = WebSocket.OPEN  # noqa: N815

        def close(self, code: int, reason: str) -> None:
            calls.append((code, len(reason)))
            native.close(1000, reason)  # throws SyntaxError

    native = ws.js_websocket
    try:
        ws.js_websocket = Native()
        with raises(InvalidAccessError, match="1001 is neither 1000 nor") as caught:
            ws.close(1001)
    finally:
        ws.js_websocket = native
    assert caught.value.js_error is None
    assert not isinstance(caught.value.__cause__, JsException)
    assert calls == [(1001, 124)]
    assert ws.readyState == WebSocket.OPEN


@in_browser
async def test_a_second_close_while_connecting_changes_nothing() -> None:
    ws = WebSocket(url("/ws/echo", delay=5))
    over = event(ws, "close")
    for _ in range(2):
        ws.close()
        assert ws.readyState == WebSocket.CLOSING
    assert (await over).code == 1006


@in_browser
async def test_no_message_is_delivered_after_close() -> None:
    """Not even one that is there already: the state is not OPEN any more."""
    ws = WebSocket(url("/ws/flood", count=1000))
    seen: list[object] = []

    def close_at_once(event: MessageEvent) -> None:
        seen.append(event.data)
        ws.close()

    ws.onmessage = close_at_once
    await event(ws, "close")
    assert len(seen) == 1
