"""https://websockets.spec.whatwg.org/#dom-websocket-websocket

What it throws, and how connections open, tests/engines/cases shows in all engines. Here is what
becomes of the arguments on their way into a browser.
"""

from __future__ import annotations

from readystate import Event, WebSocket
from readystate_server.testing import in_browser
from readystate_server.testing.inpage import (
    all_delivered,
    closed,
    event,
    journal,
    new_id,
    opened,
    raises,
    url,
)


@in_browser
async def test_the_native_object_can_be_reached_and_no_other_attribute_is_there() -> None:
    ws = await opened()
    with raises(AttributeError, match="onmesage"):
        ws.onmesage = print  # type: ignore[attr-defined]
    assert ws.js_websocket.readyState == 1
    assert ws.js_websocket.constructor.name == "WebSocket"


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
        (js.URL.new(url("/ws/echo", id="a b")), url("/ws/echo", id="a b")),
    ):
        ws = WebSocket(given)
        assert ws.url == resolved, given
        ws.close()


@in_browser
async def test_arguments_of_another_type_are_a_type_error() -> None:
    for bad in (None, b"ws://host/", 5, ["ws://host/"]):
        with raises(TypeError, match=f"url .*{type(bad).__name__}"):
            WebSocket(bad)
    for protocols in (5, [b"json"], [None], b"json"):
        with raises(TypeError, match="protocol"):
            WebSocket(url("/ws/echo"), protocols)  # type: ignore[arg-type]
    with raises(TypeError):
        WebSocket()  # type: ignore[call-arg]
    with raises(TypeError, match="onopened"):
        WebSocket(url("/ws/echo"), onopened=print)  # type: ignore[call-arg]


@in_browser
async def test_protocols_are_offered_in_order() -> None:
    import js

    for given, offered in (
        (None, []),
        ([], []),
        ("json", ["json"]),
        (("json", "msgpack"), ["json", "msgpack"]),
        (["JSON", "json"], ["JSON", "json"]),
        ((name for name in ("a", "b")), ["a", "b"]),
        (js.Array.of("c", "d"), ["c", "d"]),
    ):
        id = new_id()
        ws = await opened("/ws/echo", given, id=id)
        assert ws.protocol == (offered[0] if offered else "")
        (connection,) = await journal(id)
        assert connection["offered"] == offered


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
