"""https://websockets.spec.whatwg.org/#dom-websocket-close"""

from __future__ import annotations

import pytest

from readystate import DOMSyntaxError, InvalidAccessError, MessageEvent, WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import event, journal, new_id, opened, raises, url


async def received_close(*arguments: object, **keywords: object) -> dict[str, object]:
    """What the server received as close frame after ``close(*arguments, **keywords)``."""
    id = new_id()
    ws = await opened(id=id)
    ws.close(*arguments, **keywords)  # type: ignore[arg-type]
    (connection,) = await journal(id, closed=1)
    close: dict[str, object] = connection["close"]
    return close


@in_browser
async def test_the_arguments_reach_the_native_call_as_given() -> None:
    assert await received_close() == {"code": 1005, "reason": "", "clean": True}
    assert await received_close(1000) == {"code": 1000, "reason": "", "clean": True}
    assert await received_close(1000, "") == {"code": 1000, "reason": "", "clean": True}
    assert await received_close(1000, "done") == {"code": 1000, "reason": "done", "clean": True}
    assert await received_close(code=3001) == {"code": 3001, "reason": "", "clean": True}
    assert await received_close(code=4999, reason="é") == {
        "code": 4999,
        "reason": "é",
        "clean": True,
    }
    assert await received_close(None) == {"code": 1005, "reason": "", "clean": True}


@in_browser
async def test_a_reason_without_a_code_goes_with_1000() -> None:
    """As the standard has it. Chromium takes the missing code for 0, which is not allowed."""
    ws = await opened()
    with raises(DOMSyntaxError):
        ws.close(reason="x" * 124)
    assert ws.readyState == WebSocket.OPEN
    assert await received_close(reason="why") == {"code": 1000, "reason": "why", "clean": True}
    assert await received_close(reason="") == {"code": 1005, "reason": "", "clean": True}
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


@pytest.mark.parametrize(
    "code", [0, 1, 500, 999, 1001, 1005, 1006, 1015, 2999, 5000, 65535, 65536 + 1000, -1, True]
)
@in_browser
async def test_a_code_that_is_not_allowed_is_an_invalid_access_error(code: int) -> None:
    ws = await opened()
    for arguments in ((code,), (code, "reason")):
        with raises(InvalidAccessError) as caught:
            ws.close(*arguments)
        assert (caught.value.name, caught.value.code) == ("InvalidAccessError", 15)
    assert ws.readyState == WebSocket.OPEN


@in_browser
async def test_a_code_that_is_no_number_is_not_allowed_either() -> None:
    from pyodide.ffi import jsnull

    ws = await opened()
    for bad in ("abc", jsnull, float("nan")):
        with raises(InvalidAccessError):
            ws.close(bad)  # type: ignore[arg-type]
    with raises(TypeError):
        ws.close(2**70)
    assert ws.readyState == WebSocket.OPEN


@in_browser
async def test_a_bad_code_raises_in_every_state() -> None:
    ws = WebSocket(url("/ws/echo", delay=0.05))
    with raises(InvalidAccessError):
        ws.close(0)
    assert ws.readyState == WebSocket.CONNECTING
    await event(ws, "open")
    future = event(ws, "close")
    ws.close()
    with raises(InvalidAccessError):
        ws.close(0)
    await future
    with raises(InvalidAccessError):
        ws.close(0)


@pytest.mark.parametrize("reason", ["", "x" * 123, "é" * 61, "😀" * 30])
@in_browser
async def test_a_reason_has_at_most_123_bytes(reason: str) -> None:
    assert await received_close(3000, reason) == {"code": 3000, "reason": reason, "clean": True}


@pytest.mark.parametrize("reason", ["x" * 124, "é" * 62, "😀" * 31])
@in_browser
async def test_a_longer_reason_is_a_syntax_error(reason: str) -> None:
    ws = await opened()
    with raises(DOMSyntaxError) as caught:
        ws.close(1000, reason)
    assert (caught.value.name, caught.value.code) == ("SyntaxError", 12)
    assert ws.readyState == WebSocket.OPEN


@in_browser
async def test_lone_surrogates_in_a_reason_are_replaced() -> None:
    close = await received_close(1000, "a\ud800")
    assert close["reason"] == "a\ufffd"


@pytest.mark.parametrize("reason", [b"bytes", 5, ["list"]])
@in_browser
async def test_a_reason_of_another_type_is_a_type_error(reason: object) -> None:
    ws = await opened()
    with raises(TypeError, match=f"reason .*{type(reason).__name__}"):
        ws.close(1000, reason)  # type: ignore[arg-type]
    assert ws.readyState == WebSocket.OPEN


@in_browser
async def test_closing_goes_through_the_states() -> None:
    ws = await opened()
    states = [ws.readyState]
    future = event(ws, "close")
    ws.close()
    states.append(ws.readyState)
    await future
    states.append(ws.readyState)
    assert states == [WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED]


@in_browser
async def test_while_connecting_it_fails_the_connection() -> None:
    ws = WebSocket(url("/ws/echo", delay=5))
    seen: list[str] = []
    for type in ("open", "error", "close"):
        ws.addEventListener(type, lambda event: seen.append(event.type))
    ws.close()
    assert ws.readyState == WebSocket.CLOSING
    future = event(ws, "close")
    ws.close()
    assert ws.readyState == WebSocket.CLOSING
    close = await future
    assert (close.code, close.reason, close.wasClean) == (1006, "", False)
    assert seen == ["error", "close"]


@in_browser
async def test_closing_twice_does_nothing_more() -> None:
    id = new_id()
    ws = await opened(id=id)
    seen: list[int] = []
    ws.onclose = lambda event: seen.append(event.code)
    future = event(ws, "close")
    ws.close(3000, "first")
    ws.close(4000, "second")
    await future
    ws.close(4001, "third")
    assert ws.readyState == WebSocket.CLOSED
    (connection,) = await journal(id, closed=1)
    assert connection["close"] == {"code": 3000, "reason": "first", "clean": True}
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1000, ""),
        (1000, "done"),
        (1001, "away"),
        (1008, "é"),
        (1011, ""),
        (1012, "x"),
        (4999, "😀"),
    ],
)
@in_browser
async def test_the_servers_code_and_reason_arrive(code: int, reason: str) -> None:
    ws = WebSocket(url("/ws/close", code=code, reason=reason))
    close = await event(ws, "close")
    assert (close.code, close.reason, close.wasClean) == (code, reason, True)


@in_browser
async def test_a_close_frame_without_a_body_is_1005() -> None:
    ws = WebSocket(url("/ws/close"))
    close = await event(ws, "close")
    assert (close.code, close.reason, close.wasClean) == (1005, "", True)


@in_browser
async def test_a_lost_connection_is_1006() -> None:
    ws = await opened("/ws/drop", after=1)
    seen: list[str] = []
    for type in ("error", "close"):
        ws.addEventListener(type, lambda event: seen.append(event.type))
    future = event(ws, "close")
    ws.send("last words")
    close = await future
    assert (close.code, close.reason, close.wasClean) == (1006, "", False)
    assert seen[-1] == "close"


@pytest.mark.parametrize(
    "path",
    ["/ws/refuse?status=403", "/ws/refuse?status=503", "/ws/drop?when=handshake", "/nothing"],
)
@in_browser
async def test_a_failed_handshake_is_an_error_and_a_close(path: str) -> None:
    ws = WebSocket(url(path))
    seen: list[str] = []
    for type in ("open", "message", "error", "close"):
        ws.addEventListener(type, lambda event: seen.append(f"{event.type} {ws.readyState}"))
    close = await event(ws, "close")
    assert seen == ["error 3", "close 3"]
    assert (close.code, close.reason, close.wasClean) == (1006, "", False)


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


@in_browser
async def test_all_that_was_sent_before_close_arrives() -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    for _ in range(1000):
        ws.send("x" * 1000)
    ws.close()
    (connection,) = await journal(id, closed=1, timeout=20)
    assert (connection["count"], connection["bytes"]) == (1000, 1_000_000)
