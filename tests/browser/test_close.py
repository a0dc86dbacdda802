"""https://websockets.spec.whatwg.org/#dom-websocket-close

How connections end, and what ``close()`` throws, tests/engines/cases shows in all engines. Here is
what stands between it and the native call, and what has come when it is called.
"""

from __future__ import annotations

from typing import Any

from readystate import DOMSyntaxError, MessageEvent, WebSocket
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
async def test_a_reason_is_text_of_at_most_123_bytes() -> None:
    for reason in ("é" * 61, "😀" * 30):
        assert await received_close(3000, reason) == (3000, reason)
    ws = await opened()
    with raises(DOMSyntaxError):
        ws.close(1000, "😀" * 31)
    with raises(TypeError, match="reason .*bytes"):
        ws.close(1000, b"bytes")  # type: ignore[arg-type]
    assert ws.readyState == WebSocket.OPEN


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
