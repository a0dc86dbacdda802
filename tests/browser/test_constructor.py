"""https://websockets.spec.whatwg.org/#dom-websocket-websocket"""

from __future__ import annotations

import pytest

from readystate import DOMSyntaxError, Event, WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import all_delivered, closed, event, opened, raises, url


@in_browser
async def test_the_object_is_there_before_the_connection() -> None:
    ws = WebSocket(url("/ws/echo"))
    assert ws.readyState == WebSocket.CONNECTING == 0
    assert ws.url == url("/ws/echo")
    assert ws.bufferedAmount == 0
    assert ws.protocol == ws.extensions == ""
    assert ws.binaryType == "blob"
    assert (ws.onopen, ws.onmessage, ws.onerror, ws.onclose) == (None, None, None, None)
    await closed(ws)


@in_browser
async def test_the_constants_are_on_class_and_instance() -> None:
    ws = await opened()
    for owner in (WebSocket, ws):
        assert (owner.CONNECTING, owner.OPEN, owner.CLOSING, owner.CLOSED) == (0, 1, 2, 3)


@in_browser
async def test_a_misspelt_attribute_is_an_error() -> None:
    ws = await opened()
    with raises(AttributeError, match="onmesage"):
        ws.onmesage = print  # type: ignore[attr-defined]


@in_browser
async def test_the_native_object_can_be_reached() -> None:
    ws = await opened()
    assert ws.js_websocket.readyState == 1
    assert ws.js_websocket.constructor.name == "WebSocket"


@in_browser
async def test_the_url_may_be_a_js_url() -> None:
    import js

    ws = WebSocket(js.URL.new(url("/ws/echo", id="a b")))
    assert ws.url == url("/ws/echo", id="a b")
    await event(ws, "open")


@in_browser
async def test_the_url_is_resolved_and_serialized() -> None:
    import js

    host = js.location.host
    for given, resolved in (
        (f"ws://{host}", f"ws://{host}/"),
        (f"ws://{host}/a/../ws/echo?x=é y", f"ws://{host}/ws/echo?x=%C3%A9%20y"),
        ("ws://EXAMPLE.invalid:80/", "ws://example.invalid/"),
        ("wss://example.invalid:443/", "wss://example.invalid/"),
        ("ws://example.invalid:8080/", "ws://example.invalid:8080/"),
        (f"http://{host}/ws/echo", f"ws://{host}/ws/echo"),
        ("https://example.invalid/x", "wss://example.invalid/x"),
        ("/ws/echo", f"ws://{host}/ws/echo"),
    ):
        ws = WebSocket(given)
        assert ws.url == resolved, given
        ws.close()


@pytest.mark.parametrize(
    "bad",
    [
        "ws://host/#fragment",
        "ws://host/#",
        "ws://",
        "ftp://host/",
        "mailto:somebody@host",
        "about:blank",
        "ws://host:99999/",
        "wss://[::1/",
    ],
)
@in_browser
async def test_a_bad_url_is_a_syntax_error(bad: str) -> None:
    with raises(DOMSyntaxError) as caught:
        WebSocket(bad)
    assert (caught.value.name, caught.value.code) == ("SyntaxError", 12)


@pytest.mark.parametrize("bad", [None, b"ws://host/", 5, ["ws://host/"]])
@in_browser
async def test_a_url_of_another_type_is_a_type_error(bad: object) -> None:
    with raises(TypeError, match=f"url .*{type(bad).__name__}"):
        WebSocket(bad)


@in_browser
async def test_a_url_is_needed() -> None:
    with raises(TypeError):
        WebSocket()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("given", "offered"),
    [
        (None, []),
        ([], []),
        ("json", ["json"]),
        (["json"], ["json"]),
        (("json", "msgpack"), ["json", "msgpack"]),
        (["JSON", "json"], ["JSON", "json"]),
    ],
)
@in_browser
async def test_protocols_are_offered_in_order(given: object, offered: list[str]) -> None:
    from readystate_server.testing.inpage import journal, new_id

    id = new_id()
    ws = await opened("/ws/echo", given, id=id)
    assert ws.protocol == (offered[0] if offered else "")
    (connection,) = await journal(id)
    assert connection["offered"] == offered


@in_browser
async def test_any_iterable_of_protocols_will_do() -> None:
    import js

    ws = await opened("/ws/echo", (name for name in ("a", "b")))
    assert ws.protocol == "a"
    ws = await opened("/ws/echo", js.Array.of("c", "d"))
    assert ws.protocol == "c"


@in_browser
async def test_the_server_chooses_the_protocol() -> None:
    ws = await opened("/ws/echo", ["a", "b", "c"], protocol="b")
    assert ws.protocol == "b"


@in_browser
async def test_a_protocol_that_was_not_offered_fails_the_connection() -> None:
    ws = WebSocket(url("/ws/echo", protocol="other"), "json")
    close = await event(ws, "close")
    assert (close.code, close.wasClean) == (1006, False)


@in_browser
async def test_the_server_must_choose_if_protocols_are_offered(browser_name: str) -> None:
    """By the standard the connection fails; Firefox opens it all the same, without a protocol."""
    ws = WebSocket(url("/ws/echo", protocol=""), ["json"])
    type = "open" if browser_name == "firefox" else "close"
    assert (await event(ws, type)).type == type
    assert ws.protocol == ""


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "a b",
        "a,b",
        "a/b",
        "é",
        "a\x7f",
        ["json", "json"],
        ["json", ""],
        ["json", "a b"],
        ["\n"],
    ],
)
@in_browser
async def test_a_bad_protocol_is_a_syntax_error(bad: str | list[str]) -> None:
    with raises(DOMSyntaxError) as caught:
        WebSocket(url("/ws/echo"), bad)
    assert (caught.value.name, caught.value.code) == ("SyntaxError", 12)


@pytest.mark.parametrize("bad", [5, [b"json"], [None], b"json"])
@in_browser
async def test_protocols_of_another_type_are_a_type_error(bad: object) -> None:
    with raises(TypeError, match="protocol"):
        WebSocket(url("/ws/echo"), bad)  # type: ignore[arg-type]


@in_browser
async def test_handlers_may_be_given_as_keywords() -> None:
    """As pyscript.WebSocket takes them, the url and protocols by their names too."""
    seen: list[object] = []

    def on_open(event: Event) -> None:
        seen.append(event.type)
        event.target.send("x")

    ws = WebSocket(
        url=url("/ws/close", after=1, code=4000),
        protocols=["json"],
        onopen=on_open,
        onmessage=lambda event: seen.append(event.data),
        onerror=lambda event: seen.append(event.type),
        onclose=lambda event: seen.append(event.code),
    )
    await event(ws, "close")
    assert seen == ["open", "x", 4000]
    with raises(TypeError, match="onopened"):
        WebSocket(url("/ws/echo"), onopened=print)  # type: ignore[call-arg]


@in_browser
async def test_extensions_are_those_in_use() -> None:
    assert (await opened()).extensions == ""
    assert "permessage-deflate" in (await opened(compress=1)).extensions


@in_browser
async def test_what_repr_shows() -> None:
    ws = WebSocket(url("/ws/echo", token="secret"))
    assert repr(ws) == f"<WebSocket {url('/ws/echo')} CONNECTING>"
    close = await closed(ws)
    assert repr(ws) == f"<WebSocket {url('/ws/echo')} CLOSED>"
    assert repr(close) == "<CloseEvent 1006 '' wasClean=False>"
    await all_delivered(ws)
