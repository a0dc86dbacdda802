"""How a connection ends: by this side, by the server, or by neither."""

from __future__ import annotations

from collections.abc import Callable

from readystate import CloseEvent, WebSocket
from readystate_server.testing.inpage import closed, event, journal, new_id, opened, url

from .case import Cases, Report, told_of

CASES = Cases()

OURS: dict[str, tuple[Callable[[WebSocket], None], int, str]] = {
    "close()": (lambda ws: ws.close(), 1005, ""),
    "close(1000)": (lambda ws: ws.close(1000), 1000, ""),
    'close(1000, "")': (lambda ws: ws.close(1000, ""), 1000, ""),
    'close(1000, "done")': (lambda ws: ws.close(1000, "done"), 1000, "done"),
    'close(3000, "é")': (lambda ws: ws.close(code=3000, reason="é"), 3000, "é"),
    "close(4999, 123 bytes)": (lambda ws: ws.close(4999, "x" * 123), 4999, "x" * 123),
    "close(1000, a lone surrogate)": (lambda ws: ws.close(1000, "a\ud800"), 1000, "a\ufffd"),
    "close(1000.5)": (lambda ws: ws.close(1000.5), 1000, ""),  # type: ignore[arg-type]
    'close(reason="")': (lambda ws: ws.close(reason=""), 1005, ""),
    'close(reason="done"), without a code': (lambda ws: ws.close(reason="done"), 1000, "done"),
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
async def ours(report: Report, end: Callable[[WebSocket], None], code: int, reason: str) -> None:
    id = new_id()
    ws = await opened(id=id)
    seen = told_of(ws, "error", "close")
    over = event(ws, "close")
    end(ws)
    assert ws.readyState == WebSocket.CLOSING
    close = await over
    report.saw(close.code, close.reason)
    assert ws.readyState == WebSocket.CLOSED
    # The server answers with the same frame.
    assert (close.code, close.wasClean) == (code, True)
    assert seen == ["close"]
    (connection,) = await journal(id, closed=1)
    assert connection["close"] == {"code": code, "reason": reason, "clean": True}


@CASES.each("the server closes with {}", THEIRS)
async def theirs(report: Report, code: int, reason: str) -> None:
    ws = WebSocket(url("/ws/close", code=code, reason=reason, after=1))
    await event(ws, "open")
    seen = told_of(ws, "error", "close")
    over = event(ws, "close")
    ws.send("now")
    close = await over
    assert isinstance(close, CloseEvent)
    known = {engine: [1006, "", False] for engine in UNKNOWN.get(code, ())}
    told = [close.code, close.reason, close.wasClean]
    report.expects([code, reason, True], told, **known)
    assert seen == (["close"] if close.wasClean else ["error", "close"])
    assert ws.readyState == WebSocket.CLOSED


@CASES.add("the server closes without a code")
async def no_code(report: Report) -> None:
    ws = WebSocket(url("/ws/close"))
    close = await event(ws, "close")
    assert (close.code, close.reason, close.wasClean) == (1005, "", True)
    assert repr(close) == "<CloseEvent 1005 '' wasClean=True>"


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
    seen = told_of(ws, "error", "close")
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
    seen = told_of(ws, "close")
    over = event(ws, "close")
    ws.close(3000, "first")
    ws.close(4000, "second")
    close = await over
    ws.close(4001, "third")
    assert (close.code, seen) == (3000, ["close"])
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
    seen = told_of(ws, "message")
    ws.send("x")
    close = await closed(ws)
    assert close.wasClean
    report.expects(0, len(seen), deno=1)
