"""How a connection ends: by this side, by the server, or by neither."""

from __future__ import annotations

from typing import Any

from readystate import CloseEvent, WebSocket
from readystate_server.testing.inpage import closed, event, journal, new_id, opened, url

from .case import Cases, Report

CASES = Cases()

OURS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "close()": ((), {"code": 1005, "reason": ""}),
    "close(1000)": ((1000,), {"code": 1000, "reason": ""}),
    'close(1000, "")': ((1000, ""), {"code": 1000, "reason": ""}),
    'close(1000, "done")': ((1000, "done"), {"code": 1000, "reason": "done"}),
    'close(3000, "é")': ((3000, "é"), {"code": 3000, "reason": "é"}),
    "close(4999, 123 bytes)": ((4999, "x" * 123), {"code": 4999, "reason": "x" * 123}),
    "close(1000, a lone surrogate)": ((1000, "a\ud800"), {"code": 1000, "reason": "a\ufffd"}),
    "close(1000.5)": ((1000.5,), {"code": 1000, "reason": ""}),
    'close(reason="")': ((None, ""), {"code": 1005, "reason": ""}),
    'close(reason="done"), without a code': ((None, "done"), {"code": 1000, "reason": "done"}),
}
THEIRS = {
    "1000 ''": (1000, ""),
    "1000 'done'": (1000, "done"),
    "1001 'away'": (1001, "away"),
    "1008 'é'": (1008, "é"),
    "1011 ''": (1011, ""),
    "1012 'restart'": (1012, "restart"),
    "1014 ''": (1014, ""),
    "3000 'xxxxxxxxxx…'": (3000, "x" * 123),
    "4999 '😀'": (4999, "😀"),
}
UNKNOWN = {1012: ("webkitgtk",), 1014: ("webkitgtk", "deno")}
"""Codes that came after the protocol, and what takes them for an error."""
FORBIDDEN_FRAMES = (0, 999, 1005, 1006, 1015, 65535)


@CASES.each("{} by this side", OURS)
async def ours(report: Report, arguments: tuple[Any, ...], received: dict[str, Any]) -> None:
    id = new_id()
    ws = await opened(id=id)
    seen: list[str] = []
    for type in ("error", "close"):
        ws.addEventListener(type, lambda event: seen.append(event.type))
    over = event(ws, "close")
    ws.close(*arguments)
    assert ws.readyState == WebSocket.CLOSING
    close = await over
    report.saw(close.code, close.reason)
    assert ws.readyState == WebSocket.CLOSED
    # The server answers with the same frame.
    assert (close.code, close.wasClean) == (received["code"], True)
    assert seen == ["close"]
    (connection,) = await journal(id, closed=1)
    assert connection["close"] == dict(received, clean=True)


@CASES.each("the server closes with {}", THEIRS)
async def theirs(report: Report, code: int, reason: str) -> None:
    ws = WebSocket(url("/ws/close", code=code, reason=reason, after=1))
    await event(ws, "open")
    seen: list[tuple[str, int]] = []
    for type in ("error", "close"):
        ws.addEventListener(type, lambda event: seen.append((event.type, ws.readyState)))
    over = event(ws, "close")
    ws.send("now")
    close = await over
    assert isinstance(close, CloseEvent)
    known = {engine: [1006, "", False] for engine in UNKNOWN.get(code, ())}
    told = [close.code, close.reason, close.wasClean]
    report.expects([code, reason, True], told, **known)
    assert seen[-1] == ("close", WebSocket.CLOSED)
    assert len(seen) == (1 if close.wasClean else 2)


@CASES.add("the server closes without a code")
async def no_code(report: Report) -> None:
    ws = WebSocket(url("/ws/close"))
    close = await event(ws, "close")
    assert (close.code, close.reason, close.wasClean) == (1005, "", True)


@CASES.each("the server closes with {}, which nobody may send", FORBIDDEN_FRAMES)
async def forbidden(report: Report, code: int) -> None:
    ws = WebSocket(f"{report.failing}/ws/close?code={code}&after=1")
    await event(ws, "open")
    over = event(ws, "close")
    ws.send("now")
    close = await over
    assert ws.readyState == WebSocket.CLOSED
    # Browsers take more of them, as they are.
    seen = [close.code, close.wasClean]
    report.expects([1006, False], seen, firefox=[code, True], chromium=[code, True])


@CASES.add("the server's TCP is reset")
async def lost(report: Report) -> None:
    ws = WebSocket(f"{report.failing}/ws/drop?after=1")
    await event(ws, "open")
    seen: list[str] = []
    for type in ("error", "close"):
        ws.addEventListener(type, lambda event: seen.append(event.type))
    over = event(ws, "close")
    ws.send("last words")
    close = await over
    report.saw(*seen, close.code, close.wasClean)
    assert ws.readyState == WebSocket.CLOSED
    assert (close.code, close.reason, close.wasClean) == (1006, "", False)
    # The standard leaves open whether this is a failure.
    assert seen in (["error", "close"], ["close"])


@CASES.add("a second close() changes nothing")
async def twice(report: Report) -> None:
    id = new_id()
    ws = await opened(id=id)
    ends: list[int] = []
    ws.onclose = lambda event: ends.append(event.code)
    over = event(ws, "close")
    ws.close(3000, "first")
    ws.close(4000, "second")
    close = await over
    ws.close(4001, "third")
    assert (close.code, ends) == (3000, [3000])
    (connection,) = await journal(id, closed=1)
    assert connection["close"] == {"code": 3000, "reason": "first", "clean": True}


@CASES.add("what was sent before close() arrives")
async def sent_before_close(report: Report) -> None:
    id = new_id()
    ws = await opened("/ws/sink", id=id, ack=0)
    for number in range(100):
        ws.send(f"{number} {'x' * 1000}")
    await closed(ws, 1000)
    (connection,) = await journal(id, closed=1)
    assert connection["count"] == 100


@CASES.add("what arrives after close() is not received any more")
async def received_after_close(report: Report) -> None:
    ws = await opened()
    seen: list[object] = []
    ws.onmessage = lambda event: seen.append(event.data)
    ws.send("x")
    close = await closed(ws)
    assert close.wasClean
    report.expects(0, len(seen), deno=1)
