"""What a connection is before it is open, and how it opens or fails to."""

from __future__ import annotations

import asyncio

from readystate import CloseEvent, Event, WebSocket
from readystate_server.testing.inpage import event, journal, new_id, opened, reported, until, url

from .case import Cases, Report, told_of
from .natives import JAVASCRIPT, native_event

CASES = Cases()

FAILURES = {
    "refused with 403": "/ws/refuse?status=403",
    "refused with 503": "/ws/refuse?status=503",
    "reset in the handshake": "/ws/drop?when=handshake",
    "answered with 404": "/nothing",
}
OTHER_PROTOCOLS = {
    "none of the protocols": ("", dict.fromkeys(("firefox", "webkitgtk", "deno"), "open")),
    "a protocol that was not offered": ("other", {"deno": "open"}),
}


@CASES.add("before it is open")
async def before_open(report: Report) -> None:
    ws = WebSocket(url("/ws/echo"), ["json", "text"])
    assert ws.readyState == WebSocket.CONNECTING
    assert (ws.bufferedAmount, ws.protocol, ws.extensions) == (0, "", "")
    assert ws.url == url("/ws/echo")
    assert (ws.onopen, ws.onmessage, ws.onerror, ws.onclose) == (None, None, None, None)
    assert repr(ws) == f"<WebSocket {url('/ws/echo')} CONNECTING>"


@CASES.add("binaryType begins as blob")
async def binary_type(report: Report) -> None:
    ws = WebSocket(url("/ws/echo"))
    assert ws.binaryType == "blob"
    ws.binaryType = "arraybuffer"
    assert ws.binaryType == "arraybuffer"
    ws.binaryType = "blob"
    assert ws.binaryType == "blob"


@CASES.add("binaryType set to nonsense")
async def binary_nonsense(report: Report) -> None:
    ws = WebSocket(url("/ws/echo"))
    ws.binaryType = "arraybuffer"
    ws.binaryType = "nonsense"  # type: ignore[assignment]
    report.expects("arraybuffer", ws.binaryType, node="blob")


@CASES.add("open")
async def open_event(report: Report) -> None:
    ws = WebSocket(url("/ws/echo"))
    happening = await event(ws, "open")
    assert type(happening) is Event
    assert (happening.type, happening.target) == ("open", ws)
    assert ws.readyState == WebSocket.OPEN
    assert ws.protocol == ""


@CASES.add("a URL with the scheme http")
async def http_url(report: Report) -> None:
    address = url("/ws/echo").replace("ws:", "http:")
    ws = WebSocket(address)
    assert ws.url == url("/ws/echo")
    await event(ws, "open")


@CASES.add("a js.URL", left_out=JAVASCRIPT)
async def url_object(report: Report) -> None:
    import js

    ws = WebSocket(js.URL.new(url("/ws/echo")))
    assert ws.url == url("/ws/echo")
    await event(ws, "open")


@CASES.add("the protocol that the server chooses")
async def chosen_protocol(report: Report) -> None:
    id = new_id()
    ws = await opened(protocols=("text", "json"), id=id, protocol="json")
    assert ws.protocol == "json"
    ws.close()
    (connection,) = await journal(id, closed=1)
    assert connection["offered"] == ["text", "json"]


@CASES.each("the server chooses {}", OTHER_PROTOCOLS)
async def other_protocol(report: Report, protocol: str, known: dict[str, str]) -> None:
    ws = WebSocket(f"{report.failing}/ws/echo?protocol={protocol}", ["json"])
    happenings = [event(ws, type) for type in ("open", "close")]
    done, _ = await asyncio.wait(happenings, return_when=asyncio.FIRST_COMPLETED)
    # Who lets this pass does not tell before the connection is open.
    report.expects("close", {happening.result().type for happening in done}.pop(), **known)


@CASES.each("{}", FAILURES)
async def fails(report: Report, path: str) -> None:
    ws = WebSocket(report.failing + path, ["json"])
    states: list[int] = []
    ws.onerror = lambda _: states.append(ws.readyState)
    seen = told_of(ws, "open", "message", "error", "close")
    close = await event(ws, "close")
    assert isinstance(close, CloseEvent)
    report.saw(*seen, close.code, close.wasClean)
    assert seen == ["error", "close"]
    assert (states, ws.readyState) == ([WebSocket.CLOSED], WebSocket.CLOSED)
    assert (close.code, close.reason, close.wasClean) == (1006, "", False)


@CASES.add("close() while CONNECTING")
async def closed_while_connecting(report: Report) -> None:
    ws = WebSocket(f"{report.failing}/ws/echo?delay=1")
    seen = told_of(ws, "open", "error", "close")
    over = event(ws, "close")
    ws.close()
    report.saw(ws.readyState)
    assert ws.readyState == WebSocket.CLOSING
    assert seen == []
    close = await over
    report.saw(*seen, close.code, close.wasClean)
    assert ws.readyState == WebSocket.CLOSED
    assert (close.code, close.reason, close.wasClean) == (1006, "", False)
    assert seen == ["error", "close"]


@CASES.add("an error event that a script makes ends nothing")
async def made_error(report: Report) -> None:
    ws = WebSocket(url("/ws/echo"))
    seen = told_of(ws, "error", "close")
    happening = event(ws, "open")
    ws.dispatchEvent(native_event("error"))
    assert ws.readyState == WebSocket.CONNECTING
    await happening
    assert ws.readyState == WebSocket.OPEN
    assert seen == ["error"]


@CASES.add("an exception in a handler stops nothing")
async def handler_raises(report: Report) -> None:
    async def fail_later(_: Event) -> None:
        raise LookupError

    def fail(_: Event) -> None:
        raise ValueError

    ws = WebSocket(url("/ws/echo", secret="token"), onopen=fail)
    ws.addEventListener("open", fail_later)
    await event(ws, "open")
    await until(lambda: len(reported) == 2)
    assert [type(told["exception"]) for told in reported] == [ValueError, LookupError]
    assert all("token" not in told["message"] for told in reported)
    reported.clear()
    echo = event(ws, "message")
    ws.send("goes on")
    assert (await echo).data == "goes on"


@CASES.add("listeners: once, a signal, and removed ones", left_out=JAVASCRIPT)
async def listeners(report: Report) -> None:
    import js

    ws = await opened()
    seen: list[str] = []
    controller = js.AbortController.new()

    def removed(_: Event) -> None:
        seen.append("removed")

    ws.addEventListener("message", lambda _: seen.append("always"))
    ws.addEventListener("message", lambda _: seen.append("once"), once=True)
    ws.addEventListener("message", lambda _: seen.append("signal"), signal=controller.signal)
    ws.addEventListener("message", removed)
    ws.removeEventListener("message", removed)
    for _ in range(2):
        echo = event(ws, "message")
        ws.send("x")
        await echo
        controller.abort()
    assert seen == ["always", "once", "signal", "always"]
