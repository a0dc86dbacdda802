"""Each thing at which the native API throws."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from readystate import (
    DOMException,
    DOMSyntaxError,
    InvalidAccessError,
    InvalidStateError,
    WebSocket,
)
from readystate_server.testing.inpage import event, journal, new_id, opened, raises, url

from .case import Cases, Report
from .natives import JAVASCRIPT, native_blob, native_event

CASES = Cases()

CLOSE_CODES = (0, 1, 999) + tuple(range(1001, 1017)) + (2999, 5000, 65535, 65536 + 1000, -1)  # noqa: RUF005 - MicroPython
BAD_URLS = {
    "a URL with a fragment": "ws://127.0.0.1/#fragment",
    "a URL with an empty fragment": "ws://127.0.0.1/#",
    "a URL without a host": "ws://",
    "a URL with an impossible port": "ws://127.0.0.1:99999/",
    "a URL with half an IPv6 address": "ws://[",
    "a URL with the scheme ftp": "ftp://127.0.0.1/",
    "a URL with the scheme about": "about:blank",
}
BAD_PROTOCOLS: dict[str, str | list[str]] = {
    "a protocol with a space": "a b",
    "a protocol given twice": ["a", "a"],
    "an empty protocol": "",
    "an empty protocol among others": ["a", ""],
    "a protocol with a letter beyond ASCII": "é",
    "a protocol with a separator": "a,b",
    "a protocol with a control character": "a\x7f",
}
EARLY: dict[str, Callable[[], Any]] = {
    "text": lambda: "x",
    "bytes": lambda: b"x",
    "a large message": lambda: bytes(2**20),
    "a Blob": lambda: native_blob("x"),
}
LONG = "x" * 124
# Of a code and a reason the code is looked at first.
CLOSES: dict[str, tuple[type[DOMException], tuple[Any, ...]]] = {
    "close(999, a reason)": (InvalidAccessError, (999, "reason")),
    "close(999, 124 bytes)": (InvalidAccessError, (999, LONG)),
    "close(1000, 124 bytes)": (DOMSyntaxError, (1000, LONG)),
    "close(1000, 62 letters of two bytes)": (DOMSyntaxError, (1000, "é" * 62)),
    "close(reason=124 bytes), without a code": (DOMSyntaxError, (None, LONG)),
}
IN_EVERY_STATE = ("close(999)", "close(1001)", "close(1000, 124 bytes)")
for code in CLOSE_CODES:
    CLOSES[f"close({code})"] = (InvalidAccessError, (code,))


@CASES.each("send({}) while CONNECTING", EARLY)
async def send_early(report: Report, make: Callable[[], Any]) -> None:
    id = new_id()
    ws = WebSocket(url("/ws/echo", id=id))
    assert ws.readyState == WebSocket.CONNECTING
    data = make()
    report.throws(InvalidStateError, lambda: ws.send(data))
    assert ws.bufferedAmount == 0
    # It has left nothing behind.
    await event(ws, "open")
    ws.close()
    (connection,) = await journal(id, closed=1)
    assert connection["messages"] == []


@CASES.add("send() of what is neither text nor binary")
async def send_nonsense(report: Report) -> None:
    ws = await opened()
    for nonsense in (None, 5, {"a": 1}, ["a"]):
        with raises(TypeError, match=type(nonsense).__name__):
            ws.send(nonsense)  # type: ignore[arg-type]


@CASES.each("{}", CLOSES)
async def bad_close(report: Report, kind: type[DOMException], arguments: tuple[Any, ...]) -> None:
    id = new_id()
    ws = await opened(id=id)
    report.throws(kind, lambda: ws.close(*arguments))
    assert ws.readyState == WebSocket.OPEN
    # It has sent nothing either.
    ws.close()
    (connection,) = await journal(id, closed=1)
    assert connection["close"]["code"] == 1005


@CASES.each("{} in every state", {title: CLOSES[title] for title in IN_EVERY_STATE})
async def bad_close_in_every_state(
    report: Report, kind: type[DOMException], arguments: tuple[Any, ...]
) -> None:
    ws = WebSocket(url("/ws/echo"))
    assert ws.readyState == WebSocket.CONNECTING
    report.throws(kind, lambda: ws.close(*arguments))
    assert ws.readyState == WebSocket.CONNECTING
    await event(ws, "open")
    over = event(ws, "close")
    ws.close()
    assert ws.readyState == WebSocket.CLOSING
    report.throws(kind, lambda: ws.close(*arguments))
    await over
    report.throws(kind, lambda: ws.close(*arguments))
    assert ws.readyState == WebSocket.CLOSED


@CASES.add("close(what is no number)")
async def code_that_is_no_number(report: Report) -> None:
    ws = await opened()
    codes: list[Any] = ["abc", float("nan"), float("inf"), True, []]
    if sys.platform == "emscripten":
        import pyodide.ffi

        # Pyodide before 0.28 has none: JavaScript's null is None there.
        codes += [pyodide.ffi.jsnull] if hasattr(pyodide.ffi, "jsnull") else []
    for code in codes:
        report.throws(InvalidAccessError, partial(ws.close, code))
    with raises(TypeError, match="reason .*bytes"):
        ws.close(1000, b"bytes")  # type: ignore[arg-type]
    assert ws.readyState == WebSocket.OPEN


@CASES.add("close(2**70)")
async def code_that_is_a_bigint(report: Report) -> None:
    # It crosses as a BigInt, of which Web IDL makes no number.
    ws = await opened()
    with raises(TypeError, InvalidAccessError) as caught:
        ws.close(2**70)
    known = dict.fromkeys(("node", "cpython", "mpy"), "InvalidAccessError")
    report.expects("TypeError", type(caught.value).__name__, **known)
    assert ws.readyState == WebSocket.OPEN


@CASES.each("{}", BAD_URLS)
async def bad_url(report: Report, bad: str) -> None:
    report.throws(DOMSyntaxError, lambda: WebSocket(bad))


@CASES.each("{}", BAD_PROTOCOLS)
async def bad_protocols(report: Report, bad: str | list[str]) -> None:
    report.throws(DOMSyntaxError, lambda: WebSocket("ws://127.0.0.1/", bad))


@CASES.add("protocols that differ in capital letters only")
async def nearly_repeated_protocol(report: Report) -> None:
    thrown = "nothing"
    try:
        WebSocket(url("/ws/echo"), ["a", "A"])
    except DOMSyntaxError as error:
        thrown = error.name
    report.expects("nothing", thrown, node="SyntaxError", bun="SyntaxError", deno="SyntaxError")


@CASES.add("a URL that is relative")
async def relative_url(report: Report) -> None:
    if report.engine.split("-")[-1] in ("chromium", "firefox", "webkitgtk"):
        ws = WebSocket("/ws/echo")
        assert ws.url == url("/ws/echo")
        await event(ws, "open")
    else:
        # There is nothing that it could be relative to.
        report.throws(DOMSyntaxError, lambda: WebSocket("/ws/echo"))


@CASES.add("a URL that cannot become a string", left_out=JAVASCRIPT)
async def url_that_is_a_symbol(report: Report) -> None:
    import js

    report.throws(TypeError, lambda: WebSocket(js.Symbol.iterator))


@CASES.add("dispatchEvent() of what is no event")
async def dispatch_nonsense(report: Report) -> None:
    ws = await opened()
    report.throws(TypeError, lambda: ws.dispatchEvent(native_blob("")))


@CASES.add("dispatchEvent() of an event that is being dispatched")
async def dispatch_again(report: Report) -> None:
    ws = await opened()
    outcomes: list[str] = []

    def again(happening: Any) -> None:
        report.throws(InvalidStateError, lambda: ws.dispatchEvent(happening))
        outcomes.append("threw")

    ws.onmessage = again
    ws.dispatchEvent(native_event("message"))
    assert outcomes == ["threw"]
